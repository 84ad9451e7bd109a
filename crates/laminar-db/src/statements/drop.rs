//! `DROP`.

use laminar_core::{Code, Error, Result};
use laminar_sql::parse::{DropObjects, Name};

use super::StatementOutcome;
use crate::catalog::{Body, kind_name};
use crate::engine::{Engine, SinkIntake};

pub(super) fn run(engine: &mut Engine, drop: &DropObjects) -> Result<StatementOutcome> {
    let mut skipped = Vec::new();
    for name in &drop.names {
        if engine.catalog.get(&name.text).is_none() && drop.if_exists {
            skipped.push(format!("there is no '{}'", name.text));
            continue;
        }
        drop_one(engine, drop, name)?;
    }
    if skipped.len() == drop.names.len() {
        return Ok(StatementOutcome::Skipped(skipped.join(", ")));
    }
    Ok(StatementOutcome::done(format!("DROP {}", kind_name(drop.kind))))
}

fn drop_one(engine: &mut Engine, drop: &DropObjects, name: &Name) -> Result<()> {
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
    let dependants = engine.catalog.dependants(&name.text);
    if !dependants.is_empty() && !drop.cascade {
        return Err(Error::new(Code::ObjectInUse, format!("'{}' is used by {}", name.text, dependants.join(", ")))
            .with_hint("drop those first, or write CASCADE to drop them too")
            .at(name.span));
    }
    remove(engine, &name.text)
}

/// Removes an object after all that reads from it.
fn remove(engine: &mut Engine, name: &str) -> Result<()> {
    for dependant in engine.catalog.dependants(name) {
        remove(engine, &dependant)?;
    }
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
