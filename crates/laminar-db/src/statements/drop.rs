//! `DROP`.

use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::parse::{DropObjects, Name};

use super::StatementOutcome;
use crate::catalog::{Body, kind_name};
use crate::engine::{Engine, SinkIntake};

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
        check(engine, drop, name, &names)?;
        add_with_dependants(engine, &name.text, &mut order);
    }
    // Nothing is dropped before it is known that all of it can be.
    let nodes: Vec<NodeId> = order.iter().flat_map(|name| engine.nodes_with_sides(name)).collect();
    engine.reactor.graph().check_detach(&nodes)?;
    order.iter().try_for_each(|name| remove(engine, name))?;
    Ok(StatementOutcome::done(format!("DROP {}", kind_name(drop.kind))))
}

/// Whether `name` may be dropped together with `names`.
fn check(engine: &Engine, drop: &DropObjects, name: &Name, names: &[&Name]) -> Result<()> {
    let kind = engine.catalog.require(name)?.kind();
    if kind != drop.kind {
        let (is, asked) = (kind_name(kind), kind_name(drop.kind));
        return Err(Error::new(
            Code::InvalidQuery,
            format!("'{}' is a {}, not a {}", name.text, is.to_lowercase(), asked.to_lowercase()),
        )
        .with_hint(format!("write DROP {is} {}", name.text))
        .at(name.span));
    }
    let mut dependants = engine.catalog.dependants(&name.text);
    dependants.retain(|dependant| !names.iter().any(|name| name.text == *dependant));
    if !dependants.is_empty() && !drop.cascade {
        return Err(Error::new(Code::ObjectInUse, format!("'{}' is used by {}", name.text, dependants.join(", ")))
            .with_hint("drop those first, or write CASCADE to drop them too")
            .at(name.span));
    }
    Ok(())
}

/// Adds an object to those that are dropped, after all that reads from it.
fn add_with_dependants(engine: &Engine, name: &str, order: &mut Vec<String>) {
    if order.iter().any(|known| known == name) {
        return;
    }
    for dependant in engine.catalog.dependants(name) {
        add_with_dependants(engine, &dependant, order);
    }
    order.push(name.to_owned());
}

fn remove(engine: &mut Engine, name: &str) -> Result<()> {
    let Some(object) = engine.catalog.get(name) else { return Ok(()) };
    let nodes = object.nodes.clone();
    match &object.body {
        Body::Sink { outlet, handle } | Body::LateSink { intake: Some(SinkIntake { outlet, handle, .. }), .. } => {
            engine.reactor.graph_mut().detach_outlet(*outlet);
            handle.finish();
        }
        _ => {}
    }
    engine.detach(name, &nodes)?;
    engine.files.forget(name);
    engine.catalog.remove(name);
    Ok(())
}
