//! `EXPLAIN [PLAN | AST | GRAPH | STATE] [FOR] statement`, `EXPLAIN ALTER … AS query`, `EXPLAIN STATE | WHY | ANALYZE [FOR] [kind] name`, and `VERIFY [kind] name`.

use laminar_core::{Code, Error, Result};

use super::dispatch::{self, not_built};
use super::statement::{Explain, ExplainObject, ExplainWhat, ObjectKind, ObjectReport, Statement, VerifyView};
use super::tokens::Cursor;
use super::{objects, query};

const STAGES: &[(&str, ExplainWhat)] =
    &[("PLAN", ExplainWhat::Plan), ("AST", ExplainWhat::Ast), ("GRAPH", ExplainWhat::Graph), ("STATE", ExplainWhat::State)];
const REPORTS: &[(&str, ObjectReport)] =
    &[("STATE", ObjectReport::State), ("WHY", ObjectReport::Why), ("ANALYZE", ObjectReport::Analyze)];
const NOT_BUILT: &[&str] = &["VERBOSE", "LOGICAL", "PHYSICAL", "ESTIMATE"];
/// Words with which a statement begins that can be explained, beside those of queries.
const STATEMENTS: &[&str] = &["CREATE", "INSERT", "SUBSCRIBE", "UPDATE", "DELETE", "EXPLAIN"];

/// Reads an `EXPLAIN` statement.
pub(super) fn explain(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let start = cursor.position();
    cursor.expect_word("EXPLAIN")?;
    if let Some(word) = NOT_BUILT.iter().find(|word| cursor.take_word(word)) {
        let forms = "EXPLAIN has the forms PLAN, AST, GRAPH and STATE of a query, and STATE, WHY and ANALYZE of an object";
        return Err(not_built(&format!("EXPLAIN {word}"), cursor.since(start), forms));
    }
    if let Some(report) = report(cursor)? {
        return Ok(Statement::ExplainObject(report));
    }
    let stage = STAGES.iter().find(|(word, _)| cursor.take_word(word)).map(|(_, what)| *what);
    cursor.take_word("FOR");
    let unsaid = if cursor.is_word(0, "ALTER") { ExplainWhat::Alter } else { ExplainWhat::Plan };
    let what = stage.unwrap_or(unsaid);
    if cursor.is_word(0, "EXPLAIN") {
        return Err(Error::new(Code::InvalidQuery, "EXPLAIN cannot explain itself").at(cursor.here()));
    }
    let inner = cursor.position();
    let statement = dispatch::statement(cursor)?;
    let span = cursor.since(inner);
    let has_plan = matches!(
        statement,
        Statement::Select(_)
            | Statement::Subscribe(_)
            | Statement::CreateStream(_)
            | Statement::CreateMaterializedView(_)
            | Statement::CreateView(_)
            | Statement::CreateSink(_)
            | Statement::Insert(_)
            | Statement::Alter(_)
    );
    if !has_plan && what != ExplainWhat::Ast {
        let error = Error::new(Code::InvalidQuery, "the statement has no query to explain").at(span);
        return Err(error.with_hint("explain a SELECT, an INSERT, a SUBSCRIBE, or the CREATE of a stream, view or sink"));
    }
    Ok(Statement::Explain(Explain { what, statement: Box::new(statement), span }))
}

/// What is said of an object, if that is asked for and not a statement explained.
fn report(cursor: &mut Cursor<'_>) -> Result<Option<ExplainObject>> {
    let Some((word, report)) = REPORTS.iter().find(|(word, _)| cursor.is_word(0, word)) else { return Ok(None) };
    let ahead = 1 + usize::from(cursor.is_word(1, "FOR"));
    let is_statement = query::begins_at(cursor, ahead) || STATEMENTS.iter().any(|word| cursor.is_word(ahead, word));
    if is_statement && *report == ObjectReport::State {
        return Ok(None);
    }
    let start = cursor.position();
    cursor.go_to(start + ahead);
    if is_statement {
        let error = Error::new(Code::NotSupported, format!("EXPLAIN {word} tells of an object that runs, not of a query"));
        let hint =
            format!("CREATE MATERIALIZED VIEW v AS the query, then EXPLAIN {word} v; EXPLAIN GRAPH or STATE tell of a query");
        return Err(error.at(cursor.here()).with_hint(hint));
    }
    let (kind, name) = (take_kind(cursor), cursor.object_name("the object's name")?);
    Ok(Some(ExplainObject { report: *report, kind, name }))
}

/// Reads `VERIFY [MATERIALIZED] VIEW name`.
pub(super) fn verify(cursor: &mut Cursor<'_>) -> Result<VerifyView> {
    cursor.expect_word("VERIFY")?;
    if !cursor.take_word("VIEW") && !cursor.take_words(&["MATERIALIZED", "VIEW"]) {
        return Err(cursor.expected("VIEW and the view's name"));
    }
    Ok(VerifyView { name: cursor.object_name("the view's name")? })
}

/// `VIEW`, `MATERIALIZED VIEW`, …, unless the word is the name itself.
fn take_kind(cursor: &mut Cursor<'_>) -> Option<ObjectKind> {
    if cursor.peek(1).is_some() { objects::take_kind(cursor) } else { None }
}
