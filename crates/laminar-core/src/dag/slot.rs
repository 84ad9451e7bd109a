//! One node at run time: its operator, what waits for it, what it promised, and how it is run without letting trouble out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::node::{Node, NodeKind};
use super::outlet::{Outlet, OutletId};
use super::promise::{Holds, Promise, combine};
use super::status::{NodeMetrics, NodeStatus};
use crate::operator::check::Checker;
use crate::operator::{Aside, AsideRows, Operator, OperatorContext};
use crate::state::StateImage;
use crate::time::Watermark;
use crate::{ChangeBatch, Error, NodeId, Port, Result, StepId};

/// A node with its operator.
pub(super) struct Slot {
    pub(super) node: Node,
    pub(super) operator: Box<dyn Operator>,
    /// Places of the inputs, by port.
    pub(super) inputs: Vec<usize>,
    /// Places and ports of the readers.
    pub(super) readers: Vec<(usize, Port)>,
    /// The part of the graph that this node is connected with.
    pub(super) component: usize,
    /// What waits for the next step.
    pub(super) inbox: Vec<(Port, ChangeBatch)>,
    /// The watermark of the inputs that the operator was told last.
    pub(super) watermark: Watermark,
    /// For a source: what was told from outside. For others: set from the inputs when `inputs_moved`.
    pub(super) told: Watermark,
    /// An input's promise has changed since `told` was computed.
    pub(super) inputs_moved: bool,
    pub(super) promise: Promise,
    pub(super) wake_at: Option<i64>,
    pub(super) failure: Option<Error>,
    pub(super) outlets: Vec<(OutletId, Box<dyn Outlet>)>,
    pub(super) metrics: NodeMetrics,
    checker: Option<Checker>,
}

/// Where a slot puts what comes out of it; emptied by the executor after each run.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) out: Vec<ChangeBatch>,
    pub(super) aside: Vec<AsideRows>,
    /// The promise moved, so readers have to look.
    pub(super) promise_moved: bool,
}

/// What a node needs to go on after the step at whose end the image was taken.
#[derive(Debug, Clone)]
pub struct NodeImage {
    /// Which node.
    pub id: NodeId,
    /// The watermark of its inputs.
    pub watermark: Watermark,
    /// What it promised its readers.
    pub promise: Promise,
    /// When it wants to be woken, in wall-clock nanoseconds.
    pub wake_at: Option<i64>,
    /// Why it failed, if it did; it then stays failed.
    pub failure: Option<Error>,
    /// The operator's state, if it has any and has not failed.
    pub state: Option<StateImage>,
}

impl Slot {
    pub(super) fn new(node: Node, operator: Box<dyn Operator>, checker: Option<Checker>) -> Self {
        Self {
            promise: Promise { holds: initial_hold(&node), ..Promise::START },
            node,
            operator,
            inputs: Vec::new(),
            readers: Vec::new(),
            component: 0,
            inbox: Vec::new(),
            watermark: Watermark::START,
            told: Watermark::START,
            inputs_moved: true,
            wake_at: None,
            failure: None,
            outlets: Vec::new(),
            metrics: NodeMetrics::default(),
            checker,
        }
    }

    /// Queues changes for the next step.
    pub(super) fn receive(&mut self, port: Port, changes: ChangeBatch) {
        if self.failure.is_some() {
            return;
        }
        self.metrics.rows_in += changes.len() as u64;
        self.metrics.batches_in += 1;
        self.inbox.push((port, changes));
    }

    /// Runs the node's part of a step: changes, then the watermark if it moved, then the end of the step.
    /// `before` are the slots in front of this one, among them its inputs.
    pub(super) fn run(&mut self, before: &[Slot], step: StepId, now: i64, outcome: &mut Outcome) -> Result<()> {
        let input_holds = self.look_at_inputs(before);
        let (operator, inbox, wake_at) = (&mut self.operator, &mut self.inbox, &mut self.wake_at);
        let (told, known) = (self.told, self.watermark);
        let Outcome { out, aside, .. } = outcome;
        let run = catch_unwind(AssertUnwindSafe(|| {
            let mut cx = OperatorContext::new(step, now, known, out, aside, wake_at);
            for (port, changes) in inbox.drain(..) {
                operator.on_changes(port, changes, &mut cx)?;
            }
            if told > known {
                operator.on_watermark(told, &mut cx)?;
            }
            operator.end_step(&mut cx)?;
            Ok((operator.output_watermark(told), operator.is_idle()))
        }));
        let (watermark, idle) = run.unwrap_or_else(|panic| Err(panicked(&*panic)))?;
        self.watermark = told;
        self.count(outcome);
        self.promise_anew(watermark, input_holds.unwrap_or_else(|| source_hold(&self.node, idle)), outcome);
        match &mut self.checker {
            Some(checker) => checker.after_step(&outcome.out, watermark),
            None => Ok(()),
        }
    }

    /// Combines the inputs' promises; returns how they hold back, or `None` for a source.
    fn look_at_inputs(&mut self, before: &[Slot]) -> Option<Holds> {
        if self.inputs.is_empty() {
            return None;
        }
        if !self.inputs_moved {
            return Some(self.promise.holds);
        }
        self.inputs_moved = false;
        let combined = combine(self.told, self.inputs.iter().map(|place| before[*place].promise));
        self.told = combined.watermark;
        Some(combined.holds)
    }

    fn count(&mut self, outcome: &Outcome) {
        self.metrics.batches_out += outcome.out.len() as u64;
        self.metrics.rows_out += outcome.out.iter().map(|batch| batch.len() as u64).sum::<u64>();
        for aside in &outcome.aside {
            let counter = match aside.kind {
                Aside::Late => &mut self.metrics.late,
                Aside::Error => &mut self.metrics.errors,
            };
            *counter += aside.rows.num_rows() as u64;
        }
    }

    fn promise_anew(&mut self, watermark: Watermark, holds: Holds, outcome: &mut Outcome) {
        let promise = Promise { watermark: watermark.max(self.promise.watermark), holds };
        outcome.promise_moved = promise != self.promise;
        self.promise = promise;
        self.metrics.watermark = promise.watermark;
    }

    /// Hands the step's changes to the outlets. One that panics is told so and taken away; the graph goes on.
    pub(super) fn deliver(&mut self, step: StepId, now: i64, outcome: &Outcome) {
        if outcome.out.is_empty() && !outcome.promise_moved {
            return;
        }
        let watermark = self.promise.watermark;
        self.outlets.retain_mut(|(_, outlet)| {
            let delivery = catch_unwind(AssertUnwindSafe(|| outlet.deliver(step, &outcome.out, watermark, now)));
            let Err(panic) = delivery else { return true };
            // A second panic, in the handler of the first, has nobody left to hear of it.
            let _ = catch_unwind(AssertUnwindSafe(|| outlet.failed(&panicked(&*panic))));
            false
        });
    }

    /// Whether the failure is that the output broke a promise of its edge.
    pub(super) fn broke_promise(&self) -> bool {
        self.checker.as_ref().is_some_and(Checker::violated)
    }

    /// Takes the node out of all further steps and tells its outlets.
    pub(super) fn fail(&mut self, error: Error) {
        self.inbox.clear();
        self.dismiss_outlets(&error);
        self.failure = Some(error);
    }

    /// Tells all outlets that nothing more will come.
    pub(super) fn dismiss_outlets(&mut self, error: &Error) {
        for (_, mut outlet) in self.outlets.drain(..) {
            let _ = catch_unwind(AssertUnwindSafe(|| outlet.failed(error)));
        }
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
        if self.failure.is_some() { None } else { self.operator.contents() }
    }

    pub(super) fn image(&mut self) -> Result<NodeImage> {
        let state = match self.operator.state() {
            Some(state) if self.failure.is_none() => Some(state.image()?),
            _ => None,
        };
        let (watermark, promise, wake_at) = (self.watermark, self.promise, self.wake_at);
        Ok(NodeImage { id: self.node.id, watermark, promise, wake_at, failure: self.failure.clone(), state })
    }

    pub(super) fn restore(&mut self, image: &NodeImage) -> Result<()> {
        match (self.operator.state(), &image.state) {
            (Some(operator), Some(state)) => operator.restore(state)?,
            (None, None) => {}
            _ if image.failure.is_some() => {}
            _ => return Err(Error::internal(format!("the image of {} does not fit its operator", self.node.id))),
        }
        self.inbox.clear();
        (self.watermark, self.told, self.promise) = (image.watermark, image.watermark, image.promise);
        (self.wake_at, self.failure) = (image.wake_at, image.failure.clone());
        if let Some(checker) = &mut self.checker {
            checker.restart(self.promise.watermark, self.operator.contents());
        }
        Ok(())
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
        NodeKind::Source(spec) if spec.is_table() => Holds::Nothing,
        NodeKind::Source(spec) if spec.watermark.is_some() && !idle => Holds::Time,
        _ => Holds::End,
    }
}

/// The message of a panic as an error.
fn panicked(panic: &(dyn Any + Send)) -> Error {
    let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal(format!("panicked: {}", message.as_deref().unwrap_or("without a message")))
}
