//! `DROP`.

use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::{DropObjects, Name};

use super::StatementOutcome;
use crate::catalog::{Catalog, CatalogChange, ObjectId, kind_name};
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
    let mut order = Vec::new();
    for name in &names {
        check(&engine.catalog, drop, name, &names)?;
        add_with_dependants(&engine.catalog, engine.catalog.require(name)?.id, &mut order);
    }
    // Nothing is dropped before it is known that all of it can be.
    let nodes: Vec<NodeId> = order.iter().flat_map(|id| engine.nodes_with_sides(*id)).collect();
    engine.reactor.graph().check_detach(&nodes)?;
    engine.commit(&order.iter().map(|id| CatalogChange::Drop(*id)).collect::<Vec<_>>())?;
    order.iter().try_for_each(|id| engine.end_instance(*id))?;
    Ok(StatementOutcome::done(format!("DROP {}", kind_name(drop.kind))))
}

/// Whether `name` may be dropped together with `names`.
fn check(catalog: &Catalog, drop: &DropObjects, name: &Name, names: &[&Name]) -> Result<()> {
    let object = catalog.require(name)?;
    let kind = object.kind();
    if kind != drop.kind {
        let (is, asked) = (kind_name(kind), kind_name(drop.kind));
        return Err(Error::new(
            Code::InvalidQuery,
            format!("'{}' is a {}, not a {}", name.text, is.to_lowercase(), asked.to_lowercase()),
        )
        .with_hint(format!("write DROP {is} {}", name.text))
        .at(name.span));
    }
    let dependants = catalog.dependants(object.id);
    let mut dependants = catalog.names_of(&dependants);
    dependants.retain(|dependant| !names.iter().any(|name| name.text == *dependant));
    if !dependants.is_empty() && !drop.cascade {
        return Err(Error::new(Code::ObjectInUse, format!("'{}' is used by {}", name.text, dependants.join(", ")))
            .with_hint("drop those first, or write CASCADE to drop them too")
            .at(name.span));
    }
    Ok(())
}

/// Adds an object to those that are dropped, after all that reads from it.
fn add_with_dependants(catalog: &Catalog, id: ObjectId, order: &mut Vec<ObjectId>) {
    if order.contains(&id) {
        return;
    }
    for dependant in catalog.dependants(id) {
        add_with_dependants(catalog, dependant, order);
    }
    order.push(id);
}
