//! The engine behind a database: one reactor, the readers that feed it, the sinks that it feeds, and what was rejected.

mod admit;
mod alignment;
mod attach;
mod files;
mod forward;
mod histories;
mod late_target;
mod notices;
mod readers;
mod round;
mod side_outputs;
mod sinks;
mod subscription_target;
mod text_lengths;
mod undo;
mod worker_pool;

use std::sync::Arc;

use laminar_connectors::Registry;
use laminar_core::dag::{NodeKind, NodeStatus};
use laminar_core::reactor::Reactor;
use laminar_core::time::Clock;
use laminar_core::{Code, Error, NodeId, Result};
use laminar_sql::plan::Planner;

pub(crate) use alignment::Alignment;
pub(crate) use attach::options_of;
pub(crate) use files::ObjectFiles;
pub(crate) use histories::AttachedHistory;
pub(crate) use late_target::{SinkIntake, late_sink_request};
pub(crate) use readers::ReaderState;
pub(crate) use readers::Readers;
pub(crate) use round::Round;
pub(crate) use side_outputs::{LateColumns, Side, SideName, SideOutputs};
pub(crate) use sinks::{SinkHandle, SinkState};
pub(crate) use subscription_target::SubscriptionTarget;
pub(crate) use text_lengths::{TextLengths, sieved};
pub(crate) use undo::{Done, Undo};
use worker_pool::WorkerPoolSpec;

use crate::catalog::{Body, Catalog, kind_name};
use crate::settings::Settings;
use crate::{DatabaseBuilder, Interrupt};

/// Everything that runs. One thread at a time holds it.
pub(crate) struct Engine {
    pool: WorkerPoolSpec,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: Registry,
    pub(crate) settings: Settings,
    pub(crate) interrupt: Interrupt,
    pub(crate) planner: Arc<Planner>,
    pub(crate) catalog: Catalog,
    pub(crate) reactor: Reactor,
    pub(crate) readers: Readers,
    pub(crate) side_outputs: SideOutputs,
    pub(crate) files: ObjectFiles,
    pub(crate) histories: Vec<AttachedHistory>,
    undo: Undo,
    pub(crate) next_node: u32,
    /// Turns in which sources were not asked because steps had something to do.
    passed_over: u32,
    /// What the last round of work came to.
    pub(crate) last_turn: Option<Result<Round>>,
    /// Rounds in a row in which nothing could be done but for sources that a subscription holds back.
    held_rounds: u32,
}

impl Engine {
    pub(crate) fn new(parts: DatabaseBuilder) -> Self {
        let pool = WorkerPoolSpec { checked: parts.checked, inline_workers: parts.inline_workers };
        let mut reactor = pool.reactor(&parts.clock, parts.settings.workers);
        reactor.set_step_budget(parts.settings.step_budget.limit_ns());
        let mut side_outputs = SideOutputs::default();
        side_outputs.set_bytes_max(parts.settings.side_output_memory);
        Self {
            pool,
            clock: parts.clock,
            registry: parts.registry,
            settings: parts.settings,
            interrupt: Interrupt::default(),
            planner: Arc::new(Planner::new()),
            catalog: Catalog::default(),
            reactor,
            readers: Readers::default(),
            side_outputs,
            files: ObjectFiles::default(),
            histories: Vec::new(),
            undo: Undo::default(),
            next_node: 0,
            passed_over: 0,
            last_turn: None,
            held_rounds: 0,
        }
    }

    /// Changes the settings. Where the number of workers changes, all state is dealt anew between two steps.
    pub(crate) fn apply(&mut self, settings: Settings) -> Result<()> {
        if settings.workers != self.settings.workers {
            let (pool, deal_rows_min) = self.pool.pool(settings.workers)?;
            self.reactor.set_workers(settings.workers, deal_rows_min, pool)?;
            self.readers.forget_pauses();
        }
        self.reactor.set_step_budget(settings.step_budget.limit_ns());
        self.side_outputs.set_bytes_max(settings.side_output_memory);
        self.settings = settings;
        Ok(())
    }

    /// All that stands behind the catalog, as text: nodes, readers, histories, side outputs and files.
    pub(crate) fn internals(&self) -> String {
        let nodes = self.reactor.graph().nodes().map(|node| format!("{} {} {:?}", node.id, node.name, node.inputs));
        let readers = self.readers.iter().map(|reader| format!("{} {} {}", reader.name, reader.node, reader.is_wanted()));
        let histories = self.histories.iter().map(AttachedHistory::to_string);
        let texts = nodes.chain(readers).chain(histories).collect::<Vec<_>>().join("\n");
        format!("{texts}\n{}\n{}", self.side_outputs.internals(), self.files.names().join(", "))
    }

    /// The number of the next node.
    pub(crate) fn next_node(&self) -> NodeId {
        NodeId(self.next_node)
    }

    /// Rejects what sources have read and is not a whole row, since nothing more will be read.
    pub(crate) fn stop_reading(&mut self) -> Result<()> {
        self.readers.give_up(&mut self.side_outputs)?;
        self.settle_all()
    }

    /// Ends everything that has not failed, and completes the sinks that this reaches. What gets its rows from others ends after
    /// them, so that rows which the last step rejects still arrive.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.stop_reading()?;
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

    /// Completes what sinks have written; they take nothing more.
    pub(crate) fn close_sinks(&self) {
        for object in self.catalog.iter() {
            if let Some(handle) = object.sink() {
                handle.finish();
            }
        }
    }

    /// The node into which people push rows for `name`.
    pub(crate) fn push_target(&mut self, name: &str) -> Result<NodeId> {
        let object = self.catalog.get(name).ok_or_else(|| self.catalog.unknown(name))?;
        match &object.body {
            Body::Table { source, .. } => Ok(*source),
            Body::Source(source) if source.connector.is_some() => {
                Err(Error::new(Code::InvalidQuery, format!("source '{name}' gets its rows from its connector"))
                    .with_hint("push into a source that is created without FROM, or into a table"))
            }
            Body::Source(_) => {
                self.ensure_reader(name)?;
                self.output_of(name)
            }
            _ => Err(Error::new(Code::InvalidQuery, format!("rows cannot be pushed into {} '{name}'", kind_name(object.kind())))
                .with_hint("push into a source or table that it reads from")),
        }
    }

    /// The node at which the changes of `name` come out.
    pub(crate) fn output_of(&self, name: &str) -> Result<NodeId> {
        let object = self.catalog.get(name).ok_or_else(|| self.catalog.unknown(name))?;
        object.output().ok_or_else(|| {
            Error::new(Code::InvalidQuery, format!("{} '{name}' has no changes of its own", kind_name(object.kind())))
                .with_hint(format!("subscribe to SELECT * FROM {name}"))
        })
    }
}
