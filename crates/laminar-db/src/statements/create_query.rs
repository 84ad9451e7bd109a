//! `CREATE STREAM`, `CREATE CONTINUOUS QUERY` and `CREATE MATERIALIZED VIEW`.

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{CreateQuery, EmitKind, StreamQuery};
use laminar_sql::plan::Purpose;

use super::{StatementOutcome, name_is_free};
use crate::catalog::{CatalogChange, Definition, Object, ObjectId, ObjectKind, inputs_in, kind_name};
use crate::engine::{Engine, Instance, Parts};
use crate::settings::Retention;
use crate::{Notice, NoticeKind};

pub(super) fn run(engine: &mut Engine, create: &CreateQuery, text: &str, kind: ObjectKind) -> Result<StatementOutcome> {
    let replaced = replaced(engine, create, kind)?;
    if replaced.is_none()
        && let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)?
    {
        return Ok(skipped);
    }
    let history = create.history.as_ref().map(|option| Retention::parse(&option.value).map_err(|error| error.at(option.span)));
    let history = history.transpose()?;
    let stored = kind == ObjectKind::MaterializedView;
    let purpose = if stored { Purpose::View } else { Purpose::Stream };
    let (id, name) = (engine.catalog.next_id(), create.name.text.clone());
    let attached = engine.attach_query((id, &name), &create.query, text, purpose)?;
    if let Some(old) = replaced {
        refuse_itself(engine, create, old)?;
        engine.stage_end(old)?;
    }
    let notices = engine.notices_of_query(&create.query).into_iter().chain(order_is_ignored(&create.query)).collect();
    let fragment = attached.fragment;
    let latest_only = shows_latest_only(&create.query);
    if let Some(history) = history {
        engine.keep_history(fragment.root, (id, &name), history)?;
    }
    let nodes = fragment.nodes.iter().map(|node| node.id).collect();
    engine.run_instance(id, Instance::new(nodes, Parts::Query(fragment.root)))?;
    engine.stage(CatalogChange::Create(Object {
        id,
        name,
        sql: text.to_owned(),
        depends_on: attached.depends_on,
        late_to: late_target(engine, &create.query)?,
        definition: Definition::Query { properties: fragment.properties, stored, latest_only },
    }));
    Ok(StatementOutcome::Done { what: format!("CREATE {} {}", kind_name(kind), create.name.text), notices })
}

/// The object whose place the new one takes: of the same kind and name, and nothing depends on it.
fn replaced(engine: &Engine, create: &CreateQuery, kind: ObjectKind) -> Result<Option<ObjectId>> {
    let Some(old) = engine.catalog.get(&create.name.text).filter(|old| create.or_replace && old.kind() == kind) else {
        return Ok(None);
    };
    let dependants = engine.catalog.names_of(&engine.catalog.dependants(old.id));
    if dependants.is_empty() {
        return Ok(Some(old.id));
    }
    let text = format!("'{}' is used by {}", create.name.text, dependants.join(", "));
    Err(Error::new(Code::ObjectInUse, text)
        .with_detail("to change the query below others that run is not built yet")
        .with_hint("drop those first and create them again, or create it under another name")
        .at(create.name.span))
}

/// Fails if the new query reads what it would replace.
fn refuse_itself(engine: &Engine, create: &CreateQuery, old: ObjectId) -> Result<()> {
    let inputs = inputs_in(&create.query, &engine.catalog);
    if !engine.catalog.with_inputs(&inputs).contains(&old) {
        return Ok(());
    }
    let error = Error::new(Code::InvalidQuery, format!("'{}' would read from itself", create.name.text));
    Err(error.with_hint("name the tables and views below it").at(create.query.span))
}

/// Readers of an object see its rows as they change, in no order.
fn order_is_ignored(query: &StreamQuery) -> Option<Notice> {
    query.orders_in_vain().then(|| {
        let hint = "write the ORDER BY in the SELECT that reads it".to_owned();
        Notice::new(NoticeKind::Ignored, "a view has no order: its ORDER BY has no effect".to_owned(), Some(hint))
    })
}

/// The object that `LATE DATA TO` names.
pub(super) fn late_target(engine: &Engine, query: &StreamQuery) -> Result<Option<ObjectId>> {
    query.late_to.as_ref().map(|target| Ok(engine.catalog.require(target)?.id)).transpose()
}

/// A query that nobody can name writes nothing into other objects.
pub(super) fn refuse_late_to(query: &StreamQuery) -> Result<()> {
    let Some(to) = &query.late_to else { return Ok(()) };
    Err(Error::new(Code::InvalidQuery, "LATE DATA TO needs a query with a name")
        .with_hint("write CREATE STREAM name AS … LATE DATA TO …, or leave the clause out")
        .at(to.span))
}

/// EMIT ON UPDATE shows a reader the new row only.
pub(super) fn shows_latest_only(query: &StreamQuery) -> bool {
    query.emit.is_some_and(|emit| emit.kind == EmitKind::OnUpdate)
}
