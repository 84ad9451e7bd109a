//! The engine behind a database: one reactor, the readers that feed it, the sinks that it feeds, and what was rejected.

mod admit;
mod alignment;
mod attach;
mod backfill;
mod capture;
mod files;
mod forward;
mod histories;
mod instances;
mod journal;
mod key_lookup;
mod late_target;
mod lookups;
mod memory;
mod named_subscriptions;
mod notices;
mod other_plans;
mod planning;
mod readers;
mod recorded;
mod replace;
mod restore;
mod round;
mod side_outputs;
mod sieve;
mod sinks;
mod snapshot;
mod subscription_target;
mod table_rules;
mod undo;
mod unique_keys;
mod worker_pool;

use std::sync::Arc;

use laminar_connectors::Registry;
use laminar_core::alloc::MemoryLimit;
use laminar_core::budget::BudgetMetrics;
use laminar_core::dag::{NodeKind, NodeStatus};
use laminar_core::reactor::Reactor;
use laminar_core::time::Clock;
use laminar_core::{Code, Error, NodeId, Result, StepId};
use laminar_sql::plan::Planner;

pub(crate) use alignment::Held;
pub(crate) use attach::{Attached, Declared, options_of, refuse_repeated_names};
use backfill::Backfill;
pub(crate) use backfill::{BackfillId, BackfillProgress};
pub(crate) use capture::{Captured, held_back_by_sink};
pub(crate) use files::Files;
pub(crate) use histories::AttachedHistory;
pub(crate) use instances::{Instance, Instances, Parts, SourceInstance, SourceReader, TableInstance};
pub(crate) use journal::Journal;
pub(crate) use late_target::append_sink_request;
pub(crate) use lookups::{CacheBounds, Desk, LookupInstance, LookupSource, LookupStatus, LookupWaits, answer_schema};
pub(crate) use named_subscriptions::NamedSubscription;
pub(crate) use planning::PlannerCatalog;
use readers::Deliveries;
pub(crate) use readers::ReaderState;
pub(crate) use readers::Readers;
use recorded::Recorded;
pub(crate) use round::Round;
pub(crate) use side_outputs::{LateColumns, LateTarget, SideOutputs};
pub(crate) use sieve::sieved;
pub(crate) use sinks::{BusySinks, SinkHandle, SinkState};
pub(crate) use snapshot::{Snapshot, expanded};
pub(crate) use subscription_target::SubscriptionTarget;
pub(crate) use table_rules::{Check, ColumnDefault, DefaultValue, Generated, TableRules, nullable, repeated};
pub(crate) use undo::{Done, Undo};
pub(crate) use unique_keys::{Claim, Unique, Uniques};
use worker_pool::WorkerPoolSpec;

use crate::catalog::{Catalog, ObjectId, ObjectKind, kind_name};
use crate::settings::Settings;
use crate::{Interrupt, Notice};

/// What an engine is put together from.
#[derive(Clone)]
pub(crate) struct EngineParts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: Registry,
    pub(crate) settings: Settings,
    /// Whether everything that operators emit is held against what their edges promise.
    pub(crate) checked: bool,
    /// Whether the caller does the work of all workers in turn.
    pub(crate) inline_workers: bool,
}

/// Everything that runs. One thread at a time holds it.
pub(crate) struct Engine {
    pool: WorkerPoolSpec,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: Registry,
    pub(crate) settings: Settings,
    pub(crate) interrupt: Interrupt,
    pub(crate) planner: Arc<Planner>,
    /// What is defined.
    pub(crate) catalog: Catalog,
    /// What runs for each object of the catalog.
    pub(crate) instances: Instances,
    pub(crate) reactor: Reactor,
    pub(crate) readers: Readers,
    pub(crate) side_outputs: SideOutputs,
    pub(crate) busy_sinks: Arc<BusySinks>,
    backfills: Vec<Backfill>,
    backfills_begun: u64,
    pub(crate) histories: Vec<AttachedHistory>,
    undo: Undo,
    /// What is written into the log of the database's directory.
    pub(crate) journal: Journal,
    /// What the directory says of objects whose statements are said again.
    pub(crate) recorded: Recorded,
    /// What is to be known of how the directory was found.
    pub(crate) notices_of_opening: Vec<Notice>,
    /// The last step of the newest checkpoint: recovery goes on from there.
    pub(crate) checkpointed: StepId,
    /// Why the last checkpoint did not come about.
    pub(crate) checkpoint_failure: Option<Error>,
    /// All that was committed.
    #[cfg(test)]
    pub(crate) committed: Vec<Vec<crate::catalog::CatalogChange>>,
    pub(crate) next_node: u32,
    /// What the turns of each lane took, see [`Status::lanes`](crate::Status::lanes).
    pub(crate) lanes: [BudgetMetrics; 3],
    /// What the last round of work came to.
    pub(crate) last_turn: Option<Result<Round>>,
    /// Rounds in a row in which nothing could be done but for sources that are held back.
    held_rounds: u32,
    /// What the process may take, if that is limited.
    memory_limit: Option<MemoryLimit>,
}

impl Engine {
    pub(crate) fn new(parts: EngineParts) -> Self {
        let pool = WorkerPoolSpec { checked: parts.checked, inline_workers: parts.inline_workers };
        let mut reactor = pool.reactor(&parts.clock, parts.settings.workers);
        reactor.set_step_budget(parts.settings.step_budget.limit_ns());
        let mut side_outputs = SideOutputs::default();
        side_outputs.set_bytes_max(parts.settings.side_output_memory);
        Self {
            pool,
            busy_sinks: BusySinks::new(Arc::clone(&parts.clock)),
            clock: parts.clock,
            registry: parts.registry,
            settings: parts.settings,
            interrupt: Interrupt::default(),
            planner: Arc::new(Planner::new()),
            catalog: Catalog::default(),
            instances: Instances::default(),
            reactor,
            readers: Readers::default(),
            side_outputs,
            backfills: Vec::new(),
            backfills_begun: 0,
            histories: Vec::new(),
            undo: Undo::default(),
            journal: Journal::default(),
            recorded: Recorded::default(),
            notices_of_opening: Vec::new(),
            checkpointed: StepId(0),
            checkpoint_failure: None,
            #[cfg(test)]
            committed: Vec::new(),
            next_node: 0,
            lanes: Default::default(),
            last_turn: None,
            held_rounds: 0,
            memory_limit: None,
        }
    }

    /// Changes the settings. Where the number of workers changes, all state is dealt anew between two steps.
    pub(crate) fn apply(&mut self, settings: Settings) -> Result<()> {
        if settings.io_method != self.settings.io_method {
            return Err(Error::new(
                Code::InvalidOption,
                "io_method cannot change any more: it is chosen when a database is opened",
            )
            .with_hint("laminar run --set io_method=sync, or the settings that the database is built with"));
        }
        self.limit_memory(&settings)?;
        if settings.workers != self.settings.workers {
            let (pool, deal_rows_min) = self.pool.pool(settings.workers)?;
            self.reactor.set_workers(settings.workers, deal_rows_min, pool)?;
            self.readers.forget_pauses();
        }
        self.reactor.set_step_budget(settings.step_budget.limit_ns());
        self.side_outputs.set_bytes_max(settings.side_output_memory);
        self.journal.set(&settings);
        self.settings = settings;
        Ok(())
    }

    /// All that stands behind the catalog, as text: instances, nodes, readers, histories and side outputs; with the version of the catalog.
    pub(crate) fn internals(&self) -> String {
        let nodes = self.reactor.graph().nodes().map(|node| format!("{} {} {:?}", node.id, node.name, node.inputs));
        let readers = self.readers.iter().map(|reader| format!("{} {} {}", reader.object, reader.node, reader.is_wanted()));
        let histories = self.histories.iter().map(AttachedHistory::to_string);
        let instances = self.instances.iter().map(|(id, instance)| format!("{id} {:?} {:?}", instance.nodes, instance.files));
        let texts = nodes.chain(readers).chain(histories).chain(instances).collect::<Vec<_>>().join("\n");
        format!("version {}\n{texts}\n{}", self.catalog.version(), self.side_outputs.internals())
    }

    /// The number of the next node.
    pub(crate) fn next_node(&self) -> NodeId {
        NodeId(self.next_node)
    }

    /// Rejects what sources have read and is not a whole row, since nothing more will be read.
    pub(crate) fn stop_reading(&mut self) -> Result<()> {
        let now = self.clock.now();
        let mut into = Deliveries::of(&mut self.reactor, &mut self.side_outputs, &mut self.journal);
        self.readers.give_up(&mut into, now)?;
        self.settle_all()
    }

    /// Ends everything that has not failed, and completes the sinks that this reaches. What gets its rows from others ends after
    /// them, so that rows which the last step rejects still arrive.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.stop_reading()?;
        if self.journal.store().is_some() {
            return self.finish_pushed();
        }
        let failed =
            |node: NodeId| self.readers.of_node(node).is_some_and(|reader| matches!(reader.state, ReaderState::Failed(_)));
        let sources: Vec<NodeId> = self
            .reactor
            .graph()
            .nodes()
            .filter(|node| matches!(node.kind, NodeKind::Source(_)) && !failed(node.id) && !self.is_fed(node.id))
            .map(|node| node.id)
            .collect();
        for source in sources {
            if self.reactor.graph().status(source)? == NodeStatus::Running {
                self.reactor.end(source)?;
            }
        }
        self.settle_all()?;
        self.end_targets()
    }

    /// The same in a database with a directory, which goes on when it is opened again: ends the sources into which programs push. Tables stay open.
    fn finish_pushed(&mut self) -> Result<()> {
        let pushed = |(id, instance): (ObjectId, &Instance)| match &instance.parts {
            Parts::Source(source) if source.is_pushed => Some((id, source.reader?.node)),
            _ => None,
        };
        let open: Vec<(ObjectId, NodeId)> = self.instances.iter().filter_map(pushed).collect();
        for (id, node) in open {
            if self.reactor.graph().status(node)? == NodeStatus::Running {
                self.take_end(id, node)?;
            }
        }
        self.settle_all()
    }

    /// Completes what sinks have written; they take nothing more.
    pub(crate) fn close_sinks(&self) {
        self.instances.iter().filter_map(|(_, instance)| instance.sink()).for_each(|(handle, _)| handle.close());
    }

    /// The node at which the changes of an object come out.
    pub(crate) fn output_of(&self, id: ObjectId) -> Result<NodeId> {
        self.instances.output(id).ok_or_else(|| match self.catalog.object(id) {
            None => Error::internal(format!("there is no {id}")),
            Some(object) => {
                let (name, kind) = (&object.name, object.kind());
                let hint = match kind {
                    ObjectKind::Subscription => format!("FETCH 100 FROM {name}"),
                    ObjectKind::LookupTable => "subscribe to the view that looks it up".to_owned(),
                    ObjectKind::Index => format!("subscribe to {}", self.catalog.names_of(&object.depends_on).join(", ")),
                    _ => format!("subscribe to SELECT * FROM {name}"),
                };
                Error::new(Code::InvalidQuery, format!("{} '{name}' has no changes of its own", kind_name(kind))).with_hint(hint)
            }
        })
    }
}
