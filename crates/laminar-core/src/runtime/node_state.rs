//! One node at run time: its operator, what waits for it, what it promised, and how it is run without letting trouble out.

use arrow_array::ArrayRef;

use super::exchange::{Parcel, split, split_groups};
use super::image::{NodeImage, NodeParts, Purpose};
use super::status::{NodeMetrics, NodeStatus, NodeWaits, TimedRuns};
use super::worker_graph::WorkerPosition;
use crate::alloc::StateScope;
use crate::graph::{Exchange, Node, NodeKind};
use crate::operator::check::Checker;
use crate::operator::{Operator, OperatorContext, RejectReason, RejectedRows, SentGroups};
use crate::panics::caught;
use crate::state::{CopiedAhead, Ownership};
use crate::time::watermark::{Holds, Promise, combine};
use crate::time::{Stopwatch, Watermark};
use crate::{ChangeBatch, Error, Port, Result, StepId};

/// A node with its operator.
pub(super) struct NodeState {
    pub(super) node: Node,
    pub(super) operator: Box<dyn Operator>,
    /// Indices of the inputs, by port.
    pub(super) inputs: Vec<usize>,
    /// Indices and ports of the readers.
    pub(super) readers: Vec<(usize, Port)>,
    /// The part of the graph that this node is connected with.
    pub(super) component: usize,
    /// What waits for the next step.
    pub(super) inbox: Vec<(Port, ChangeBatch)>,
    /// The watermark of the inputs that the operator knows.
    pub(super) watermark: Watermark,
    /// For a source: what was promised from outside. For others: computed from the inputs when `inputs_moved`.
    pub(super) input_watermark: Watermark,
    /// An input's promise has changed since `input_watermark` was computed.
    pub(super) inputs_moved: bool,
    pub(super) promise: Promise,
    pub(super) wake_at: Option<i64>,
    pub(super) failure: Option<Error>,
    pub(super) metrics: NodeMetrics,
    /// By port: how rows move between workers on their way in; all `None` where there is one worker.
    pub(super) exchanges: Vec<Option<Exchange>>,
    /// What waits to be moved to where it is needed.
    outgoing: Vec<(Port, ChangeBatch)>,
    /// By port that is exchanged, by worker: what its input promises there.
    remote: Vec<Vec<Promise>>,
    /// A source whose rows are taken in elsewhere: how it holds its readers back.
    pub(super) relayed: Option<Holds>,
    /// The node works on the first worker, and this is another one.
    pub(super) absent: bool,
    /// What this worker takes of the images of all.
    owned: Ownership,
    /// What comes out goes to outlets as well.
    pub(super) tapped: bool,
    checker: Option<Checker>,
    /// The operator keeps something between steps.
    has_state: bool,
}

/// Every so many runs of a node are timed, the first among them.
const TIMED_EVERY: u64 = 64;

/// A run that is timed.
struct Timing {
    rows: u64,
    began: Stopwatch,
}

impl Timing {
    fn end(self, timed: &mut TimedRuns) {
        timed.runs += 1;
        timed.rows += self.rows;
        timed.nanos += self.began.nanos();
    }
}

/// How a node stands among several workers.
pub(super) struct NodePlacement {
    pub(super) exchanges: Vec<Option<Exchange>>,
    pub(super) workers: usize,
    /// A source whose rows are taken in elsewhere.
    pub(super) relays: bool,
    pub(super) absent: bool,
    /// What this worker takes of the images of all.
    pub(super) owned: Ownership,
}

impl NodePlacement {
    /// One worker does everything.
    pub(super) fn alone(node: &Node) -> Self {
        Self { exchanges: vec![None; node.inputs.len()], workers: 1, relays: false, absent: false, owned: Ownership::All }
    }
}

/// Where a state puts what comes out of it; emptied by the graph after each run.
#[derive(Default)]
pub(super) struct StepOutput {
    pub(super) out: Vec<ChangeBatch>,
    pub(super) rejected: Vec<RejectedRows>,
    /// The promise moved, so readers have to look.
    pub(super) promise_moved: bool,
    /// Rows that all nodes have emitted in the step so far.
    pub(super) rows: u64,
}

impl NodeState {
    pub(super) fn new(node: Node, mut operator: Box<dyn Operator>, checker: Option<Checker>, placement: NodePlacement) -> Self {
        let NodePlacement { exchanges, workers, relays, absent, owned } = placement;
        let relayed = relays.then(|| if absent { Holds::Nothing } else { initial_hold(&node) });
        let remote = exchanges.iter().map(|exchange| vec![Promise::START; if exchange.is_some() { workers } else { 0 }]);
        Self {
            promise: Promise { holds: if absent { Holds::Nothing } else { initial_hold(&node) }, ..Promise::START },
            remote: remote.collect(),
            exchanges,
            outgoing: Vec::new(),
            relayed,
            absent,
            owned,
            tapped: false,
            node,
            has_state: operator.state().is_some(),
            operator,
            inputs: Vec::new(),
            readers: Vec::new(),
            component: 0,
            inbox: Vec::new(),
            watermark: Watermark::START,
            input_watermark: Watermark::START,
            inputs_moved: true,
            wake_at: None,
            failure: None,
            metrics: NodeMetrics::default(),
            checker,
        }
    }

    /// Hands over what an input emitted: it waits here, or to be moved to where it is needed.
    pub(super) fn take(&mut self, port: Port, changes: ChangeBatch) {
        match self.exchanges.get(usize::from(port.0)) {
            Some(Some(_)) if self.failure.is_none() => self.outgoing.push((port, changes)),
            _ => self.receive(port, changes),
        }
    }

    /// Whether rows move between workers on their way in.
    pub(super) fn exchanges_rows(&self) -> bool {
        !self.remote.is_empty() && self.remote.iter().any(|promises| !promises.is_empty())
    }

    /// What this worker has for the others, and for itself, one parcel each. `before` are the states in front of this one. What
    /// is rejected on the way goes to `rejected`.
    pub(super) fn departures(
        &mut self,
        before: &[NodeState],
        position: WorkerPosition,
        (step, now): (StepId, i64),
        rejected: &mut Vec<RejectedRows>,
    ) -> Vec<Parcel> {
        let promises: Vec<Promise> = self.inputs.iter().map(|index| before[*index].promise).collect();
        let outgoing = std::mem::take(&mut self.outgoing);
        let packed = match &self.failure {
            None => self.packed(outgoing, promises, position, (step, now), rejected),
            Some(error) => Err(error.clone()),
        };
        // No worker may wait in vain for a parcel: a node that does not go on says so to all.
        packed.unwrap_or_else(|error| vec![Parcel::failed(error); position.workers])
    }

    fn packed(
        &mut self,
        outgoing: Vec<(Port, ChangeBatch)>,
        promises: Vec<Promise>,
        position: WorkerPosition,
        at: (StepId, i64),
        rejected: &mut Vec<RejectedRows>,
    ) -> Result<Vec<Parcel>> {
        let mut parcels = vec![Parcel { promises: promises.clone(), ..Parcel::default() }; position.workers];
        let mut rows_of: Vec<Vec<ChangeBatch>> = vec![Vec::new(); self.exchanges.len()];
        for (port, changes) in outgoing {
            rows_of[port.index()].push(changes);
        }
        for (port, (rows, promise)) in rows_of.into_iter().zip(promises).enumerate() {
            let Some(exchange) = self.exchanges[port].clone() else { continue };
            let rows = self.aggregate_partially(rows, position.deal_rows_min, at, rejected)?;
            for (parcel, part) in parcels.iter_mut().zip(split(&exchange, rows, position)?) {
                parcel.changes.extend(part.into_iter().map(|changes| (Port(port as u8), changes)));
            }
            for groups in self.leaving_groups(promise)? {
                for (worker, part) in split_groups(&exchange, groups, position)? {
                    parcels[worker].changes.push((Port::GROUPS, part));
                }
            }
        }
        Ok(parcels)
    }

    /// Lets the operator take what it aggregates before it is sent; the rest comes back. Batches of fewer than `rows_min` rows do.
    fn aggregate_partially(
        &mut self,
        rows: Vec<ChangeBatch>,
        rows_min: usize,
        (step, now): (StepId, i64),
        rejected: &mut Vec<RejectedRows>,
    ) -> Result<Vec<ChangeBatch>> {
        let Some(phase) = self.operator.partial_aggregation() else { return Ok(rows) };
        let _scope = StateScope::enter();
        let (mut sent, mut out, mut wake_at) = (Vec::with_capacity(rows.len()), Vec::new(), None);
        let mut cx = OperatorContext::new(step, now, self.watermark, &mut out, rejected, &mut wake_at);
        for changes in rows {
            let taken = changes.len();
            if taken < rows_min {
                sent.push(changes);
            } else if let Some(back) = phase.absorb(changes, &mut cx)? {
                sent.push(back);
            } else {
                self.metrics.rows_in += taken as u64;
                self.metrics.batches_in += 1;
            }
        }
        Ok(sent)
    }

    /// The groups that other workers need now. An input that does not hold time back does not say when they would be needed.
    fn leaving_groups(&mut self, promise: Promise) -> Result<Vec<SentGroups>> {
        let until = if promise.holds == Holds::Time { promise.watermark.max(self.input_watermark) } else { Watermark::END };
        self.operator.partial_aggregation().map_or(Ok(Vec::new()), |phase| phase.leave(until))
    }

    /// Keeps up with time where the node works on another worker alone.
    pub(super) fn follow(&mut self, before: &[NodeState]) {
        self.look_at_inputs(before);
        self.watermark = self.input_watermark;
    }

    /// Takes in the parcel of worker `from`.
    pub(super) fn arrive(&mut self, from: usize, parcel: Parcel) -> Result<()> {
        if let Some(error) = parcel.failure {
            return Err(error);
        }
        for (promises, promise) in self.remote.iter_mut().zip(parcel.promises) {
            if let Some(known) = promises.get_mut(from) {
                self.inputs_moved |= *known != promise;
                *known = promise;
            }
        }
        if !self.absent {
            parcel.changes.into_iter().for_each(|(port, changes)| self.receive(port, changes));
        }
        Ok(())
    }

    /// Queues changes for the next step.
    pub(super) fn receive(&mut self, port: Port, changes: ChangeBatch) {
        if self.failure.is_some() {
            return;
        }
        // Rows that came to be groups were counted where they were.
        if port != Port::GROUPS {
            self.metrics.rows_in += changes.len() as u64;
            self.metrics.batches_in += 1;
        }
        if port == Port::RIGHT {
            self.metrics.rows_in_right += changes.len() as u64;
        }
        self.inbox.push((port, changes));
    }

    /// Runs the node's part of a step: changes, then the watermark if it moved, then the end of the step.
    /// `before` are the states in front of this one, among them its inputs.
    pub(super) fn run(&mut self, before: &[NodeState], step: StepId, now: i64, output: &mut StepOutput) -> Result<()> {
        let input_holds = self.look_at_inputs(before);
        let timing = self.begin_run(now);
        let (operator, inbox, wake_at) = (&mut self.operator, &mut self.inbox, &mut self.wake_at);
        let (input_watermark, known) = (self.input_watermark, self.watermark);
        let StepOutput { out, rejected, .. } = output;
        let has_state = self.has_state;
        let (watermark, idle) = caught(|| {
            let _scope = has_state.then(StateScope::enter);
            let mut cx = OperatorContext::new(step, now, known, out, rejected, wake_at);
            for (port, changes) in inbox.drain(..) {
                operator.on_changes(port, changes, &mut cx)?;
            }
            if input_watermark > known {
                operator.on_watermark(input_watermark, &mut cx)?;
            }
            operator.end_step(&mut cx)?;
            Ok((operator.output_watermark(input_watermark), operator.is_idle()))
        })?;
        if let Some(timing) = timing {
            timing.end(&mut self.metrics.timed);
        }
        self.watermark = input_watermark;
        output.rows += self.count(output);
        self.promise_anew(watermark, input_holds.unwrap_or_else(|| source_hold(&self.node, idle)), output);
        if output.promise_moved {
            self.metrics.watermark_at = Some(now);
        }
        match &mut self.checker {
            Some(checker) => checker.after_step(&output.out, watermark),
            None => Ok(()),
        }
    }

    /// Counts a run; every [`TIMED_EVERY`]th is timed.
    fn begin_run(&mut self, now: i64) -> Option<Timing> {
        if !self.inbox.is_empty() {
            self.metrics.rows_at = Some(now);
        }
        let is_timed = self.metrics.runs.is_multiple_of(TIMED_EVERY);
        self.metrics.runs += 1;
        is_timed.then(|| {
            let rows = self.inbox.iter().map(|(_, changes)| changes.len() as u64).sum();
            Timing { rows, began: Stopwatch::start() }
        })
    }

    /// What it waits for, on this worker.
    pub(super) fn waits(&self) -> NodeWaits {
        let watermark = if self.inputs.is_empty() { self.promise.watermark } else { self.input_watermark };
        let window = if self.absent { None } else { self.operator.due_window() };
        NodeWaits { watermark, holds: self.promise.holds, window, wake_at: self.wake_at }
    }

    /// Combines the inputs' promises; returns how they hold back, or `None` for a source.
    fn look_at_inputs(&mut self, before: &[NodeState]) -> Option<Holds> {
        if self.inputs.is_empty() {
            return self.relayed;
        }
        if !self.inputs_moved {
            return Some(self.promise.holds);
        }
        self.inputs_moved = false;
        let promise = |(port, index): (usize, &usize)| match self.remote.get(port).map(Vec::as_slice) {
            None | Some([]) => before[*index].promise,
            Some(workers) => combine(Watermark::START, workers.iter().copied()),
        };
        let combined = combine(self.input_watermark, self.inputs.iter().enumerate().map(promise));
        self.input_watermark = combined.watermark;
        Some(combined.holds)
    }

    /// Counts what came out; returns how many rows went on.
    fn count(&mut self, output: &StepOutput) -> u64 {
        let rows = output.out.iter().map(|batch| batch.len() as u64).sum::<u64>();
        self.metrics.batches_out += output.out.len() as u64;
        self.metrics.rows_out += rows;
        self.count_rejected(&output.rejected);
        rows
    }

    /// Counts what was rejected.
    pub(super) fn count_rejected(&mut self, rejected: &[RejectedRows]) {
        for rejected in rejected {
            let counter = match rejected.reason {
                RejectReason::Late => &mut self.metrics.late,
                RejectReason::Error => &mut self.metrics.errors,
            };
            *counter += rejected.rows.num_rows() as u64;
        }
    }

    fn promise_anew(&mut self, watermark: Watermark, holds: Holds, output: &mut StepOutput) {
        let promise = Promise { watermark: watermark.max(self.promise.watermark), holds };
        output.promise_moved = promise != self.promise;
        self.promise = promise;
        self.metrics.watermark = promise.watermark;
    }

    /// Whether the failure is that the output broke a promise of its edge.
    pub(super) fn broke_promise(&self) -> bool {
        self.checker.as_ref().is_some_and(Checker::violated)
    }

    /// Takes the node out of all further steps.
    pub(super) fn fail(&mut self, error: Error) {
        self.inbox.clear();
        self.outgoing.clear();
        self.failure = Some(error);
    }

    pub(super) fn status(&self) -> NodeStatus {
        match &self.failure {
            Some(error) => NodeStatus::Failed(error.clone()),
            None if self.promise.watermark.is_end() => NodeStatus::Ended,
            None => NodeStatus::Running,
        }
    }

    /// The rows that the node stores, unless it failed: what it holds then belongs to no step.
    pub(super) fn contents(&self) -> Option<Vec<ChangeBatch>> {
        let _scope = StateScope::enter();
        if self.failure.is_some() { None } else { self.operator.contents() }
    }

    /// The rows whose `columns` are equal to one of `keys`, if the node finds rows by these and has not failed.
    pub(super) fn find(&self, columns: &[usize], keys: &[ArrayRef]) -> Result<Option<Vec<ChangeBatch>>> {
        let _scope = StateScope::enter();
        if self.failure.is_some() { Ok(None) } else { self.operator.find(columns, keys) }
    }

    /// Copies up to `rows` rows of what the next image will need.
    pub(super) fn copy_ahead(&mut self, rows: usize) -> Result<CopiedAhead> {
        let is_here = self.failure.is_none() && !self.absent;
        let _scope = StateScope::enter();
        match self.operator.state() {
            Some(state) if is_here => state.copy_ahead(rows),
            _ => Ok(CopiedAhead::default()),
        }
    }

    pub(super) fn image(&mut self, purpose: Purpose) -> Result<NodeImage> {
        let is_here = self.failure.is_none() && !self.absent;
        // An image is as large as the state, so it leaves memory as that does.
        let _scope = StateScope::enter();
        let state = match self.operator.state() {
            Some(state) if is_here && purpose == Purpose::Checkpoint => Some(state.checkpoint()?),
            Some(state) if is_here => Some(state.image()?),
            _ => None,
        };
        Ok(NodeImage {
            absent: self.absent,
            watermark: self.watermark,
            promise: self.promise,
            wake_at: self.wake_at,
            failure: self.failure.clone(),
            state,
            on_the_way: self.on_the_way()?,
        })
    }

    /// The last checkpoint is stored.
    pub(super) fn checkpoint_is_stored(&mut self) {
        let _scope = StateScope::enter();
        if let Some(state) = self.operator.state() {
            state.checkpoint_is_stored();
        }
    }

    /// What was aggregated and is still to be sent, or has come and waits.
    fn on_the_way(&mut self) -> Result<Vec<SentGroups>> {
        let Some(phase) = self.operator.partial_aggregation().filter(|_| self.failure.is_none()) else { return Ok(Vec::new()) };
        let mut groups = phase.on_the_way()?;
        let arrived = self.inbox.iter().filter(|(port, _)| *port == Port::GROUPS);
        groups.extend(arrived.map(|(_, groups)| SentGroups { rows: groups.rows().clone(), keys: phase.sent_keys() }));
        Ok(groups)
    }

    /// Puts a fresh node into the state of images: what they hold for this worker.
    pub(super) fn restore(&mut self, parts: &NodeParts<'_>) -> Result<()> {
        self.inbox.clear();
        (self.watermark, self.input_watermark) = (parts.watermark, parts.watermark);
        self.failure = parts.failure.clone();
        if self.absent {
            return Ok(());
        }
        let _scope = StateScope::enter();
        match self.operator.state() {
            _ if self.failure.is_some() => {}
            Some(operator) if !parts.states.is_empty() => operator.restore(&parts.states, &self.owned)?,
            None if parts.states.is_empty() => {}
            _ => return Err(Error::internal(format!("the image of {} does not fit its operator", self.node.id))),
        }
        (self.promise, self.wake_at) = (parts.promise, parts.wake_at);
        self.metrics.watermark = self.promise.watermark;
        self.relayed = self.relayed.map(|_| parts.promise.holds);
        if let Some(checker) = &mut self.checker {
            checker.restart(self.promise.watermark, self.operator.contents());
        }
        Ok(())
    }

    /// What waits for the next step: what came, and what is still to be moved to where it is needed. Groups are part of the image.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &(Port, ChangeBatch)> {
        self.inbox.iter().chain(&self.outgoing).filter(|(port, _)| *port != Port::GROUPS)
    }
}

/// How a source holds its readers back while it is not idle.
fn initial_hold(node: &Node) -> Holds {
    match node.kind {
        NodeKind::Source(_) => source_hold(node, false),
        _ => Holds::Nothing,
    }
}

fn source_hold(node: &Node, idle: bool) -> Holds {
    match &node.kind {
        NodeKind::Constant(_) => Holds::Nothing,
        NodeKind::Source(spec) if spec.is_table() => Holds::Nothing,
        NodeKind::Source(spec) if spec.watermark.is_some() && !idle => Holds::Time,
        _ => Holds::End,
    }
}
