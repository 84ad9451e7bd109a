//! `INSERT INTO table [(columns)] VALUES … | SELECT …`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Result;

use super::dispatch::not_built;
use super::query;
use super::statement::Insert;
use super::tokens::{Cursor, token_is_word};

/// Reads an `INSERT` statement.
pub(super) fn insert(cursor: &mut Cursor<'_>) -> Result<Insert> {
    cursor.expect_word("INSERT")?;
    cursor.expect_word("INTO")?;
    let table = cursor.object_name("the table's name")?;
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
    refuse_extra(cursor)?;
    Ok(Insert { table, columns, source: rows, span })
}

fn extra_begins(cursor: &Cursor<'_>, number: usize) -> bool {
    let is = |n: usize, word: &str| cursor.token(n).is_some_and(|token| token_is_word(token, word));
    is(number, "RETURNING") || (is(number, "ON") && is(number + 1, "CONFLICT"))
}

fn refuse_extra(cursor: &mut Cursor<'_>) -> Result<()> {
    let start = cursor.position();
    if cursor.take_words(&["ON", "CONFLICT"]) {
        let instead = "a row with the same primary key replaces the old one without it";
        return Err(not_built("ON CONFLICT", cursor.since(start), instead));
    }
    if cursor.take_word("RETURNING") {
        return Err(not_built("RETURNING", cursor.since(start), "SELECT the rows afterwards"));
    }
    Ok(())
}
