//! A graph on one or several workers: hands out the rows of its sources, runs steps on all workers, and puts together what came out.
//!
//! Between two steps everything is here, so it can be looked at and changed; for a step each worker's part goes to its worker. What
//! sources take in is looked at in one place, so that a source's watermark does not depend on how its rows are dealt out: the intake.
//! A graph on one worker is the same without intake and exchanges.

use std::collections::BTreeMap;

use arrow_array::ArrayRef;

use super::exchange::deal;
use super::node_state::NodeState;
use super::outlet::{AttachedOutlet, Outlet, OutletId};
use super::status::{NodeMetrics, NodeStatus, NodeWaits};
use super::step::{NoLinks, StepOrder};
use super::worker_graph::{SourceInput, Tap, WorkerGraph, WorkerPosition};
use super::worker_pool::{InlinePool, WorkerPool};
use crate::graph::{Distributed, EdgeProperties, Node, NodeKind, Partitioning, distribute, explain, explain_distributed};
use crate::limits::DEAL_ROWS_MIN;
use crate::operator::RejectedRows;
use crate::time::Watermark;
use crate::time::watermark::Promise;
use crate::{ChangeBatch, Code, Error, NodeId, Result, StepId};

/// A graph on one or several workers.
pub struct GraphHost {
    pub(super) pool: Box<dyn WorkerPool>,
    /// Where several workers share the graph: the sources, as they take rows in.
    pub(super) intake: Option<WorkerGraph>,
    #[expect(clippy::vec_box, reason = "a graph travels to its thread and back in every step: a pointer does, not the whole")]
    pub(super) workers: Vec<Box<WorkerGraph>>,
    /// How the planner said that the output of each node is spread: what [`distribute`] decides depends on the workers.
    pub(super) planned: BTreeMap<NodeId, Partitioning>,
    pub(super) step: StepId,
    /// The step that runs, or ran last.
    pub(super) order: StepOrder,
    pub(super) outlets: Vec<AttachedOutlet>,
    pub(super) outlets_made: u64,
    /// By connected component: whether one of its outlets could not take another step at the last look.
    blocked: Vec<bool>,
    /// The workers have run more than once in the step, so that a node may have more than one tap.
    ran_again: bool,
}

impl GraphHost {
    /// A graph on one worker, without nodes. `checked`: whether each node's output is held against what its edge promises; a step then
    /// fails where one is broken. This costs a copy of everything and is meant for tests.
    pub fn single(checked: bool) -> Self {
        Self::new(1, DEAL_ROWS_MIN, checked, Box::new(InlinePool::default()))
    }

    /// A graph on so many workers that `pool` runs, each of which gets `deal_rows_min` rows at least when rows are dealt out;
    /// `checked` as for [`single`](Self::single).
    pub fn new(workers: usize, deal_rows_min: usize, checked: bool, pool: Box<dyn WorkerPool>) -> Self {
        let workers = workers.max(1);
        let position = |worker| WorkerPosition { worker, workers, deal_rows_min };
        let intake = || WorkerGraph::new(checked, WorkerPosition { worker: 0, workers: 1, deal_rows_min });
        Self {
            pool,
            intake: (workers > 1).then(intake),
            workers: (0..workers).map(|worker| Box::new(WorkerGraph::new(checked, position(worker)))).collect(),
            planned: BTreeMap::new(),
            step: StepId::default(),
            order: StepOrder { now: i64::MIN, ..StepOrder::default() },
            outlets: Vec::new(),
            outlets_made: 0,
            blocked: Vec::new(),
            ran_again: false,
        }
    }

    /// How many workers there are.
    pub fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// Adds nodes between two steps, spread over the workers. Those that read from stored nodes get their contents as first changes, in
    /// the next step. Either all nodes are added or none.
    pub(super) fn attach(&mut self, nodes: Vec<Node>) -> Result<()> {
        let planned: Vec<_> = nodes.iter().map(|node| (node.id, node.output.partitioning.clone())).collect();
        let distributed = match self.workers.len() {
            1 => nodes.into_iter().map(Distributed::alone).collect(),
            _ => self.distributed(nodes),
        };
        // The first worker finds the mistakes; the others are the same.
        self.workers.iter_mut().try_for_each(|worker| worker.attach(&distributed))?;
        if let Some(intake) = &mut self.intake {
            let sources: Vec<Distributed> = distributed.iter().filter(|d| is_source(&d.node)).cloned().collect();
            if !sources.is_empty() {
                intake.attach(&sources)?;
                intake.tap(|_| true);
            }
        }
        self.planned.extend(planned);
        self.find_tapped();
        Ok(())
    }

    /// Why `nodes` could not be taken out: another node reads from one of them, or there is no such node.
    pub fn check_detach(&self, nodes: &[NodeId]) -> Result<()> {
        self.workers[0].check_detach(nodes)
    }

    /// Takes nodes out between two steps; their outlets are told. Nothing happens if another node reads from one of them.
    pub(super) fn detach(&mut self, nodes: &[NodeId]) -> Result<()> {
        self.check_detach(nodes)?;
        let names: Vec<(NodeId, String)> =
            nodes.iter().filter_map(|id| Some((*id, self.node(*id).ok()?.node.name.clone()))).collect();
        self.workers.iter_mut().try_for_each(|worker| worker.detach(nodes))?;
        self.planned.retain(|id, _| !nodes.contains(id));
        if let Some(intake) = &mut self.intake {
            let sources: Vec<NodeId> = nodes.iter().copied().filter(|node| intake.index(*node).is_ok()).collect();
            intake.detach(&sources)?;
        }
        self.outlets.retain_mut(|outlet| {
            let Some((_, name)) = names.iter().find(|(id, _)| *id == outlet.node) else { return true };
            outlet.fail(&Error::new(Code::Closed, format!("'{name}' was dropped")));
            false
        });
        self.find_tapped();
        Ok(())
    }

    /// Gives nodes another name, by which errors call them.
    pub fn rename(&mut self, nodes: &[NodeId], name: &str) {
        self.workers.iter_mut().for_each(|worker| worker.rename(nodes, name));
        self.intake.iter_mut().for_each(|intake| intake.rename(nodes, name));
    }

    /// Queues input of a source for the next step.
    pub(super) fn feed(&mut self, source: NodeId, input: SourceInput) -> Result<()> {
        self.sources().feed(source, input)
    }

    /// Tells a source that it is not read for now, or is again.
    pub(super) fn pause(&mut self, source: NodeId, paused: bool) -> Result<()> {
        self.sources().pause(source, paused)
    }

    /// The graph whose sources take rows in.
    pub(super) fn sources(&mut self) -> &mut WorkerGraph {
        self.intake.as_mut().unwrap_or(&mut self.workers[0])
    }

    /// The nodes, each after its inputs.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.workers[0].nodes()
    }

    pub(super) fn node(&self, node: NodeId) -> Result<&NodeState> {
        self.workers[0].state(node)
    }

    /// What holds for the output of `node`, if there is such a node.
    pub fn properties(&self, node: NodeId) -> Option<&EdgeProperties> {
        self.workers[0].properties(node)
    }

    /// Whether another node or an outlet reads from `node`.
    pub fn is_read(&self, node: NodeId) -> bool {
        self.node(node).is_ok_and(|state| !state.readers.is_empty()) || self.outlets.iter().any(|outlet| outlet.node == node)
    }

    /// The rows that `node` stores, if it stores any and has not failed: worker by worker.
    pub fn contents(&self, node: NodeId) -> Option<Vec<ChangeBatch>> {
        let parts = self.workers.iter().map(|worker| worker.state(node).ok()?.contents());
        Some(parts.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Of the rows that `node` keeps those whose `columns` are equal to one of `keys` (columns in the same order; NULL is equal to NULL), without looking
    /// at the others; once for each of the keys that is equal. `None`: the node does not find rows by these columns, has failed, or does not keep yet
    /// all that the last step brought.
    pub fn find(&self, node: NodeId, columns: &[usize], keys: &[ArrayRef]) -> Result<Option<Vec<ChangeBatch>>> {
        if self.waits_for_step([&node]) {
            return Ok(None);
        }
        let parts = self.workers.iter().map(|worker| worker.state(node)?.find(columns, keys));
        let parts = parts.collect::<Result<Option<Vec<_>>>>()?;
        Ok(parts.map(|parts| parts.into_iter().flatten().filter(|part| !part.is_empty()).collect()))
    }

    /// The rows that `node` stores, to start with; an error that says what to do where it stores none.
    pub fn stored_rows(&self, node: NodeId) -> Result<Vec<ChangeBatch>> {
        if let Some(rows) = self.contents(node) {
            return Ok(rows);
        }
        let name = &self.node(node)?.node.name;
        Err(Error::new(Code::InvalidQuery, format!("'{name}' is not stored, so it has no rows to start with"))
            .with_hint("create it as a materialized view, or subscribe without a snapshot"))
    }

    /// How `node` is doing. All workers are told the same, and what is on one worker alone is on the first.
    pub fn status(&self, node: NodeId) -> Result<NodeStatus> {
        let taken_in = self.intake.as_ref().and_then(|intake| intake.state(node).ok()).map(NodeState::status);
        match taken_in {
            Some(failed @ NodeStatus::Failed(_)) => Ok(failed),
            _ => Ok(self.node(node)?.status()),
        }
    }

    /// What `node` promises its readers.
    pub fn watermark(&self, node: NodeId) -> Result<Watermark> {
        Ok(self.node(node)?.promise.watermark)
    }

    /// The counters of `node` on all workers together; its state is measured now.
    pub fn metrics(&mut self, node: NodeId) -> Result<NodeMetrics> {
        if let Some(intake) = self.intake.as_mut().filter(|intake| intake.index(node).is_ok()) {
            return intake.metrics(node);
        }
        let mut sum = self.workers[0].metrics(node)?;
        for worker in &mut self.workers[1..] {
            sum = sum.plus(&worker.metrics(node)?);
        }
        Ok(sum)
    }

    /// What `node` waits for: of the workers, what comes first.
    pub fn waits(&self, node: NodeId) -> Result<NodeWaits> {
        let mut first = self.node(node)?.waits();
        for worker in &self.workers[1..] {
            let waits = worker.state(node)?.waits();
            first.window = [first.window, waits.window].into_iter().flatten().min_by_key(|window| window.at);
            first.wake_at = [first.wake_at, waits.wake_at].into_iter().flatten().min();
        }
        Ok(first)
    }

    /// The rows that operators rejected since the last call, with the node that did, worker by worker.
    pub fn take_rejected(&mut self) -> Vec<(NodeId, RejectedRows)> {
        let mut rejected = self.intake.as_mut().map(|intake| std::mem::take(&mut intake.rejected)).unwrap_or_default();
        self.workers.iter_mut().for_each(|worker| rejected.append(&mut worker.rejected));
        rejected
    }

    /// The last step.
    pub fn last_step(&self) -> StepId {
        self.step
    }

    /// Rows that the last step moved, if that is known: where several workers share the graph it is not.
    pub(super) fn step_rows(&self) -> Option<u64> {
        self.intake.is_none().then(|| self.workers[0].step_rows())
    }

    /// How `nodes` would be spread over the workers.
    fn distributed(&self, nodes: Vec<Node>) -> Vec<Distributed> {
        distribute(nodes, &|id| self.properties(id).cloned())
    }

    /// These nodes, not yet attached, as `EXPLAIN GRAPH` shows them: with the exchanges between workers, where there are several.
    pub fn explained(&self, nodes: Vec<Node>) -> String {
        match self.workers.len() {
            1 => explain(&nodes),
            _ => explain_distributed(&self.distributed(nodes)),
        }
    }
}

/// Steps.
impl GraphHost {
    /// Starts one step at wall-clock time `now`, in nanoseconds, over what was fed, timers that are due and whatever else waits, apart from
    /// blocked components. Until [`finish_step`](Self::finish_step) nothing else may be asked of the graph: it is with the workers.
    /// `only` this component takes part, if one is named.
    pub(super) fn start_step(&mut self, now: i64, only: Option<usize>) -> Result<()> {
        self.begin_step(now, only)?;
        match self.workers.as_mut_slice() {
            [worker] => worker.run_step(&self.order, &mut NoLinks),
            _ => self.pool.start(std::mem::take(&mut self.workers), &self.order),
        }
        Ok(())
    }

    /// Waits until all workers have run their parts of the step.
    pub(super) fn finish_step(&mut self) -> Result<()> {
        if self.workers.is_empty() {
            self.workers = self.pool.finish();
        }
        self.collect_failures()
    }

    /// Runs one step, the caller's thread among the workers if that helps.
    pub(super) fn run_step(&mut self, now: i64) -> Result<()> {
        self.begin_step(now, None)?;
        self.run_workers()
    }

    /// Runs what was fed to `sources` since the workers have run, as a part of the same step.
    pub(super) fn run_again(&mut self, sources: &[NodeId]) -> Result<()> {
        self.ran_again = true;
        self.order.rows = self.take_in()?;
        self.order.active.fill(false);
        for source in sources {
            let component = self.component(*source)?;
            self.order.active[component] = !self.blocked[component];
        }
        self.run_workers()
    }

    fn run_workers(&mut self) -> Result<()> {
        match self.workers.as_mut_slice() {
            [worker] => worker.run_step(&self.order, &mut NoLinks),
            _ => self.workers = self.pool.run(std::mem::take(&mut self.workers), &self.order),
        }
        self.collect_failures()
    }

    fn begin_step(&mut self, now: i64, only: Option<usize>) -> Result<()> {
        self.step = self.step.next();
        (self.order.step, self.order.now) = (self.step, now);
        self.order.rows = self.take_in()?;
        let mut active = std::mem::take(&mut self.order.active);
        active.clear();
        match self.workers.as_mut_slice() {
            // What has nothing to do costs a single worker nothing.
            [_] => active.extend(self.blocked.iter().map(|blocked| !blocked)),
            _ => {
                active.resize(self.blocked.len(), false);
                self.mark_active(now, &mut active);
            }
        }
        if let Some(only) = only {
            active.iter_mut().enumerate().for_each(|(component, active)| *active &= component == only);
        }
        self.order.active = active;
        Ok(())
    }

    /// Hands out what came out of the step.
    pub(super) fn end_step(&mut self) -> Result<StepId> {
        self.deliver();
        let violation = self.workers.iter_mut().find_map(|worker| worker.violation.take());
        violation.or_else(|| self.intake.as_mut().and_then(|intake| intake.violation.take())).map_or(Ok(self.step), Err)
    }

    /// Lets the sources take in what was fed, and hands it to the workers; how many rows that are.
    fn take_in(&mut self) -> Result<usize> {
        let Some(intake) = &mut self.intake else { return Ok(0) };
        let StepOrder { step, now, .. } = self.order;
        let order = StepOrder { step, now, rows: 0, active: vec![true; intake.component_count()] };
        intake.run_step(&order, &mut NoLinks);
        let mut rows = 0;
        for tap in std::mem::take(&mut intake.taps) {
            let promise = intake.state(tap.node)?.promise;
            rows += tap.changes.iter().map(ChangeBatch::len).sum::<usize>();
            hand_out(&mut self.workers, tap, promise)?;
        }
        for (source, error) in std::mem::take(&mut intake.failed) {
            self.workers.iter_mut().try_for_each(|worker| worker.fail_source(source, &error))?;
        }
        Ok(rows)
    }

    /// Marks the components that have something to do on some worker and are not blocked.
    fn mark_active(&mut self, now: i64, active: &mut [bool]) {
        for worker in &mut self.workers {
            worker.wake(now);
            worker.mark_pending(active);
        }
        active.iter_mut().zip(&self.blocked).for_each(|(active, blocked)| *active &= !blocked);
    }

    /// Takes out on all workers what failed on one, and tells the outlets there; they get nothing of what the step brought them.
    fn collect_failures(&mut self) -> Result<()> {
        if self.workers.iter().all(|worker| worker.failed.is_empty()) {
            return Ok(());
        }
        let failed: Vec<(NodeId, Error)> =
            self.workers.iter_mut().flat_map(|worker| std::mem::take(&mut worker.failed)).collect();
        if self.workers.len() > 1 {
            for worker in &mut self.workers {
                worker.fail_too(&failed)?;
                worker.failed.clear();
            }
        }
        self.outlets.retain_mut(|outlet| {
            let Some((_, error)) = failed.iter().find(|(node, _)| *node == outlet.node) else { return true };
            outlet.fail(error);
            false
        });
        Ok(())
    }

    /// Hands what came out of the nodes to the outlets, of all workers and of all parts of the step as one delivery.
    fn deliver(&mut self) {
        let outlets = self.outlets.len();
        let (step, now) = (self.step, self.order.now);
        if let ([worker], false) = (self.workers.as_mut_slice(), std::mem::take(&mut self.ran_again)) {
            for tap in std::mem::take(&mut worker.taps) {
                self.outlets
                    .retain_mut(|outlet| outlet.node != tap.node || outlet.deliver(step, &tap.changes, tap.watermark, now));
                worker.give_back(tap);
            }
        } else {
            let mut taps: Vec<Tap> = self.workers.iter_mut().flat_map(|worker| std::mem::take(&mut worker.taps)).collect();
            // Stable: the parts of a node stay in the order of the workers.
            taps.sort_by_key(|tap| tap.node);
            for parts in taps.chunk_by(|a, b| a.node == b.node) {
                let node = parts[0].node;
                let watermark = parts.iter().map(|part| part.watermark).min().unwrap_or(Watermark::START);
                let changes: Vec<ChangeBatch> = parts.iter().flat_map(|part| part.changes.iter().cloned()).collect();
                self.outlets.retain_mut(|outlet| outlet.node != node || outlet.deliver(step, &changes, watermark, now));
            }
        }
        if self.outlets.len() < outlets {
            self.find_tapped();
        }
    }

    /// Whether a step at `now` would have something to do, apart from blocked components.
    pub(super) fn has_work(&self, now: i64) -> bool {
        self.workers.iter().any(|worker| worker.has_work(now, &self.blocked))
            || self.intake.as_ref().is_some_and(|intake| intake.has_work(now, &[]))
    }

    /// Whether a blocked component has something to do.
    pub(super) fn has_blocked_work(&self) -> bool {
        if !self.blocked.contains(&true) {
            return false;
        }
        let mut pending = vec![false; self.blocked.len()];
        self.workers.iter().for_each(|worker| worker.mark_pending(&mut pending));
        pending.iter().zip(&self.blocked).any(|(pending, blocked)| *pending && *blocked)
    }

    /// When the first node wants to be woken, in wall-clock nanoseconds.
    pub(super) fn next_wake(&self) -> Option<i64> {
        let intake = self.intake.as_ref().and_then(WorkerGraph::next_wake);
        self.workers.iter().filter_map(|worker| worker.next_wake()).chain(intake).min()
    }

    /// The number of the connected component that `node` belongs to.
    pub(super) fn component(&self, node: NodeId) -> Result<usize> {
        Ok(self.node(node)?.component)
    }

    /// The first node of each connected component, by the component's number: its name, which it keeps while nodes come and go.
    pub(super) fn components(&self) -> Vec<NodeId> {
        let mut first: Vec<Option<NodeId>> = vec![None; self.workers[0].component_count()];
        for state in &self.workers[0].states {
            first[state.component] = Some(first[state.component].map_or(state.node.id, |known| known.min(state.node.id)));
        }
        first.into_iter().flatten().collect()
    }

    /// Marks the components that have something to do at `now` and are not blocked.
    pub(super) fn mark_ready(&mut self, now: i64, ready: &mut [bool]) -> Result<()> {
        if let Some(intake) = &mut self.intake {
            intake.wake(now);
            for source in intake.pending_ids() {
                ready[self.workers[0].state(source)?.component] = true;
            }
        }
        self.mark_active(now, ready);
        Ok(())
    }
}

/// Outlets.
impl GraphHost {
    /// Attaches an outlet to a node: it gets what comes out from the next step on. `snapshot`: the node's contents come first, as one
    /// delivery, at once.
    pub(super) fn attach_outlet(&mut self, node: NodeId, mut outlet: Box<dyn Outlet>, snapshot: bool) -> Result<OutletId> {
        if let NodeStatus::Failed(error) = self.status(node)? {
            return Err(error);
        }
        let contents = match snapshot {
            true => Some(self.stored_rows(node)?),
            false => None,
        };
        let watermark = self.watermark(node)?;
        if contents.is_some() || watermark.is_end() {
            outlet.deliver(self.step, &contents.unwrap_or_default(), watermark, self.order.now);
        }
        self.outlets_made += 1;
        let id = OutletId(self.outlets_made);
        self.outlets.push(AttachedOutlet { node, id, outlet });
        self.find_tapped();
        Ok(id)
    }

    /// The node that an outlet is attached to, if there is such an outlet (still).
    pub fn outlet_node(&self, outlet: OutletId) -> Option<NodeId> {
        self.outlets.iter().find(|attached| attached.id == outlet).map(|attached| attached.node)
    }

    /// Takes an outlet away. False if there is no such outlet (any more).
    pub fn detach_outlet(&mut self, outlet: OutletId) -> bool {
        let before = self.outlets.len();
        self.outlets.retain(|attached| attached.id != outlet);
        self.find_tapped();
        self.outlets.len() < before
    }

    /// Tells all outlets that nothing more will come, and takes them away.
    pub(super) fn dismiss_outlets(&mut self, reason: &Error) {
        self.outlets.drain(..).for_each(|mut outlet| outlet.fail(reason));
        self.find_tapped();
    }

    /// Asks all outlets whether they can take another step. True if one cannot.
    pub(super) fn look_at_outlets(&mut self) -> bool {
        if self.outlets.is_empty() {
            return false;
        }
        self.blocked.fill(false);
        let mut some_blocked = false;
        for outlet in self.outlets.iter().filter(|outlet| !outlet.outlet.ready()) {
            if let Ok(state) = self.workers[0].state(outlet.node) {
                self.blocked[state.component] = true;
                some_blocked = true;
            }
        }
        some_blocked
    }

    /// Whether the component of `node` waited for an outlet at the last look.
    pub(super) fn is_blocked(&self, node: NodeId) -> Result<bool> {
        Ok(self.blocked[self.component(node)?])
    }

    pub(super) fn find_tapped(&mut self) {
        let tapped: Vec<NodeId> = self.outlets.iter().map(|outlet| outlet.node).collect();
        self.workers.iter_mut().for_each(|worker| worker.tap(|node| tapped.contains(&node)));
        self.blocked = vec![false; self.workers[0].component_count()];
    }
}

pub(super) fn is_source(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Source(_))
}

/// Deals the rows that a source has taken in out to the workers.
fn hand_out(workers: &mut [Box<WorkerGraph>], tap: Tap, promise: Promise) -> Result<()> {
    let single = workers[0].properties(tap.node).is_some_and(|edge| edge.partitioning == Partitioning::Single);
    if single {
        return workers[0].relay(tap.node, tap.changes, promise);
    }
    let parts = deal(tap.changes, workers[0].position);
    workers.iter_mut().zip(parts).try_for_each(|(worker, part)| worker.relay(tap.node, part, promise))
}
