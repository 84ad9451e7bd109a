//! The graph behind a reactor: run by the caller alone, or shared by several workers.

use crate::dag::{Executor, Node, Workers};
use crate::{Result, StepId};

/// Who runs the graph.
pub(super) enum Graph {
    /// The caller.
    Inline(Executor),
    /// Several workers.
    Shared(Workers),
}

/// The same call on whichever graph it is.
macro_rules! either {
    ($graph:expr, $name:ident => $call:expr) => {
        match $graph {
            Graph::Inline($name) => $call,
            Graph::Shared($name) => $call,
        }
    };
}
pub(super) use either;

impl Graph {
    /// Runs one step over what was fed.
    pub(super) fn step(&mut self, now: i64) -> Result<StepId> {
        match self {
            Graph::Inline(graph) => graph.step(now, []),
            Graph::Shared(graph) => graph.step(now),
        }
    }

    pub(super) fn nodes(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match self {
            Graph::Inline(graph) => Box::new(graph.nodes()),
            Graph::Shared(graph) => Box::new(graph.nodes()),
        }
    }
}
