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

mod component_steps;
mod fitted;
mod inbox;
mod portions;

use std::collections::BTreeMap;
use std::sync::Arc;

use component_steps::ComponentSteps;
pub(crate) use fitted::fitted;
use inbox::Inbox;

use super::image::Purpose;
use super::{
    GraphHost, GraphImage, NodeImages, NodeStatus, Outlet, OutletId, RejectedRowsHandler, ReplacedQuery, SourceInput, WorkerPool,
};
use crate::budget::{BudgetMetrics, TaskBudget};
use crate::graph::{Node, NodeKind};
use crate::limits::{MEASURED_ROWS_MIN, MEASURED_STEPS, STEP_ROWS_MAX};
use crate::state::CopiedAhead;
use crate::time::{Clock, Watermark};
use crate::{ChangeBatch, Code, Error, NodeId, Result, StepId, hot_path};

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

    /// The rows that one source has in a step over one component at most.
    pub fn rows(&self) -> usize {
        self.alone.map_or(0, |(_, rows)| rows)
    }
}

/// Runs a graph on the thread of the caller that polls it.
pub struct Reactor {
    clock: Arc<dyn Clock>,
    graph: GraphHost,
    /// By ascending number of the source.
    inboxes: Vec<Inbox>,
    budget: TaskBudget,
    components: ComponentSteps,
    /// The time of the last poll.
    polled_at: i64,
    closed: bool,
}

impl Reactor {
    /// A reactor without nodes that lives by `clock`, whose graph one worker has.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::over(clock, GraphHost::single(false))
    }

    /// The same, but all that nodes emit is held against what their edges promise; [`poll`](Self::poll) then fails where
    /// one is broken. For tests: it keeps a copy of everything.
    pub fn checked(clock: Arc<dyn Clock>) -> Self {
        Self::over(clock, GraphHost::single(true))
    }

    /// A reactor over a graph without nodes. Answers do not depend on how many workers share it.
    pub fn over(clock: Arc<dyn Clock>, graph: GraphHost) -> Self {
        let budget = TaskBudget::of_step("step", Arc::clone(&clock));
        Self {
            clock,
            graph,
            inboxes: Vec::new(),
            budget,
            components: ComponentSteps::default(),
            polled_at: i64::MIN,
            closed: false,
        }
    }

    /// The graph: its nodes, what they store and how they are doing.
    pub fn graph(&self) -> &GraphHost {
        &self.graph
    }

    /// The graph, to measure it and to take what it rejected.
    pub fn graph_mut(&mut self) -> &mut GraphHost {
        &mut self.graph
    }

    /// Adds nodes between two steps. Those that read from stored nodes get their contents as first changes, in the next step. Either all
    /// nodes are added or none.
    pub fn attach(&mut self, nodes: Vec<Node>) -> Result<()> {
        self.expect_open()?;
        let sources: Vec<NodeId> =
            nodes.iter().filter(|node| matches!(node.kind, NodeKind::Source(_))).map(|node| node.id).collect();
        self.graph.attach(nodes)?;
        self.inboxes.extend(sources.into_iter().map(Inbox::new));
        self.inboxes.sort_by_key(|inbox| inbox.source);
        self.find_components()
    }

    /// Takes nodes out between two steps; their outlets are told. Nothing happens if another node reads from one of them.
    pub fn detach(&mut self, nodes: &[NodeId]) -> Result<()> {
        self.graph.detach(nodes)?;
        self.inboxes.retain(|inbox| !nodes.contains(&inbox.source));
        self.find_components()
    }

    /// Lets the ends of queries go on with what feeds the ends of others, whose rows are there. In the next step the readers of each see what both
    /// differ by. What was computed goes, and so do the nodes `gone`, which fed what stays, or are read by nothing any more. Between two polls;
    /// if something fails, nothing has changed.
    pub fn replace_queries(&mut self, replaced: &[ReplacedQuery], gone: &[NodeId]) -> Result<()> {
        self.expect_open()?;
        self.graph.replace_queries(replaced, gone)?;
        self.find_components()
    }

    /// Lets nodes read from others, which have given out the same until now, from the next step on, and takes out the nodes `gone`, in front of which
    /// nothing may wait. Between two polls; if something fails, nothing has changed.
    pub fn reconnect(&mut self, inputs: &BTreeMap<NodeId, Vec<NodeId>>, gone: &[NodeId]) -> Result<()> {
        self.expect_open()?;
        self.graph.reconnect(inputs, gone)?;
        self.inboxes.retain(|inbox| !gone.contains(&inbox.source));
        self.find_components()
    }

    /// Attaches an outlet to a node: it gets what comes out from the next step on. `snapshot`: the rows that the node stores come first, as
    /// one delivery, at once.
    pub fn subscribe(&mut self, node: NodeId, outlet: Box<dyn Outlet>, snapshot: bool) -> Result<OutletId> {
        self.expect_open()?;
        self.graph.attach_outlet(node, outlet, snapshot)
    }

    /// Puts changes into the inbox of a source; they take part in the next steps, in the order in which they were pushed.
    ///
    /// Fails if they do not have the source's columns, hold NULL where it has none, have weights where its rows are only ever
    /// added, or the source has ended or failed.
    pub fn push(&mut self, source: NodeId, changes: ChangeBatch) -> Result<()> {
        self.expect_open()?;
        let changes = self.accepted(source, changes)?;
        if !changes.is_empty() {
            self.inbox(source)?.push(changes);
        }
        Ok(())
    }

    /// The changes as `source` takes them, if it does: what [`push`](Self::push) would put into its inbox.
    pub fn accepted(&mut self, source: NodeId, changes: ChangeBatch) -> Result<ChangeBatch> {
        let changes = self.fitted(source, changes)?;
        if self.inbox(source)?.ended { Err(Error::new(Code::Closed, "the source has ended")) } else { Ok(changes) }
    }

    /// Says that nothing more will be pushed: once all that waits is taken in, the source's watermark goes to the end of time.
    pub fn end(&mut self, source: NodeId) -> Result<()> {
        self.advance(source, Watermark::END)
    }

    /// Says from outside that no row before `watermark` will be pushed any more. It keeps its index among the pushed rows.
    pub fn advance(&mut self, source: NodeId, watermark: Watermark) -> Result<()> {
        self.expect_open()?;
        self.inbox(source)?.advance(watermark);
        Ok(())
    }

    /// Says that `source` is not read for now, or is again: the silence of one that is not read means nothing, whatever its idle timeout.
    pub fn pause(&mut self, source: NodeId, paused: bool) -> Result<()> {
        self.graph.pause(source, paused)
    }

    /// Rows that wait in the inbox of `source`.
    pub fn waiting_rows(&self, source: NodeId) -> usize {
        self.index(source).map_or(0, |index| self.inboxes[index].rows())
    }

    /// Runs one step over whatever is waiting, at most [`STEP_ROWS_MAX`] rows of each source, or over the timers that are
    /// due. Does nothing if there is nothing to do.
    pub fn poll(&mut self) -> Result<Poll> {
        self.poll_rows(STEP_ROWS_MAX)
    }

    /// As [`poll`](Self::poll), with at most `rows_max` rows of each source: tests cut steps as they like.
    pub fn poll_rows(&mut self, rows_max: usize) -> Result<Poll> {
        self.poll_where(rows_max, |_| true, None)
    }

    /// One step over what waits in front of the sources that `takes_part` names, and over whatever else is to be done.
    fn poll_where(
        &mut self,
        rows_max: usize,
        takes_part: impl Fn(&Inbox) -> bool,
        handler: Option<&mut dyn RejectedRowsHandler>,
    ) -> Result<Poll> {
        hot_path!("Reactor::poll");
        let (fed, now) = self.feed_rows(rows_max, takes_part)?;
        if fed.progressed {
            self.budget.begin_at(now);
            self.graph.run_step(now)?;
            self.end_step(handler)?;
            self.charge();
        }
        self.polled(fed)
    }

    /// Runs what follows from rejected rows, and hands out what came out of the step.
    fn end_step(&mut self, handler: Option<&mut dyn RejectedRowsHandler>) -> Result<()> {
        if let Some(handler) = handler {
            self.follow_rejected(handler)?;
        }
        self.graph.end_step().map(|_| ())
    }

    fn follow_rejected(&mut self, handler: &mut dyn RejectedRowsHandler) -> Result<()> {
        loop {
            let rejected = self.graph.take_rejected();
            if rejected.is_empty() {
                return Ok(());
            }
            let mut fed = Vec::new();
            for (source, changes) in handler.handle(&self.graph, rejected)? {
                match self.accepted(source, changes.clone()) {
                    Ok(changes) => {
                        self.graph.feed(source, SourceInput::Changes(changes))?;
                        fed.push(source);
                    }
                    Err(error) => handler.refused(source, &changes, error)?,
                }
            }
            if !fed.is_empty() {
                self.graph.run_again(&fed)?;
            }
        }
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

    /// As [`poll`](Self::poll), with what follows from rejected rows.
    pub fn poll_handling(&mut self, handler: &mut dyn RejectedRowsHandler) -> Result<Poll> {
        self.poll_where(STEP_ROWS_MAX, |_| true, Some(handler))
    }

    /// The second half: waits for the end of the step, and hands out what came out of it. Without a `handler`, rejected rows wait in the
    /// graph to be taken.
    pub fn finish_poll(&mut self, started: Started, handler: Option<&mut dyn RejectedRowsHandler>) -> Result<Poll> {
        if started.progressed {
            self.graph.finish_step()?;
            self.end_step(handler)?;
            match started.alone {
                Some((component, _)) => self.charge_alone(component),
                None => self.charge(),
            }
        }
        self.polled(started)
    }

    fn polled(&self, started: Started) -> Result<Poll> {
        let backpressured = started.blocked && self.waits_for_outlets();
        let step = self.graph.last_step();
        Ok(Poll { progressed: started.progressed, step, backpressured })
    }

    /// Feeds the sources with what waits in front of them; whether a step has something to do, and the time.
    fn feed_rows(&mut self, rows_max: usize, takes_part: impl Fn(&Inbox) -> bool) -> Result<(Started, i64)> {
        let now = self.clock.now();
        let blocked = self.graph.look_at_outlets();
        for inbox in self.inboxes.iter_mut().filter(|inbox| !inbox.is_empty() && takes_part(inbox)) {
            if blocked && self.graph.is_blocked(inbox.source)? {
                continue;
            }
            let mut rows_left = rows_max;
            while let Some(input) = inbox.take(&mut rows_left) {
                self.graph.feed(inbox.source, input)?;
            }
        }
        self.polled_at = now;
        let progressed = self.graph.has_work(now);
        if progressed && self.components.are_several() {
            self.graph.mark_ready(now, self.components.ready())?;
        }
        Ok((Started { progressed, blocked, alone: None }, now))
    }

    /// Counts the step against its budget, see [`budget_metrics`](Self::budget_metrics).
    fn charge(&mut self) {
        let is_small = self.graph.step_rows().is_some_and(|rows| rows < MEASURED_ROWS_MIN);
        let step = self.graph.last_step();
        if is_small && !step.0.is_multiple_of(MEASURED_STEPS) {
            self.budget.forget();
        } else {
            let spent = self.budget.finish();
            self.components.charge(spent, self.budget.limit_ns());
        }
    }

    fn waits_for_outlets(&self) -> bool {
        let waits = |inbox: &Inbox| !inbox.is_empty() && self.graph.is_blocked(inbox.source).unwrap_or(false);
        self.graph.has_blocked_work() || self.inboxes.iter().any(waits)
    }

    /// When a poll has something to do even if nothing is pushed: wall-clock nanoseconds, possibly in the past. `None`: never.
    pub fn next_wake(&self) -> Option<i64> {
        self.graph.next_wake()
    }

    /// Whether nothing is waiting; timers may still come due.
    pub fn is_idle(&self) -> bool {
        self.inboxes.iter().all(Inbox::is_empty) && !self.graph.has_work(i64::MIN) && !self.graph.has_blocked_work()
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

    /// Copies up to `rows` rows, groups or the like on each worker of what the next [`checkpoint`](Self::checkpoint) will need, so that it takes less time.
    pub fn copy_ahead(&mut self, rows: usize) -> Result<CopiedAhead> {
        self.graph.copy_ahead(rows)
    }

    /// The state of all nodes after the last step. What waits in inboxes is not part of it.
    pub fn image(&mut self) -> Result<GraphImage> {
        self.graph.image(Purpose::Restore)
    }

    /// The same to be stored: [tables](crate::state::ImageTable) that the last one has which [is stored](Self::checkpoint_is_stored) may come without their rows.
    pub fn checkpoint(&mut self) -> Result<GraphImage> {
        self.graph.image(Purpose::Checkpoint)
    }

    /// The last [`checkpoint`](Self::checkpoint) that was taken is stored, and stays so until another one is.
    pub fn checkpoint_is_stored(&mut self) {
        self.graph.checkpoint_is_stored();
    }

    /// Puts freshly attached nodes into the state of an image of the same nodes, whatever the number of workers that made it; what waits in
    /// inboxes is forgotten.
    pub fn restore(&mut self, image: GraphImage) -> Result<()> {
        let GraphImage { step, workers, nodes } = image;
        self.restore_nodes(step, workers, nodes.into_iter().map(Ok))
    }

    /// The same with the [parts](GraphImage) of an image of which the nodes come one by one: each is asked for when the one before it has its state, so that not all
    /// of them need to be in memory twice.
    pub fn restore_nodes(
        &mut self,
        step: StepId,
        workers: usize,
        nodes: impl IntoIterator<Item = Result<NodeImages>>,
    ) -> Result<()> {
        self.graph.restore(step, workers, nodes)?;
        for inbox in &mut self.inboxes {
            inbox.clear();
            inbox.ended = self.graph.watermark(inbox.source)?.is_end();
        }
        Ok(())
    }

    /// Goes on with so many workers that `pool` runs, each of which gets `deal_rows_min` rows at least when rows are dealt out. Between two
    /// polls. Answers do not depend on it; inboxes, outlets and counters stay. If something fails, nothing has changed.
    pub fn set_workers(&mut self, workers: usize, deal_rows_min: usize, pool: Box<dyn WorkerPool>) -> Result<()> {
        self.expect_open()?;
        self.graph.rescale(workers, deal_rows_min, pool)?;
        self.find_components()
    }

    /// Takes in all that waits, as far as outlets let it, tells all outlets that nothing more will come, and closes.
    /// Nothing can be pushed or attached afterwards; contents can still be read.
    pub fn shutdown(&mut self) -> Result<()> {
        while self.poll()?.progressed {}
        self.closed = true;
        self.graph.dismiss_outlets(&closed());
        Ok(())
    }

    /// The changes with the source's own schema, if they fit it.
    fn fitted(&self, source: NodeId, changes: ChangeBatch) -> Result<ChangeBatch> {
        if let NodeStatus::Failed(error) = self.graph.status(source)? {
            return Err(error);
        }
        let Some(properties) = self.graph.properties(source) else { return Ok(changes) };
        fitted(properties, changes)
    }

    fn index(&self, source: NodeId) -> Result<usize> {
        let found = self.inboxes.binary_search_by_key(&source, |inbox| inbox.source);
        found.map_err(|_| Error::new(Code::UnknownObject, format!("there is no source {source}")))
    }

    fn inbox(&mut self, source: NodeId) -> Result<&mut Inbox> {
        let index = self.index(source)?;
        Ok(&mut self.inboxes[index])
    }

    fn expect_open(&self) -> Result<()> {
        if self.closed { Err(closed()) } else { Ok(()) }
    }
}

fn closed() -> Error {
    Error::new(Code::Closed, "the database is closed")
}
