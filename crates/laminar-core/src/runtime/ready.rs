//! Which connected components of a graph have something to do, and what they are called.

use super::executor::Executor;
use super::workers::Workers;
use crate::{NodeId, Result};

impl Executor {
    /// The first node of each connected component, by the component's number: its name, which it keeps while nodes come and go.
    pub fn components(&self) -> Vec<NodeId> {
        let mut first = Vec::new();
        for slot in &self.slots {
            // Components are numbered in the order of their first nodes.
            if slot.component == first.len() {
                first.push(slot.node.id);
            }
        }
        first
    }

    /// Marks the components that have something to do at `now` and do not wait for an outlet.
    pub fn mark_ready(&mut self, now: i64, ready: &mut [bool]) -> Result<()> {
        self.wake(now);
        self.mark_pending(ready);
        ready.iter_mut().zip(&self.blocked).for_each(|(ready, blocked)| *ready &= !blocked);
        Ok(())
    }
}

impl Workers {
    /// See [`Executor::components`].
    pub fn components(&self) -> Vec<NodeId> {
        self.shares[0].components()
    }

    /// See [`Executor::component`].
    pub fn component(&self, node: NodeId) -> Result<usize> {
        self.shares[0].component(node)
    }

    /// See [`Executor::mark_ready`].
    pub fn mark_ready(&mut self, now: i64, ready: &mut [bool]) -> Result<()> {
        self.intake.wake(now);
        for source in self.intake.pending_ids() {
            ready[self.shares[0].component(source)?] = true;
        }
        let active = self.active(now);
        for (component, (ready, active)) in ready.iter_mut().zip(active).enumerate() {
            *ready = (*ready || active) && !self.blocked[component];
        }
        Ok(())
    }
}
