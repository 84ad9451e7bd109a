//! `SHOW …` and `DESCRIBE name`.

use laminar_core::Result;

use super::dispatch::not_built;
use super::objects;
use super::statement::{Name, Show};
use super::tokens::Cursor;
use crate::diagnostic::nearest;

const WORDS: &[&str] = &[
    "TABLES",
    "SOURCES",
    "STREAMS",
    "VIEWS",
    "MATERIALIZED VIEWS",
    "SINKS",
    "SUBSCRIPTIONS",
    "INDEXES",
    "CONTINUOUS QUERIES",
    "JOBS",
    "STATE",
    "MEMORY",
    "CHECKPOINTS",
    "ALL",
    "OBJECTS",
    "COLUMNS",
    "CREATE",
];
const NOT_BUILT: &[&str] = &["FUNCTIONS", "SECRETS", "CONNECTIONS", "CURSORS", "USERS"];

/// Reads a `SHOW` statement.
pub(super) fn show(cursor: &mut Cursor<'_>) -> Result<Show> {
    let start = cursor.position();
    cursor.expect_word("SHOW")?;
    if let Some(kind) = objects::take_kinds(cursor) {
        return Ok(Show::Objects(kind));
    }
    if cursor.take_word("ALL") || cursor.take_word("OBJECTS") {
        return Ok(Show::All);
    }
    if cursor.take_word("JOBS") {
        return Ok(Show::Jobs);
    }
    if cursor.take_word("STATE") {
        return Ok(Show::State);
    }
    if cursor.take_word("MEMORY") {
        return Ok(Show::Memory);
    }
    if cursor.take_word("CHECKPOINTS") {
        return Ok(Show::Checkpoints);
    }
    if cursor.take_word("CREATE") {
        let kind = objects::take_kind(cursor);
        return Ok(Show::Create { kind, name: cursor.object_name("the object's name")? });
    }
    if cursor.take_word("COLUMNS") {
        if !cursor.take_word("FROM") && !cursor.take_word("IN") {
            return Err(cursor.expected("FROM and the object's name"));
        }
        return Ok(Show::Columns(cursor.object_name("the object's name")?));
    }
    setting(cursor, start).map(Show::Setting)
}

/// The name of a setting, of which PostgreSQL writes some in several words.
fn setting(cursor: &mut Cursor<'_>, start: usize) -> Result<Name> {
    if cursor.take_words(&["TRANSACTION", "ISOLATION", "LEVEL"]) {
        return Ok(Name { text: "transaction_isolation".to_owned(), span: cursor.since(start + 1) });
    }
    if cursor.take_words(&["TIME", "ZONE"]) {
        return Ok(Name { text: "timezone".to_owned(), span: cursor.since(start + 1) });
    }
    let word = cursor.word().unwrap_or_default();
    if NOT_BUILT.contains(&word.as_str()) {
        cursor.advance();
        return Err(not_built(&format!("SHOW {word}"), cursor.since(start), ""));
    }
    let written = match cursor.peek(1) {
        Some(_) => format!("{word} {}", cursor.peek(1).map(ToString::to_string).unwrap_or_default()),
        None => word,
    };
    if let Some(meant) = nearest(&written, WORDS.iter().copied()) {
        return Err(cursor.expected("what to show").with_hint(format!("did you mean 'SHOW {meant}'?")));
    }
    super::set::setting_name(cursor)
        .map_err(|error| error.with_hint(format!("SHOW has the forms {}, and SHOW setting", WORDS.join(", "))))
}

/// Reads a `DESCRIBE` statement; `TABLE` and the other kinds may stand before the name.
pub(super) fn describe(cursor: &mut Cursor<'_>) -> Result<Name> {
    cursor.advance();
    if cursor.peek(1).is_some() {
        objects::take_kind(cursor);
    }
    cursor.object_name("the object's name")
}
