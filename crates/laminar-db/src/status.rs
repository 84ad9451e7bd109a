//! How a database is doing, as data.

use std::time::Duration;

use laminar_connectors::Trouble;
use laminar_core::budget::BudgetMetrics;
use laminar_core::dag::NodeStatus;
use laminar_core::time::Watermark;
use laminar_core::{Error, StepId};
use laminar_sql::parse::ObjectKind;

use crate::catalog::ObjectId;
use crate::engine::{Engine, Instance, ReaderState, SinkState};

/// One moment of a database.
#[derive(Debug, Clone)]
pub struct Status {
    /// The last step.
    pub step: StepId,
    /// What steps took; one that took longer than the budget ([`StepBudget`](crate::StepBudget)) is an overrun. Of steps over few rows only every sixteenth is timed.
    pub steps: BudgetMetrics,
    /// What the turns of the lanes latency (callers that waited and were let in), main (steps) and poll (pieces of sources) took where work keeps to a
    /// budget, of the thread that reads and steps.
    pub lanes: [BudgetMetrics; 3],
    /// Every object, by name.
    pub objects: Vec<ObjectStatus>,
    /// Bytes of state of all operators, roughly.
    pub state_bytes: usize,
    /// Bytes of changes that wait for subscriptions or are kept for them.
    pub history_bytes: usize,
    /// Rows that were late or had no event time, also those of queries without a name.
    pub late: u64,
    /// Rows that could not be used, also those of queries without a name.
    pub errors: u64,
    /// Why the last checkpoint of a database with a directory did not come about; the next one is tried by itself.
    pub checkpoint_failure: Option<Error>,
}

/// One moment of an object.
#[derive(Debug, Clone)]
pub struct ObjectStatus {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ObjectKind,
    /// Rows that came in from outside (sources and tables, these without the late rows of others) or went out (streams, views, sinks).
    pub rows: u64,
    /// Rows that were late or had no event time.
    pub late: u64,
    /// Rows that could not be read or computed.
    pub errors: u64,
    /// What its rows' watermark is.
    pub watermark: Watermark,
    /// Bytes of its operators' state, roughly.
    pub state_bytes: usize,
    /// Where its reader stands, for people.
    pub position: Option<String>,
    /// What the steps took in which its part of the graph had a share: that of all objects with which it is connected.
    pub steps: BudgetMetrics,
    /// The subscription that holds it back since it is not read, and how many steps wait there.
    pub held_back_by: Option<(String, u64)>,
    /// Its reader is not asked for more, since the process takes all that `memory_limit` allows.
    pub out_of_memory: bool,
    /// The source of its alignment group that is too far behind, so that this one is not read for now.
    pub waits_for: Option<String>,
    /// Why it has nothing now: what it reads is away and looked at again.
    pub retrying: Option<Retrying>,
    /// True once nothing more will come.
    pub ended: bool,
    /// Why it does not go on.
    pub failed: Option<Error>,
}

/// What it reads is away: a file is gone, for example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrying {
    /// What was found when it was looked at last.
    pub error: Error,
    /// How often it was tried again.
    pub attempts: u32,
    /// When it is tried the next time.
    pub again_in: Duration,
}

impl Status {
    pub(crate) fn of(engine: &mut Engine) -> Self {
        let ids: Vec<ObjectId> = engine.catalog.iter().map(|object| object.id).collect();
        let objects: Vec<ObjectStatus> = ids.into_iter().filter_map(|id| object_status(engine, id)).collect();
        let state_bytes = objects.iter().map(|object| object.state_bytes).sum();
        let (late, errors) = engine.side_outputs.totals();
        let (step, steps) = (engine.reactor.graph().last_step(), engine.reactor.budget_metrics());
        let history_bytes = engine.history_bytes();
        let checkpoint_failure = engine.checkpoint_failure.clone();
        Self { step, steps, lanes: engine.lanes, objects, state_bytes, history_bytes, late, errors, checkpoint_failure }
    }

    /// The object called `name`.
    pub fn object(&self, name: &str) -> Option<&ObjectStatus> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// Rows that came in from outside.
    pub fn rows_in(&self) -> u64 {
        self.sum(|kind| matches!(kind, ObjectKind::Source | ObjectKind::Table), |object| object.rows)
    }

    /// Rows that went into sinks.
    pub fn rows_out(&self) -> u64 {
        self.sum(|kind| kind == ObjectKind::Sink, |object| object.rows)
    }

    /// The lowest watermark of the sources that have one and have not ended.
    pub fn watermark(&self) -> Option<Watermark> {
        let sources = self.objects.iter().filter(|object| object.kind == ObjectKind::Source && !object.ended);
        sources.map(|object| object.watermark).filter(|watermark| *watermark != Watermark::START).min()
    }

    /// Objects that do not go on, with the reason.
    pub fn failures(&self) -> impl Iterator<Item = (&ObjectStatus, &Error)> {
        self.objects.iter().filter_map(|object| Some((object, object.failed.as_ref()?)))
    }

    fn sum(&self, which: impl Fn(ObjectKind) -> bool, what: impl Fn(&ObjectStatus) -> u64) -> u64 {
        self.objects.iter().filter(|object| which(object.kind)).map(what).sum()
    }
}

fn object_status(engine: &mut Engine, id: ObjectId) -> Option<ObjectStatus> {
    let (object, instance) = (engine.catalog.object(id)?, engine.instances.get(id)?);
    let (nodes, output) = (instance.nodes.clone(), instance.output());
    let (late, errors) = engine.side_outputs.counts(id);
    let mut status = ObjectStatus {
        name: object.name.clone(),
        kind: object.kind(),
        rows: 0,
        late,
        errors,
        watermark: Watermark::START,
        state_bytes: 0,
        position: None,
        steps: BudgetMetrics::default(),
        held_back_by: engine.blocker_of(id).map(|blocker| (blocker.name, blocker.steps)),
        out_of_memory: engine.is_out_of_memory() && engine.readers.iter().any(|reader| reader.object == id && reader.is_open()),
        waits_for: engine.waits_for(id).map(|slowest| engine.catalog.name_of(slowest).to_owned()),
        retrying: None,
        ended: false,
        failed: None,
    };
    describe_sink(instance, engine.clock.now(), &mut status);
    describe_nodes(engine, &nodes, output, &mut status);
    if status.kind == ObjectKind::Table {
        let late: u64 = engine.side_outputs.targets().filter(|target| target.object == id).map(|target| target.rows).sum();
        status.rows = status.rows.saturating_sub(late);
    }
    for reader in engine.readers.iter().filter(|reader| reader.object == id) {
        status.position = Some(reader.describe_position());
        let again_in = Duration::from_nanos(reader.asked_again_in(engine.clock.now()).unsigned_abs());
        let retrying = |trouble: Trouble| Retrying { error: trouble.error, attempts: trouble.attempts, again_in };
        status.retrying = reader.trouble().filter(|_| reader.is_open()).map(retrying);
        status.rows = status.rows.max(reader.rows);
        if let ReaderState::Failed(error) = &reader.state {
            status.failed = Some(error.clone());
        }
    }
    Some(status)
}

fn describe_sink(instance: &Instance, now: i64, status: &mut ObjectStatus) {
    let Some((handle, _)) = instance.sink() else { return };
    let sink = handle.status();
    let again_in = Duration::from_nanos(sink.tried_again_in(now).unsigned_abs());
    status.retrying = sink.trouble.map(|Trouble { error, attempts }| Retrying { error, attempts, again_in });
    status.rows = sink.rows;
    match sink.state {
        SinkState::Writing => {}
        SinkState::Finished => status.ended = true,
        SinkState::Failed(error) => status.failed = Some(error),
    }
}

fn describe_nodes(
    engine: &mut Engine,
    nodes: &[laminar_core::NodeId],
    output: Option<laminar_core::NodeId>,
    status: &mut ObjectStatus,
) {
    for node in nodes {
        if let Ok(metrics) = engine.reactor.graph_mut().metrics(*node) {
            status.state_bytes += metrics.state_bytes;
        }
        if let Ok(NodeStatus::Failed(error)) = engine.reactor.graph().status(*node) {
            status.failed.get_or_insert(error);
        }
    }
    if let Some(node) = nodes.last() {
        status.steps = engine.reactor.steps_of(*node).unwrap_or_default();
    }
    let Some(output) = output else { return };
    if let Ok(metrics) = engine.reactor.graph_mut().metrics(output) {
        status.rows = if status.kind == ObjectKind::Source { metrics.rows_in } else { metrics.rows_out };
        status.watermark = metrics.watermark;
    }
    status.ended = matches!(engine.reactor.graph().status(output), Ok(NodeStatus::Ended));
}
