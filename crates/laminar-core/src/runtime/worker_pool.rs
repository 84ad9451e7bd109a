//! Who runs the workers of a graph.

use super::step::{StepOrder, run_inline};
use super::worker_graph::WorkerGraph;

/// Runs steps of all workers.
pub trait WorkerPool: Send {
    /// Lets `graphs`, one for each worker, run the step that `order` describes. May return before they are done.
    fn start(&mut self, graphs: Vec<Box<WorkerGraph>>, order: &StepOrder);

    /// Waits until they are done and gives the graphs back, in the same order.
    fn finish(&mut self) -> Vec<Box<WorkerGraph>>;

    /// Both, for a caller that has nothing else to do meanwhile and so may take part in the work.
    fn run(&mut self, graphs: Vec<Box<WorkerGraph>>, order: &StepOrder) -> Vec<Box<WorkerGraph>> {
        self.start(graphs, order);
        self.finish()
    }
}

/// The pool without threads: the caller does the work of all workers in turn.
#[derive(Default)]
pub struct InlinePool {
    #[expect(clippy::vec_box, reason = "a graph travels to its thread and back in every step: a pointer does, not the whole")]
    graphs: Vec<Box<WorkerGraph>>,
}

impl WorkerPool for InlinePool {
    fn start(&mut self, graphs: Vec<Box<WorkerGraph>>, order: &StepOrder) {
        self.graphs = graphs;
        run_inline(&mut self.graphs, order);
    }

    fn finish(&mut self) -> Vec<Box<WorkerGraph>> {
        std::mem::take(&mut self.graphs)
    }
}
