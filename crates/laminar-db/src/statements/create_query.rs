//! `CREATE STREAM`, `CREATE CONTINUOUS QUERY`, `CREATE MATERIALIZED VIEW` and `CREATE VIEW`.

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{CreateQuery, EmitKind, StreamQuery};
use laminar_sql::plan::Purpose;

use super::{Outcome, name_is_free};
use crate::catalog::{Body, Inlining, Object, ObjectKind, kind_name, objects_in};
use crate::engine::Engine;

pub(super) fn run(engine: &mut Engine, create: &CreateQuery, text: &str, kind: ObjectKind) -> Result<Outcome> {
    if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
        return Ok(skipped);
    }
    refuse_late_to(&create.query)?;
    if kind == ObjectKind::View {
        return create_view(engine, create, text);
    }
    let stored = kind == ObjectKind::MaterializedView;
    let purpose = if stored { Purpose::View } else { Purpose::Stream };
    let name = create.name.text.clone();
    let attached = engine.attach_query(&name, &create.query, text, purpose)?;
    let fragment = attached.fragment;
    let latest_only = shows_latest_only(&create.query);
    engine.catalog.insert(Object {
        name,
        sql: text.to_owned(),
        depends_on: attached.depends_on,
        nodes: fragment.nodes.iter().map(|node| node.id).collect(),
        body: Body::Query { root: fragment.root, properties: fragment.properties, stored, latest_only },
    });
    Ok(Outcome::Done(format!("CREATE {} {}", kind_name(kind), create.name.text)))
}

fn create_view(engine: &mut Engine, create: &CreateQuery, text: &str) -> Result<Outcome> {
    let query = &create.query;
    let clause = query.emit.map(|emit| emit.span).or(query.lateness.map(|lateness| lateness.span));
    if let Some(span) = clause {
        return Err(Error::new(Code::InvalidQuery, "a VIEW is put in wherever it is named, so it emits nothing by itself")
            .with_hint("write EMIT where the view is used, or CREATE MATERIALIZED VIEW or CREATE STREAM here")
            .at(span));
    }
    let depends_on = objects_in(query, &engine.catalog);
    for name in engine.catalog.with_inputs(&depends_on) {
        engine.ensure_reader(&name)?;
    }
    let relations = Inlining::new(&engine.catalog, &engine.planner);
    let planned = engine.planner.plan_view(query, text, &relations);
    relations.checked(planned)?;
    let name = create.name.text.clone();
    let body = Body::View { query: query.clone() };
    engine.catalog.insert(Object { name, sql: text.to_owned(), depends_on, nodes: Vec::new(), body });
    Ok(Outcome::Done(format!("CREATE VIEW {}", create.name.text)))
}

/// `LATE DATA TO` is understood and not built.
pub(super) fn refuse_late_to(query: &StreamQuery) -> Result<()> {
    let Some(to) = &query.late_to else { return Ok(()) };
    Err(Error::new(Code::NotSupported, "LATE DATA TO is not built yet")
        .with_hint("leave it out: late rows can always be read from <name>$late")
        .at(to.span))
}

/// EMIT ON UPDATE shows a reader the new row only.
pub(super) fn shows_latest_only(query: &StreamQuery) -> bool {
    query.emit.is_some_and(|emit| emit.kind == EmitKind::OnUpdate)
}
