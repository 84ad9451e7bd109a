//! A graph that several workers share: hands out the rows of its sources, runs steps on all workers, and puts together what
//! came out.
//!
//! Between two steps all shares are here, so everything can be looked at and changed; for a step each goes to its worker. What
//! sources take in is looked at here, in one place, so that a source's watermark does not depend on how its rows are dealt out.

use super::distribute::{Distributed, distribute};
use super::edge::{EdgeProperties, Partitioning};
use super::exchange::deal;
use super::executor::{Executor, GraphImage, Share, SourceInput, Tap, not_stored};
use super::node::{Node, NodeKind};
use super::outlet::{Outlet, OutletId};
use super::shared_step::{StepOrder, run_inline};
use super::slot::{hand_to, tell_failure};
use super::status::{NodeMetrics, NodeStatus};
use crate::operator::RejectedRows;
use crate::time::Watermark;
use crate::time::watermark::Promise;
use crate::{ChangeBatch, Code, Error, NodeId, Result, StepId};

/// Runs steps of all shares.
pub trait WorkerPool: Send {
    /// Lets `shares` run the step that `order` describes. May return before they are done.
    fn start(&mut self, shares: Vec<Box<Executor>>, order: &StepOrder);

    /// Waits until they are done and gives the shares back, in the same order.
    fn finish(&mut self) -> Vec<Box<Executor>>;

    /// Both, for a caller who has nothing else to do meanwhile and so may take part in the work.
    fn run(&mut self, shares: Vec<Box<Executor>>, order: &StepOrder) -> Vec<Box<Executor>> {
        self.start(shares, order);
        self.finish()
    }
}

/// The pool without threads: the caller does the work of all workers in turn.
#[derive(Default)]
pub struct InlinePool {
    #[expect(clippy::vec_box, reason = "a share travels to its thread and back in every step: a pointer does, not the whole")]
    shares: Vec<Box<Executor>>,
}

impl WorkerPool for InlinePool {
    fn start(&mut self, shares: Vec<Box<Executor>>, order: &StepOrder) {
        self.shares = shares;
        run_inline(&mut self.shares, order);
    }

    fn finish(&mut self) -> Vec<Box<Executor>> {
        std::mem::take(&mut self.shares)
    }
}

/// A graph on several workers.
pub struct Workers {
    pool: Box<dyn WorkerPool>,
    /// The sources, as they take rows in.
    pub(super) intake: Executor,
    #[expect(clippy::vec_box, reason = "a share travels to its thread and back in every step: a pointer does, not the whole")]
    pub(super) shares: Vec<Box<Executor>>,
    /// Rows that the step has for the workers.
    handed_out: usize,
    step: StepId,
    /// The time of the step that runs.
    started_at: i64,
    listeners: Vec<Listener>,
    outlets_made: u64,
    /// By component of the shares, see [`Executor::look_at_outlets`].
    pub(super) blocked: Vec<bool>,
    violation: Option<Error>,
}

struct Listener {
    node: NodeId,
    id: OutletId,
    outlet: Box<dyn Outlet>,
}

impl Workers {
    /// `workers` workers that `pool` lets work, each of which gets `deal_rows_min` rows at least when rows are dealt out;
    /// `checked` as for [`Executor::new`].
    pub fn new(workers: usize, deal_rows_min: usize, checked: bool, pool: Box<dyn WorkerPool>) -> Self {
        let share = |worker| Box::new(Executor::with_share(checked, Share { worker, workers, deal_rows_min }));
        Self {
            pool,
            intake: Executor::new(checked),
            shares: (0..workers.max(1)).map(share).collect(),
            handed_out: 0,
            step: StepId::default(),
            started_at: i64::MIN,
            listeners: Vec::new(),
            outlets_made: 0,
            blocked: Vec::new(),
            violation: None,
        }
    }

    /// How the nodes are spread, as `EXPLAIN GRAPH` shows it.
    pub fn distributed(&self, nodes: Vec<Node>) -> Vec<Distributed> {
        distribute(nodes, &|id| self.shares[0].properties(id).cloned())
    }

    /// Lets the sources take in what was fed, and hands it to the workers.
    fn take_in(&mut self, now: i64) -> Result<()> {
        self.intake.step(now, [])?;
        for Tap { node, changes, .. } in std::mem::take(&mut self.intake.taps) {
            let promise = self.intake.promise(node)?;
            self.hand_out(node, changes, promise)?;
        }
        for (source, error) in std::mem::take(&mut self.intake.failed) {
            self.shares.iter_mut().try_for_each(|share| share.fail_source(source, &error))?;
        }
        Ok(())
    }

    fn hand_out(&mut self, source: NodeId, changes: Vec<ChangeBatch>, promise: Promise) -> Result<()> {
        self.handed_out += changes.iter().map(ChangeBatch::len).sum::<usize>();
        let single = self.shares[0].properties(source).is_some_and(|edge| edge.partitioning == Partitioning::Single);
        if single {
            return self.shares[0].relay(source, changes, promise);
        }
        let parts = deal(changes, self.shares[0].share);
        self.shares.iter_mut().zip(parts).try_for_each(|(share, part)| share.relay(source, part, promise))
    }

    /// The components that have something to do on some worker and are not blocked.
    pub(super) fn active(&mut self, now: i64) -> Vec<bool> {
        let mut active = vec![false; self.blocked.len()];
        for share in &mut self.shares {
            share.wake(now);
            share.mark_pending(&mut active);
        }
        active.iter_mut().zip(&self.blocked).for_each(|(active, blocked)| *active &= !blocked);
        active
    }

    fn pending_components(&self) -> Vec<bool> {
        let mut pending = vec![false; self.blocked.len()];
        self.shares.iter().for_each(|share| share.mark_pending(&mut pending));
        pending
    }

    /// Takes out on all workers what failed on one.
    fn share_failures(&mut self) -> Result<()> {
        let failed: Vec<(NodeId, Error)> = self.shares.iter_mut().flat_map(|share| std::mem::take(&mut share.failed)).collect();
        if failed.is_empty() {
            return Ok(());
        }
        for share in &mut self.shares {
            self.violation = self.violation.take().or_else(|| share.violation.take());
            share.fail_too(&failed)?;
            share.failed.clear();
        }
        self.tell_failures(&failed);
        Ok(())
    }

    /// Takes away the outlets of nodes that failed; of what the step brought them they are not told.
    fn tell_failures(&mut self, failed: &[(NodeId, Error)]) {
        self.listeners.retain_mut(|listener| {
            let Some((_, error)) = failed.iter().find(|(node, _)| *node == listener.node) else { return true };
            tell_failure(listener.outlet.as_mut(), error);
            false
        });
    }

    /// Hands what came out of the nodes to those who listen, worker by worker as one delivery.
    fn deliver(&mut self, now: i64) {
        let mut taps: Vec<Tap> = Vec::new();
        for share in &mut self.shares {
            taps.append(&mut share.taps);
        }
        // Stable: the parts of a node stay in the order of the workers.
        taps.sort_by_key(|tap| tap.node);
        let (step, listeners) = (self.step, self.listeners.len());
        for parts in taps.chunk_by(|a, b| a.node == b.node) {
            let node = parts[0].node;
            let watermark = parts.iter().map(|part| part.watermark).min().unwrap_or(Watermark::START);
            let changes: Vec<ChangeBatch> = parts.iter().flat_map(|part| part.changes.iter().cloned()).collect();
            self.listeners.retain_mut(|listener| {
                listener.node != node || hand_to(listener.outlet.as_mut(), step, &changes, watermark, now)
            });
        }
        if self.listeners.len() < listeners {
            self.find_tapped();
        }
    }

    fn find_tapped(&mut self) {
        let tapped: Vec<NodeId> = self.listeners.iter().map(|listener| listener.node).collect();
        self.shares.iter_mut().for_each(|share| share.tap(|node| tapped.contains(&node)));
        self.blocked = vec![false; self.shares[0].blocked.len()];
    }

    fn sources(nodes: &[Node]) -> Vec<Node> {
        nodes.iter().filter(|node| matches!(node.kind, NodeKind::Source(_))).cloned().collect()
    }

    fn not_stored(&self, node: NodeId) -> Error {
        let found = self.shares[0].nodes().find(|candidate| candidate.id == node);
        found.map_or_else(|| Error::internal(format!("there is no node {node}")), not_stored)
    }

    fn is_source(&self, node: NodeId) -> bool {
        self.intake.place(node).is_ok()
    }
}

/// What a graph can do, whoever runs it: see the methods of the same names of [`Executor`].
impl Workers {
    /// Adds nodes between two steps, spread over the workers.
    pub fn attach(&mut self, nodes: Vec<Node>) -> Result<()> {
        let distributed = self.distributed(nodes);
        // The first share looks for mistakes; the others are the same.
        for share in &mut self.shares {
            share.attach_share(&distributed)?;
        }
        let nodes: Vec<Node> = distributed.into_iter().map(|distributed| distributed.node).collect();
        let sources = Self::sources(&nodes);
        if !sources.is_empty() {
            self.intake.attach(sources)?;
            self.intake.tap(|_| true);
        }
        self.find_tapped();
        Ok(())
    }

    /// Takes nodes out between two steps.
    pub fn detach(&mut self, nodes: &[NodeId]) -> Result<()> {
        for share in &mut self.shares {
            share.detach(nodes)?;
        }
        let sources: Vec<NodeId> = nodes.iter().copied().filter(|node| self.is_source(*node)).collect();
        self.intake.detach(&sources)?;
        self.listeners.retain_mut(|listener| {
            let stays = !nodes.contains(&listener.node);
            if !stays {
                tell_failure(listener.outlet.as_mut(), &Error::new(Code::Closed, "the object was dropped"));
            }
            stays
        });
        self.find_tapped();
        Ok(())
    }

    /// Queues input of a source for the next step.
    pub fn feed(&mut self, source: NodeId, input: SourceInput) -> Result<()> {
        self.intake.feed(source, input)
    }

    /// Starts one step on all workers at wall-clock time `now`, in nanoseconds. Until [`finish_step`](Self::finish_step) nothing else
    /// may be asked of the graph: its shares are with the workers. `only` this component takes part, if one is named.
    pub fn start_step(&mut self, now: i64, only: Option<usize>) -> Result<()> {
        let order = self.begin_step(now, only)?;
        self.pool.start(std::mem::take(&mut self.shares), &order);
        Ok(())
    }

    /// Waits for the end of the step and hands out what came out of it.
    pub fn finish_step(&mut self) -> Result<StepId> {
        self.shares = self.pool.finish();
        self.end_step()
    }

    /// Runs one step on all workers, the caller's thread among them if that helps.
    pub fn run_step(&mut self, now: i64) -> Result<StepId> {
        let order = self.begin_step(now, None)?;
        self.shares = self.pool.run(std::mem::take(&mut self.shares), &order);
        self.end_step()
    }

    fn begin_step(&mut self, now: i64, only: Option<usize>) -> Result<StepOrder> {
        self.look_at_outlets();
        self.step = self.step.next();
        self.take_in(now)?;
        self.started_at = now;
        let mut active = self.active(now);
        if let Some(only) = only {
            active.iter_mut().enumerate().for_each(|(component, active)| *active &= component == only);
        }
        Ok(StepOrder { now, rows: std::mem::take(&mut self.handed_out), active })
    }

    fn end_step(&mut self) -> Result<StepId> {
        self.share_failures()?;
        self.deliver(self.started_at);
        match self.violation.take() {
            Some(violation) => Err(violation),
            None => Ok(self.step),
        }
    }

    /// Listens at a node, from the next step on.
    pub fn subscribe(&mut self, node: NodeId, mut outlet: Box<dyn Outlet>, snapshot: bool) -> Result<OutletId> {
        if let NodeStatus::Failed(error) = self.status(node)? {
            return Err(error);
        }
        let contents = match snapshot {
            true => Some(self.contents(node).ok_or_else(|| self.not_stored(node))?),
            false => None,
        };
        let watermark = self.watermark(node)?;
        if contents.is_some() || watermark.is_end() {
            outlet.deliver(self.step, &contents.unwrap_or_default(), watermark, self.started_at);
        }
        self.outlets_made += 1;
        let id = OutletId(self.outlets_made);
        self.listeners.push(Listener { node, id, outlet });
        self.find_tapped();
        Ok(id)
    }

    /// Stops listening. False if there is no such outlet (any more).
    pub fn unsubscribe(&mut self, outlet: OutletId) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|listener| listener.id != outlet);
        self.find_tapped();
        self.listeners.len() < before
    }

    /// Tells all outlets that nothing more will come, and takes them away.
    pub fn dismiss_outlets(&mut self, reason: &Error) {
        for mut listener in self.listeners.drain(..) {
            tell_failure(listener.outlet.as_mut(), reason);
        }
        self.find_tapped();
    }

    /// Asks all outlets whether they can take another step. True if one cannot.
    pub fn look_at_outlets(&mut self) -> bool {
        self.blocked.fill(false);
        for listener in self.listeners.iter().filter(|listener| !listener.outlet.ready()) {
            if let Ok(component) = self.shares[0].component(listener.node) {
                self.blocked[component] = true;
            }
        }
        self.blocked.contains(&true)
    }

    /// Whether the part of the graph around `node` waited for an outlet at the last look.
    pub fn is_blocked(&self, node: NodeId) -> Result<bool> {
        Ok(self.blocked[self.shares[0].component(node)?])
    }

    /// Whether a step at `now` would have something to do, apart from blocked parts.
    pub fn has_work(&self, now: i64) -> bool {
        let due = |share: &Executor| share.next_wake().is_some_and(|at| at <= now);
        let waits = self.pending_components().iter().zip(&self.blocked).any(|(pending, blocked)| *pending && !blocked);
        waits || self.intake.has_work(now) || self.shares.iter().any(|share| due(share))
    }

    /// Whether a blocked part of the graph has something to do.
    pub fn has_blocked_work(&self) -> bool {
        self.pending_components().iter().zip(&self.blocked).any(|(pending, blocked)| *pending && *blocked)
    }

    /// When the first node wants to be woken, in wall-clock nanoseconds.
    pub fn next_wake(&self) -> Option<i64> {
        self.shares.iter().filter_map(|share| share.next_wake()).chain(self.intake.next_wake()).min()
    }

    /// The last step.
    pub fn last_step(&self) -> StepId {
        self.step
    }

    /// The nodes, by ascending number.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.shares[0].nodes()
    }

    /// Whether another node or an outlet reads from `node`.
    pub fn is_read(&self, node: NodeId) -> bool {
        self.shares[0].is_read(node) || self.listeners.iter().any(|listener| listener.node == node)
    }

    /// What holds for the output of `node`.
    pub fn properties(&self, node: NodeId) -> Option<&EdgeProperties> {
        self.shares[0].properties(node)
    }

    /// The rows that `node` stores on all workers, worker by worker.
    pub fn contents(&self, node: NodeId) -> Option<Vec<ChangeBatch>> {
        let mut all = Vec::new();
        for share in &self.shares {
            all.extend(share.contents(node)?);
        }
        Some(all)
    }

    /// How `node` is doing. All workers are told the same, and what is on one worker alone is on the first.
    pub fn status(&self, node: NodeId) -> Result<NodeStatus> {
        if self.is_source(node)
            && let failed @ NodeStatus::Failed(_) = self.intake.status(node)?
        {
            return Ok(failed);
        }
        self.shares[0].status(node)
    }

    /// What `node` promises its readers.
    pub fn watermark(&self, node: NodeId) -> Result<Watermark> {
        self.shares[0].watermark(node)
    }

    /// The counters of `node` on all workers together.
    pub fn metrics(&mut self, node: NodeId) -> Result<NodeMetrics> {
        if self.is_source(node) {
            return self.intake.metrics(node);
        }
        let mut sum = self.shares[0].metrics(node)?;
        for share in &mut self.shares[1..] {
            sum = sum.plus(&share.metrics(node)?);
        }
        Ok(sum)
    }

    /// The rows that operators rejected since the last call, worker by worker.
    pub fn take_rejected(&mut self) -> Vec<(NodeId, RejectedRows)> {
        let mut rejected = self.intake.take_rejected();
        for share in &mut self.shares {
            rejected.append(&mut share.take_rejected());
        }
        rejected
    }

    /// The state of all nodes on all workers.
    pub fn image(&mut self) -> Result<GraphImage> {
        let shares = self.shares.iter_mut().map(|share| Ok(share.image()?.nodes)).collect::<Result<_>>()?;
        Ok(GraphImage { step: self.step, nodes: self.intake.image()?.nodes, shares })
    }

    /// Puts freshly attached nodes into the state of an image of the same nodes on as many workers.
    pub fn restore(&mut self, image: &GraphImage) -> Result<()> {
        if image.shares.len() != self.shares.len() {
            let text = format!("the image is of {} workers, and there are {}", image.shares.len(), self.shares.len());
            return Err(Error::new(Code::NotSupported, text).with_hint("start with as many workers as the image was made by"));
        }
        let of = |nodes: &Vec<_>| GraphImage { step: image.step, nodes: nodes.clone(), shares: Vec::new() };
        self.intake.restore(&of(&image.nodes))?;
        for (share, nodes) in self.shares.iter_mut().zip(&image.shares) {
            share.restore(&of(nodes))?;
        }
        self.step = image.step;
        Ok(())
    }
}
