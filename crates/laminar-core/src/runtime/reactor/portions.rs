//! Polls over a part of what waits: what a caller waits for, or one component.

use super::super::Task;
use super::{Poll, Reactor, RejectedRowsHandler, Started};
use crate::budget::BudgetMetrics;
use crate::limits::STEP_ROWS_MAX;
use crate::{NodeId, Result};

impl Reactor {
    /// What waits in front of `source` is in no hurry from now on: [`poll_urgent`](Self::poll_urgent) passes it over.
    pub fn defer(&mut self, source: NodeId) -> Result<()> {
        self.inbox(source)?.deferred = true;
        Ok(())
    }

    /// The opposite of [`defer`](Self::defer), as for every source at first.
    pub fn expedite(&mut self, source: NodeId) -> Result<()> {
        self.inbox(source)?.deferred = false;
        Ok(())
    }

    /// As [`poll`](Self::poll), but leaves alone what waits in front of deferred sources, unless it is `awaited`: for a caller that
    /// waits for what it has just pushed.
    pub fn poll_urgent(&mut self, awaited: Option<NodeId>, handler: Option<&mut dyn RejectedRowsHandler>) -> Result<Poll> {
        self.poll_where(STEP_ROWS_MAX, |inbox| !inbox.deferred || Some(inbox.source) == awaited, handler)
    }

    /// Adds the connected components of the graph as tasks, each by the name of its first node; those are ready over which a step would have
    /// something to do now.
    pub fn component_tasks(&mut self, tasks: &mut Vec<Task>) -> Result<()> {
        let now = self.clock.now();
        self.graph.look_at_outlets();
        let ready = self.components.ready();
        self.graph.mark_ready(now, ready)?;
        for inbox in self.inboxes.iter().filter(|inbox| !inbox.is_empty()) {
            ready[inbox.component] |= !self.graph.is_blocked(inbox.source)?;
        }
        tasks.extend(self.components.marked().map(|(id, ready)| Task { id, ready }));
        tasks.sort_unstable_by_key(|task| task.id);
        Ok(())
    }

    /// As [`start_poll`](Self::start_poll), but the step is over one connected component alone, one of the ready
    /// [`component_tasks`](Self::component_tasks), with at most `rows_max` rows of each source.
    pub fn start_component(&mut self, component: NodeId, rows_max: usize) -> Result<Started> {
        let now = self.clock.now();
        let blocked = self.graph.look_at_outlets();
        let Some(component) = self.components.index(component) else {
            return Ok(Started { progressed: false, blocked, alone: None });
        };
        let rows = self.feed_piece(component, rows_max)?;
        self.budget.begin_at(now);
        self.graph.start_step(now, Some(component))?;
        Ok(Started { progressed: true, blocked, alone: Some((component, rows)) })
    }

    /// One step over the connected component of `node` alone, with what waits in front of its sources.
    pub fn poll_component_of(&mut self, node: NodeId, handler: &mut dyn RejectedRowsHandler) -> Result<Poll> {
        let component = self.components.first_node(self.graph.component(node)?);
        let started = self.start_component(component.unwrap_or(node), STEP_ROWS_MAX)?;
        self.finish_poll(started, Some(handler))
    }

    /// Feeds the sources of a component with its next piece; the rows that one source got at most.
    fn feed_piece(&mut self, component: usize, rows_max: usize) -> Result<usize> {
        let mut most = 0;
        for inbox in self.inboxes.iter_mut().filter(|inbox| inbox.component == component) {
            let waited = inbox.rows();
            let mut rows_left = rows_max;
            while let Some(input) = inbox.take(&mut rows_left) {
                self.graph.feed(inbox.source, input)?;
            }
            most = most.max(waited - inbox.rows());
        }
        Ok(most)
    }

    /// Counts the step of a component that had it alone.
    pub(super) fn charge_alone(&mut self, component: usize) {
        let spent = self.budget.finish();
        self.components.charge_alone(component, spent, self.budget.limit_ns());
    }

    /// What a step may take, in nanoseconds; without a call it is [`STEP_BUDGET_NS`](crate::limits::STEP_BUDGET_NS).
    pub fn set_step_budget(&mut self, limit_ns: u64) {
        self.budget.set_limit_ns(limit_ns);
    }

    /// As [`budget_metrics`](Self::budget_metrics), of the steps in which the connected component of `node` took part. What it shared
    /// with others counts as a whole.
    pub fn steps_of(&self, node: NodeId) -> Result<BudgetMetrics> {
        let component = self.graph.component(node)?;
        Ok(self.components.steps(component))
    }

    /// Finds the component of each source.
    pub(super) fn find_components(&mut self) -> Result<()> {
        for inbox in &mut self.inboxes {
            inbox.component = self.graph.component(inbox.source)?;
        }
        self.components.follow(self.graph.components());
        Ok(())
    }
}
