//! `CREATE STREAM | MATERIALIZED VIEW | VIEW name [(columns)] AS query`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Result;

use super::create::Head;
use super::query;
use super::statement::CreateQuery;
use super::tokens::Cursor;

/// Reads what follows the object's name.
pub(super) fn rest(cursor: &mut Cursor<'_>, head: Head) -> Result<CreateQuery> {
    let columns = match cursor.peek(0) {
        Some(Token::LParen) => cursor.distinct_names("a column's name")?,
        _ => Vec::new(),
    };
    cursor.expect_word("AS")?;
    let query = query::stream_query(cursor)?;
    let Head { name, if_not_exists, or_replace, start } = head;
    let query = query::with_column_names(query, &name, columns);
    Ok(CreateQuery { name, if_not_exists, or_replace, query, span: cursor.since(start) })
}
