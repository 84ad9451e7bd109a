//! `ALTER kind [IF EXISTS] name RENAME TO name`, `ALTER kind [IF EXISTS] name AS query`, and a statement under another name.

use datafusion::sql::sqlparser::tokenizer::Token;
use laminar_core::{Error, Result};

use super::create::Head;
use super::dispatch::not_built;
use super::names::written;
use super::script::parse_statement;
use super::statement::{AlterQuery, Name, ObjectKind, ParsedStatement, RenameObject, Statement};
use super::tokens::Cursor;
use super::{create_query, objects};
use crate::diagnostic::nearest;

const KINDS: &[&str] =
    &["SOURCE", "TABLE", "LOOKUP", "STREAM", "CONTINUOUS", "MATERIALIZED", "VIEW", "SINK", "SUBSCRIPTION", "INDEX"];
const NOT_BUILT: &[&str] =
    &["FUNCTION", "SECRET", "CONNECTION", "SCHEMA", "DATABASE", "SYSTEM", "USER", "ROLE", "TYPE", "SEQUENCE"];
const INSTEAD: &str = "RENAME TO is built, and AS query of a view or stream; for the rest drop the object and create it again";
/// What has a query that can be another.
const WITH_QUERY: [ObjectKind; 3] = [ObjectKind::Stream, ObjectKind::MaterializedView, ObjectKind::View];

/// Reads an `ALTER` statement.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.position();
    cursor.expect_word("ALTER")?;
    let Some(kind) = objects::take_kind(cursor) else {
        let word = cursor.word().unwrap_or_default();
        if NOT_BUILT.contains(&word.as_str()) {
            cursor.advance();
            return Err(not_built(&format!("ALTER {word}"), cursor.since(start), INSTEAD));
        }
        let error = cursor.expected("SOURCE, TABLE, LOOKUP TABLE, STREAM, MATERIALIZED VIEW, VIEW, SINK, SUBSCRIPTION or INDEX");
        return Err(match nearest(&word, KINDS.iter().copied()) {
            Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
            None => error.with_hint("say what it is: ALTER TABLE name RENAME TO other_name"),
        });
    };
    let if_exists = cursor.take_words(&["IF", "EXISTS"]);
    let name = cursor.object_name("the object's name")?;
    if cursor.take_words(&["RENAME", "TO"]) {
        let to = cursor.object_name("the new name")?;
        return Ok(Statement::Rename(RenameObject { kind, name, to, if_exists }));
    }
    if WITH_QUERY.contains(&kind)
        && (cursor.is_word(0, "AS") || cursor.is_word(0, "WITH") || cursor.peek(0) == Some(&Token::LParen))
    {
        let create = create_query::rest(cursor, Head { name, if_not_exists: false, or_replace: true, start })?;
        return Ok(Statement::Alter(AlterQuery { kind, if_exists, create }));
    }
    let Some(change) = cursor.word() else {
        return Err(cursor.expected(if WITH_QUERY.contains(&kind) { "RENAME TO or AS query" } else { "RENAME TO" }));
    };
    cursor.advance();
    let change = if change == "RENAME" { "RENAME COLUMN" } else { change.as_str() };
    let kind = kind.as_str().to_uppercase();
    Err(not_built(&format!("ALTER {kind} … {change}"), cursor.since(start), INSTEAD))
}

/// The statement `text`, which creates something, as it creates the same under the name `to`.
///
/// # Errors
/// `text` creates nothing, or could not be said with that name.
pub fn renamed(text: &str, to: &str) -> Result<ParsedStatement> {
    let parsed = parse_statement(text)?;
    let span = created(&parsed.statement).ok_or_else(|| Error::internal("this creates nothing"))?.span;
    let with_name = |name: String| parse_statement(&format!("{}{name}{}", &text[..span.start], &text[span.end..]));
    let is_called = |parsed: &ParsedStatement| created(&parsed.statement).is_some_and(|name| name.text == to);
    let mut statements = written(to).into_iter().filter_map(|name| with_name(name).ok());
    statements.find(is_called).ok_or_else(|| Error::internal(format!("no statement can create '{to}'")))
}

/// The name of what a statement creates.
fn created(statement: &Statement) -> Option<&Name> {
    match statement {
        Statement::CreateSource(create) => Some(&create.name),
        Statement::CreateTable(create) => Some(&create.name),
        Statement::CreateLookup(create) => Some(&create.name),
        Statement::CreateStream(create) | Statement::CreateMaterializedView(create) | Statement::CreateView(create) => {
            Some(&create.name)
        }
        Statement::CreateSink(create) => Some(&create.name),
        Statement::CreateSubscription(create) => Some(&create.name),
        Statement::CreateIndex(create) => Some(&create.name),
        _ => None,
    }
}
