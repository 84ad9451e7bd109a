//! Where changes leave the graph: views, subscriptions and sinks listen at output nodes.

use crate::panics::caught;
use crate::time::Watermark;
use crate::{ChangeBatch, Error, NodeId, StepId};

/// A registered outlet, for taking it away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutletId(pub u64);

/// A reader outside the graph. It is called within the step, so it must not block.
pub trait Outlet: Send {
    /// Takes the changes of one step, which may be none if only the watermark moved. `Watermark::END` says that nothing
    /// will come from ended inputs any more. `now` is the step's wall-clock time in nanoseconds.
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, now: i64);

    /// Whether the outlet can take another step. As long as one cannot, no step runs in its part of the graph.
    fn ready(&self) -> bool {
        true
    }

    /// The node failed or was detached: nothing more will come.
    fn failed(&mut self, error: &Error) {
        let _ = error;
    }
}

/// An outlet and the node whose changes it gets.
pub(super) struct AttachedOutlet {
    pub(super) node: NodeId,
    pub(super) id: OutletId,
    pub(super) outlet: Box<dyn Outlet>,
}

impl AttachedOutlet {
    /// Hands a step's changes over. False if the outlet panicked: then it was told so and is to be taken away.
    pub(super) fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, now: i64) -> bool {
        let delivered = caught(|| {
            self.outlet.deliver(step, changes, watermark, now);
            Ok(())
        });
        let Err(panic) = delivered else { return true };
        self.fail(&panic);
        false
    }

    /// Says that nothing more will come. If the outlet panics over that, there is no one left to tell.
    pub(super) fn fail(&mut self, error: &Error) {
        let _ = caught(|| {
            self.outlet.failed(error);
            Ok(())
        });
    }
}
