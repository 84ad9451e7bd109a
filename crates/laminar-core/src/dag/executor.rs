//! Runs steps: every node that has something to do, once, in the order of numbers, so that a step boundary is a consistent cut.

use super::components::connect;
use super::distribute::Distributed;
use super::node::{Node, NodeKind};
use super::outlet::{Outlet, OutletId};
use super::pending::Pending;
use super::slot::{NodeImage, Outcome, Place, Slot};
use super::status::{NodeMetrics, NodeStatus};
use super::{EdgeProperties, Partitioning, validate};
use crate::limits::DEAL_ROWS_MIN;
use crate::operator::build::build;
use crate::operator::check::Checker;
use crate::operator::union::Union;
use crate::operator::{Operator, RejectedRows};
use crate::panics;
use crate::time::Watermark;
use crate::time::timers::Timers;
use crate::time::watermark::Promise;
use crate::{ChangeBatch, Code, Error, NodeId, Port, Result, StepId};

/// What reaches a source from outside.
#[derive(Debug, Clone)]
pub enum SourceInput {
    /// Rows of the source's schema.
    Changes(ChangeBatch),
    /// A promise from outside; [`Watermark::END`] ends the source.
    Watermark(Watermark),
}

/// Which of how many workers an executor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) worker: usize,
    pub(super) workers: usize,
    /// Rows that a worker gets at least when rows are dealt out.
    pub(super) deal_rows_min: usize,
}

/// What one worker's share of a node emitted in a step.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) node: NodeId,
    pub(super) changes: Vec<ChangeBatch>,
    pub(super) watermark: Watermark,
}

/// The state of a whole graph at a step boundary.
#[derive(Debug, Clone)]
pub struct GraphImage {
    /// The last step whose effects are in the image.
    pub step: StepId,
    /// One image for each node, by ascending number; where several workers share the graph, its sources.
    pub nodes: Vec<NodeImage>,
    /// By worker, where several share the graph: what it has of each node.
    pub shares: Vec<Vec<NodeImage>>,
}

/// All nodes of a graph with their operators.
///
/// A failing operator, by an error or by a panic, takes itself and everything that reads from it out of the graph; the
/// rest goes on. Parts of the graph that are not connected never wait for each other.
pub struct Executor {
    checked: bool,
    /// Which of how many workers this is.
    pub(super) share: Share,
    pub(super) step: StepId,
    pub(super) now: i64,
    /// Ascending by node number, so that places have the order of the graph.
    pub(super) slots: Vec<Slot>,
    pub(super) pending: Pending,
    /// Places at which workers exchange rows, ascending.
    pub(super) exchanging: Vec<usize>,
    /// For each connected component: whether one of its outlets cannot take another step.
    pub(super) blocked: Vec<bool>,
    /// Places of the slots that have outlets.
    with_outlets: Vec<usize>,
    timers: Timers<NodeId>,
    pub(super) rejected: Vec<(NodeId, RejectedRows)>,
    /// What came out of tapped nodes in the step.
    pub(super) taps: Vec<Tap>,
    /// Nodes that failed in the step.
    pub(super) failed: Vec<(NodeId, Error)>,
    outcome: Outcome,
    outlets_made: u64,
    pub(super) violation: Option<Error>,
}

impl Executor {
    /// A graph without nodes. `checked`: whether each node's output is held against what its edge promises; this costs
    /// a copy of everything and is meant for tests.
    pub fn new(checked: bool) -> Self {
        Self::with_share(checked, Share { worker: 0, workers: 1, deal_rows_min: DEAL_ROWS_MIN })
    }

    /// The share of one worker; its sources get rows that were taken in elsewhere.
    pub(super) fn with_share(checked: bool, share: Share) -> Self {
        panics::silence();
        Self {
            checked,
            share,
            exchanging: Vec::new(),
            taps: Vec::new(),
            failed: Vec::new(),
            step: StepId::default(),
            now: i64::MIN,
            slots: Vec::new(),
            pending: Pending::default(),
            blocked: Vec::new(),
            with_outlets: Vec::new(),
            timers: Timers::new(),
            rejected: Vec::new(),
            outcome: Outcome::default(),
            outlets_made: 0,
            violation: None,
        }
    }

    /// Adds nodes between two steps. Those that read from stored nodes get their contents as first changes, in the
    /// next step; all of them take part in that step. Either all nodes are added or none.
    pub fn attach(&mut self, nodes: Vec<Node>) -> Result<()> {
        validate::validate(&nodes, &|id| self.properties(id))?;
        let slots = nodes.iter().map(|node| self.make_slot(node, &nodes, Place::alone(node))).collect::<Result<_>>()?;
        self.attach_slots(&nodes, slots)
    }

    /// Adds this worker's share of nodes, as [`attach`](Self::attach) does.
    pub(super) fn attach_share(&mut self, distributed: &[Distributed]) -> Result<()> {
        let nodes: Vec<Node> = distributed.iter().map(|distributed| distributed.node.clone()).collect();
        validate::validate(&nodes, &|id| self.properties(id))?;
        let slot = |d: &Distributed| self.make_slot(&d.node, &nodes, self.place_of(d));
        let slots = distributed.iter().map(slot).collect::<Result<_>>()?;
        self.attach_slots(&nodes, slots)
    }

    fn place_of(&self, distributed: &Distributed) -> Place {
        let Share { worker, workers, .. } = self.share;
        let node = &distributed.node;
        Place {
            exchanges: distributed.exchanges.clone(),
            workers,
            relays: matches!(node.kind, NodeKind::Source(_)),
            absent: worker > 0 && node.output.partitioning == Partitioning::Single,
        }
    }

    fn attach_slots(&mut self, nodes: &[Node], mut slots: Vec<Slot>) -> Result<()> {
        for slot in &mut slots {
            self.queue_contents(slot)?;
        }
        let pending = self.pending_ids();
        let new: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
        self.slots.append(&mut slots);
        self.relink(pending.into_iter().chain(new));
        Ok(())
    }

    /// Takes nodes out between two steps. What waits for them is dropped; their outlets are told.
    pub fn detach(&mut self, nodes: &[NodeId]) -> Result<()> {
        for id in nodes {
            self.place(*id)?;
        }
        let stays = |slot: &Slot| !nodes.contains(&slot.node.id);
        for reader in self.slots.iter().filter(|slot| stays(slot)) {
            if let Some(input) = reader.node.inputs.iter().find(|input| nodes.contains(input)) {
                let name = &self.slots[self.place(*input)?].node.name;
                return Err(Error::new(Code::ObjectInUse, format!("'{}' reads from '{name}'", reader.node.name)));
            }
        }
        let pending = self.pending_ids();
        for slot in self.slots.iter_mut().filter(|slot| nodes.contains(&slot.node.id)) {
            self.timers.replace(slot.node.id, slot.wake_at, None);
            let dropped = Error::new(Code::Closed, format!("'{}' was dropped", slot.node.name));
            slot.dismiss_outlets(&dropped);
        }
        self.slots.retain(stays);
        self.relink(pending.into_iter().filter(|id| !nodes.contains(id)));
        Ok(())
    }

    /// Queues input of a source for the next step.
    pub fn feed(&mut self, source: NodeId, input: SourceInput) -> Result<()> {
        let place = self.place(source)?;
        let slot = &mut self.slots[place];
        match input {
            SourceInput::Changes(changes) => slot.receive(Port::LEFT, changes),
            SourceInput::Watermark(watermark) => slot.told = slot.told.max(watermark),
        }
        self.pending.insert(place);
        Ok(())
    }

    /// Hands the share of a step's rows to a source that was asked for them elsewhere, with what it promised there.
    pub(super) fn relay(&mut self, source: NodeId, changes: Vec<ChangeBatch>, promise: Promise) -> Result<()> {
        let place = self.place(source)?;
        let slot = &mut self.slots[place];
        if slot.absent {
            return Ok(());
        }
        changes.into_iter().for_each(|changes| slot.receive(Port::LEFT, changes));
        (slot.told, slot.relayed) = (slot.told.max(promise.watermark), Some(promise.holds));
        self.pending.insert(place);
        Ok(())
    }

    /// Feeds `inputs` and runs one step to completion at wall-clock time `now`, in nanoseconds.
    pub fn step(&mut self, now: i64, inputs: impl IntoIterator<Item = (NodeId, SourceInput)>) -> Result<StepId> {
        for (source, input) in inputs {
            self.feed(source, input)?;
        }
        self.look_at_outlets();
        self.step_over_fed(now, None)
    }

    /// Runs one step over what has been fed, when the outlets have just been looked at; `only` in this component, if one is named.
    pub(crate) fn step_over_fed(&mut self, now: i64, only: Option<usize>) -> Result<StepId> {
        self.run_step(now, only);
        match self.violation.take() {
            Some(violation) => Err(violation),
            None => Ok(self.step),
        }
    }

    /// Runs whatever is pending and not blocked.
    fn run_step(&mut self, now: i64, only: Option<usize>) {
        self.begin_step(now);
        let mut from = 0;
        while let Some(place) = self.pending.next(from) {
            from = place + 1;
            let component = self.slots[place].component;
            if !self.blocked[component] && only.is_none_or(|only| only == component) {
                self.pending.remove(place);
                self.run(place);
            }
        }
    }

    pub(super) fn begin_step(&mut self, now: i64) {
        self.step = self.step.next();
        self.now = now;
        self.outcome.rows = 0;
        self.wake(now);
    }

    /// Makes the nodes pending whose timers are due.
    pub(super) fn wake(&mut self, now: i64) {
        while let Some(id) = self.timers.take_due(now) {
            if let Ok(place) = self.place(id) {
                self.slots[place].wake_at = None;
                self.pending.insert(place);
            }
        }
    }

    pub(super) fn run(&mut self, place: usize) {
        let (before, rest) = self.slots.split_at_mut(place);
        let Some((slot, after)) = rest.split_first_mut() else { return };
        if slot.failure.is_some() {
            return;
        }
        if slot.absent {
            return slot.follow(before);
        }
        let (id, wake_before) = (slot.node.id, slot.wake_at);
        if let Err(error) = slot.run(before, self.step, self.now, &mut self.outcome) {
            self.outcome = Outcome { rows: self.outcome.rows, ..Outcome::default() };
            self.timers.replace(id, wake_before, None);
            self.poison(place, error);
            return;
        }
        self.timers.replace(id, wake_before, slot.wake_at);
        if !slot.outlets.is_empty() {
            slot.deliver(self.step, self.now, &self.outcome);
        }
        if slot.tapped && (self.outcome.promise_moved || !self.outcome.out.is_empty()) {
            let watermark = slot.promise.watermark;
            self.taps.push(Tap { node: id, changes: self.outcome.out.clone(), watermark });
        }
        route(slot, after, place + 1, &mut self.outcome, &mut self.pending);
        if !self.outcome.rejected.is_empty() {
            self.rejected.extend(self.outcome.rejected.drain(..).map(|rows| (id, rows)));
        }
    }

    /// Takes a node and everything that reads from it out of all further steps.
    pub(super) fn poison(&mut self, place: usize, error: Error) {
        if self.slots[place].broke_promise() {
            self.violation.get_or_insert_with(|| error.clone());
        }
        let name = self.slots[place].node.name.clone();
        let inherited = error.clone().within(format!("reads from '{name}', which failed"));
        self.fail(place, error.within(format!("'{name}'")));
        self.fail_readers(place, &inherited);
    }

    /// Takes everything out that reads from the node at `place`, near or far.
    pub(super) fn fail_readers(&mut self, place: usize, inherited: &Error) {
        for later in place + 1..self.slots.len() {
            let (before, rest) = self.slots.split_at_mut(later);
            let slot = &rest[0];
            if slot.failure.is_none() && slot.inputs.iter().any(|input| before[*input].failure.is_some()) {
                self.fail(later, inherited.clone());
            }
        }
    }

    /// Takes one node out of all further steps.
    pub(super) fn fail(&mut self, place: usize, error: Error) {
        let slot = &mut self.slots[place];
        self.timers.replace(slot.node.id, slot.wake_at.take(), None);
        slot.fail(error.clone());
        self.failed.push((slot.node.id, error));
    }

    /// Listens at a node, from the next step on. `snapshot`: its contents come first, as one delivery, at once.
    pub fn subscribe(&mut self, node: NodeId, mut outlet: Box<dyn Outlet>, snapshot: bool) -> Result<OutletId> {
        let place = self.place(node)?;
        let (step, now, slot) = (self.step, self.now, &mut self.slots[place]);
        if let Some(error) = &slot.failure {
            return Err(error.clone());
        }
        let contents = if snapshot { Some(slot.contents().ok_or_else(|| not_stored(&slot.node))?) } else { None };
        if contents.is_some() || slot.promise.watermark.is_end() {
            outlet.deliver(step, &contents.unwrap_or_default(), slot.promise.watermark, now);
        }
        self.outlets_made += 1;
        let id = OutletId(self.outlets_made);
        slot.outlets.push((id, outlet));
        self.find_outlets();
        Ok(id)
    }

    /// Stops listening. False if there is no such outlet (any more).
    pub fn unsubscribe(&mut self, outlet: OutletId) -> bool {
        let mut found = false;
        for slot in &mut self.slots {
            let before = slot.outlets.len();
            slot.outlets.retain(|(id, _)| *id != outlet);
            found |= slot.outlets.len() < before;
        }
        self.find_outlets();
        found
    }

    /// Tells all outlets that nothing more will come, and takes them away.
    pub fn dismiss_outlets(&mut self, reason: &Error) {
        self.slots.iter_mut().for_each(|slot| slot.dismiss_outlets(reason));
        self.find_outlets();
    }

    /// Asks all outlets whether they can take another step. True if one cannot.
    pub fn look_at_outlets(&mut self) -> bool {
        if self.with_outlets.is_empty() {
            return false;
        }
        self.blocked.fill(false);
        for place in &self.with_outlets {
            let slot = &self.slots[*place];
            if slot.outlets.iter().any(|(_, outlet)| !outlet.ready()) {
                self.blocked[slot.component] = true;
            }
        }
        self.blocked.contains(&true)
    }

    /// Whether the part of the graph around `node` waited for an outlet when [`look_at_outlets`](Self::look_at_outlets)
    /// was called last.
    pub fn is_blocked(&self, node: NodeId) -> Result<bool> {
        Ok(self.blocked[self.slots[self.place(node)?].component])
    }

    /// Whether a step at `now` would have something to do, apart from blocked parts.
    pub fn has_work(&self, now: i64) -> bool {
        let blocked = |place: usize| self.blocked[self.slots[place].component];
        self.timers.next().is_some_and(|at| at <= now) || self.pending.iter().any(|place| !blocked(place))
    }

    /// Whether a blocked part of the graph has something to do.
    pub fn has_blocked_work(&self) -> bool {
        self.pending.iter().any(|place| self.blocked[self.slots[place].component])
    }

    /// When the first node wants to be woken, in wall-clock nanoseconds.
    pub fn next_wake(&self) -> Option<i64> {
        self.timers.next()
    }

    /// The last step.
    pub fn last_step(&self) -> StepId {
        self.step
    }

    /// Rows that all nodes together emitted in the last step.
    pub fn step_rows(&self) -> u64 {
        self.outcome.rows
    }

    /// The nodes, by ascending number.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.slots.iter().map(|slot| &slot.node)
    }

    /// Whether another node or an outlet reads from `node`.
    pub fn is_read(&self, node: NodeId) -> bool {
        self.place(node).is_ok_and(|place| !self.slots[place].readers.is_empty() || !self.slots[place].outlets.is_empty())
    }

    /// What holds for the output of `node`.
    pub fn properties(&self, node: NodeId) -> Option<&EdgeProperties> {
        Some(&self.slots[self.place(node).ok()?].node.output)
    }

    /// The rows that `node` stores, if it stores any and has not failed.
    pub fn contents(&self, node: NodeId) -> Option<Vec<ChangeBatch>> {
        self.slots[self.place(node).ok()?].contents()
    }

    /// How `node` is doing.
    pub fn status(&self, node: NodeId) -> Result<NodeStatus> {
        Ok(self.slots[self.place(node)?].status())
    }

    /// What `node` promises its readers.
    pub fn watermark(&self, node: NodeId) -> Result<Watermark> {
        Ok(self.slots[self.place(node)?].promise.watermark)
    }

    /// The watermark, and how much it counts.
    pub(super) fn promise(&self, node: NodeId) -> Result<Promise> {
        Ok(self.slots[self.place(node)?].promise)
    }

    /// The number of the connected component to which `node` belongs.
    pub fn component(&self, node: NodeId) -> Result<usize> {
        Ok(self.slots[self.place(node)?].component)
    }

    /// The counters of `node`; its state is measured now.
    pub fn metrics(&mut self, node: NodeId) -> Result<NodeMetrics> {
        let place = self.place(node)?;
        let slot = &mut self.slots[place];
        let state_bytes = slot.operator.state().map_or(0, |state| state.bytes());
        Ok(NodeMetrics { state_bytes, ..slot.metrics })
    }

    /// The rows that operators rejected since the last call, with the node that did.
    pub fn take_rejected(&mut self) -> Vec<(NodeId, RejectedRows)> {
        std::mem::take(&mut self.rejected)
    }

    /// The state of all nodes.
    pub fn image(&mut self) -> Result<GraphImage> {
        let nodes = self.slots.iter_mut().map(Slot::image).collect::<Result<_>>()?;
        Ok(GraphImage { step: self.step, nodes, shares: Vec::new() })
    }

    /// Puts freshly attached nodes into the state of an image of the same nodes. What waits for them is dropped: the
    /// image already holds its effects.
    pub fn restore(&mut self, image: &GraphImage) -> Result<()> {
        let ours = self.slots.iter().map(|slot| slot.node.id);
        if !image.shares.is_empty() || !ours.eq(image.nodes.iter().map(|node| node.id)) {
            return Err(Error::internal("the image is of another graph"));
        }
        self.timers = Timers::new();
        for (slot, node) in self.slots.iter_mut().zip(&image.nodes) {
            slot.restore(node)?;
            self.timers.replace(node.id, None, node.wake_at);
        }
        self.pending = Pending::none_of(self.slots.len());
        self.step = image.step;
        Ok(())
    }

    fn make_slot(&self, node: &Node, new: &[Node], place: Place) -> Result<Slot> {
        let find = |id: &NodeId| new.iter().find(|n| n.id == *id).map(|n| &n.output).or_else(|| self.properties(*id));
        let inputs: Option<Vec<&EdgeProperties>> = node.inputs.iter().map(find).collect();
        let inputs = inputs.ok_or_else(|| Error::internal(format!("{} reads from an unknown node", node.id)))?;
        let operator: Box<dyn Operator> = match place.relays {
            true => Box::new(Union::new(node.output.schema.clone())),
            false => build(node, &inputs).map_err(|error| error.within(format!("'{}'", node.name)))?,
        };
        // A retraction may be on another worker than its row where rows can be anywhere.
        let has_all = self.share.workers == 1 || node.output.partitioning != Partitioning::Any;
        let checker = self.checked.then(|| Checker::new(node, self.follows_watermark(node, new), has_all));
        Ok(Slot::new(node.clone(), operator, checker, place))
    }

    /// Whether all rows behind the watermark are marked as such by their source. Rows out of joins and running aggregates
    /// are as old as they are, and a source that was idle may come back with old rows.
    fn follows_watermark(&self, node: &Node, new: &[Node]) -> bool {
        match &node.kind {
            NodeKind::Join(_) | NodeKind::Aggregate(_) => false,
            NodeKind::Source(spec) => spec.idle_timeout.is_none(),
            _ => node.inputs.iter().all(|id| {
                let known = || self.place(*id).ok().map(|place| &self.slots[place].node);
                let input = new.iter().find(|node| node.id == *id).or_else(known);
                input.is_some_and(|input| self.follows_watermark(input, new))
            }),
        }
    }

    /// Gives a new slot the contents of the stored nodes that it reads from.
    fn queue_contents(&self, slot: &mut Slot) -> Result<()> {
        for (port, input) in slot.node.inputs.clone().into_iter().enumerate() {
            let Ok(place) = self.place(input) else { continue };
            if let Some(error) = &self.slots[place].failure {
                return Err(error.clone());
            }
            for changes in self.slots[place].operator.contents().unwrap_or_default() {
                slot.take(Port(port as u8), changes);
            }
        }
        Ok(())
    }

    pub(super) fn place(&self, id: NodeId) -> Result<usize> {
        let found = self.slots.binary_search_by_key(&id, |slot| slot.node.id);
        found.map_err(|_| Error::new(Code::UnknownObject, format!("there is no node {id}")))
    }

    pub(super) fn pending_ids(&self) -> Vec<NodeId> {
        self.pending.iter().map(|place| self.slots[place].node.id).collect()
    }

    /// Sorts the slots, finds the places of inputs and readers, and makes `pending` pending.
    fn relink(&mut self, pending: impl Iterator<Item = NodeId>) {
        self.slots.sort_by_key(|slot| slot.node.id);
        for place in 0..self.slots.len() {
            self.slots[place].readers.clear();
            let ids = &self.slots[place].node.inputs;
            let inputs: Vec<usize> = ids.iter().filter_map(|id| self.place(*id).ok()).collect();
            for (port, input) in inputs.iter().enumerate() {
                self.slots[*input].readers.push((place, Port(port as u8)));
            }
            self.slots[place].inputs = inputs;
        }
        let (components, of_place) = connect(self.slots.len(), |place| &self.slots[place].inputs);
        for (slot, component) in self.slots.iter_mut().zip(of_place) {
            slot.component = component;
        }
        self.blocked = vec![false; components];
        self.exchanging = (0..self.slots.len()).filter(|place| self.slots[*place].exchanges_rows()).collect();
        self.pending = Pending::none_of(self.slots.len());
        for id in pending {
            if let Ok(place) = self.place(id) {
                self.pending.insert(place);
            }
        }
        self.find_outlets();
        self.look_at_outlets();
    }

    fn find_outlets(&mut self) {
        self.blocked.fill(false);
        self.with_outlets = (0..self.slots.len()).filter(|place| !self.slots[*place].outlets.is_empty()).collect();
    }
}

/// Moves what came out of `slot` to its readers, the slots from place `first` on. Only the columns' references are copied,
/// and for the last reader not even those.
fn route(slot: &Slot, after: &mut [Slot], first: usize, outcome: &mut Outcome, pending: &mut Pending) {
    let moved = std::mem::take(&mut outcome.promise_moved);
    if !moved && outcome.out.is_empty() {
        return;
    }
    let Some(((last, last_port), others)) = slot.readers.split_last() else {
        outcome.out.clear();
        return;
    };
    for (reader, port) in others {
        let reader_slot = &mut after[*reader - first];
        reader_slot.inputs_moved |= moved;
        outcome.out.iter().for_each(|changes| reader_slot.take(*port, changes.clone()));
        pending.insert(*reader);
    }
    let reader_slot = &mut after[*last - first];
    reader_slot.inputs_moved |= moved;
    outcome.out.drain(..).for_each(|changes| reader_slot.take(*last_port, changes));
    pending.insert(*last);
}

pub(super) fn not_stored(node: &Node) -> Error {
    Error::new(Code::InvalidQuery, format!("'{}' is not stored, so it has no rows to start with", node.name))
        .with_hint("create it as a materialized view, or subscribe without a snapshot")
}
