//! `INSERT INTO table [AS alias] [(columns)] VALUES … | SELECT … [ON CONFLICT …] [RETURNING …]`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Result;

use super::dispatch::not_built;
use super::statement::Insert;
use super::tokens::{Cursor, token_is_word};
use super::{on_conflict, query, returning};

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
    if cursor.take_words(&["DEFAULT", "VALUES"]) {
        return Err(not_built("INSERT … DEFAULT VALUES", cursor.since(start), "write the values"));
    }
    let mut source = cursor.up_to(cursor.find(extra_begins));
    let rows = query::whole_query(&mut source)?;
    cursor.go_to(source.position());
    let span = cursor.since(start);
    let called = alias.as_ref().unwrap_or(&table);
    let on_conflict = on_conflict::clause(cursor, called)?;
    let returning = returning::clause(cursor, called)?;
    Ok(Insert { table, columns, source: rows, on_conflict, returning, span })
}

fn extra_begins(cursor: &Cursor<'_>, number: usize) -> bool {
    let is = |n: usize, word: &str| cursor.token(n).is_some_and(|token| token_is_word(token, word));
    is(number, "RETURNING") || (is(number, "ON") && is(number + 1, "CONFLICT"))
}
