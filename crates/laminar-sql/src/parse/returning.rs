//! `RETURNING …`: a query over the rows that a statement has written or deleted.

use laminar_core::Result;

use super::change::items;
use super::changed_rows::returning_query;
use super::query;
use super::statement::{Name, StreamQuery};
use super::tokens::Cursor;

/// Reads the clause if it comes next; the rows are those of the table as the statement calls it.
pub(super) fn clause(cursor: &mut Cursor<'_>, called: &Name) -> Result<Option<StreamQuery>> {
    let start = cursor.position();
    if !cursor.take_word("RETURNING") {
        return Ok(None);
    }
    let mut query = returning_query(called, items(cursor)?);
    query::normalize(&mut query, &cursor.lines())?;
    Ok(Some(query::plain(query, cursor.since(start))))
}
