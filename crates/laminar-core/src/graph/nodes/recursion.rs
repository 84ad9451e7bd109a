//! Rows that follow from rows: a recursive query.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use crate::graph::distribute::{Placement, gathered};
use crate::graph::edge::{ChangeKind, EdgeProperties, Partitioning};
use crate::graph::explain::explain_node;
use crate::graph::kept::{Extent, KEYED_ROW_BYTES, Kept, KeptInput, NodeKeeps, row_bytes};
use crate::graph::node::{Node, NodeSpec};
use crate::graph::validate::{expect_types, types};
use crate::{Error, Result};

/// `base UNION [ALL] term`, where the term reads the rows that the round before it has brought.
///
/// The first input is the base: the rows of round 0. The others are what else the nodes of the term read. The rows of a round, with their round as
/// last column, are the input [`TermInput::Rounds`]; what the term makes of them keeps that column, so that one graph serves all rounds, and its rows
/// are those of the next one. Output: the rows of all rounds, without the column.
#[derive(Debug, Clone)]
pub struct RecursionSpec {
    /// UNION: each row once, in the first round that brings it. Otherwise UNION ALL.
    pub distinct: bool,
    /// What holds for the rows of the rounds.
    pub rounds: EdgeProperties,
    /// The nodes of the term that depend on the rounds, each after its inputs.
    pub term: Vec<TermNode>,
    /// What of them is the term's result.
    pub result: TermInput,
    /// More rounds than this are an error.
    pub rounds_max: u32,
}

/// A node of the term. `node.inputs` are of no meaning.
#[derive(Debug, Clone)]
pub struct TermNode {
    /// What it does.
    pub node: Node,
    /// Where its rows come from, by port.
    pub inputs: Vec<TermInput>,
}

/// Where a node of the term reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermInput {
    /// The rows of the rounds.
    Rounds,
    /// An input of the recursion, by port; 0 is the base.
    Input(usize),
    /// Another node of the term, by its place.
    Node(usize),
}

impl RecursionSpec {
    /// What holds for the rows of `input`, given that of the recursion's inputs.
    pub(crate) fn edge<'a>(&'a self, input: TermInput, inputs: &[&'a EdgeProperties]) -> Option<&'a EdgeProperties> {
        match input {
            TermInput::Rounds => Some(&self.rounds),
            TermInput::Input(port) => inputs.get(port).copied(),
            TermInput::Node(place) => self.term.get(place).map(|term| &term.node.output),
        }
    }

    /// What holds for the inputs of the term's node number `place`, by port.
    pub(crate) fn edges<'a>(&'a self, place: usize, inputs: &[&'a EdgeProperties]) -> Result<Vec<&'a EdgeProperties>> {
        let stands_before = |input: &TermInput| !matches!(input, TermInput::Node(before) if *before >= place);
        let edge = |input: &TermInput| self.edge(*input, inputs).filter(|_| stands_before(input));
        let found: Option<Vec<_>> = self.term[place].inputs.iter().map(edge).collect();
        found.ok_or_else(|| Error::internal("a node of a recursive term reads what does not come before it"))
    }
}

impl NodeSpec for RecursionSpec {
    fn name(&self) -> &'static str {
        "recursion"
    }

    /// A port's number is one byte.
    fn arity(&self) -> RangeInclusive<usize> {
        1..=usize::from(u8::MAX)
    }

    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties {
        let out = EdgeProperties::out_of(inputs, schema, ChangeKind::Retract);
        EdgeProperties { partitioning: Partitioning::Single, ..out }
    }

    /// One worker has all rounds: a round begins when the one before it is known.
    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement {
        Placement::new(inputs.iter().map(gathered).collect(), Partitioning::Single)
    }

    /// Each row can change all that follows from others.
    fn takes_pieces(&self, _: bool) -> bool {
        false
    }

    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()> {
        expect_types(schema, types(&inputs[0].schema))?;
        for (place, term) in self.term.iter().enumerate() {
            let edges = self.edges(place, inputs)?;
            if !term.node.kind.takes(edges.len()) {
                return Err(Error::internal(format!("a node of this kind cannot have {} inputs", edges.len())));
            }
            term.node.kind.spec().validate(&edges, &term.node.output.schema)?;
        }
        match self.edge(self.result, inputs) {
            Some(result) => expect_types(&self.rounds.schema, types(&result.schema)),
            None => Err(Error::internal("a recursive term without a result")),
        }
    }

    fn explain(&self, _: &Node, inputs: &[&SchemaRef]) -> String {
        let union = if self.distinct { "UNION" } else { "UNION ALL" };
        let schema = |input: &TermInput| match *input {
            TermInput::Rounds => Some(&self.rounds.schema),
            TermInput::Input(port) => inputs.get(port).copied(),
            TermInput::Node(place) => self.term.get(place).map(|term| &term.node.output.schema),
        };
        let steps = self.term.iter().map(|term| {
            let below: Vec<&SchemaRef> = term.inputs.iter().filter_map(schema).collect();
            explain_node(&term.node, &below)
        });
        let steps: Vec<String> = steps.collect();
        format!(
            "Recursion {union}, each round: {}",
            if steps.is_empty() { "the same rows".to_owned() } else { steps.join(" -> ") }
        )
    }

    /// What the term's nodes keep for all rounds, and how often each round brings each row.
    fn keeps(&self, _: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps {
        let found = Extent::Grows("rows that follow from its inputs".to_owned());
        let mut kept = Vec::new();
        if self.distinct {
            let bytes = ROW_BYTES + KEYED_ROW_BYTES + row_bytes(&self.rounds.schema);
            kept.push(Kept::new("each row with its rounds", &found, bytes, ""));
        }
        let mut extents: Vec<Extent> = Vec::with_capacity(self.term.len());
        for term in &self.term {
            let input = |input: &TermInput| match *input {
                TermInput::Rounds => Some(KeptInput { edge: &self.rounds, extent: &found }),
                TermInput::Input(port) => inputs.get(port).copied(),
                TermInput::Node(place) => {
                    Some(KeptInput { edge: &self.term.get(place)?.node.output, extent: extents.get(place)? })
                }
            };
            let below: Option<Vec<KeptInput<'_>>> = term.inputs.iter().map(input).collect();
            let keeps = below.map(|below| term.node.kind.spec().keeps(&term.node, &below));
            let keeps = keeps.unwrap_or_else(|| NodeKeeps::nothing(found.clone()));
            // What bounds rows by their time bounds none of a recursion.
            kept.extend(keeps.kept.into_iter().map(|kept| Kept { remedy: None, ..kept }));
            extents.push(keeps.output);
        }
        NodeKeeps { kept, output: found }
    }

    /// Rows come when others do, however old they are.
    fn follows_watermark(&self) -> bool {
        false
    }
}

/// What stands beside a row with its rounds.
const ROW_BYTES: usize = 64;
