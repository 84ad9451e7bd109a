//! The graph behind a reactor: run by the caller alone, or shared by several workers.

use crate::Result;
use crate::dag::{Executor, Node, Workers};

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
    /// Starts a step over what was fed; inline it has ended when this returns. `only` this component takes part, if one is named.
    pub(super) fn start_step(&mut self, now: i64, only: Option<usize>) -> Result<()> {
        match self {
            Graph::Inline(graph) => graph.step_over_fed(now, only).map(|_| ()),
            Graph::Shared(graph) => graph.start_step(now, only),
        }
    }

    /// Runs a step over what was fed, for a caller who waits for its end.
    pub(super) fn run_step(&mut self, now: i64) -> Result<()> {
        match self {
            Graph::Inline(graph) => graph.step_over_fed(now, None).map(|_| ()),
            Graph::Shared(graph) => graph.run_step(now).map(|_| ()),
        }
    }

    /// Waits for the end of the step.
    pub(super) fn finish_step(&mut self) -> Result<()> {
        match self {
            Graph::Inline(_) => Ok(()),
            Graph::Shared(graph) => graph.finish_step().map(|_| ()),
        }
    }

    /// Rows that the last step moved, if the one who runs it can tell.
    pub(super) fn step_rows(&self) -> Option<u64> {
        match self {
            Graph::Inline(graph) => Some(graph.step_rows()),
            Graph::Shared(_) => None,
        }
    }

    pub(super) fn nodes(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match self {
            Graph::Inline(graph) => Box::new(graph.nodes()),
            Graph::Shared(graph) => Box::new(graph.nodes()),
        }
    }
}
