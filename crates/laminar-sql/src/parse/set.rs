//! `SET name = value` and `RESET name`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Result, Span};

use super::connector;
use super::dispatch::not_built;
use super::statement::{Name, SetVariable};
use super::tokens::Cursor;

/// Reads a `SET` statement.
pub(super) fn set(cursor: &mut Cursor<'_>) -> Result<SetVariable> {
    let start = cursor.position();
    cursor.expect_word("SET")?;
    for words in [&["LOCAL"][..], &["TRANSACTION"], &["SESSION", "CHARACTERISTICS"], &["SESSION", "AUTHORIZATION"], &["ROLE"]] {
        if cursor.are_words(words) && !matches!(cursor.peek(words.len()), Some(Token::Eq)) {
            cursor.take_words(words);
            return Err(not_built(&format!("SET {}", words.join(" ")), cursor.since(start), ""));
        }
    }
    cursor.take_word("SESSION");
    if cursor.take_words(&["TIME", "ZONE"]) {
        let name = Name { text: "timezone".to_owned(), span: cursor.since(start + 1) };
        return assigned(cursor, name);
    }
    let name = setting_name(cursor)?;
    if !cursor.take(&Token::Eq) && !cursor.take_word("TO") {
        return Err(cursor.expected("'=' or TO"));
    }
    assigned(cursor, name)
}

fn assigned(cursor: &mut Cursor<'_>, name: Name) -> Result<SetVariable> {
    let start = cursor.position();
    if cursor.take_word("DEFAULT") {
        return Ok(SetVariable { name, value: None, value_span: cursor.since(start) });
    }
    let mut values = vec![connector::value(cursor, &name.text)?];
    while cursor.take(&Token::Comma) {
        values.push(connector::value(cursor, &name.text)?);
    }
    Ok(SetVariable { name, value: Some(values.join(", ")), value_span: cursor.since(start) })
}

/// Reads a `RESET` statement.
pub(super) fn reset(cursor: &mut Cursor<'_>) -> Result<SetVariable> {
    let start = cursor.position();
    cursor.expect_word("RESET")?;
    let name = setting_name(cursor)?;
    Ok(SetVariable { name, value: None, value_span: cursor.since(start) })
}

/// `idle_timeout`, `a.b`.
pub(super) fn setting_name(cursor: &mut Cursor<'_>) -> Result<Name> {
    let mut name = cursor.name("the setting's name")?;
    while cursor.take(&Token::Period) {
        let part = cursor.name("the rest of the setting's name")?;
        name.text = format!("{}.{}", name.text, part.text);
        name.span = Span { start: name.span.start, end: part.span.end };
    }
    Ok(name)
}
