//! `CREATE [OR REPLACE] kind [IF NOT EXISTS] name`: the part that all kinds share, and which file reads the rest.

use laminar_core::{Code, Error, Result, Span};

use super::dispatch::not_built;
use super::statement::{Name, Statement};
use super::tokens::Cursor;
use super::{create_index, create_lookup, create_query, create_sink, create_source, create_table, subscription};
use crate::diagnostic::nearest;

/// What stands before the part that differs.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) name: Name,
    pub(super) if_not_exists: bool,
    pub(super) or_replace: bool,
    /// The number of the statement's first token.
    pub(super) start: usize,
}

const KINDS: &[&str] = &[
    "SOURCE",
    "TABLE",
    "LOOKUP TABLE",
    "STREAM",
    "CONTINUOUS QUERY",
    "VIEW",
    "MATERIALIZED VIEW",
    "SINK",
    "SUBSCRIPTION",
    "INDEX",
];

/// Kinds that we know and refuse, with what to do today.
const NOT_BUILT: &[(&[&str], &str)] = &[
    (&["UNIQUE", "INDEX"], "declare UNIQUE (…) or a PRIMARY KEY in CREATE TABLE"),
    (&["FUNCTION"], ""),
    (&["AGGREGATE"], ""),
    (&["SECRET"], "put secrets into variables: ${NAME}"),
    (&["CONNECTION"], "write the options at each source and sink"),
    (&["SCHEMA"], "all objects are in one schema"),
    (&["DATABASE"], "all objects are in one database"),
    (&["TEMPORARY"], "drop the object when you are done"),
    (&["TEMP"], "drop the object when you are done"),
    (&["EXTERNAL", "TABLE"], "CREATE SOURCE with the FILE connector"),
    (&["RECURSIVE", "VIEW"], ""),
    (&["USER"], ""),
    (&["ROLE"], ""),
    (&["TYPE"], ""),
    (&["SEQUENCE"], ""),
    (&["TRIGGER"], "CREATE SINK, or SUBSCRIBE"),
    (&["EXTENSION"], ""),
];

/// Reads a `CREATE` statement.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.position();
    cursor.expect_word("CREATE")?;
    let or_replace = cursor.take_words(&["OR", "REPLACE"]);
    if cursor.take_word("SOURCE") {
        let head = head(cursor, start, or_replace, "source")?;
        return create_source::rest(cursor, head).map(Statement::CreateSource);
    }
    if cursor.take_word("TABLE") {
        let head = head(cursor, start, or_replace, "table")?;
        return create_table::rest(cursor, head).map(Statement::CreateTable);
    }
    if cursor.take_words(&["LOOKUP", "TABLE"]) {
        let head = head(cursor, start, or_replace, "table")?;
        return create_lookup::rest(cursor, head).map(Statement::CreateLookup);
    }
    if cursor.take_word("STREAM") || cursor.take_words(&["CONTINUOUS", "QUERY"]) {
        let head = head(cursor, start, or_replace, "stream")?;
        return create_query::rest(cursor, head).map(Statement::CreateStream);
    }
    if cursor.take_words(&["MATERIALIZED", "VIEW"]) {
        let head = head(cursor, start, or_replace, "view")?;
        return create_query::rest(cursor, head).map(Statement::CreateMaterializedView);
    }
    if cursor.take_word("VIEW") {
        let head = head(cursor, start, or_replace, "view")?;
        return create_query::rest(cursor, head).map(Statement::CreateView);
    }
    if cursor.take_word("SINK") {
        let head = head(cursor, start, or_replace, "sink")?;
        return create_sink::rest(cursor, head).map(Statement::CreateSink);
    }
    if cursor.take_word("SUBSCRIPTION") {
        let head = head(cursor, start, or_replace, "subscription")?;
        return subscription::rest(cursor, head).map(Statement::CreateSubscription);
    }
    if cursor.take_word("INDEX") {
        return create_index::rest(cursor, start, or_replace).map(Statement::CreateIndex);
    }
    Err(unknown_kind(cursor, start))
}

fn head(cursor: &mut Cursor<'_>, start: usize, or_replace: bool, what: &str) -> Result<Head> {
    let if_not_exists = cursor.if_not_exists();
    if or_replace && if_not_exists {
        let error = Error::new(Code::Syntax, "OR REPLACE and IF NOT EXISTS contradict each other").at(cursor.since(start));
        return Err(error.with_hint("write one of them"));
    }
    let name = cursor.object_name(&format!("the {what}'s name"))?;
    Ok(Head { name, if_not_exists, or_replace, start })
}

fn unknown_kind(cursor: &Cursor<'_>, start: usize) -> Error {
    if let Some((words, instead)) = NOT_BUILT.iter().find(|(words, _)| cursor.are_words(words)) {
        let mut after = cursor.clone();
        after.take_words(words);
        let span: Span = after.since(start);
        return not_built(&format!("CREATE {}", words.join(" ")), span, instead);
    }
    let error = cursor.expected("SOURCE, TABLE, LOOKUP TABLE, STREAM, MATERIALIZED VIEW, VIEW, SINK, SUBSCRIPTION or INDEX");
    let meant = cursor.word().and_then(|word| {
        let first_words = KINDS.iter().map(|kind| kind.split(' ').next().unwrap_or(kind));
        nearest(&word, first_words).and_then(|meant| KINDS.iter().rfind(|kind| kind.starts_with(meant)))
    });
    match meant {
        Some(meant) => error.with_hint(format!("did you mean 'CREATE {meant}'?")),
        None => error,
    }
}
