//! One core's loop: inboxes in front of the sources, timers, and steps over whatever is waiting.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use arrow_array::{Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
//! use arrow_schema::{DataType, Field, Schema};
//! use laminar_core::dag::{DagBuilder, Outlet, SourceSpec};
//! use laminar_core::expr::Column;
//! use laminar_core::reactor::Reactor;
//! use laminar_core::time::{ManualClock, Watermark};
//! use laminar_core::{ChangeBatch, StepId};
//!
//! /// Remembers the first column of what it is shown.
//! struct Seen(Arc<Mutex<Vec<i64>>>);
//!
//! impl Outlet for Seen {
//!     fn deliver(&mut self, _: StepId, changes: &[ChangeBatch], _: Watermark, _: i64) {
//!         for batch in changes {
//!             self.0.lock().unwrap().extend(batch.column(0).as_primitive::<Int64Type>().values());
//!         }
//!     }
//! }
//!
//! # fn main() -> laminar_core::Result<()> {
//! // SELECT b FROM numbers, by hand: a source, a projection, an output.
//! let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Int64, true)]));
//! let mut dag = DagBuilder::new();
//! let numbers = dag.source("numbers", schema.clone(), SourceSpec::TIMELESS);
//! let projected = dag.project("b", numbers, vec![("b", Column::new(&schema, 1))]);
//! let output = dag.output("b", projected);
//!
//! let mut reactor = Reactor::new(Arc::new(ManualClock::at(0)));
//! reactor.attach(dag.finish()?)?;
//! let seen = Arc::default();
//! reactor.subscribe(output, Box::new(Seen(Arc::clone(&seen))), false)?;
//!
//! let columns = [vec![1, 2], vec![10, 20]].map(|column| Arc::new(Int64Array::from(column)) as _);
//! reactor.push(numbers, ChangeBatch::append(RecordBatch::try_new(schema, columns.to_vec())?))?;
//! while reactor.poll()?.progressed {}
//! assert_eq!(*seen.lock().unwrap(), [10, 20]);
//! # Ok(())
//! # }
//! ```

mod fitted;
mod graph;
mod inbox;
mod portions;
mod turns;

use std::sync::Arc;

use crate::budget::{BudgetMetrics, TaskBudget};
use crate::dag::{
    EdgeProperties, Executor, GraphImage, Node, NodeKind, NodeMetrics, NodeStatus, Outlet, OutletId, Workers, explain,
    explain_distributed,
};
use crate::limits::{MEASURED_ROWS_MIN, MEASURED_STEPS, STEP_ROWS_MAX};
use crate::operator::RejectedRows;
use crate::time::{Clock, Watermark};
use crate::{ChangeBatch, Code, Error, NodeId, Result, StepId, hot_path};
pub(crate) use fitted::fitted;
use graph::{Graph, either};
use inbox::Inbox;
use turns::Turns;

/// What a poll did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// A step ran; polling again may find more to do.
    pub progressed: bool,
    /// The last step.
    pub step: StepId,
    /// Something is waiting, and an outlet that cannot take more stands in its way.
    pub backpressured: bool,
}

/// A poll that has begun.
#[derive(Debug)]
#[must_use = "the step must be finished"]
pub struct Started {
    progressed: bool,
    blocked: bool,
    /// The component that alone takes part, and the rows that one of its sources has in the step at most.
    alone: Option<(usize, usize)>,
}

impl Started {
    /// Whether a step runs.
    pub fn is_running(&self) -> bool {
        self.progressed
    }
}

/// Runs a graph on the thread of whoever polls it.
pub struct Reactor {
    clock: Arc<dyn Clock>,
    graph: Graph,
    /// By ascending number of the source.
    inboxes: Vec<Inbox>,
    budget: TaskBudget,
    turns: Turns,
    /// The time of the last poll.
    polled_at: i64,
    closed: bool,
}

impl Reactor {
    /// A reactor without nodes that lives by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::over(clock, Graph::Inline(Executor::new(false)))
    }

    /// The same, but all that nodes emit is held against what their edges promise; [`poll`](Self::poll) then fails where
    /// one is broken. For tests: it keeps a copy of everything.
    pub fn checked(clock: Arc<dyn Clock>) -> Self {
        Self::over(clock, Graph::Inline(Executor::new(true)))
    }

    /// A reactor whose graph several workers share. Answers do not depend on how many there are.
    pub fn shared(clock: Arc<dyn Clock>, workers: Workers) -> Self {
        Self::over(clock, Graph::Shared(workers))
    }

    fn over(clock: Arc<dyn Clock>, graph: Graph) -> Self {
        let budget = TaskBudget::of_step("step", Arc::clone(&clock));
        Self { clock, graph, inboxes: Vec::new(), budget, turns: Turns::default(), polled_at: i64::MIN, closed: false }
    }

    /// Adds nodes, see [`Executor::attach`].
    pub fn attach(&mut self, nodes: Vec<Node>) -> Result<()> {
        self.expect_open()?;
        let sources: Vec<NodeId> =
            nodes.iter().filter(|node| matches!(node.kind, NodeKind::Source(_))).map(|node| node.id).collect();
        either!(&mut self.graph, graph => graph.attach(nodes))?;
        self.inboxes.extend(sources.into_iter().map(Inbox::new));
        self.inboxes.sort_by_key(|inbox| inbox.source);
        self.find_components()
    }

    /// Takes nodes out, see [`Executor::detach`].
    pub fn detach(&mut self, nodes: &[NodeId]) -> Result<()> {
        either!(&mut self.graph, graph => graph.detach(nodes))?;
        self.inboxes.retain(|inbox| !nodes.contains(&inbox.source));
        self.find_components()
    }

    /// Listens at a node, see [`Executor::subscribe`].
    pub fn subscribe(&mut self, node: NodeId, outlet: Box<dyn Outlet>, snapshot: bool) -> Result<OutletId> {
        self.expect_open()?;
        either!(&mut self.graph, graph => graph.subscribe(node, outlet, snapshot))
    }

    /// Stops listening. False if there is no such outlet (any more).
    pub fn unsubscribe(&mut self, outlet: OutletId) -> bool {
        either!(&mut self.graph, graph => graph.unsubscribe(outlet))
    }

    /// Puts changes into the inbox of a source; they take part in the next steps, in the order in which they were pushed.
    ///
    /// Fails if they do not have the source's columns, hold NULL where it has none, have weights where its rows are only ever
    /// added, or the source has ended or failed.
    pub fn push(&mut self, source: NodeId, changes: ChangeBatch) -> Result<()> {
        self.expect_open()?;
        let changes = self.fitted(source, changes)?;
        let inbox = self.inbox(source)?;
        if inbox.ended {
            return Err(Error::new(Code::Closed, "the source has ended"));
        }
        if !changes.is_empty() {
            inbox.push(changes);
        }
        Ok(())
    }

    /// Says that nothing more will be pushed: once all that waits is taken in, the source's watermark goes to the end of time.
    pub fn end(&mut self, source: NodeId) -> Result<()> {
        self.advance(source, Watermark::END)
    }

    /// Says from outside that no row before `watermark` will be pushed any more. It keeps its place among the pushed rows.
    pub fn advance(&mut self, source: NodeId, watermark: Watermark) -> Result<()> {
        self.expect_open()?;
        self.inbox(source)?.advance(watermark);
        Ok(())
    }

    /// Whether a node or an outlet reads from `node`.
    pub fn is_read(&self, node: NodeId) -> bool {
        either!(&self.graph, graph => graph.is_read(node))
    }

    /// Rows that wait in the inbox of `source`.
    pub fn waiting_rows(&self, source: NodeId) -> usize {
        self.place(source).map_or(0, |place| self.inboxes[place].rows())
    }

    /// Runs one step over whatever is waiting, at most [`STEP_ROWS_MAX`] rows of each source, or over the timers that are
    /// due. Does nothing if there is nothing to do.
    pub fn poll(&mut self) -> Result<Poll> {
        self.poll_rows(STEP_ROWS_MAX)
    }

    /// As [`poll`](Self::poll), with at most `rows_max` rows of each source: tests cut steps as they like.
    pub fn poll_rows(&mut self, rows_max: usize) -> Result<Poll> {
        self.poll_where(rows_max, |_| true)
    }

    /// One step over what waits in front of the sources that `takes_part` names, and over whatever else is to be done.
    fn poll_where(&mut self, rows_max: usize, takes_part: impl Fn(&Inbox) -> bool) -> Result<Poll> {
        hot_path!("Reactor::poll");
        let (fed, now) = self.feed_rows(rows_max, takes_part)?;
        if fed.progressed {
            self.budget.begin_at(now);
            self.graph.run_step(now)?;
            self.charge();
        }
        self.polled(fed)
    }

    /// The first half of [`poll`](Self::poll): where other threads do the work, the caller can do something else until
    /// [`finish_poll`](Self::finish_poll), but must not ask anything of this reactor.
    pub fn start_poll(&mut self) -> Result<Started> {
        let (fed, now) = self.feed_rows(STEP_ROWS_MAX, |_| true)?;
        if fed.progressed {
            self.budget.begin_at(now);
            self.graph.start_step(now, None)?;
        }
        Ok(fed)
    }

    /// The second half: waits for the end of the step, and hands out what came out of it.
    pub fn finish_poll(&mut self, started: Started) -> Result<Poll> {
        if started.progressed {
            self.graph.finish_step()?;
            match started.alone {
                Some((component, rows)) => self.charge_alone(component, rows),
                None => self.charge(),
            }
        }
        self.polled(started)
    }

    fn polled(&self, started: Started) -> Result<Poll> {
        let backpressured = started.blocked && self.waits_for_outlets();
        let step = either!(&self.graph, graph => graph.last_step());
        Ok(Poll { progressed: started.progressed, step, backpressured })
    }

    /// Feeds the sources with what waits in front of them; whether a step has something to do, and the time.
    fn feed_rows(&mut self, rows_max: usize, takes_part: impl Fn(&Inbox) -> bool) -> Result<(Started, i64)> {
        let now = self.clock.now();
        let blocked = either!(&mut self.graph, graph => graph.look_at_outlets());
        for inbox in self.inboxes.iter_mut().filter(|inbox| !inbox.is_empty() && takes_part(inbox)) {
            if blocked && either!(&self.graph, graph => graph.is_blocked(inbox.source))? {
                continue;
            }
            let mut rows_left = rows_max;
            while let Some(input) = inbox.take(&mut rows_left) {
                either!(&mut self.graph, graph => graph.feed(inbox.source, input))?;
            }
        }
        self.polled_at = now;
        let progressed = either!(&self.graph, graph => graph.has_work(now));
        if progressed && self.turns.are_several() {
            either!(&mut self.graph, graph => graph.mark_ready(now, self.turns.ready()))?;
        }
        Ok((Started { progressed, blocked, alone: None }, now))
    }

    /// Counts the step against its budget, see [`budget_metrics`](Self::budget_metrics).
    fn charge(&mut self) {
        let is_small = self.graph.step_rows().is_some_and(|rows| rows < MEASURED_ROWS_MIN);
        let step = either!(&self.graph, graph => graph.last_step());
        if is_small && !step.0.is_multiple_of(MEASURED_STEPS) {
            self.budget.forget();
        } else {
            let spent = self.budget.finish();
            self.turns.charge(spent, self.budget.limit_ns());
        }
    }

    fn waits_for_outlets(&self) -> bool {
        let waits =
            |inbox: &Inbox| !inbox.is_empty() && either!(&self.graph, graph => graph.is_blocked(inbox.source)).unwrap_or(false);
        either!(&self.graph, graph => graph.has_blocked_work()) || self.inboxes.iter().any(waits)
    }

    /// When a poll has something to do even if nothing is pushed: wall-clock nanoseconds, possibly in the past. `None`: never.
    pub fn next_wake(&self) -> Option<i64> {
        either!(&self.graph, graph => graph.next_wake())
    }

    /// Whether nothing is waiting; timers may still come due.
    pub fn is_idle(&self) -> bool {
        self.inboxes.iter().all(Inbox::is_empty)
            && !either!(&self.graph, graph => graph.has_work(i64::MIN))
            && !either!(&self.graph, graph => graph.has_blocked_work())
    }

    /// Whether another poll at the time of the last one would find nothing to do: nothing waits, and no timer was due by then.
    pub fn is_settled(&self) -> bool {
        self.next_wake().is_none_or(|at| at > self.polled_at) && self.is_idle()
    }

    /// What steps took of their budget, [`STEP_BUDGET_NS`](crate::limits::STEP_BUDGET_NS); a step that took longer is an overrun. To look at
    /// the clock takes a good part of what a step over one row takes, so of the steps in which fewer than
    /// [`MEASURED_ROWS_MIN`] rows move only every [`MEASURED_STEPS`]th is looked at.
    pub fn budget_metrics(&self) -> BudgetMetrics {
        self.budget.metrics()
    }

    /// The rows that `node` stores, if it stores any and has not failed.
    pub fn contents(&self, node: NodeId) -> Option<Vec<ChangeBatch>> {
        either!(&self.graph, graph => graph.contents(node))
    }

    /// The rows that operators rejected since the last call, with the node that did.
    pub fn take_rejected(&mut self) -> Vec<(NodeId, RejectedRows)> {
        either!(&mut self.graph, graph => graph.take_rejected())
    }

    /// The counters of `node`.
    pub fn metrics(&mut self, node: NodeId) -> Result<NodeMetrics> {
        either!(&mut self.graph, graph => graph.metrics(node))
    }

    /// How `node` is doing.
    pub fn status(&self, node: NodeId) -> Result<NodeStatus> {
        either!(&self.graph, graph => graph.status(node))
    }

    /// What `node` promises its readers.
    pub fn watermark(&self, node: NodeId) -> Result<Watermark> {
        either!(&self.graph, graph => graph.watermark(node))
    }

    /// What holds for the output of `node`, if there is such a node.
    pub fn properties(&self, node: NodeId) -> Option<&EdgeProperties> {
        either!(&self.graph, graph => graph.properties(node))
    }

    /// The nodes, by ascending number.
    pub fn nodes(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        self.graph.nodes()
    }

    /// These nodes, not yet attached, as `EXPLAIN GRAPH` shows them: with the exchanges between workers, where there are several.
    pub fn explained(&self, nodes: Vec<Node>) -> String {
        match &self.graph {
            Graph::Inline(_) => explain(&nodes),
            Graph::Shared(workers) => explain_distributed(&workers.distributed(nodes)),
        }
    }

    /// The last step.
    pub fn last_step(&self) -> StepId {
        either!(&self.graph, graph => graph.last_step())
    }

    /// The state of all nodes after the last step. What waits in inboxes is not part of it.
    pub fn image(&mut self) -> Result<GraphImage> {
        either!(&mut self.graph, graph => graph.image())
    }

    /// Puts freshly attached nodes into the state of an image of the same nodes; what waits in inboxes is forgotten.
    pub fn restore(&mut self, image: &GraphImage) -> Result<()> {
        either!(&mut self.graph, graph => graph.restore(image))?;
        for inbox in &mut self.inboxes {
            inbox.clear();
            inbox.ended = either!(&self.graph, graph => graph.watermark(inbox.source))?.is_end();
        }
        Ok(())
    }

    /// Takes in all that waits, as far as outlets let it, tells all outlets that nothing more will come, and closes.
    /// Nothing can be pushed or attached afterwards; contents can still be read.
    pub fn shutdown(&mut self) -> Result<()> {
        while self.poll()?.progressed {}
        self.closed = true;
        either!(&mut self.graph, graph => graph.dismiss_outlets(&closed()));
        Ok(())
    }

    /// The changes with the source's own schema, if they fit it.
    fn fitted(&self, source: NodeId, changes: ChangeBatch) -> Result<ChangeBatch> {
        if let NodeStatus::Failed(error) = either!(&self.graph, graph => graph.status(source))? {
            return Err(error);
        }
        let Some(properties) = either!(&self.graph, graph => graph.properties(source)) else { return Ok(changes) };
        fitted(properties, changes)
    }

    fn place(&self, source: NodeId) -> Result<usize> {
        let found = self.inboxes.binary_search_by_key(&source, |inbox| inbox.source);
        found.map_err(|_| Error::new(Code::UnknownObject, format!("there is no source {source}")))
    }

    fn inbox(&mut self, source: NodeId) -> Result<&mut Inbox> {
        let place = self.place(source)?;
        Ok(&mut self.inboxes[place])
    }

    fn expect_open(&self) -> Result<()> {
        if self.closed { Err(closed()) } else { Ok(()) }
    }
}

fn closed() -> Error {
    Error::new(Code::Closed, "the database is closed")
}
