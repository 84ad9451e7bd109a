//! A node of the graph: who it is, what it does, where its rows come from and what holds for those that it emits.

use super::edge::EdgeProperties;
use super::nodes::{
    AggregateSpec, AssignSpec, ComputeSpec, EmitSpec, JoinSpec, OutputSpec, SessionSpec, SourceSpec, WindowSpec, can_be_sent,
};
use crate::NodeId;

/// A node with its place and its output edge.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its number; every input has a smaller one.
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
    /// Filter and projection, fused.
    Compute(ComputeSpec),
    /// All rows of all inputs.
    Union,
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
    /// Holds changes back until they are due.
    Emit(EmitSpec),
    /// The end of a named object: its contents and its readers.
    Output(OutputSpec),
}

impl NodeKind {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        match self {
            NodeKind::Source(_) => "source",
            NodeKind::Compute(_) => "compute",
            NodeKind::Union => "union",
            NodeKind::Aggregate(_) => "aggregate",
            NodeKind::AssignWindow(_) => "assign window",
            NodeKind::Window(_) => "window",
            NodeKind::Session(_) => "session",
            NodeKind::Join(_) => "join",
            NodeKind::Emit(_) => "emit",
            NodeKind::Output(_) => "output",
        }
    }

    /// Whether rows of `input` can be aggregated before they are sent to the worker of their key.
    pub fn has_partial_aggregation(&self, input: &EdgeProperties) -> bool {
        match self {
            NodeKind::Window(spec) => spec.shows_once() && can_be_sent(&spec.aggregates, input),
            NodeKind::Aggregate(spec) => can_be_sent(&spec.aggregates, input),
            _ => false,
        }
    }
}
