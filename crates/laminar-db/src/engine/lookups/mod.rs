//! Lookup tables at work: which keys are asked for outside, and which answers are forgotten.
//!
//! A lookup table is a table of answers, keyed: one row for each key that was asked for, also for one of which there is no row outside.
//! Views join with it, and their rows wait where it lacks their key. Between two steps the keys that rows wait for are put on its desk; its
//! reader asks for them without the engine's lock, as sources are read, and what it is answered goes into the table, through the log as all
//! that cannot be read a second time. So a step asks nothing, and what is replayed gets the answers of then.

mod desk;
mod eviction;
mod source;

use laminar_connectors::LookupRequest;
use laminar_connectors::retry::RetryingLookup;
use laminar_core::dag::{Lookup, Node, NodeKind};
use laminar_core::limits::LOOKUP_KEYS_MAX;
use laminar_core::operator::LookupMetrics;
use laminar_core::{Error, NodeId, Result};
use laminar_sql::parse::ConnectorDef;

pub(crate) use desk::Desk;
pub(crate) use eviction::CacheBounds;
pub(crate) use source::{LookupSource, answer_schema};

use super::attach::options_of;
use super::{Declared, Engine};
use crate::catalog::ObjectId;

/// A lookup table: answers come in at `source` and are found at `output`.
pub(crate) struct LookupInstance {
    pub(crate) source: NodeId,
    pub(crate) output: NodeId,
    /// Which of its columns are the key.
    pub(crate) key: Vec<usize>,
    pub(crate) desk: Desk,
    pub(crate) bounds: CacheBounds,
    /// How many answers there had been when the cache was looked at last; `None`: it never was, and may come out of a checkpoint.
    seen: Option<u64>,
    /// When the first answer is too old, in wall-clock nanoseconds.
    expires_at: Option<i64>,
}

/// What is to be told of a lookup table.
pub(crate) struct LookupStatus {
    pub(crate) metrics: LookupMetrics,
    /// Keys whose answers are in the cache, and how many of these have no row outside.
    pub(crate) cached: usize,
    pub(crate) absent: usize,
    /// Keys that rows wait for.
    pub(crate) wanted: usize,
    /// Keys that were answered since the database was opened.
    pub(crate) asked: u64,
}

/// Rows that wait for keys of a lookup table.
pub(crate) struct LookupWaits {
    pub(crate) rows: u64,
    pub(crate) table: String,
    pub(crate) keys: usize,
}

impl LookupInstance {
    /// An empty table.
    pub(crate) fn new([source, output]: [NodeId; 2], key: Vec<usize>, desk: Desk, bounds: CacheBounds) -> Self {
        Self { source, output, key, desk, bounds, seen: None, expires_at: None }
    }
}

impl Engine {
    /// Opens what a lookup table asks, with its columns. If its statement was said before, these are the columns of then, and it is opened
    /// when it is asked: what is away keeps no database closed.
    pub(crate) fn open_lookup(
        &self,
        name: &str,
        key: Vec<String>,
        connector: &ConnectorDef,
        declared: Declared<'_>,
    ) -> Result<(arrow_schema::SchemaRef, RetryingLookup)> {
        self.registry.get(&connector.name).map_err(|error| error.at(connector.name_span))?;
        let found = self.recorded_columns()?;
        let request = LookupRequest {
            name: name.to_owned(),
            schema_was_found: declared.schema.is_none() && found.is_some(),
            schema: declared.schema.or_else(|| found.clone()),
            key,
            options: options_of(connector),
        };
        let opened = match found {
            Some(found) => {
                let schema = request.schema.clone().unwrap_or(found);
                self.registry.open_lookup_later(&connector.name, request).map(|lookup| (schema, lookup))
            }
            None => self.registry.open_lookup(&connector.name, request),
        };
        opened.map_err(|error| if error.span().is_some() { error } else { error.at(connector.span) })
    }

    /// Puts the keys that rows wait for on the desks of their tables, and forgets answers that are too many or too old. After each step.
    pub(crate) fn tend_lookups(&mut self) -> Result<()> {
        if self.instances.lookups().is_empty() || self.journal.is_recovering() || self.recorded.is_restoring {
            return Ok(());
        }
        for id in self.instances.lookups().to_vec() {
            self.want_keys(id)?;
            self.evict(id)?;
        }
        Ok(())
    }

    /// When an answer is too old next, in wall-clock nanoseconds.
    pub(super) fn lookups_expire_at(&self) -> Option<i64> {
        let lookups = self.instances.lookups().iter().filter_map(|id| self.instances.lookup(*id));
        lookups.filter_map(|lookup| lookup.expires_at).min()
    }

    /// Whether there is something to ask for.
    pub(super) fn some_lookup_wanted(&self) -> bool {
        self.instances.lookups().iter().filter_map(|id| self.instances.lookup(*id)).any(|lookup| !lookup.desk.is_idle())
    }

    fn want_keys(&mut self, id: ObjectId) -> Result<()> {
        let Some(lookup) = self.instances.lookup(id) else { return Ok(()) };
        let (source, output, desk) = (lookup.source, lookup.output, lookup.desk.clone());
        // What was replayed out of a log brought rows, and the answers that they waited for.
        let may_be_answered = lookup.seen.is_none();
        let (was_idle, key) = (desk.is_idle(), lookup.key.clone());
        for join in self.lookup_joins(output) {
            let room = if may_be_answered { usize::MAX } else { LOOKUP_KEYS_MAX.saturating_sub(desk.keys()) };
            if room == 0 {
                break;
            }
            let mut wanted = self.reactor.graph_mut().take_wanted_keys(join, room)?;
            if may_be_answered && !wanted.is_empty() {
                wanted = self.answers(output)?.without_answered(&key, wanted)?;
            }
            desk.put(wanted);
        }
        self.readers.set_asked(source, !desk.is_idle(), was_idle);
        Ok(())
    }

    /// The joins that look rows up in the table whose rows come out at `output`.
    fn lookup_joins(&self, output: NodeId) -> Vec<NodeId> {
        let is_lookup = |kind: &NodeKind| matches!(kind, NodeKind::Join(join) if join.lookup == Some(Lookup::Cached));
        let nodes = self.reactor.graph().nodes();
        nodes.filter(|node| is_lookup(&node.kind) && node.inputs.get(1) == Some(&output)).map(|node| node.id).collect()
    }

    /// What is to be told of the lookup table `id`.
    pub(crate) fn lookup_status(&mut self, id: ObjectId) -> Result<LookupStatus> {
        let lookup = self.instances.lookup(id).ok_or_else(|| Error::internal(format!("{id} is no lookup table")))?;
        let (output, wanted, asked) = (lookup.output, lookup.desk.keys(), lookup.desk.answered());
        let mut metrics = LookupMetrics::default();
        for join in self.lookup_joins(output) {
            metrics = metrics.plus(self.reactor.graph_mut().lookup_metrics(join)?.unwrap_or_default());
        }
        let answers = self.answers(output)?;
        Ok(LookupStatus { metrics, cached: answers.len(), absent: answers.absent(), wanted, asked })
    }

    /// The keys that rows of the lookup join `node` wait for, by the name of their table; `None`: it is no such join, or none waits.
    pub(crate) fn lookup_waits(&mut self, node: &Node) -> Result<Option<LookupWaits>> {
        let metrics = match &node.kind {
            NodeKind::Join(join) if join.lookup == Some(Lookup::Cached) => self.reactor.graph_mut().lookup_metrics(node.id)?,
            _ => None,
        };
        let Some(rows) = metrics.map(|metrics| metrics.waiting_rows).filter(|rows| *rows > 0) else { return Ok(None) };
        let of_table = |id: &ObjectId| Some((*id, self.instances.lookup(*id)?));
        let mut tables = self.instances.lookups().iter().filter_map(of_table);
        let table = tables.find(|(_, lookup)| node.inputs.get(1) == Some(&lookup.output));
        Ok(table.map(|(id, lookup)| LookupWaits { rows, table: self.catalog.name_of(id).to_owned(), keys: lookup.desk.keys() }))
    }
}
