//! `CREATE [OR REPLACE] VIEW`.

use std::sync::Arc;

use laminar_core::{Code, Error, Result};
use laminar_sql::batch::{refuse_too_many_views, within_view};
use laminar_sql::parse::{CreateQuery, StreamQuery};

use super::create_query::Said;
use super::replace::Replacement;
use super::{StatementOutcome, name_is_free};
use crate::catalog::{Catalog, CatalogChange, Definition, Object, ObjectId, ObjectKind, ViewDefinition, inputs_in};
use crate::engine::{Engine, Instance, Parts, PlannerCatalog, refuse_repeated_names};

pub(super) fn run(engine: &mut Engine, create: &CreateQuery, text: &str) -> Result<StatementOutcome> {
    let old = engine.catalog.get(&create.name.text).filter(|old| create.or_replace && old.kind() == ObjectKind::View);
    let said = Said { text, sql: text };
    match old.map(|old| old.id) {
        Some(old) => replaced(engine, create, said, old)?,
        None => {
            if let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)? {
                return Ok(skipped);
            }
            let view = made(engine, create, said, engine.catalog.next_id())?;
            engine.run_instance(view.id, Instance::new(Vec::new(), Parts::View))?;
            engine.stage(CatalogChange::Create(view));
        }
    }
    Ok(StatementOutcome::done(format!("CREATE VIEW {}", create.name.text)))
}

/// The view that a statement makes, with this id.
pub(super) fn made(engine: &mut Engine, create: &CreateQuery, said: Said<'_>, id: ObjectId) -> Result<Object> {
    refuse_clauses(create)?;
    engine.ensure_inputs(&create.query)?;
    Ok(Object {
        id,
        name: create.name.text.clone(),
        sql: said.sql.to_owned(),
        depends_on: inputs_in(&create.query, &engine.catalog),
        late_to: None,
        definition: Definition::View(planned(engine, &engine.catalog, &create.query, (&create.name.text, said.text))?),
    })
}

/// Clauses that say when something is emitted, or kept.
fn refuse_clauses(create: &CreateQuery) -> Result<()> {
    let query = &create.query;
    if let Some(history) = &create.history {
        return Err(Error::new(Code::InvalidQuery, "a VIEW has no changes of its own, so there is no history of them")
            .with_hint("write CREATE MATERIALIZED VIEW or CREATE STREAM here")
            .at(history.span));
    }
    let emit = query.emit.map(|emit| emit.span);
    let late = query.lateness.map(|lateness| lateness.span).or(query.late_to.as_ref().map(|target| target.span));
    match emit.or(late) {
        None => Ok(()),
        Some(span) => Err(Error::new(Code::InvalidQuery, "a VIEW is put in wherever it is named, so it emits nothing by itself")
            .with_hint("write the clause where the view is used, or CREATE MATERIALIZED VIEW or CREATE STREAM here")
            .at(span)),
    }
}

/// The definition of the view called `name`, whose statement is `text`, over the objects of `catalog`.
fn planned(engine: &Engine, catalog: &Catalog, query: &StreamQuery, (name, text): (&str, &str)) -> Result<ViewDefinition> {
    let relations = PlannerCatalog::of_columns(engine, catalog);
    let planned = engine.planner.plan_view(query, text, &relations);
    let inlined = relations.inlined() + 1;
    let schema = Arc::new(relations.checked(planned)?.schema().as_arrow().clone());
    refuse_repeated_names(&schema, query)?;
    refuse_too_many_views(name, inlined).map_err(|error| error.at(query.span))?;
    Ok(ViewDefinition { query: query.clone(), schema, inlined })
}

/// Puts the view that `create` makes in the place of `old`.
pub(super) fn replaced(engine: &mut Engine, create: &CreateQuery, said: Said<'_>, old: ObjectId) -> Result<()> {
    let replacement = Replacement::of_view(engine, create, said, old)?;
    replacement.refuse(engine, create)?;
    replacement.stage(engine)
}

/// A view over the objects of `catalog`, which differ from those that it was created over.
pub(super) fn planned_anew(engine: &Engine, catalog: &Catalog, id: ObjectId) -> Result<Object> {
    let object = catalog.object(id).ok_or_else(|| Error::internal(format!("there is no {id}")))?;
    let Definition::View(view) = &object.definition else { return Err(Error::internal(format!("{id} is no view"))) };
    let planned = planned(engine, catalog, &view.query, (&object.name, &object.sql));
    // Its place is in another statement, that which made the view.
    let definition = planned.map_err(|error| {
        let without_place = Error::new(error.code(), error.message());
        within_view(without_place, &object.name).with_hint("drop that view first, or keep the columns that it names")
    })?;
    Ok(Object { definition: Definition::View(definition), ..object.clone() })
}
