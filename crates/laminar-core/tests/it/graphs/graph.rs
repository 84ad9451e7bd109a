//! Runs a graph by hand and remembers what its outputs show.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::changelog::{print_all, print_net};
use laminar_core::dag::{GraphHost, InlinePool, Node, NodeStatus, Outlet, SourceSpec, WorkerPool};
use laminar_core::operator::RejectReason;
use laminar_core::reactor::{Poll, Reactor};
use laminar_core::time::watermark::{WatermarkPer, WatermarkRule, WatermarkSpec};
use laminar_core::time::{ManualClock, Watermark};
use laminar_core::tpc::{ThreadPool, ThreadPoolConfig};
use laminar_core::{ChangeBatch, Error, NodeId, StepId};

pub(crate) const SECOND: i64 = 1_000_000_000;

/// What an outlet was told.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) changes: Vec<ChangeBatch>,
    /// Steps in which something came.
    pub(crate) steps: Vec<u64>,
    pub(crate) watermark: Option<Watermark>,
    pub(crate) failure: Option<String>,
}

/// An outlet that remembers.
#[derive(Clone, Default)]
pub(crate) struct Ear {
    seen: Arc<Mutex<Seen>>,
    full: Arc<AtomicBool>,
}

impl Ear {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Takes nothing more until told otherwise.
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// All changes so far, one by one.
    pub(crate) fn text(&self) -> String {
        print_all(&self.seen().changes)
    }

    /// All changes so far, added up.
    pub(crate) fn net(&self) -> String {
        print_net(&self.seen().changes).unwrap()
    }

    /// The changes since the last call.
    pub(crate) fn take(&self) -> String {
        print_all(&std::mem::take(&mut self.seen().changes))
    }
}

impl Outlet for Ear {
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, _now: i64) {
        let mut seen = self.seen();
        seen.changes.extend(changes.iter().cloned());
        seen.steps.push(step.0);
        seen.watermark = Some(watermark);
    }

    fn ready(&self) -> bool {
        !self.full.load(Ordering::SeqCst)
    }

    fn failed(&mut self, error: &Error) {
        self.seen().failure = Some(error.message().to_owned());
    }
}

/// A reactor with a clock that stands still, and short words for what tests do with it.
pub(crate) struct Graph {
    pub(crate) reactor: Reactor,
    pub(crate) clock: ManualClock,
}

impl Graph {
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        Self::on_workers(nodes, 1, false)
    }

    /// The graph on one worker alone, or on several, who take turns or have threads.
    pub(crate) fn on_workers(nodes: Vec<Node>, workers: usize, threads: bool) -> Self {
        Self::at(0, nodes, workers, threads)
    }

    /// The same, at this time.
    pub(crate) fn at(now: i64, nodes: Vec<Node>, workers: usize, threads: bool) -> Self {
        let clock = ManualClock::at(now);
        let mut reactor = match workers {
            1 => Reactor::checked(Arc::new(clock.clone())),
            _ => {
                let graph = GraphHost::new(workers, deal_rows_min(workers), true, pool(workers, threads));
                Reactor::over(Arc::new(clock.clone()), graph)
            }
        };
        reactor.attach(nodes).unwrap();
        Self { reactor, clock }
    }

    /// Goes on with so many workers, who take turns or have threads.
    pub(crate) fn set_workers(&mut self, workers: usize, threads: bool) {
        self.reactor.set_workers(workers, deal_rows_min(workers), pool(workers, threads)).unwrap();
        assert_eq!(self.reactor.graph().worker_count(), workers);
    }

    pub(crate) fn listen(&mut self, node: NodeId) -> Ear {
        self.subscribe(node, false)
    }

    pub(crate) fn subscribe(&mut self, node: NodeId, snapshot: bool) -> Ear {
        let ear = Ear::default();
        self.reactor.subscribe(node, Box::new(ear.clone()), snapshot).unwrap();
        ear
    }

    pub(crate) fn push(&mut self, source: NodeId, text: &str) {
        let schema = self.reactor.graph().properties(source).unwrap().schema.clone();
        self.reactor.push(source, ChangeBatch::parse(&schema, text).unwrap()).unwrap();
    }

    /// Polls until there is nothing left to do.
    pub(crate) fn run(&mut self) -> Poll {
        loop {
            let poll = self.reactor.poll().unwrap();
            if !poll.progressed {
                return poll;
            }
        }
    }

    pub(crate) fn push_and_run(&mut self, source: NodeId, text: &str) {
        self.push(source, text);
        self.run();
    }

    /// Lets wall-clock time pass.
    pub(crate) fn sleep(&mut self, nanos: i64) {
        self.clock.advance(nanos);
        self.run();
    }

    pub(crate) fn contents(&self, node: NodeId) -> String {
        print_net(&self.reactor.graph().contents(node).unwrap()).unwrap()
    }

    /// The message with which a node failed.
    pub(crate) fn failure(&self, node: NodeId) -> Option<String> {
        match self.reactor.graph().status(node).unwrap() {
            NodeStatus::Failed(error) => Some(error.message().to_owned()),
            _ => None,
        }
    }

    /// Rows rejected since the last call: kind, row, reason.
    pub(crate) fn rejected(&mut self) -> String {
        let mut lines = Vec::new();
        for (node, rejected) in self.reactor.graph_mut().take_rejected() {
            let kind = if rejected.reason == RejectReason::Late { "late" } else { "error" };
            let rows = ChangeBatch::append(rejected.rows).print();
            lines.extend(rows.lines().zip(&rejected.reasons).map(|(row, reason)| format!("{node} {kind}: {row}: {reason}")));
        }
        lines.join("\n")
    }
}

fn pool(workers: usize, threads: bool) -> Box<dyn WorkerPool> {
    let config = ThreadPoolConfig { workers, pinned: false, rows_alone_max: 0 };
    if threads { Box::new(ThreadPool::start(&config).unwrap()) } else { Box::new(InlinePool::default()) }
}

/// Where a few rows go to other workers as they are, some batches are aggregated before that and some are not.
fn deal_rows_min(workers: usize) -> usize {
    if workers == 3 { 8 } else { 1 }
}

/// Columns `a` and `b` of BIGINT.
pub(crate) fn pairs() -> SchemaRef {
    Arc::new(Schema::new(["a", "b"].map(|name| Field::new(name, DataType::Int64, true)).to_vec()))
}

/// Columns `a` of BIGINT and `ts` of TIMESTAMP.
pub(crate) fn timed() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Nanosecond, None);
    Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("ts", time, true)]))
}

/// `WATERMARK FOR ts AS ts - delay`, over [`timed`].
pub(crate) fn watermarked(delay: i64) -> SourceSpec {
    let rule = WatermarkRule::BoundedOutOfOrderness { delay };
    SourceSpec { watermark: Some(WatermarkSpec::new(1, rule)), idle_timeout: None }
}

/// The same with a watermark for each value of `a`, of which so many can count at the same time.
pub(crate) fn watermarked_per_key(delay: i64, keys_max: usize) -> SourceSpec {
    let (rule, per) = (WatermarkRule::BoundedOutOfOrderness { delay }, WatermarkPer::Key { columns: vec![0], keys_max });
    SourceSpec { watermark: Some(WatermarkSpec { column: 1, rule, per }), idle_timeout: None }
}
