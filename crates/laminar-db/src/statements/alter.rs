//! `ALTER … AS query`: another query for an object that is there; and `EXPLAIN ALTER`, which says what that would do.

use laminar_core::Result;
use laminar_sql::parse::{AlterQuery, CreateQuery, ObjectKind};

use super::create_query::{Said, made};
use super::create_view::replaced;
use super::replace::{Replacement, Way, statement_of};
use super::{StatementOutcome, refuse_other_kind, text_rows};
use crate::catalog::{Object, ObjectId, kind_name};
use crate::engine::Engine;

pub(super) fn run(engine: &mut Engine, alter: &AlterQuery, text: &str) -> Result<StatementOutcome> {
    let Some(old) = altered(engine, alter)? else { return Ok(absent(alter)) };
    let (create, sql) = as_created(alter, &old, text)?;
    let (said, what) = (Said { text, sql: &sql }, format!("ALTER {} {}", kind_name(alter.kind), old.name));
    if alter.kind == ObjectKind::View {
        replaced(engine, &create, said, old.id)?;
        return Ok(StatementOutcome::done(what));
    }
    made(engine, &create, said, alter.kind, what)
}

/// The object that gets another query; `None`: there is none, which is no error.
fn altered(engine: &Engine, alter: &AlterQuery) -> Result<Option<Object>> {
    let name = &alter.create.name;
    if alter.if_exists && engine.catalog.get(&name.text).is_none() {
        return Ok(None);
    }
    let old = engine.catalog.require(name)?;
    refuse_other_kind(old, alter.kind, "ALTER", name)?;
    Ok(Some(old.clone()))
}

fn absent(alter: &AlterQuery) -> StatementOutcome {
    StatementOutcome::Skipped(format!("there is no '{}'", alter.create.name.text))
}

/// What would have made `old` with its new query, and the text of that. What the statement does not say of its history stays.
fn as_created(alter: &AlterQuery, old: &Object, text: &str) -> Result<(CreateQuery, String)> {
    let head = format!("CREATE OR REPLACE {} ", kind_name(alter.kind));
    let create = alter.create.clone();
    let (from, at) = (create.name.span.start, create.options_at);
    let kept = match alter.kind {
        ObjectKind::View => None,
        _ if create.history.is_some() => None,
        _ => statement_of(old)?.history,
    };
    let Some(history) = kept else { return Ok((create, format!("{head}{}", &text[from..]))) };
    let value = history.value.replace('\'', "''");
    let sql = format!("{head}{}WITH (history = '{value}') {}", &text[from..at], &text[at..]);
    Ok((CreateQuery { history: Some(history), ..create }, sql))
}

/// What the statement would do to the object and to all that reads from it, and how many rows would have to be read.
pub(super) fn explain(engine: &mut Engine, alter: &AlterQuery, text: &str) -> Result<StatementOutcome> {
    let Some(old) = altered(engine, alter)? else { return Ok(absent(alter)) };
    let (create, sql) = as_created(alter, &old, text)?;
    let said = Said { text, sql: &sql };
    let Replacement { views, queries, refused, .. } = match alter.kind {
        ObjectKind::View => Replacement::of_view(engine, &create, said, old.id)?,
        _ => Replacement::of_query(engine, &create, said, &old)?,
    };
    let mut effects: Vec<(ObjectId, String, Option<u64>)> = Vec::new();
    effects.extend(views.into_iter().map(|view| (view, "planned anew; it is put in wherever it is named".to_owned(), None)));
    for query in queries {
        let effect = match query.way {
            Way::InPlace => IN_PLACE.to_owned(),
            Way::Anew(reason) => format!("computed anew, and so is what reads it: {reason}"),
            Way::Again(reason) => format!("dropped and made again, since nothing reads it: {reason}"),
        };
        effects.push((query.id, effect, rows_in(engine, &query.inputs)));
    }
    if refused.is_empty() {
        let others = engine.catalog.with_dependants(old.id).into_iter().rev();
        let others: Vec<ObjectId> = others.filter(|id| !effects.iter().any(|(known, ..)| known == id)).collect();
        effects.extend(others.into_iter().map(|id| (id, reads_difference(engine, id).to_owned(), None)));
    }
    effects.extend(refused.into_iter().map(|(id, reason)| (id, format!("refuses the statement: {reason}"), None)));
    let row = |(id, effect, rows): (ObjectId, String, Option<u64>)| {
        let kind = engine.catalog.object(id).map_or("query", |object| object.kind().as_str());
        vec![format!("{kind} {}", engine.catalog.name_of(id)), effect, rows.map(|rows| rows.to_string()).unwrap_or_default()]
    };
    text_rows(&["object", "effect", "rows_read"], effects.into_iter().map(row).collect())
}

const IN_PLACE: &str = "computed anew beside what runs, then put in its place in one step";

/// What becomes of an object that reads what another one gives out.
fn reads_difference(engine: &Engine, id: ObjectId) -> &'static str {
    match engine.catalog.object(id).map(Object::kind) {
        Some(ObjectKind::Sink) => "is given the rows that differ",
        Some(ObjectKind::Subscription) => "sees the rows that differ",
        _ => "keeps its state, and takes the rows that differ",
    }
}

/// How many rows these objects keep, views with what is put in for them.
fn rows_in(engine: &Engine, inputs: &[ObjectId]) -> Option<u64> {
    let nodes = engine.catalog.with_inlined(inputs).into_iter().filter_map(|input| engine.instances.output(input));
    let kept = nodes.filter_map(|node| engine.reactor.graph().contents(node));
    Some(kept.flatten().map(|changes| changes.len() as u64).sum())
}
