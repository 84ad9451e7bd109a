//! `SELECT`: over tables and materialized views it answers as of one step; over a stream or source it is a subscription.

use std::sync::Arc;

use laminar_core::Result;
use laminar_sql::parse::StreamQuery;
use laminar_sql::plan::Planner;

use super::create_query::refuse_late_to;
use super::{StatementOutcome, subscribe};
use crate::block_on::{block_on, unless_interrupted};
use crate::catalog::{Definition, objects_in, reads_changes};
use crate::engine::{Engine, Snapshot};
use crate::{Database, Interrupt, Rows, SubscribeOptions};

pub(super) fn run(database: &Database, query: &StreamQuery, text: &str) -> Result<StatementOutcome> {
    refuse_late_to(query)?;
    let streams = reads_stream(&database.lock(), query);
    if streams || query.emit.is_some() {
        let options = SubscribeOptions::default();
        return Ok(StatementOutcome::Subscription(subscribe::to_query(database, "query", query, text, options)?));
    }
    Ok(StatementOutcome::Rows(rows_of(database, query, text)?))
}

/// Whether some input of the query has changes but no stored rows.
pub(super) fn reads_stream(engine: &Engine, query: &StreamQuery) -> bool {
    if reads_changes(query, &engine.catalog) {
        return true;
    }
    let direct = objects_in(query, &engine.catalog);
    direct.iter().any(|id| match engine.catalog.object(*id).map(|object| &object.definition) {
        Some(Definition::Source(_) | Definition::Query { stored: false, .. }) => true,
        Some(Definition::View(view)) => reads_stream(engine, &view.query),
        _ => false,
    })
}

/// The rows of a query over everything that is stored, as of the last step. While it is computed the engine goes on.
fn rows_of(database: &Database, query: &StreamQuery, text: &str) -> Result<Rows> {
    let (reading, notices) = {
        let engine = &mut database.lock();
        (SnapshotReading::begin(engine, &[query])?, engine.notices_of_query(query))
    };
    let SnapshotReading { planner, tables, now, memory, interrupt } = &reading;
    let select = planner.select(query, text, tables, *now, *memory);
    let (schema, batches) = block_on(unless_interrupted(select, interrupt))?;
    Ok(Rows { schema, batches, notices })
}

/// All that an ad-hoc query needs of the engine.
pub(super) struct SnapshotReading {
    pub(super) planner: Arc<Planner>,
    pub(super) tables: Snapshot,
    /// The wall-clock time, in nanoseconds.
    pub(super) now: i64,
    /// Bytes that it may take.
    pub(super) memory: usize,
    pub(super) interrupt: Interrupt,
}

impl SnapshotReading {
    /// Brings everything that was pushed into the views, and takes what `queries` read.
    pub(super) fn begin(engine: &mut Engine, queries: &[&StreamQuery]) -> Result<Self> {
        engine.settle()?;
        engine.interrupt.reset();
        Ok(Self {
            planner: Arc::clone(&engine.planner),
            tables: Snapshot::take(engine, queries),
            now: engine.clock.now(),
            memory: engine.settings.query_memory,
            interrupt: engine.interrupt.clone(),
        })
    }
}
