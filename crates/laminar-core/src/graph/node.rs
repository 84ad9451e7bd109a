//! A node of the graph: who it is, what it does, where its rows come from and what holds for those that it emits.

use std::ops::RangeInclusive;

use arrow_schema::SchemaRef;

use super::distribute::Placement;
use super::edge::EdgeProperties;
use super::kept::{KeptInput, NodeKeeps};
use super::nodes::{
    AggregateSpec, AsofJoinSpec, AssignSpec, ChangesSpec, ComputeSpec, ConstantSpec, EmitSpec, IndexSpec, JoinSpec, LimitSpec,
    OutputSpec, OverSpec, RecursionSpec, SessionSpec, SourceSpec, TemporalFilterSpec, TopNSpec, UnionSpec, UnnestSpec,
    WindowSpec,
};
use crate::{NodeId, Result};

/// A node with its place and its output edge.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its number. Inputs stand before it wherever nodes stand in a list, and have a smaller number until it [reads from others].
    ///
    /// [reads from others]: crate::reactor::Reactor::replace_queries
    pub id: NodeId,
    /// The name of the SQL object that it belongs to.
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// Where its rows come from, by port.
    pub inputs: Vec<NodeId>,
    /// What holds for its output.
    pub output: EdgeProperties,
}

/// What a node does. `operator/build.rs` is the only place that turns a kind into an operator.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Rows come in from outside.
    Source(SourceSpec),
    /// Rows that are there from the start.
    Constant(ConstantSpec),
    /// Filter and projection, fused.
    Compute(ComputeSpec),
    /// Rows while conditions about the wall clock hold.
    TemporalFilter(TemporalFilterSpec),
    /// All rows of all inputs.
    Union,
    /// A row for each element of its lists.
    Unnest(UnnestSpec),
    /// Groups without windows.
    Aggregate(AggregateSpec),
    /// Adds `window_start` and `window_end` to each row, once for each of its windows.
    AssignWindow(AssignSpec),
    /// Groups by tumbling, hopping or cumulating window and key.
    Window(WindowSpec),
    /// Groups by session and key.
    Session(SessionSpec),
    /// Inner equi-join.
    Join(JoinSpec),
    /// Each left row beside the right row that is nearest in time.
    AsofJoin(AsofJoinSpec),
    /// The first rows that come.
    Limit(LimitSpec),
    /// The first rows of each partition in an order.
    TopN(TopNSpec),
    /// Adds columns that are computed from the rows around each row.
    Over(OverSpec),
    /// Rows that follow from rows.
    Recursion(RecursionSpec),
    /// Holds changes back until they are due.
    Emit(EmitSpec),
    /// Tells changes as rows.
    Changes(ChangesSpec),
    /// The rows of a stored object, found by columns.
    Index(IndexSpec),
    /// The end of a named object: its contents and its readers.
    Output(OutputSpec),
}

impl NodeKind {
    /// What it says about itself. In the graph, this is the only place that tells kinds apart.
    pub(super) fn spec(&self) -> &dyn NodeSpec {
        match self {
            NodeKind::Source(spec) => spec,
            NodeKind::Constant(spec) => spec,
            NodeKind::Compute(spec) => spec,
            NodeKind::TemporalFilter(spec) => spec,
            NodeKind::Union => &UnionSpec,
            NodeKind::Unnest(spec) => spec,
            NodeKind::Aggregate(spec) => spec,
            NodeKind::AssignWindow(spec) => spec,
            NodeKind::Window(spec) => spec,
            NodeKind::Session(spec) => spec,
            NodeKind::Join(spec) => spec,
            NodeKind::AsofJoin(spec) => spec,
            NodeKind::Limit(spec) => spec,
            NodeKind::TopN(spec) => spec,
            NodeKind::Over(spec) => spec,
            NodeKind::Recursion(spec) => spec,
            NodeKind::Emit(spec) => spec,
            NodeKind::Changes(spec) => spec,
            NodeKind::Index(spec) => spec,
            NodeKind::Output(spec) => spec,
        }
    }

    /// What people call it.
    pub fn name(&self) -> &'static str {
        self.spec().name()
    }

    /// Whether rows of `input` can be aggregated before they are sent to the worker of their key.
    pub fn has_partial_aggregation(&self, input: &EdgeProperties) -> bool {
        self.spec().has_partial_aggregation(input)
    }

    /// Whether all rows behind the watermark that it emits are marked as such by their source, if those that come in are.
    pub(crate) fn follows_watermark(&self) -> bool {
        self.spec().follows_watermark()
    }

    /// Whether it can have so many inputs.
    pub(super) fn takes(&self, inputs: usize) -> bool {
        self.spec().arity().contains(&inputs)
    }
}

/// What a kind of node says about itself: all that the graph knows of it. The graph looks at `arity` before it asks what depends
/// on the inputs, so that these are as many as there must be.
pub(super) trait NodeSpec {
    /// What people call it.
    fn name(&self) -> &'static str;

    /// How many inputs it has.
    fn arity(&self) -> RangeInclusive<usize>;

    /// What holds for its output, whose columns are `schema`: the strongest thing that is true of any such node.
    fn derive(&self, inputs: &[&EdgeProperties], schema: SchemaRef) -> EdgeProperties;

    /// How rows move between workers on their way into it, and where its output and its state are.
    fn distribute(&self, inputs: &[EdgeProperties]) -> Placement;

    /// Looks for mistakes: in itself, in how it fits its inputs, and in the columns of its output.
    fn validate(&self, inputs: &[&EdgeProperties], schema: &SchemaRef) -> Result<()>;

    /// What it does, in one line, with the node's name where that has a meaning for people. `inputs` are the columns of those
    /// inputs that are printed too.
    fn explain(&self, node: &Node, inputs: &[&SchemaRef]) -> String;

    /// What it keeps of the rows that come, what bounds that, and how many rows come out.
    fn keeps(&self, node: &Node, inputs: &[KeptInput<'_>]) -> NodeKeeps;

    /// Whether rows of `input` can be aggregated before they are sent to the worker of their key.
    fn has_partial_aggregation(&self, input: &EdgeProperties) -> bool {
        let _ = input;
        false
    }

    /// Whether all rows behind the watermark that it emits are marked as such by their source, if those that come in are.
    fn follows_watermark(&self) -> bool {
        true
    }

    /// Whether the rows with which it begins may come in many steps ([`takes_pieces`](super::takes_pieces)). `provisional`: some that come may be taken
    /// back before the last step.
    fn takes_pieces(&self, provisional: bool) -> bool {
        !provisional
    }

    /// Whether what it gives out may be taken back while its inputs only grow.
    fn gives_provisional_rows(&self) -> bool {
        false
    }
}
