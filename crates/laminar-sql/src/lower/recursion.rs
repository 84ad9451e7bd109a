//! WITH RECURSIVE: the nodes of the term that depend on the rounds become a part of the recursion, what else it reads stands in front of it.

use datafusion::logical_expr::UserDefinedLogicalNodeCore;
use laminar_core::dag::{ChangeKind, EdgeProperties, Node, NodeKind, Partitioning, RecursionSpec, TermInput, TermNode};
use laminar_core::{Code, Error, NodeId, Result};

use super::{Lowered, Lowering, edge_schema};
use crate::plan::nodes::{Recursion, Rounds};

/// More rounds than these are taken for a recursion without an end.
const ROUNDS_MAX: u32 = 10_000;

/// The rows of a recursion's rounds while its term is lowered.
pub(super) struct OpenRounds {
    number: usize,
    rows: Lowered,
}

impl Lowering {
    /// The rows of all rounds.
    pub(super) fn recursion(&mut self, recursion: &Recursion) -> Result<Lowered> {
        let base = self.plan(&recursion.base)?;
        let schema = edge_schema(recursion.schema());
        let base = self.renamed(base, &schema);
        let rounds = EdgeProperties {
            partitioning: Partitioning::Single,
            is_stream: base.edge.is_stream,
            ..EdgeProperties::new(edge_schema(recursion.term.schema()), ChangeKind::Retract)
        };
        let rows = Lowered { node: self.next_id(), edge: rounds.clone() };
        let known = self.nodes.len();
        self.rounds.push(OpenRounds { number: recursion.number, rows: rows.clone() });
        let result = self.plan(&recursion.term)?;
        self.rounds.pop();
        let mut split = Split { rounds: rows.node, inputs: vec![base.node], places: Vec::new(), term: Vec::new() };
        for node in self.nodes.split_off(known) {
            self.nodes.extend(split.add(node)?);
        }
        let result = split.input(result.node);
        let inputs = split.inputs.iter().map(|id| self.known(*id)).collect::<Result<Vec<_>>>()?;
        let spec = RecursionSpec { distinct: recursion.distinct, rounds, term: split.term, result, rounds_max: ROUNDS_MAX };
        Ok(self.add(NodeKind::Recursion(spec), &inputs.iter().collect::<Vec<_>>(), schema))
    }

    /// A node that another one of this query reads.
    fn known(&self, id: NodeId) -> Result<Lowered> {
        let ours = self.nodes.iter().find(|node| node.id == id).map(|node| Lowered { node: id, edge: node.output.clone() });
        let found = ours.or_else(|| self.reads.iter().find(|read| read.node == id).cloned());
        found.ok_or_else(|| Error::internal(format!("a recursive term reads {id}, which does not exist")))
    }

    /// The rows of the recursion whose term is being lowered.
    pub(super) fn rounds(&self, rounds: &Rounds) -> Result<Lowered> {
        let open = self.rounds.iter().find(|open| open.number == rounds.number);
        open.map(|open| open.rows.clone()).ok_or_else(|| Error::internal("rounds outside of their recursion"))
    }
}

/// Tells nodes that depend on the rounds from those that do not.
struct Split {
    rounds: NodeId,
    /// The recursion's inputs, by port.
    inputs: Vec<NodeId>,
    /// The ids of the term's nodes, by place.
    places: Vec<NodeId>,
    term: Vec<TermNode>,
}

impl Split {
    /// Takes a node that depends on the rounds; gives another one back.
    fn add(&mut self, node: Node) -> Result<Option<Node>> {
        let depends = |id: &NodeId| *id == self.rounds || self.places.contains(id);
        if !node.inputs.iter().any(depends) {
            return Ok(Some(node));
        }
        expect_repeatable(&node.kind)?;
        let inputs = node.inputs.iter().map(|id| self.input(*id)).collect();
        self.places.push(node.id);
        self.term.push(TermNode { node, inputs });
        Ok(None)
    }

    fn input(&mut self, id: NodeId) -> TermInput {
        if id == self.rounds {
            return TermInput::Rounds;
        }
        if let Some(place) = self.places.iter().position(|known| *known == id) {
            return TermInput::Node(place);
        }
        let known = self.inputs.iter().position(|known| *known == id);
        TermInput::Input(known.unwrap_or_else(|| {
            self.inputs.push(id);
            self.inputs.len() - 1
        }))
    }
}

/// Rounds have neither a time nor an order.
fn expect_repeatable(kind: &NodeKind) -> Result<()> {
    match kind {
        NodeKind::Compute(_) | NodeKind::Unnest(_) | NodeKind::Aggregate(_) => Ok(()),
        NodeKind::Join(spec) if spec.lookup.is_none() && spec.time_bound.is_none() => Ok(()),
        other => {
            let text = format!("{} over the rows of a recursion, in its recursive part, is not built yet", other.name());
            Err(Error::new(Code::NotSupported, text).with_hint("do it in a query over the recursion"))
        }
    }
}
