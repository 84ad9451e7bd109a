//! Small numbers with a meaning: nodes, ports, steps.

use std::fmt;

/// A node of a graph. Numbers grow along the edges: every input of a node has a smaller number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Position in a table of nodes.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// Which input of a node, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub u8);

impl Port {
    /// The only input of a node with one input; the left one of a join.
    pub const LEFT: Port = Port(0);
    /// The right input of a join.
    pub const RIGHT: Port = Port(1);
    /// Groups that were aggregated on other workers, for an operator with a [first phase](crate::operator::PartialAggregation). No input of a node.
    pub const GROUPS: Port = Port(u8::MAX);

    /// Position in a table of inputs.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The number of a step; the boundary after step *t* is a consistent cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StepId(pub u64);

impl StepId {
    /// The step after this one.
    #[must_use]
    pub const fn next(self) -> StepId {
        StepId(self.0 + 1)
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
