//! `EXPLAIN STATE`: what operators keep, whether that is bounded, and what would bound it.

use std::collections::BTreeMap;

use laminar_core::dag::{Extent, Kept, Node, NodeKeeps, keeps};
use laminar_core::{NodeId, Result};

use super::super::{StatementOutcome, text_rows};
use crate::catalog::ObjectId;
use crate::engine::Engine;
use crate::settings::size_text;

/// What is said of each thing that is kept. The bytes are an estimate from the types of columns.
const KEPT: [&str; 6] = ["operator", "keeps", "extent", "of_what", "to_bound_it", "per_million"];

/// What a query would keep whose nodes are `nodes`.
pub(in super::super) fn of_nodes(engine: &Engine, nodes: &[Node]) -> Result<StatementOutcome> {
    let keeps = keeps(engine.reactor.graph().nodes().chain(nodes));
    let rows = nodes.iter().flat_map(|node| kept_of(&keeps, node)).map(|(_, row)| row).collect();
    text_rows(&KEPT, or_nothing(rows, KEPT.len()))
}

/// What an object keeps, with rows and bytes as they are now.
pub(super) fn of_object(engine: &mut Engine, id: ObjectId) -> Result<StatementOutcome> {
    let ids = engine.instances.get(id).map(|instance| instance.nodes.clone()).unwrap_or_default();
    let graph = engine.reactor.graph();
    let keeps = keeps(graph.nodes());
    let kept: Vec<(NodeId, Vec<String>)> =
        graph.nodes().filter(|node| ids.contains(&node.id)).flat_map(|node| kept_of(&keeps, node)).collect();
    let mut rows = Vec::new();
    let mut measured = None;
    for (node, mut row) in kept {
        // What a join keeps of both sides is measured as one.
        let now = match measured.replace(node) == Some(node) {
            true => ["\"".to_owned(), "\"".to_owned()],
            false => {
                let metrics = engine.reactor.graph_mut().metrics(node)?;
                [metrics.state_rows.to_string(), metrics.state_bytes.to_string()]
            }
        };
        row.extend(now);
        rows.push(row);
    }
    let name = engine.catalog.name_of(id).to_owned();
    let memory = format!("subscription_memory: {}", size_text(engine.settings.subscription_memory));
    let histories = engine.history_usage().filter(|(of, ..)| *of == name).map(|(_, steps, bytes)| {
        let kept = ["history", "steps that subscriptions have not read or that are kept for them", "bounded", &memory, "", ""];
        kept.into_iter().map(str::to_owned).chain([steps.to_string(), bytes.to_string()]).collect()
    });
    rows.extend(histories);
    let columns = [&KEPT[..], &["rows", "bytes"]].concat();
    text_rows(&columns, or_nothing(rows, columns.len()))
}

fn kept_of(keeps: &BTreeMap<NodeId, NodeKeeps>, node: &Node) -> Vec<(NodeId, Vec<String>)> {
    let kept = keeps.get(&node.id).map(|keeps| keeps.kept.as_slice()).unwrap_or_default();
    kept.iter().map(|kept| (node.id, row(node, kept))).collect()
}

fn row(node: &Node, kept: &Kept) -> Vec<String> {
    let (extent, of_what) = match &kept.extent {
        Extent::Bounded(by) => ("bounded", by),
        Extent::Grows(by) => ("growing", by),
    };
    let remedy = kept.remedy.clone().unwrap_or_default();
    vec![node.kind.name().to_owned(), kept.what.clone(), extent.to_owned(), of_what.clone(), remedy, per_million(kept.bytes_each)]
}

/// So many bytes each, for a million: an estimate, so two digits will do.
fn per_million(bytes_each: usize) -> String {
    format!("about {bytes_each} MB")
}

/// That nothing is kept is an answer too.
fn or_nothing(rows: Vec<Vec<String>>, width: usize) -> Vec<Vec<String>> {
    if !rows.is_empty() {
        return rows;
    }
    let mut nothing = vec![String::new(); width];
    nothing[1] = "nothing: each row is forgotten when it has been passed on".to_owned();
    nothing[2] = "bounded".to_owned();
    vec![nothing]
}
