//! `CREATE STREAM`, `CREATE CONTINUOUS QUERY` and `CREATE MATERIALIZED VIEW`.

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{CreateQuery, EmitKind, OptionDef, StreamQuery};
use laminar_sql::plan::Purpose;

use super::replace::Replacement;
use super::{StatementOutcome, name_is_free};
use crate::catalog::{CatalogChange, Definition, Object, ObjectId, ObjectKind, kind_name};
use crate::engine::{Engine, Instance, Parts};
use crate::settings::Retention;
use crate::{Notice, NoticeKind};

/// What a statement that makes a query says.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    /// The statement, into which spans point.
    pub(super) text: &'a str,
    /// The statement that makes the object, as it is kept.
    pub(super) sql: &'a str,
}

pub(super) fn run(engine: &mut Engine, create: &CreateQuery, text: &str, kind: ObjectKind) -> Result<StatementOutcome> {
    made(engine, create, Said { text, sql: text }, kind, format!("CREATE {} {}", kind_name(kind), create.name.text))
}

/// Makes a query, in the place of another one if it says OR REPLACE. `what` is said to have been done.
pub(super) fn made(
    engine: &mut Engine,
    create: &CreateQuery,
    said: Said<'_>,
    kind: ObjectKind,
    what: String,
) -> Result<StatementOutcome> {
    let old = engine.catalog.get(&create.name.text).filter(|old| create.or_replace && old.kind() == kind).cloned();
    let Some(old) = old else {
        if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
            return Ok(skipped);
        }
        added(engine, create, said, kind)?;
        return Ok(StatementOutcome::Done { what, notices: notices(engine, create) });
    };
    let replacement = Replacement::of_query(engine, create, said, &old)?;
    replacement.refuse(engine, create)?;
    let mut notices = notices(engine, create);
    if let Some(inputs) = replacement.made_again() {
        notices.extend(begins_anew(engine, &old, inputs));
        engine.stage_end(old.id)?;
        added(engine, create, said, kind)?;
    } else {
        replacement.stage(engine)?;
    }
    Ok(StatementOutcome::Done { what, notices })
}

fn notices(engine: &Engine, create: &CreateQuery) -> Vec<Notice> {
    engine.notices_of_query(&create.query).into_iter().chain(order_is_ignored(&create.query)).collect()
}

/// What a view had computed is gone if its new query reads what keeps no rows.
fn begins_anew(engine: &Engine, old: &Object, inputs: &[ObjectId]) -> Option<Notice> {
    let gone = engine.gone_input(inputs).filter(|_| old.is_stored())?;
    let text = format!("'{}' begins with what comes from now on, since '{gone}' keeps no rows: what it showed is gone", old.name);
    let hint = format!("keep the rows of '{gone}' in a table or materialized view; EXPLAIN ALTER tells this before");
    Some(Notice::new(NoticeKind::BeginsAnew, text, Some(hint)))
}

/// Makes the object.
fn added(engine: &mut Engine, create: &CreateQuery, said: Said<'_>, kind: ObjectKind) -> Result<()> {
    let stored = kind == ObjectKind::MaterializedView;
    let (id, name) = (engine.catalog.next_id(), create.name.text.clone());
    let history = history_of(create)?;
    let attached = engine.attach_query((id, &name), &create.query, said.text, purpose(kind))?;
    let fragment = attached.fragment;
    let latest_only = shows_latest_only(&create.query);
    if let Some(history) = history {
        engine.keep_history(fragment.root, (id, &name), history)?;
    }
    let nodes = fragment.nodes.iter().map(|node| node.id).collect();
    engine.run_instance(id, Instance::new(nodes, Parts::Query(fragment.root)))?;
    let object = Object {
        id,
        name,
        sql: said.sql.to_owned(),
        depends_on: attached.depends_on,
        late_to: late_target(engine, &create.query)?,
        definition: Definition::Query { properties: fragment.properties, stored, latest_only },
    };
    engine.stage(CatalogChange::Create(object));
    Ok(())
}

pub(super) fn purpose(kind: ObjectKind) -> Purpose {
    if kind == ObjectKind::MaterializedView { Purpose::View } else { Purpose::Stream }
}

pub(super) fn history_of(create: &CreateQuery) -> Result<Option<Retention>> {
    let parsed = |option: &OptionDef| Retention::parse(&option.value).map_err(|error| error.at(option.span));
    create.history.as_ref().map(parsed).transpose()
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
