//! `ON CONFLICT [(key)] DO NOTHING | DO UPDATE SET … [WHERE …]`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Code, Error, Result};

use super::assignments;
use super::change;
use super::changed_rows::conflict_query;
use super::dispatch::not_built;
use super::query;
use super::statement::{ConflictAction, Name, OnConflict};
use super::tokens::Cursor;

/// Reads the clause if it comes next; `called` is what the statement calls the table.
pub(super) fn clause(cursor: &mut Cursor<'_>, called: &Name) -> Result<Option<OnConflict>> {
    let start = cursor.position();
    if !cursor.take_words(&["ON", "CONFLICT"]) {
        return Ok(None);
    }
    let key = key(cursor)?;
    cursor.expect_word("DO")?;
    if cursor.take_word("NOTHING") {
        return Ok(Some(OnConflict { key, action: ConflictAction::Nothing, span: cursor.since(start) }));
    }
    if !cursor.take_word("UPDATE") {
        return Err(cursor.expected("NOTHING or UPDATE"));
    }
    cursor.expect_word("SET")?;
    let set = assignments::read(cursor)?;
    let condition = change::condition(cursor)?;
    let mut rows = conflict_query(called, set.values, condition);
    query::normalize(&mut rows, &cursor.lines())?;
    let span = cursor.since(start);
    if key.is_empty() {
        let error = Error::new(Code::InvalidQuery, "DO UPDATE does not say of which key").at(span);
        return Err(error.with_hint("write the key's columns: ON CONFLICT (column) DO UPDATE …"));
    }
    let action = ConflictAction::Update { columns: set.columns, rows: query::plain(rows, span) };
    Ok(Some(OnConflict { key, action, span }))
}

fn key(cursor: &mut Cursor<'_>) -> Result<Vec<Name>> {
    let start = cursor.position();
    if cursor.take_words(&["ON", "CONSTRAINT"]) {
        return Err(not_built("ON CONFLICT ON CONSTRAINT", cursor.since(start), "name the key's columns: ON CONFLICT (column)"));
    }
    if cursor.peek(0) != Some(&Token::LParen) {
        return Ok(Vec::new());
    }
    cursor.distinct_names("a column's name")
}
