//! `INSERT INTO table [AS alias] [(columns)] VALUES … | SELECT … [ON CONFLICT …] [RETURNING …]`.

use datafusion::sql::sqlparser::ast::{Query, SetExpr};
use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Result;

use super::assignments::is_default;
use super::changed_rows::without_relation;
use super::statement::Insert;
use super::tokens::{Cursor, token_is_word};
use super::{on_conflict, query, returning, syntax};

/// Reads an `INSERT` statement.
pub(super) fn insert(cursor: &mut Cursor<'_>) -> Result<Insert> {
    cursor.expect_word("INSERT")?;
    cursor.expect_word("INTO")?;
    let table = cursor.object_name("the table's name")?;
    let alias = if cursor.take_word("AS") { Some(cursor.name("an alias")?) } else { None };
    let columns = match cursor.peek(0) {
        Some(Token::LParen) if !query::begins(cursor) => cursor.distinct_names("a column's name")?,
        _ => Vec::new(),
    };
    let start = cursor.position();
    let default_values = columns.is_empty() && cursor.take_words(&["DEFAULT", "VALUES"]);
    let (rows, to_default) = if default_values { (no_values(), Vec::new()) } else { rows(cursor)? };
    let span = cursor.since(start);
    let called = alias.as_ref().unwrap_or(&table);
    let on_conflict = on_conflict::clause(cursor, called)?;
    let returning = returning::clause(cursor, called)?;
    Ok(Insert { table, columns, source: rows, to_default, default_values, on_conflict, returning, span })
}

/// The rows, and where `DEFAULT` stands in them.
fn rows(cursor: &mut Cursor<'_>) -> Result<(Box<Query>, Vec<(usize, usize)>)> {
    let mut source = cursor.up_to(cursor.find(extra_begins));
    let mut query = query::whole_query(&mut source)?;
    cursor.go_to(source.position());
    let mut to_default = Vec::new();
    if let SetExpr::Values(values) = query.body.as_mut() {
        for (row, values) in values.rows.iter_mut().enumerate() {
            for (column, value) in values.content.iter_mut().enumerate().filter(|(_, value)| is_default(value)) {
                *value = syntax::null();
                to_default.push((row, column));
            }
        }
    }
    Ok((query, to_default))
}

/// The query of no values at all.
fn no_values() -> Box<Query> {
    Box::new(without_relation(Vec::new()))
}

fn extra_begins(cursor: &Cursor<'_>, number: usize) -> bool {
    let is = |n: usize, word: &str| cursor.token(n).is_some_and(|token| token_is_word(token, word));
    is(number, "RETURNING") || (is(number, "ON") && is(number + 1, "CONFLICT"))
}
