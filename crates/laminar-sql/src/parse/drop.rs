//! `DROP kind [IF EXISTS] name, … [CASCADE | RESTRICT]`.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::Result;

use super::dispatch::not_built;
use super::objects;
use super::statement::DropObjects;
use super::tokens::Cursor;
use crate::diagnostic::nearest;

const NOT_BUILT: &[&str] = &["FUNCTION", "AGGREGATE", "SECRET", "CONNECTION", "SCHEMA", "DATABASE", "USER", "ROLE", "TYPE"];
const KINDS: &[&str] =
    &["SOURCE", "TABLE", "LOOKUP", "STREAM", "CONTINUOUS", "MATERIALIZED", "VIEW", "SINK", "SUBSCRIPTION", "INDEX"];

/// Reads a `DROP` statement.
pub(super) fn drop(cursor: &mut Cursor<'_>) -> Result<DropObjects> {
    let start = cursor.position();
    cursor.expect_word("DROP")?;
    let Some(kind) = objects::take_kind(cursor) else {
        let word = cursor.word().unwrap_or_default();
        if NOT_BUILT.contains(&word.as_str()) {
            cursor.advance();
            return Err(not_built(&format!("DROP {word}"), cursor.since(start), ""));
        }
        let error = cursor.expected("SOURCE, TABLE, LOOKUP TABLE, STREAM, MATERIALIZED VIEW, VIEW, SINK, SUBSCRIPTION or INDEX");
        return Err(match nearest(&word, KINDS.iter().copied()) {
            Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
            None => error.with_hint("say what it is: DROP TABLE name"),
        });
    };
    let if_exists = cursor.take_words(&["IF", "EXISTS"]);
    let mut names = vec![cursor.object_name("the object's name")?];
    while cursor.take(&Token::Comma) {
        names.push(cursor.object_name("the object's name")?);
    }
    let cascade = cursor.take_word("CASCADE");
    if !cascade {
        // What RESTRICT asks for is what happens without CASCADE.
        cursor.take_word("RESTRICT");
    }
    Ok(DropObjects { kind, names, if_exists, cascade })
}
