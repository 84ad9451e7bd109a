//! `EXPLAIN AST | PLAN | GRAPH | STATE` of a statement, and `EXPLAIN ALTER`.

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{AlterQuery, Explain, ExplainWhat, SinkInput, Statement, StreamQuery};
use laminar_sql::plan::Purpose;

use super::create_query::purpose;
use super::explain_object::state_of_nodes;
use super::{StatementOutcome, alter, text_rows};
use crate::engine::Engine;

pub(super) fn run(engine: &mut Engine, explain: &Explain, text: &str) -> Result<StatementOutcome> {
    if let (ExplainWhat::Alter, Statement::Alter(alter)) = (explain.what, explain.statement.as_ref()) {
        return alter::explain(engine, alter, text);
    }
    let (name, query, purpose) = explained(explain)?;
    let (column, shown) = match explain.what {
        ExplainWhat::Ast => ("ast", query.query.to_string()),
        ExplainWhat::Plan | ExplainWhat::Alter => {
            ("plan", engine.plan(query, text, purpose)?.0.logical.display_indent().to_string())
        }
        ExplainWhat::State => {
            let nodes = engine.lowered(name, query, text, purpose)?.fragment.nodes;
            return state_of_nodes(engine, &nodes);
        }
        ExplainWhat::Graph => {
            let nodes = engine.lowered(name, query, text, purpose)?.fragment.nodes;
            ("graph", engine.reactor.graph().explained(nodes))
        }
    };
    let found_by = match explain.statement.as_ref() {
        Statement::Select(query) if explain.what == ExplainWhat::Plan => engine.found_by(query),
        _ => Vec::new(),
    };
    let lines = shown.lines().map(str::to_owned).chain(found_by.into_iter().map(|line| format!("ad hoc, {line}")));
    text_rows(&[column], lines.map(|line| vec![line]).collect())
}

/// The query inside the explained statement, and what would become of it.
fn explained(explain: &Explain) -> Result<(&str, &StreamQuery, Purpose)> {
    match explain.statement.as_ref() {
        Statement::CreateMaterializedView(create) => Ok((&create.name.text, &create.query, Purpose::View)),
        Statement::Alter(AlterQuery { kind, create, .. }) => Ok((&create.name.text, &create.query, purpose(*kind))),
        Statement::CreateStream(create) | Statement::CreateView(create) => {
            Ok((&create.name.text, &create.query, Purpose::Stream))
        }
        Statement::CreateSink(create) => match &create.input {
            SinkInput::Query(query) => Ok((&create.name.text, query, Purpose::Stream)),
            SinkInput::Object(name) => Err(Error::new(Code::InvalidQuery, "this sink has no query of its own")
                .with_hint(format!("SHOW CREATE {} tells how its input is made", name.text))
                .at(explain.span)),
            SinkInput::LateRows => Err(Error::new(Code::InvalidQuery, "this sink has no query of its own")
                .with_hint("it takes the late rows of the queries that say LATE DATA TO it")
                .at(explain.span)),
        },
        Statement::Select(query) => Ok(("query", query, Purpose::View)),
        _ => Err(Error::new(
            Code::InvalidQuery,
            "only queries can be explained: SELECT, CREATE STREAM, MATERIALIZED VIEW, VIEW and SINK … AS",
        )
        .at(explain.span)),
    }
}
