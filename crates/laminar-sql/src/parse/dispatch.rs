//! From a statement's first word to the file that reads it, and the words of statements that are not built.

use laminar_core::{Code, Error, Result, Span};

use super::statement::Statement;
use super::syntax_error::STATEMENTS;
use super::tokens::{Cursor, token_is_word};
use super::{alter, backup, change, create, drop, explain, insert, query, replay, set, show, subscribe, subscription};
use crate::diagnostic::nearest;

/// Statements that we know and refuse, with what to do today.
const NOT_BUILT: &[(&str, &str)] = &[
    ("COPY", "CREATE SOURCE or CREATE SINK with the FILE connector"),
    ("DECLARE", "CREATE SUBSCRIPTION, and FETCH from it; or SUBSCRIBE without a cursor"),
    ("CLOSE", "a subscription is not closed; DROP SUBSCRIPTION ends it"),
    ("FLUSH", "a query sees every row that was inserted before it"),
    ("WAIT", "a query sees every row that was inserted before it"),
    ("BEGIN", "every statement is a transaction by itself"),
    ("START", "every statement is a transaction by itself"),
    ("COMMIT", "every statement is a transaction by itself"),
    ("ROLLBACK", "every statement is a transaction by itself"),
    ("END", "every statement is a transaction by itself"),
    ("ABORT", "every statement is a transaction by itself"),
    ("MERGE", "INSERT … ON CONFLICT (key) DO UPDATE, and DELETE … USING"),
];

/// Reads the statement at the cursor, which may stop before the end of the text.
pub(super) fn statement(cursor: &mut Cursor<'_>) -> Result<Statement> {
    if query::begins(cursor) {
        refuse_past_states(cursor)?;
        return query::stream_query(cursor).map(Statement::Select);
    }
    let Some(word) = cursor.word() else {
        return Err(cursor.expected("a statement"));
    };
    match word.as_str() {
        "CREATE" => create::create(cursor),
        "INSERT" => insert::insert(cursor).map(Statement::Insert),
        "UPDATE" => change::update(cursor).map(Statement::Update),
        "DELETE" => change::delete(cursor).map(Statement::Delete),
        "TRUNCATE" => change::truncate(cursor).map(Statement::Truncate),
        "ALTER" => alter::alter(cursor),
        "DROP" => drop::drop(cursor).map(Statement::Drop),
        "SHOW" => show::show(cursor).map(Statement::Show),
        "DESCRIBE" | "DESC" => show::describe(cursor).map(Statement::Describe),
        "EXPLAIN" => explain::explain(cursor),
        "VERIFY" => explain::verify(cursor).map(Statement::Verify),
        "CHECKPOINT" => {
            cursor.advance();
            Ok(Statement::Checkpoint)
        }
        "REPLAY" => replay::replay(cursor).map(Statement::Replay),
        "SUBSCRIBE" => subscribe::subscribe(cursor).map(Statement::Subscribe),
        "FETCH" => subscription::fetch(cursor).map(Statement::Fetch),
        "ACK" => subscription::acknowledge(cursor).map(Statement::Acknowledge),
        "BACKUP" => backup::backup(cursor).map(Statement::Backup),
        "SET" => set::set(cursor).map(Statement::Set),
        "RESET" => set::reset(cursor).map(Statement::Set),
        _ => Err(unknown(cursor, &word)),
    }
}

/// A query that ends in `AS OF STEP n` asks for rows as they were.
fn refuse_past_states(cursor: &Cursor<'_>) -> Result<()> {
    let is = |c: &Cursor<'_>, n: usize, word: &str| c.token(n).is_some_and(|token| token_is_word(token, word));
    let at = cursor.find(|c, n| is(c, n, "AS") && is(c, n + 1, "OF") && is(c, n + 2, "STEP"));
    if at == cursor.end() {
        return Ok(());
    }
    let mut clause = cursor.clone();
    clause.go_to(cursor.end());
    let instead = "SUBSCRIBE object AS OF STEP n tells the changes since a step; a backup (BACKUP TO) keeps the rows of one";
    Err(not_built("SELECT … AS OF STEP", clause.since(at), instead))
}

fn unknown(cursor: &Cursor<'_>, word: &str) -> Error {
    let here = cursor.here();
    if let Some((_, instead)) = NOT_BUILT.iter().find(|(known, _)| *known == word) {
        return not_built(word, here, instead);
    }
    if STATEMENTS.contains(&word) {
        return not_built(word, here, "");
    }
    let error = Error::new(Code::Syntax, format!("no statement begins with '{}'", word.to_lowercase())).at(here);
    match nearest(word, STATEMENTS.iter().copied()) {
        Some(meant) => error.with_hint(format!("did you mean '{meant}'?")),
        None => error.with_hint(
            "statements begin with SELECT, CREATE, INSERT, UPDATE, DELETE, DROP, SHOW, DESCRIBE, EXPLAIN, SUBSCRIBE or SET",
        ),
    }
}

/// The refusal of something that the language has and we have not.
pub(super) fn not_built(what: &str, span: Span, instead: &str) -> Error {
    let error = Error::new(Code::NotSupported, format!("{what} is not built yet")).at(span);
    if instead.is_empty() { error } else { error.with_hint(instead) }
}
