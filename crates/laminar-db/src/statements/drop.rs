//! `DROP`.

use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::{DropObjects, Name};

use super::{StatementOutcome, refuse_other_kind};
use crate::catalog::{Catalog, CatalogChange, ObjectId, ObjectKind, kind_name};
use crate::engine::Engine;

pub(super) fn run(engine: &mut Engine, drop: &DropObjects) -> Result<StatementOutcome> {
    let mut skipped = Vec::new();
    let mut names: Vec<&Name> = Vec::new();
    for name in &drop.names {
        if engine.catalog.get(&name.text).is_none() && drop.if_exists {
            skipped.push(format!("there is no '{}'", name.text));
        } else {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Ok(StatementOutcome::Skipped(skipped.join(", ")));
    }
    let mut order: Vec<ObjectId> = Vec::new();
    for name in &names {
        check(&engine.catalog, drop, name, &names)?;
        for id in engine.catalog.with_dependants(engine.catalog.require(name)?.id) {
            if !order.contains(&id) {
                order.push(id);
            }
        }
    }
    drop_all(engine, &order)?;
    Ok(StatementOutcome::done(format!("DROP {}", kind_name(drop.kind))))
}

/// Drops objects, each before what it needs.
pub(crate) fn drop_all(engine: &mut Engine, order: &[ObjectId]) -> Result<()> {
    // Nothing is dropped before it is known that all of it can be.
    let nodes: Vec<NodeId> = order.iter().flat_map(|id| engine.nodes_with_sides(*id)).collect();
    engine.reactor.graph().check_detach(&nodes)?;
    engine.commit(&order.iter().map(|id| CatalogChange::Drop(*id)).collect::<Vec<_>>())?;
    order.iter().try_for_each(|id| engine.end_instance(*id))
}

/// Whether `name` may be dropped together with `names`.
fn check(catalog: &Catalog, drop: &DropObjects, name: &Name, names: &[&Name]) -> Result<()> {
    let object = catalog.require(name)?;
    refuse_other_kind(object, drop.kind, "DROP", name)?;
    let mut dependants = catalog.dependants(object.id);
    // They are nothing by themselves.
    dependants.retain(|id| catalog.object(*id).is_some_and(|object| object.kind() != ObjectKind::Index));
    let mut dependants = catalog.names_of(&dependants);
    dependants.retain(|dependant| !names.iter().any(|name| name.text == *dependant));
    if !dependants.is_empty() && !drop.cascade {
        return Err(Error::new(Code::ObjectInUse, format!("'{}' is used by {}", name.text, dependants.join(", ")))
            .with_hint("drop those first, or write CASCADE to drop them too")
            .at(name.span));
    }
    Ok(())
}
