//! `ALTER … RENAME TO`.

use std::sync::Arc;

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{CreateTable, RenameObject, Statement, renamed};

use super::define_rules::{definition_of, rules_of};
use super::{StatementOutcome, refuse_other_kind, refuse_side_name};
use crate::catalog::{CatalogChange, Definition, Object, ObjectId, SourceDefinition, ViewDefinition, kind_name};
use crate::engine::{Engine, TableRules};

pub(super) fn run(engine: &mut Engine, rename: &RenameObject) -> Result<StatementOutcome> {
    if engine.catalog.get(&rename.name.text).is_none() && rename.if_exists {
        return Ok(StatementOutcome::Skipped(format!("there is no '{}'", rename.name.text)));
    }
    let object = engine.catalog.require(&rename.name)?;
    refuse_other_kind(object, rename.kind, "ALTER", &rename.name)?;
    refuse_taken_name(engine, rename)?;
    refuse_dependants(engine, rename, object)?;
    rename_object(engine, object.id, &rename.to.text)?;
    Ok(StatementOutcome::done(format!("ALTER {}", kind_name(rename.kind))))
}

/// Gives an object another name, which must be free.
pub(super) fn rename_object(engine: &mut Engine, id: ObjectId, to: &str) -> Result<()> {
    let object = engine.catalog.object(id).ok_or_else(|| Error::internal(format!("there is no {id}")))?;
    let (object, rules) = under_its_name(engine, object, to)?;
    engine.commit(&[CatalogChange::Alter(object)])?;
    engine.rename_instance(id, rules);
    Ok(())
}

fn refuse_taken_name(engine: &Engine, rename: &RenameObject) -> Result<()> {
    refuse_side_name(&rename.to)?;
    let Some(existing) = engine.catalog.get(&rename.to.text) else { return Ok(()) };
    let text = format!("{} '{}' exists already", kind_name(existing.kind()).to_lowercase(), rename.to.text);
    Err(Error::new(Code::ObjectExists, text).with_hint("choose another name").at(rename.to.span))
}

/// The statements of what reads from an object say its name.
fn refuse_dependants(engine: &Engine, rename: &RenameObject, object: &Object) -> Result<()> {
    let dependants = engine.catalog.dependants(object.id);
    if dependants.is_empty() {
        return Ok(());
    }
    let names = engine.catalog.names_of(&dependants).join(", ");
    Err(Error::new(Code::ObjectInUse, format!("'{}' is used by {names}", object.name))
        .with_detail("their statements say its name")
        .with_hint("drop those first, and create them again with the new name")
        .at(rename.name.span))
}

/// `object` as its statement would have made it under the name `to`, and the rules of that, if it is a table.
fn under_its_name(engine: &Engine, object: &Object, to: &str) -> Result<(Object, Option<Arc<TableRules>>)> {
    let parsed = renamed(&object.sql, to)?;
    let mut rules = None;
    let definition = match (object.definition.clone(), parsed.statement) {
        (Definition::Source(source), Statement::CreateSource(create)) => {
            Definition::Source(SourceDefinition { watermark: create.watermark, connector: create.connector, ..source })
        }
        (Definition::Table(table), Statement::CreateTable(create)) => {
            // A table of which only its query's text is known has the columns that the query had.
            let create = CreateTable { query: None, ..create };
            let mut new = rules_of(engine, &create, &table.properties.schema, &parsed.text)?;
            if let Some(table) = engine.instances.table(object.id) {
                new.uniques.share(&table.rules.uniques);
            }
            let new = Arc::new(new);
            let definition = definition_of(&create, &new, table.properties, table.idle_timeout)?;
            rules = Some(new);
            Definition::Table(definition)
        }
        (Definition::View(view), Statement::CreateView(create)) => {
            Definition::View(ViewDefinition { query: create.query, ..view })
        }
        (Definition::Sink { .. }, Statement::CreateSink(create)) => Definition::Sink { connector: create.connector },
        (Definition::LateSink { columns, .. }, Statement::CreateSink(create)) => {
            Definition::LateSink { connector: create.connector, columns }
        }
        (Definition::Lookup(lookup), Statement::CreateLookup(_)) => Definition::Lookup(lookup),
        (same @ (Definition::Query { .. } | Definition::Subscription { .. } | Definition::Index { .. }), _) => same,
        _ => return Err(Error::internal(format!("the statement of '{}' makes something else", object.name))),
    };
    Ok((Object { name: to.to_owned(), sql: parsed.text, definition, ..object.clone() }, rules))
}
