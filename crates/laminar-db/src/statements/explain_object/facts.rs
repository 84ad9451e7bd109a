//! What is to be known of an object and of all that its rows come from, at one moment: facts from which findings are made.

use std::collections::BTreeSet;

use arrow_schema::SchemaRef;
use laminar_core::dag::{Holds, Node, NodeKind, NodeMetrics, NodeStatus, NodeWaits, explain_node};
use laminar_core::time::Watermark;
use laminar_core::{Error, NodeId, Result};

use super::called;
use crate::catalog::{Definition, ObjectId};
use crate::engine::{Engine, LookupWaits, ReaderState, SinkState};

/// An object and what it reads from.
pub(super) struct Facts {
    /// `materialized view bars`.
    pub(super) called: String,
    /// Its name.
    pub(super) name: String,
    /// The nodes, each after its inputs: those of the object, and all from which its rows come.
    pub(super) nodes: Vec<NodeFacts>,
    /// The sources and tables among them.
    pub(super) sources: Vec<SourceFacts>,
    /// The subscription that holds back what feeds the object, and how many steps wait for it.
    pub(super) held_by: Option<(String, u64)>,
    /// Why it cannot be written to any more, if it is a sink.
    pub(super) sink_failed: Option<Error>,
    /// Rows that came out, if it is a sink: those that it wrote.
    pub(super) written: Option<u64>,
    /// Rows that it stores now, if it stores any.
    pub(super) stored_rows: Option<usize>,
    /// The wall clock, in nanoseconds.
    pub(super) now: i64,
}

/// A node.
pub(super) struct NodeFacts {
    pub(super) id: NodeId,
    /// The name of the object that it belongs to.
    pub(super) object: String,
    /// Whether it belongs to the object that is asked about.
    pub(super) is_own: bool,
    pub(super) kind: NodeKind,
    /// What it does, in a line.
    pub(super) text: String,
    pub(super) inputs: Vec<NodeId>,
    pub(super) metrics: NodeMetrics,
    pub(super) waits: NodeWaits,
    pub(super) status: NodeStatus,
    /// What it waits for, if it asks for rows that stand elsewhere.
    pub(super) lookup: Option<LookupWaits>,
}

/// A source or table.
pub(super) struct SourceFacts {
    pub(super) node: NodeId,
    /// `source trades`.
    pub(super) called: String,
    pub(super) name: String,
    pub(super) is_table: bool,
    /// Whether it is asked for rows by key.
    pub(super) is_lookup: bool,
    /// Wall-clock silence after which it no longer holds others back; `None`: never.
    pub(super) idle_timeout: Option<i64>,
    /// How it is read, unless rows are pushed into it.
    pub(super) reader: Option<ReaderFacts>,
    /// The source of its alignment group for which it waits.
    pub(super) waits_for: Option<String>,
}

/// A connector that is read.
pub(super) struct ReaderFacts {
    pub(super) state: ReaderState,
    pub(super) position: String,
    /// Rows that could not be read.
    pub(super) bad: u64,
}

impl Facts {
    /// The facts of an object that is there.
    pub(super) fn of(engine: &mut Engine, id: ObjectId) -> Result<Self> {
        let above = ends(engine, id);
        let own: BTreeSet<NodeId> = engine.instances.nodes(id).iter().copied().collect();
        let nodes = nodes_below(engine, &above, &own)?;
        let sources = nodes.iter().filter(|node| node.inputs.is_empty()).map(|node| source(engine, node)).collect();
        let (sink_failed, written) = sink(engine, id);
        let is_stored = engine.catalog.object(id).is_some_and(|object| object.is_stored());
        let output = nodes.iter().rfind(|node| above.contains(&node.id));
        Ok(Self {
            called: called(engine, id),
            name: engine.catalog.name_of(id).to_owned(),
            stored_rows: output.filter(|_| is_stored).map(|node| node.metrics.state_rows),
            nodes,
            sources,
            held_by: engine.blocker_of(id).map(|blocker| (blocker.name, blocker.steps)),
            sink_failed,
            written,
            now: engine.clock.now(),
        })
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&NodeFacts> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub(super) fn source_at(&self, id: NodeId) -> Option<&SourceFacts> {
        self.sources.iter().find(|source| source.node == id)
    }

    /// The source whose watermark is what `node` waits for: of the inputs that hold time back, the furthest behind.
    pub(super) fn holder<'a>(&'a self, node: &'a NodeFacts) -> Option<&'a NodeFacts> {
        if node.inputs.is_empty() {
            return Some(node);
        }
        let inputs = node.inputs.iter().filter_map(|id| self.node(*id)).filter(|input| input.metrics.watermark != Watermark::END);
        let behind = inputs.max_by_key(|input| (input.waits.holds, std::cmp::Reverse(input.metrics.watermark)));
        behind.filter(|input| input.waits.holds != Holds::Nothing).and_then(|input| self.holder(input))
    }
}

/// Where the rows of an object come out; of a sink, what goes into it.
fn ends(engine: &Engine, id: ObjectId) -> Vec<NodeId> {
    let Some(instance) = engine.instances.get(id) else { return Vec::new() };
    let end = instance.output().or_else(|| instance.nodes.last().copied());
    let inputs = || engine.catalog.object(id).map(|object| object.depends_on.clone()).unwrap_or_default();
    end.map_or_else(|| inputs().iter().filter_map(|input| engine.instances.output(*input)).collect(), |end| vec![end])
}

fn nodes_below(engine: &mut Engine, above: &[NodeId], own: &BTreeSet<NodeId>) -> Result<Vec<NodeFacts>> {
    let nodes: Vec<Node> = engine.reactor.graph().nodes().cloned().collect();
    let mut wanted: BTreeSet<NodeId> = above.iter().chain(own).copied().collect();
    // Inputs stand in front, so those that read from a node have been looked at before it.
    for node in nodes.iter().rev().filter(|node| !node.inputs.is_empty()) {
        if wanted.contains(&node.id) {
            wanted.extend(node.inputs.iter().copied());
        }
    }
    let schema = |id: &NodeId| nodes.iter().find(|node| node.id == *id).map(|node| &node.output.schema);
    let wanted = nodes.iter().filter(|node| wanted.contains(&node.id));
    let fact = |node: &Node| {
        let inputs: Vec<&SchemaRef> = node.inputs.iter().filter_map(schema).collect();
        let text = explain_node(node, &inputs);
        let graph = engine.reactor.graph_mut();
        Ok(NodeFacts {
            id: node.id,
            object: node.name.clone(),
            is_own: own.contains(&node.id),
            kind: node.kind.clone(),
            text,
            inputs: node.inputs.clone(),
            metrics: graph.metrics(node.id)?,
            waits: graph.waits(node.id)?,
            status: graph.status(node.id)?,
            lookup: engine.lookup_waits(node)?,
        })
    };
    wanted.map(fact).collect()
}

fn source(engine: &Engine, node: &NodeFacts) -> SourceFacts {
    let object = engine.catalog.get(&node.object);
    let is_table = matches!(&node.kind, NodeKind::Constant(_)) || matches!(&node.kind, NodeKind::Source(spec) if spec.is_table());
    let idle_timeout = match object.map(|object| &object.definition) {
        Some(Definition::Source(source)) => source.idle_timeout,
        _ => None,
    };
    let reader = engine.readers.of_node(node.id).map(|reader| ReaderFacts {
        state: reader.state.clone(),
        position: reader.describe_position(),
        bad: reader.bad,
    });
    let waits_for = object.and_then(|object| engine.waits_for(object.id));
    SourceFacts {
        node: node.id,
        called: object.map_or_else(|| node.object.clone(), |object| called(engine, object.id)),
        name: node.object.clone(),
        is_table,
        is_lookup: object.is_some_and(|object| matches!(object.definition, Definition::Lookup(_))),
        idle_timeout,
        reader,
        waits_for: waits_for.map(|slowest| engine.catalog.name_of(slowest).to_owned()),
    }
}

fn sink(engine: &Engine, id: ObjectId) -> (Option<Error>, Option<u64>) {
    let Some((handle, _)) = engine.instances.get(id).and_then(|instance| instance.sink()) else { return (None, None) };
    let status = handle.status();
    let failed = match status.state {
        SinkState::Failed(error) => Some(error),
        SinkState::Writing | SinkState::Finished => None,
    };
    (failed, Some(status.rows))
}
