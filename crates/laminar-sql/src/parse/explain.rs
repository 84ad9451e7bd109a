//! `EXPLAIN [PLAN | AST | GRAPH] [FOR] statement`.

use laminar_core::{Code, Error, Result};

use super::dispatch::{self, not_built};
use super::statement::{Explain, ExplainWhat, Statement};
use super::tokens::Cursor;

const STAGES: &[(&str, ExplainWhat)] = &[("PLAN", ExplainWhat::Plan), ("AST", ExplainWhat::Ast), ("GRAPH", ExplainWhat::Graph)];
const NOT_BUILT: &[&str] = &["STATE", "ANALYZE", "WHY", "VERBOSE", "LOGICAL", "PHYSICAL", "ESTIMATE"];

/// Reads an `EXPLAIN` statement.
pub(super) fn explain(cursor: &mut Cursor<'_>) -> Result<Explain> {
    let start = cursor.position();
    cursor.expect_word("EXPLAIN")?;
    if let Some(word) = NOT_BUILT.iter().find(|word| cursor.take_word(word)) {
        return Err(not_built(&format!("EXPLAIN {word}"), cursor.since(start), "EXPLAIN has the forms PLAN, AST and GRAPH"));
    }
    let what = STAGES.iter().find(|(word, _)| cursor.take_word(word)).map_or(ExplainWhat::Plan, |(_, what)| *what);
    cursor.take_word("FOR");
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
    );
    if !has_plan && what != ExplainWhat::Ast {
        let error = Error::new(Code::InvalidQuery, "the statement has no query to explain").at(span);
        return Err(error.with_hint("explain a SELECT, an INSERT, a SUBSCRIBE, or the CREATE of a stream, view or sink"));
    }
    Ok(Explain { what, statement: Box::new(statement), span })
}
