//! Checkpoints of a database with a directory: taken between two steps, written while the database goes on, made visible at once.
//!
//! The order is that of a two-phase commit: the engine is locked while the state is taken, and sinks end an epoch there. Without the lock they prepare what
//! they have written in it, and the log, the blocks and the manifest are written and synced; then sinks make visible what they prepared, and sources may
//! forget what they delivered. A crash
//! before the manifest stands leaves the checkpoint before; a crash after it, and sinks find out what they had prepared when they are opened again.

use std::time::Duration;

use laminar_core::alloc::StateScope;
use laminar_core::limits::CHECKPOINT_LOG_BYTES;
use laminar_core::panics::caught;
use laminar_core::state::CopiedAhead;
use laminar_core::time::{Clock, SystemClock};
use laminar_core::{Code, Error, Result, StepId};
use laminar_storage::LogPosition;
use laminar_storage::pipeline_checkpoint::PipelineCheckpoint;

use crate::Database;
use crate::durability::{Checkpoints, Durable};
use crate::engine::{Captured, Engine, held_back_by_sink};
use crate::engine_lock::Priority;
use crate::stored::TableBlocks;

/// How often the thread that makes checkpoints looks whether the log has grown too long, at least.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// Rows that are copied at once, ahead of a checkpoint: some 100 microseconds.
const COPIED_ROWS: usize = 4096;
/// So few are left to the moment at which it is taken.
const LEFT_ROWS: usize = 1024;
/// So often others are let in so that what waits for sinks is written outside of the lock, before it is written within.
const LEAVES_FOR_SINKS: usize = 16;
/// After so many pieces that left no less than those before, what changes is as much as what is copied.
const COPIES_IN_VAIN: usize = 64;

impl Database {
    /// Makes a checkpoint now: what was taken in until now need not be replayed from the log when the database is opened again, and what sinks have
    /// written becomes visible. Gives its number; the number of the last one if nothing has happened since. Fails in a database in memory.
    pub fn checkpoint(&self) -> Result<u64> {
        let Some(durable) = &self.durable else {
            return Err(Error::new(Code::InvalidQuery, "a database in memory has no checkpoints")
                .with_hint("open a directory: Database::open(\"data\"), or laminar run --data-dir data"));
        };
        // What is written is a copy of the state, and as large.
        let _scope = StateScope::enter();
        let mut checkpoints = durable.checkpoints();
        self.try_sinks_again();
        self.copy_ahead(&checkpoints)?;
        match self.capture(&mut checkpoints)? {
            None => Ok(checkpoints.epoch),
            Some((captured, step)) => self.publish(durable, &mut checkpoints, captured, step),
        }
    }

    /// Sinks whose outside was away are tried again, if it is time: a checkpoint waits for what waits for them.
    fn try_sinks_again(&self) {
        let engine = self.engine.enter(Priority::Background);
        engine.try_sinks_again(engine.clock.now());
    }

    /// Copies much of the state in pieces, between which others have their turns: while the checkpoint is taken all wait. What changes meanwhile is
    /// copied again, until little is left, or what changes is as much as what is copied.
    fn copy_ahead(&self, last: &Checkpoints) -> Result<()> {
        let (mut least, mut in_vain) = (usize::MAX, 0);
        while in_vain < COPIES_IN_VAIN {
            let mut engine = self.engine.enter(Priority::Background);
            if has_nothing_new(&engine, last) || engine.holds_back_checkpoints() {
                return Ok(());
            }
            let CopiedAhead { left, .. } = engine.reactor.copy_ahead(COPIED_ROWS)?;
            if left <= LEFT_ROWS {
                return Ok(());
            }
            in_vain = if left < least { 0 } else { in_vain + 1 };
            least = least.min(left);
            drop(engine);
            // A caller that was woken by that may have been given this processor.
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Takes a checkpoint; `None`: nothing has happened since the last one.
    fn capture(&self, last: &mut Checkpoints) -> Result<Option<(Captured, u64)>> {
        let mut engine = self.lock_with_sources();
        for _ in 0..LEAVES_FOR_SINKS {
            // What sinks reject of what came before the checkpoint belongs to it, and they are better written outside.
            engine.take_all_in()?;
            if engine.sinks_are_idle() {
                break;
            }
            drop(engine);
            engine = self.lock_with_sources();
        }
        if has_nothing_new(&engine, last) {
            return Ok(None);
        }
        last.attempted += 1;
        let epoch = last.attempted;
        match caught(|| engine.capture(epoch)) {
            Ok(Some(captured)) => {
                let step = engine.reactor.graph().last_step().0;
                // What waits for sinks from here on waits for this thread to end the epoch.
                engine.leave_errand();
                Ok(Some((captured, step)))
            }
            Ok(None) => Err(held_back(&engine)),
            Err(error) => {
                engine.abort_epoch(epoch);
                Err(error)
            }
        }
    }

    fn publish(&self, durable: &Durable, checkpoints: &mut Checkpoints, mut captured: Captured, step: u64) -> Result<u64> {
        let (epoch, log) = (captured.epoch, captured.log);
        let sinks = captured.sinks();
        let prepared = captured.prepare_sinks();
        let within = |error: Error| error.within(format!("checkpoint {epoch}"));
        match prepared.and_then(|()| written(durable, captured, &checkpoints.tables).map_err(within)) {
            Ok(tables) => {
                (checkpoints.epoch, checkpoints.taken, checkpoints.tables) = (epoch, Some((log, step)), tables);
                sinks.iter().for_each(|sink| sink.commit(epoch));
                let mut engine = self.lock_with_sources();
                engine.acknowledge_checkpoint(StepId(step));
                engine.settle_rejected();
                Ok(epoch)
            }
            Err(error) => {
                // Without the engine's lock: a step may hold it and wait for the end of the epoch.
                sinks.iter().for_each(|sink| sink.abort(epoch));
                self.lock_with_sources().settle_rejected();
                Err(error)
            }
        }
    }

    /// What the thread that makes checkpoints does until it is told to stop. It comes to the engine's lock for checkpoints alone: other threads would
    /// cut their steps for it.
    pub(crate) fn keep_checkpoints(&self, durable: &Durable) {
        let mut last = SystemClock.now();
        loop {
            let interval = durable.checkpoint_interval();
            let remaining = interval.map_or(i64::MAX, |interval| (last + interval).saturating_sub(SystemClock.now()));
            let at_most = Duration::from_nanos(remaining.max(0).unsigned_abs()).min(LOOKS_EVERY);
            if durable.wait_for_stop(at_most) {
                return;
            }
            let Some(interval) = durable.checkpoint_interval() else { continue };
            if SystemClock.now() - last >= interval || log_bytes_since(durable) > CHECKPOINT_LOG_BYTES {
                let outcome = caught(|| self.checkpoint());
                self.engine.enter(Priority::Background).checkpoint_failure = outcome.err();
                last = SystemClock.now();
            }
        }
    }
}

/// Whether nothing has happened since the last checkpoint.
fn has_nothing_new(engine: &Engine, last: &Checkpoints) -> bool {
    let now = engine.journal.end().map(|end| (end, engine.reactor.graph().last_step().0));
    now.is_some() && last.taken == now && !engine.readers.some_ahead()
}

/// Writes what is not in the last checkpoint, and publishes it. Gives the tables that it has.
fn written(durable: &Durable, captured: Captured, last: &TableBlocks) -> Result<TableBlocks> {
    let store = durable.store();
    let (epoch, log, watermark) = (captured.epoch, captured.log, captured.watermark);
    store.sync_to(log)?;
    let (body, blocks, tables) = captured.write(store, last)?;
    let body = serde_json::to_vec(&body).map_err(|error| Error::internal(format!("the manifest of a checkpoint: {error}")))?;
    store.checkpoints().publish(&PipelineCheckpoint { epoch, log, watermark, body }, &blocks)?;
    Ok(tables)
}

/// Bytes of the log behind the last checkpoint, about.
fn log_bytes_since(durable: &Durable) -> u64 {
    let end = durable.store().end();
    let last = durable.checkpoints().taken.map_or(LogPosition { segment: end.segment, offset: 0 }, |(log, _)| log);
    if last.segment == end.segment { end.offset - last.offset } else { CHECKPOINT_LOG_BYTES + 1 }
}

fn held_back(engine: &Engine) -> Error {
    if let Some((sink, trouble)) = engine.waiting_sink() {
        return held_back_by_sink(sink, &trouble);
    }
    let text = match engine.blockers().into_iter().next() {
        Some(blocker) => {
            format!("no checkpoint can be made while a subscription to '{}' holds back rows that were read", blocker.name)
        }
        None if !engine.sinks_are_idle() => {
            "no checkpoint can be made while what sinks reject brings them more and more".to_owned()
        }
        None => "no checkpoint can be made while rows that were read wait for room in the log".to_owned(),
    };
    Error::new(Code::Backpressure, text)
        .with_hint("read the subscription or drop it, or make room on the disk; the next checkpoint is tried by itself")
}
