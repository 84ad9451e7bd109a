//! `EXPLAIN STATE | WHY | ANALYZE name`: what an object that runs keeps, what it has done, and why it shows nothing.

mod analyze;
mod facts;
mod findings;
mod state;

use laminar_core::{Error, Result};
use laminar_sql::parse::{ExplainObject, ObjectKind, ObjectReport};

use super::{StatementOutcome, refuse_other_kind};
use crate::catalog::{Definition, ObjectId, kind_name};
use crate::engine::Engine;

pub(super) use state::of_nodes as state_of_nodes;

pub(super) fn run(engine: &mut Engine, explain: &ExplainObject) -> Result<StatementOutcome> {
    let id = required(engine, explain)?;
    // What was pushed before the question belongs to the answer.
    engine.settle()?;
    match explain.report {
        ObjectReport::State => state::of_object(engine, id),
        ObjectReport::Why => findings::run(engine, id),
        ObjectReport::Analyze => analyze::run(engine, id),
    }
}

/// The object that is asked about. A plain view does not run by itself, so that only WHY has an answer.
fn required(engine: &Engine, explain: &ExplainObject) -> Result<ObjectId> {
    let object = engine.catalog.require(&explain.name)?;
    match (explain.kind, object.kind()) {
        (None, _) | (Some(ObjectKind::View), ObjectKind::MaterializedView) => {}
        (Some(asked), _) => refuse_other_kind(object, asked, "EXPLAIN … FOR", &explain.name)?,
    }
    if matches!(object.definition, Definition::View(_)) && explain.report != ObjectReport::Why {
        let what = if explain.report == ObjectReport::State { "STATE" } else { "ANALYZE" };
        let text = format!("'{}' is a view: it does not run by itself, it is put in wherever it is named", object.name);
        let readers = engine.catalog.names_of(&engine.catalog.dependants(object.id)).join(", ");
        let hint = match readers.is_empty() {
            true => format!("EXPLAIN STATE SELECT * FROM {}", object.name),
            false => format!("EXPLAIN {what} of what reads it: {readers}"),
        };
        return Err(Error::new(laminar_core::Code::InvalidQuery, text).with_hint(hint).at(explain.name.span));
    }
    Ok(object.id)
}

/// `source trades`, for people.
fn called(engine: &Engine, id: ObjectId) -> String {
    let kind = engine.catalog.object(id).map_or("query".to_owned(), |object| kind_name(object.kind()).to_lowercase());
    format!("{kind} {}", engine.catalog.name_of(id))
}
