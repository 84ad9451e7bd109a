//! What one worker has of a graph: its nodes in the order in which they run, and what waits for the next step.

use super::components::connect;
use super::image::{NodeImage, NodeParts, Purpose};
use super::node_state::{NodePlacement, NodeState, StepOutput};
use super::order::topological;
use super::pending::Pending;
use super::status::NodeMetrics;
use super::step::StepOrder;
use crate::graph::{Distributed, EdgeProperties, Node, NodeKind, Partitioning, StatePlace, validate};
use crate::operator::build::build;
use crate::operator::check::Checker;
use crate::operator::union::Union;
use crate::operator::{Operator, RejectedRows};
use crate::panics;
use crate::state::{CopiedAhead, Ownership};
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

/// Which of how many workers a graph belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WorkerPosition {
    pub(super) worker: usize,
    pub(super) workers: usize,
    /// Rows that a worker gets at least when rows are dealt out.
    pub(super) deal_rows_min: usize,
}

/// What one worker's part of a node emitted in a step, for outlets.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) node: NodeId,
    pub(super) changes: Vec<ChangeBatch>,
    pub(super) watermark: Watermark,
}

/// The nodes of a graph with their operators, as one worker has them.
///
/// A failing operator, by an error or by a panic, takes itself and everything that reads from it out of the graph; the
/// rest goes on. Parts of the graph that are not connected never wait for each other.
pub struct WorkerGraph {
    pub(super) checked: bool,
    pub(super) position: WorkerPosition,
    pub(super) step: StepId,
    pub(super) now: i64,
    /// Every node after its inputs.
    pub(super) states: Vec<NodeState>,
    /// The index of each node, by ascending id.
    indices: Vec<(NodeId, usize)>,
    pub(super) pending: Pending,
    /// Indices of the nodes at which workers exchange rows, ascending.
    pub(super) exchanging: Vec<usize>,
    /// How many connected components there are.
    components: usize,
    timers: Timers<NodeId>,
    pub(super) rejected: Vec<(NodeId, RejectedRows)>,
    /// What came out of tapped nodes in the step.
    pub(super) taps: Vec<Tap>,
    /// Buffers of taps that have been delivered.
    spare_buffers: Vec<Vec<ChangeBatch>>,
    /// Nodes that failed in the step.
    pub(super) failed: Vec<(NodeId, Error)>,
    output: StepOutput,
    pub(super) violation: Option<Error>,
    /// The index of the node whose turn it is to be copied ahead of an image.
    copies_next: usize,
}

impl WorkerGraph {
    /// A graph without nodes. `checked`: whether each node's output is held against what its edge promises; this costs
    /// a copy of everything and is meant for tests.
    pub(super) fn new(checked: bool, position: WorkerPosition) -> Self {
        panics::silence();
        Self {
            checked,
            position,
            step: StepId::default(),
            now: i64::MIN,
            states: Vec::new(),
            indices: Vec::new(),
            pending: Pending::default(),
            exchanging: Vec::new(),
            components: 0,
            timers: Timers::new(),
            rejected: Vec::new(),
            taps: Vec::new(),
            spare_buffers: Vec::new(),
            failed: Vec::new(),
            output: StepOutput::default(),
            violation: None,
            copies_next: 0,
        }
    }

    /// Adds this worker's part of nodes between two steps. Those that read from stored nodes get their contents as first changes, in
    /// the next step; all of them take part in that step. Either all nodes are added or none.
    pub(super) fn attach(&mut self, distributed: &[Distributed]) -> Result<()> {
        let nodes: Vec<Node> = distributed.iter().map(|distributed| distributed.node.clone()).collect();
        validate(&nodes, &|id| self.properties(id))?;
        let state = |d: &Distributed| self.make_state(&d.node, &nodes, self.placement_of(d));
        let mut states: Vec<NodeState> = distributed.iter().map(state).collect::<Result<_>>()?;
        states.iter_mut().try_for_each(|state| self.queue_contents(state))?;
        let pending = self.pending_ids();
        let before = self.states.len();
        self.states.append(&mut states);
        if let Err(error) = self.relink(pending.iter().copied().chain(nodes.iter().map(|node| node.id))) {
            self.states.truncate(before);
            self.relink(pending.into_iter())?;
            return Err(error);
        }
        Ok(())
    }

    fn placement_of(&self, distributed: &Distributed) -> NodePlacement {
        let WorkerPosition { worker, workers, .. } = self.position;
        let node = &distributed.node;
        if workers == 1 {
            return NodePlacement::alone(node);
        }
        NodePlacement {
            exchanges: distributed.exchanges.clone(),
            workers,
            relays: matches!(node.kind, NodeKind::Source(_)),
            absent: worker > 0 && node.output.partitioning == Partitioning::Single,
            owned: match &distributed.state {
                StatePlace::ByKeys(keys) => Ownership::Keys { keys: keys.clone(), worker, workers },
                StatePlace::First | StatePlace::Anywhere if worker == 0 => Ownership::All,
                StatePlace::First | StatePlace::Anywhere => Ownership::Nothing,
            },
        }
    }

    /// Why `nodes` cannot be taken out: another node reads from one of them, or there is no such node.
    pub(super) fn check_detach(&self, nodes: &[NodeId]) -> Result<()> {
        nodes.iter().try_for_each(|id| self.index(*id).map(|_| ()))?;
        for reader in self.states.iter().filter(|state| !nodes.contains(&state.node.id)) {
            if let Some(input) = reader.node.inputs.iter().find(|input| nodes.contains(input)) {
                let name = &self.state(*input)?.node.name;
                return Err(Error::new(Code::ObjectInUse, format!("'{}' reads from '{name}'", reader.node.name)));
            }
        }
        Ok(())
    }

    /// Takes nodes out between two steps. What waits for them is dropped.
    pub(super) fn detach(&mut self, nodes: &[NodeId]) -> Result<()> {
        self.check_detach(nodes)?;
        let pending = self.pending_ids();
        for state in self.states.iter_mut().filter(|state| nodes.contains(&state.node.id)) {
            self.timers.replace(state.node.id, state.wake_at, None);
        }
        self.states.retain(|state| !nodes.contains(&state.node.id));
        self.relink(pending.into_iter().filter(|id| !nodes.contains(id)))
    }

    /// Lets a node read from other inputs from the next step on, in which it takes part. They promise it what they promise now.
    pub(super) fn set_inputs(&mut self, node: NodeId, inputs: Vec<NodeId>) -> Result<()> {
        let index = self.index(node)?;
        let pending = self.pending_ids();
        let before = std::mem::replace(&mut self.states[index].node.inputs, inputs);
        if let Err(error) = self.relink(pending.iter().copied().chain([node])) {
            let index = self.index(node)?;
            self.states[index].node.inputs = before;
            self.relink(pending.into_iter())?;
            return Err(error);
        }
        let index = self.index(node)?;
        self.states[index].inputs_moved = true;
        Ok(())
    }

    /// Queues input of a source for the next step.
    pub(super) fn feed(&mut self, source: NodeId, input: SourceInput) -> Result<()> {
        let index = self.index(source)?;
        let state = &mut self.states[index];
        match input {
            SourceInput::Changes(changes) => state.receive(Port::LEFT, changes),
            SourceInput::Watermark(watermark) => state.input_watermark = state.input_watermark.max(watermark),
        }
        self.pending.insert(index);
        Ok(())
    }

    /// Tells a source that it is not read for now, or is again. It looks at the clock in the next step.
    pub(super) fn pause(&mut self, source: NodeId, paused: bool) -> Result<()> {
        let index = self.index(source)?;
        self.states[index].operator.pause(paused);
        Ok(())
    }

    /// Hands this worker's part of a step's rows to a source that took them in elsewhere, with what it promised there.
    pub(super) fn relay(&mut self, source: NodeId, changes: Vec<ChangeBatch>, promise: Promise) -> Result<()> {
        let index = self.index(source)?;
        let state = &mut self.states[index];
        if state.absent {
            return Ok(());
        }
        changes.into_iter().for_each(|changes| state.receive(Port::LEFT, changes));
        (state.input_watermark, state.relayed) = (state.input_watermark.max(promise.watermark), Some(promise.holds));
        self.pending.insert(index);
        Ok(())
    }

    pub(super) fn begin_step(&mut self, order: &StepOrder) {
        (self.step, self.now) = (order.step, order.now);
        self.output.rows = 0;
        self.wake(order.now);
    }

    /// Makes the nodes pending whose timers are due.
    pub(super) fn wake(&mut self, now: i64) {
        while let Some(id) = self.timers.take_due(now) {
            if let Ok(index) = self.index(id) {
                self.states[index].wake_at = None;
                self.pending.insert(index);
            }
        }
    }

    pub(super) fn run(&mut self, index: usize) {
        let (before, rest) = self.states.split_at_mut(index);
        let Some((state, after)) = rest.split_first_mut() else { return };
        if state.failure.is_some() {
            return;
        }
        if state.absent {
            return state.follow(before);
        }
        let (id, wake_before) = (state.node.id, state.wake_at);
        if let Err(error) = state.run(before, self.step, self.now, &mut self.output) {
            self.output = StepOutput { rows: self.output.rows, ..StepOutput::default() };
            self.timers.replace(id, wake_before, None);
            self.poison(index, error);
            return;
        }
        self.timers.replace(id, wake_before, state.wake_at);
        if state.tapped && (self.output.promise_moved || !self.output.out.is_empty()) {
            let mut changes = self.spare_buffers.pop().unwrap_or_default();
            match state.readers.is_empty() {
                true => std::mem::swap(&mut changes, &mut self.output.out),
                false => changes.extend_from_slice(&self.output.out),
            }
            self.taps.push(Tap { node: id, changes, watermark: state.promise.watermark });
        }
        route(state, after, index + 1, &mut self.output, &mut self.pending);
        if !self.output.rejected.is_empty() {
            self.rejected.extend(self.output.rejected.drain(..).map(|rows| (id, rows)));
        }
    }

    /// Gives the buffer of a delivered tap back.
    pub(super) fn give_back(&mut self, tap: Tap) {
        let mut changes = tap.changes;
        changes.clear();
        self.spare_buffers.push(changes);
    }

    /// Takes a node and everything that reads from it out of all further steps.
    pub(super) fn poison(&mut self, index: usize, error: Error) {
        if self.states[index].broke_promise() {
            self.violation.get_or_insert_with(|| error.clone());
        }
        let name = self.states[index].node.name.clone();
        let inherited = error.clone().within(format!("reads from '{name}', which failed"));
        self.fail(index, error.within(format!("'{name}'")));
        self.fail_readers(index, &inherited);
    }

    /// Takes everything out that reads from the node at `index`, near or far.
    pub(super) fn fail_readers(&mut self, index: usize, inherited: &Error) {
        for later in index + 1..self.states.len() {
            let (before, rest) = self.states.split_at_mut(later);
            let state = &rest[0];
            if state.failure.is_none() && state.inputs.iter().any(|input| before[*input].failure.is_some()) {
                self.fail(later, inherited.clone());
            }
        }
    }

    /// Takes one node out of all further steps.
    pub(super) fn fail(&mut self, index: usize, error: Error) {
        let state = &mut self.states[index];
        self.timers.replace(state.node.id, state.wake_at.take(), None);
        state.fail(error.clone());
        self.failed.push((state.node.id, error));
    }

    /// Shows what comes out of these nodes, and of no others, in `taps`.
    pub(super) fn tap(&mut self, is_tapped: impl Fn(NodeId) -> bool) {
        self.states.iter_mut().for_each(|state| state.tapped = is_tapped(state.node.id));
    }

    /// Whether a step at `now` would have something to do, apart from `blocked` components.
    pub(super) fn has_work(&self, now: i64, blocked: &[bool]) -> bool {
        let is_blocked = |index: usize| blocked.get(self.states[index].component).is_some_and(|blocked| *blocked);
        self.timers.next().is_some_and(|at| at <= now) || self.pending.iter().any(|index| !is_blocked(index))
    }

    /// When the first node wants to be woken, in wall-clock nanoseconds.
    pub(super) fn next_wake(&self) -> Option<i64> {
        self.timers.next()
    }

    /// Rows that all nodes together emitted in the last step.
    pub(super) fn step_rows(&self) -> u64 {
        self.output.rows
    }

    /// The nodes, each after its inputs.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.states.iter().map(|state| &state.node)
    }

    /// Gives nodes another name.
    pub(super) fn rename(&mut self, nodes: &[NodeId], name: &str) {
        for state in self.states.iter_mut().filter(|state| nodes.contains(&state.node.id)) {
            name.clone_into(&mut state.node.name);
        }
    }

    /// A node with its operator.
    pub(super) fn state(&self, node: NodeId) -> Result<&NodeState> {
        Ok(&self.states[self.index(node)?])
    }

    /// The ids of all nodes, ascending.
    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.indices.iter().map(|(id, _)| *id)
    }

    /// What holds for the output of `node`.
    pub(super) fn properties(&self, node: NodeId) -> Option<&EdgeProperties> {
        self.state(node).ok().map(|state| &state.node.output)
    }

    /// How many connected components there are.
    pub(super) fn component_count(&self) -> usize {
        self.components
    }

    /// The counters of `node`; its state is measured now.
    pub(super) fn metrics(&mut self, node: NodeId) -> Result<NodeMetrics> {
        let index = self.index(node)?;
        let state = &mut self.states[index];
        // What is on another worker alone has an empty operator here.
        let held = if state.absent { None } else { state.operator.state() };
        let (state_rows, state_bytes) = held.map_or((0, 0), |state| (state.rows(), state.bytes()));
        Ok(NodeMetrics { state_rows, state_bytes, ..state.metrics })
    }

    /// Copies up to `rows` rows of what the next image will need; what is left is not known where they were not enough for all nodes.
    pub(super) fn copy_ahead(&mut self, rows: usize) -> Result<CopiedAhead> {
        let mut all = CopiedAhead::default();
        // One that changes fast keeps the others from their turn only once.
        let first = self.copies_next % self.states.len().max(1);
        for index in (first..self.states.len()).chain(0..first) {
            let CopiedAhead { copied, left } = self.states[index].copy_ahead(rows.saturating_sub(all.copied))?;
            all = CopiedAhead { copied: all.copied + copied, left: all.left + left };
            if copied > 0 {
                self.copies_next = index + 1;
            }
        }
        Ok(all)
    }

    /// Whether it has this node.
    pub(super) fn has(&self, node: NodeId) -> bool {
        self.index(node).is_ok()
    }

    /// The state of a node.
    pub(super) fn image_of(&mut self, node: NodeId, purpose: Purpose) -> Result<NodeImage> {
        let index = self.index(node)?;
        self.states[index].image(purpose)
    }

    /// The last checkpoint is stored.
    pub(super) fn checkpoint_is_stored(&mut self) {
        self.states.iter_mut().for_each(NodeState::checkpoint_is_stored);
    }

    /// Prepares for [`restore_node`](Self::restore_node) of all nodes: nothing waits any more, and the last step was `step`.
    pub(super) fn begin_restore(&mut self, step: StepId) {
        self.timers = Timers::new();
        self.pending = Pending::none_of(self.states.len());
        self.step = step;
    }

    /// Puts a freshly attached node into the state of its images. What waits for it is dropped: they already hold its effects.
    pub(super) fn restore_node(&mut self, parts: &NodeParts<'_>) -> Result<()> {
        let index = self.index(parts.id)?;
        let state = &mut self.states[index];
        state.restore(parts)?;
        self.timers.replace(parts.id, None, state.wake_at);
        Ok(())
    }

    /// Lets all nodes take part in the next step and look at what their inputs promise.
    pub(super) fn wake_all(&mut self) {
        for (index, state) in self.states.iter_mut().enumerate().filter(|(_, state)| state.failure.is_none()) {
            state.inputs_moved = true;
            self.pending.insert(index);
        }
    }

    /// Hands groups that are on their way to the node that merges them.
    pub(super) fn receive_groups(&mut self, node: NodeId, groups: ChangeBatch) -> Result<()> {
        let index = self.index(node)?;
        self.states[index].receive(Port::GROUPS, groups);
        self.pending.insert(index);
        Ok(())
    }

    /// Hands a node what waited for it elsewhere.
    pub(super) fn take(&mut self, node: NodeId, port: Port, changes: ChangeBatch) -> Result<()> {
        let index = self.index(node)?;
        self.states[index].take(port, changes);
        self.pending.insert(index);
        Ok(())
    }

    fn make_state(&self, node: &Node, new: &[Node], placement: NodePlacement) -> Result<NodeState> {
        let find = |id: &NodeId| new.iter().find(|n| n.id == *id).map(|n| &n.output).or_else(|| self.properties(*id));
        let inputs: Option<Vec<&EdgeProperties>> = node.inputs.iter().map(find).collect();
        let inputs = inputs.ok_or_else(|| Error::internal(format!("{} reads from an unknown node", node.id)))?;
        let operator: Box<dyn Operator> = match placement.relays {
            true => Box::new(Union::new(node.output.schema.clone())),
            false => build(node, &inputs).map_err(|error| error.within(format!("'{}'", node.name)))?,
        };
        // A retraction may be on another worker than its row where rows can be anywhere.
        let has_all = self.position.workers == 1 || node.output.partitioning != Partitioning::Any;
        let checker = self.checked.then(|| Checker::new(node, self.follows_watermark(node, new), has_all));
        Ok(NodeState::new(node.clone(), operator, checker, placement))
    }

    /// Whether all rows behind the watermark are marked as such by their source.
    fn follows_watermark(&self, node: &Node, new: &[Node]) -> bool {
        let follows = |id: &NodeId| {
            let known = || self.state(*id).ok().map(|state| &state.node);
            let input = new.iter().find(|node| node.id == *id).or_else(known);
            input.is_some_and(|input| self.follows_watermark(input, new))
        };
        node.kind.follows_watermark() && node.inputs.iter().all(follows)
    }

    /// Gives a new node the contents of the stored nodes that it reads from, the last input first: rows of the left side of an outer join then find their
    /// partners, and are not shown beside NULLs before.
    fn queue_contents(&self, state: &mut NodeState) -> Result<()> {
        for (port, input) in state.node.inputs.clone().into_iter().enumerate().rev() {
            let Ok(stored) = self.state(input) else { continue };
            if let Some(error) = &stored.failure {
                return Err(error.clone());
            }
            for changes in stored.contents().unwrap_or_default() {
                state.take(Port(port as u8), changes);
            }
        }
        Ok(())
    }

    pub(super) fn index(&self, id: NodeId) -> Result<usize> {
        let found = self.indices.binary_search_by_key(&id, |(id, _)| *id);
        found.map(|at| self.indices[at].1).map_err(|_| Error::new(Code::UnknownObject, format!("there is no node {id}")))
    }

    /// The nodes that take part in the next step.
    pub(super) fn pending_ids(&self) -> Vec<NodeId> {
        self.pending.iter().map(|index| self.states[index].node.id).collect()
    }

    /// Brings the nodes into their order, finds the indices of inputs and readers, and makes `pending` pending.
    fn relink(&mut self, pending: impl Iterator<Item = NodeId>) -> Result<()> {
        self.index_nodes();
        let inputs_of = |index: usize| {
            let inputs = self.states[index].node.inputs.iter();
            inputs.filter_map(|id| self.index(*id).ok()).collect::<Vec<_>>()
        };
        let order = topological(self.states.len(), inputs_of)?;
        let mut states: Vec<Option<NodeState>> = self.states.drain(..).map(Some).collect();
        self.states = order.into_iter().filter_map(|index| states[index].take()).collect();
        self.index_nodes();
        self.states.iter_mut().for_each(|state| state.readers.clear());
        for index in 0..self.states.len() {
            let ids = &self.states[index].node.inputs;
            let inputs: Vec<usize> = ids.iter().filter_map(|id| self.index(*id).ok()).collect();
            for (port, input) in inputs.iter().enumerate() {
                self.states[*input].readers.push((index, Port(port as u8)));
            }
            self.states[index].inputs = inputs;
        }
        let (components, of_index) = connect(self.states.len(), |index| &self.states[index].inputs);
        self.states.iter_mut().zip(of_index).for_each(|(state, component)| state.component = component);
        self.components = components;
        self.exchanging = (0..self.states.len()).filter(|index| self.states[*index].exchanges_rows()).collect();
        self.pending = Pending::none_of(self.states.len());
        for id in pending {
            if let Ok(index) = self.index(id) {
                self.pending.insert(index);
            }
        }
        Ok(())
    }

    fn index_nodes(&mut self) {
        self.indices = self.states.iter().enumerate().map(|(index, state)| (state.node.id, index)).collect();
        self.indices.sort_unstable_by_key(|(id, _)| *id);
    }
}

/// Moves what came out of `state` to its readers, the nodes from index `first` on. Only the columns' references are copied,
/// and for the last reader not even those.
fn route(state: &NodeState, after: &mut [NodeState], first: usize, output: &mut StepOutput, pending: &mut Pending) {
    let moved = std::mem::take(&mut output.promise_moved);
    if !moved && output.out.is_empty() {
        return;
    }
    let Some(((last, last_port), others)) = state.readers.split_last() else {
        output.out.clear();
        return;
    };
    for (index, port) in others {
        let reader = &mut after[*index - first];
        reader.inputs_moved |= moved;
        output.out.iter().for_each(|changes| reader.take(*port, changes.clone()));
        pending.insert(*index);
    }
    let reader = &mut after[*last - first];
    reader.inputs_moved |= moved;
    output.out.drain(..).for_each(|changes| reader.take(*last_port, changes));
    pending.insert(*last);
}
