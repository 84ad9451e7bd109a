//! `CREATE [OR REPLACE] VIEW`.

use std::sync::Arc;

use laminar_core::{Code, Error, Result};
use laminar_sql::batch::{refuse_too_many_views, within_view};
use laminar_sql::parse::{CreateQuery, StreamQuery};

use super::{StatementOutcome, name_is_free};
use crate::catalog::{Catalog, CatalogChange, Definition, Object, ObjectId, ObjectKind, ViewDefinition, inputs_in};
use crate::engine::{Engine, Instance, Parts, PlannerCatalog, refuse_repeated_names};

pub(super) fn run(engine: &mut Engine, create: &CreateQuery, text: &str) -> Result<StatementOutcome> {
    let replaced = engine.catalog.get(&create.name.text).filter(|old| create.or_replace && old.kind() == ObjectKind::View);
    let replaced = replaced.map(|old| old.id);
    if replaced.is_none()
        && let Some(skipped) = name_is_free(engine, &create.name, create.if_not_exists, create.or_replace)?
    {
        return Ok(skipped);
    }
    refuse_clauses(create)?;
    engine.ensure_inputs(&create.query)?;
    let object = Object {
        id: replaced.unwrap_or(engine.catalog.next_id()),
        name: create.name.text.clone(),
        sql: text.to_owned(),
        depends_on: inputs_in(&create.query, &engine.catalog),
        late_to: None,
        definition: Definition::View(planned(engine, &engine.catalog, &create.query, (&create.name.text, text))?),
    };
    match replaced {
        Some(_) => replace(engine, create, object)?,
        None => {
            engine.run_instance(object.id, Instance::new(Vec::new(), Parts::View))?;
            engine.stage(CatalogChange::Create(object));
        }
    }
    Ok(StatementOutcome::done(format!("CREATE VIEW {}", create.name.text)))
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

/// Puts `view` in the place of the one with its id. The views above are planned anew, over the catalog as it will be; what runs above would keep the
/// old query, so it is refused.
fn replace(engine: &mut Engine, create: &CreateQuery, view: Object) -> Result<()> {
    let (id, name) = (view.id, create.name.text.as_str());
    if engine.catalog.with_inputs(&view.depends_on).contains(&id) {
        let error = Error::new(Code::InvalidQuery, format!("view '{name}' would read from itself"));
        return Err(error.with_hint("name the tables and views below it").at(create.query.span));
    }
    let mut above = engine.catalog.with_dependants(id);
    above.retain(|other| *other != id);
    refuse_running(&engine.catalog, create, &above)?;
    let mut next = engine.catalog.clone();
    let mut changes = vec![CatalogChange::Alter(view)];
    next.apply(&changes)?;
    // The last of `above` needs the least of the others.
    for other in above.into_iter().rev() {
        let anew = planned_anew(engine, &next, other).map_err(|error| error.at(create.name.span))?;
        let change = CatalogChange::Alter(anew);
        next.apply(std::slice::from_ref(&change))?;
        changes.push(change);
    }
    changes.into_iter().for_each(|change| engine.stage(change));
    Ok(())
}

fn refuse_running(catalog: &Catalog, create: &CreateQuery, above: &[ObjectId]) -> Result<()> {
    let running = above.iter().filter_map(|id| catalog.object(*id)).filter(|object| object.kind() != ObjectKind::View);
    let mut names: Vec<&str> = running.map(|object| object.name.as_str()).collect();
    names.sort_unstable();
    if names.is_empty() {
        return Ok(());
    }
    let text = format!("view '{}' is used by {}", create.name.text, names.join(", "));
    Err(Error::new(Code::ObjectInUse, text)
        .with_detail("what runs would keep the old query")
        .with_hint("drop those first and create them again, or create a view of another name")
        .at(create.name.span))
}

/// A view over the objects of `catalog`, which differ from those that it was created over.
fn planned_anew(engine: &Engine, catalog: &Catalog, id: ObjectId) -> Result<Object> {
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
