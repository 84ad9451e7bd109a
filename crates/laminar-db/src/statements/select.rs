//! `SELECT`: over tables and materialized views it answers as of one step; over a stream or source it is a subscription.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use laminar_core::{Error, Result};
use laminar_sql::parse::StreamQuery;

use super::create_query::refuse_late_to;
use super::{StatementOutcome, subscribe};
use crate::catalog::{Body, Snapshot, objects_in};
use crate::engine::Engine;
use crate::{Database, Interrupt, Rows, SubscribeOptions};

pub(super) fn run(database: &Database, query: &StreamQuery, text: &str) -> Result<StatementOutcome> {
    refuse_late_to(query)?;
    let streams = reads_stream(&database.lock(), query);
    if streams || query.emit.is_some() {
        let options = SubscribeOptions::default();
        return Ok(StatementOutcome::Subscription(subscribe::to_query(database, "query", query, text, options)?));
    }
    Ok(StatementOutcome::Rows(rows_of(&mut database.lock(), query, text)?))
}

/// Whether some input of the query has changes but no stored rows.
pub(super) fn reads_stream(engine: &Engine, query: &StreamQuery) -> bool {
    let direct = objects_in(query, &engine.catalog);
    direct.iter().any(|name| match engine.catalog.get(name).map(|object| &object.body) {
        Some(Body::Source(_) | Body::Query { stored: false, .. }) => true,
        Some(Body::View { query, .. }) => reads_stream(engine, query),
        _ => false,
    })
}

/// The rows of a query over everything that is stored, as of the last step.
pub(super) fn rows_of(engine: &mut Engine, query: &StreamQuery, text: &str) -> Result<Rows> {
    engine.settle()?;
    let tables = Snapshot { catalog: &engine.catalog, reactor: &engine.reactor, side_outputs: &engine.side_outputs };
    let select = engine.planner.select(query, text, &tables, engine.clock.now(), engine.settings.query_memory);
    engine.interrupt.reset();
    let selected = block_on(unless_interrupted(select, &engine.interrupt))?;
    Ok(Rows { schema: selected.0, batches: selected.1, notices: engine.notices_of_query(query) })
}

/// The future, or an error as soon as it is interrupted: DataFusion's operators give way every few batches.
pub(super) async fn unless_interrupted<T>(future: impl Future<Output = Result<T>>, interrupt: &Interrupt) -> Result<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match interrupt.check() {
        Ok(()) => future.as_mut().poll(cx),
        Err(error) => Poll::Ready(Err(error)),
    })
    .await
}

/// Waits for a future of DataFusion on this thread.
pub(super) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    if tokio::runtime::Handle::try_current().is_ok() {
        // Waiting inside a runtime would panic deep within it; this says it at the border.
        return Err(Error::new(laminar_core::Code::InvalidQuery, "a query cannot be waited for on a thread of an async runtime")
            .with_hint("call it through tokio::task::spawn_blocking"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(future)
}
