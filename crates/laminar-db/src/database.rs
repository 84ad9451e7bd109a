//! The database: a handle that can be cloned and sent, behind which one engine runs inline.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::dag::OutletId;
use laminar_core::row::Row;
use laminar_core::{ChangeBatch, Code, Error, Result};

use crate::catalog::{ObjectId, kind_name};
use crate::engine::{Engine, EngineParts, Round};
use crate::engine_lock::{EngineGuard, EngineLock, Priority};
use crate::events::{Event, EventOutlet};
use crate::history::Reading;
use crate::{Interrupt, Status};

/// Between two looks for new data while everything is idle, at most: nobody wakes a sleeper who sets a flag or moves a clock by hand.
pub(crate) const SLEEP_MAX: Duration = Duration::from_millis(20);
/// How often a push that is held back looks whether it still is.
const PUSH_LOOKS_EVERY: Duration = Duration::from_millis(1);
/// The shortest sleep that is worth it.
const SLEEP_MIN: Duration = Duration::from_micros(50);

/// What one round of work did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Something moved; there may be more to do.
    Progressed,
    /// Nothing to do now; look again after this time.
    Wait(Duration),
    /// Nothing will come without a push or a statement.
    Finished,
}

/// A database. Clones are handles to the same one.
#[derive(Clone)]
pub struct Database {
    engine: Arc<EngineLock<Engine>>,
    /// Outside of the lock: a thread that interrupts cannot wait for it.
    interrupt: Interrupt,
    /// Where the database has a thread of its own: it ends with the last handle.
    host: Option<Arc<dyn Any + Send + Sync>>,
}

impl Database {
    /// A database over an engine of these parts.
    pub(crate) fn new(parts: EngineParts) -> Self {
        let clock = Arc::clone(&parts.clock);
        let engine = Engine::new(parts);
        let interrupt = engine.interrupt.clone();
        Self { engine: Arc::new(EngineLock::new(engine, clock)), interrupt, host: None }
    }

    /// The same database with a thread that works for it until `host` is dropped.
    pub(crate) fn hosted_by(self, host: impl Any + Send + Sync) -> Self {
        Self { host: Some(Arc::new(host)), ..self }
    }

    /// What stops an ad-hoc query while another thread waits for its answer.
    pub fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Names and types of the rows of a source, table, stream or materialized view: what a push into it must look like, and what
    /// a subscription to it gives.
    pub fn schema_of(&self, name: &str) -> Result<SchemaRef> {
        let engine = self.lock();
        let object = engine.catalog.named(name)?;
        object.properties().map(|properties| properties.schema.clone()).ok_or_else(|| {
            Error::new(Code::InvalidQuery, format!("{} '{name}' has no rows of its own", kind_name(object.kind())))
                .with_hint(format!("DESCRIBE {name} tells its columns"))
        })
    }

    /// Pushes rows into a source or table and returns when every view is current with them. Columns of a table that have a default or are
    /// generated may be left out; generated ones are computed whatever stands there.
    ///
    /// Fails with [`Code::Backpressure`] if a subscription with [`SlowReader::Block`](crate::SlowReader::Block) is not read for as long as
    /// the setting `push_timeout` says; nothing of `rows` was taken in then.
    pub fn push(&self, name: &str, rows: RecordBatch) -> Result<()> {
        self.push_changes(name, ChangeBatch::append(rows))
    }

    /// Pushes rows with weights into a table, or into a source that was created `WITH (changelog = 'true')`: −1 retracts a row.
    pub fn push_changes(&self, name: &str, changes: ChangeBatch) -> Result<()> {
        let mut engine = self.lock_for_push(&[name])?;
        let (node, changes) = engine.admitted(name, changes)?;
        engine.reactor.push(node, changes)?;
        engine.settle_for(node)
    }

    /// Pushes typed rows, see [`derive@crate::Row`].
    pub fn push_rows<R: Row>(&self, name: &str, rows: &[R]) -> Result<()> {
        self.push(name, R::to_batch(rows)?)
    }

    /// Says that nothing more will be pushed into a source: its watermark goes to the end of time and every window closes.
    pub fn end_source(&self, name: &str) -> Result<()> {
        let mut engine = self.lock();
        let id = engine.catalog.named(name)?.id;
        let node = engine.push_target(id)?;
        engine.reactor.end(node)?;
        engine.settle_for(node)
    }

    /// Calls `callback` with the changes of every step, within the step: no copy, no thread between. It must not call the
    /// database and must not block.
    pub fn on_changes(&self, name: &str, callback: impl FnMut(&ChangeBatch) + Send + 'static) -> Result<CallbackHandle> {
        let mut engine = self.lock();
        let target = engine.subscription_target(name)?;
        let outlet = engine.listen(&target, Box::new(Callback(Box::new(callback))), target.stored)?;
        engine.settle()?;
        Ok(CallbackHandle { outlet, database: self.clone() })
    }

    /// Calls `callback` with the changes of every step and what they do, the current rows of a stored object first, and at last with
    /// how they end. It is called within the step: it must not call the database and must not block.
    pub fn on_events(&self, name: &str, callback: impl FnMut(Event<'_>) + Send + 'static) -> Result<CallbackHandle> {
        let mut engine = self.lock();
        let target = engine.subscription_target(name)?;
        let outlet = Box::new(EventOutlet::new(target.description.clone(), callback));
        let outlet = engine.listen(&target, outlet, target.stored)?;
        engine.settle()?;
        Ok(CallbackHandle { outlet, database: self.clone() })
    }

    /// Works until every bounded source is read to its end, or `stop` is set. Unbounded sources are read as long as it takes:
    /// then only `stop` ends this. Other threads can use the database meanwhile: they go before the next step.
    pub fn run_until_finished(&self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            if self.turn_or_wait(SLEEP_MAX)? == Turn::Finished {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One round of work: a batch of every source, and one step; or a piece of that, where steps keep to a budget ([`StepBudget`](crate::StepBudget)).
    pub fn turn(&self) -> Result<Turn> {
        match self.host {
            Some(_) => self.hosted_turn(self.engine.enter(Priority::Background)).map(|(turn, _)| turn),
            None => self.turn_inside().map(|(turn, _)| turn),
        }
    }

    /// The same. If there was nothing to do, waits as long as [`Turn::Wait`] says, but not longer than `at_most`; a push or a statement of
    /// another thread ends the wait.
    pub fn turn_or_wait(&self, at_most: Duration) -> Result<Turn> {
        if self.host.is_none() {
            return self.work_or_wait(at_most);
        }
        let (turn, engine) = self.hosted_turn(self.engine.enter(Priority::Background))?;
        if turn != Turn::Finished {
            self.engine.sleep(engine, at_most);
        }
        Ok(turn)
    }

    /// What the thread of a hosted database has come to. An error that it met is told once.
    fn hosted_turn<'a>(&self, mut engine: EngineGuard<'a, Engine>) -> Result<(Turn, EngineGuard<'a, Engine>)> {
        match engine.last_turn.clone() {
            Some(Err(error)) => {
                engine.last_turn = None;
                Err(error)
            }
            Some(Ok(Round::Finished)) => Ok((Turn::Finished, engine)),
            _ => Ok((Turn::Wait(SLEEP_MAX), engine)),
        }
    }

    /// Waits until a push or a statement comes, `at_most` so long.
    pub(crate) fn sleep_until_called(&self, at_most: Duration) {
        let engine = self.engine.enter(Priority::Background);
        if engine.last_turn.is_some() {
            self.engine.sleep(engine, at_most);
        }
    }

    /// One round of work by this thread, or a wait.
    pub(crate) fn work_or_wait(&self, at_most: Duration) -> Result<Turn> {
        let (turn, inside) = self.turn_inside()?;
        if let Turn::Wait(wait) = turn {
            // A thread that comes after this turn finds a sleeper: from the turn to the sleep the engine stays locked.
            self.engine.sleep(inside, wait.min(at_most));
        }
        Ok(turn)
    }

    fn turn_inside(&self) -> Result<(Turn, EngineGuard<'_, Engine>)> {
        let mut engine = self.engine.enter(Priority::Background);
        let contended = self.engine.is_contended();
        let round = engine.round(contended);
        engine.last_turn = Some(round.clone());
        let turn = match round? {
            Round::Progressed => {
                engine.wake_sleepers();
                Turn::Progressed
            }
            Round::Finished => Turn::Finished,
            Round::WaitUntil(at) => Turn::Wait(sleep_until(at, engine.clock.now())),
        };
        Ok((turn, engine))
    }

    /// One round of work for a reader that has nothing to read; false if nothing will come without a push.
    pub(crate) fn poll_or_wait(&self) -> Result<bool> {
        Ok(self.turn_or_wait(SLEEP_MAX)? != Turn::Finished)
    }

    /// Why one of `inputs`, or something that it gets rows from, has stopped.
    pub(crate) fn failure_before(&self, inputs: &[ObjectId]) -> Option<Error> {
        let engine = self.lock();
        let failure = engine.failures_before(inputs).next();
        failure.map(|(id, error)| error.within(format!("'{}' has stopped", engine.catalog.name_of(id))))
    }

    /// For tests: from now on each statement that creates something fails when it has done so many things, and takes them back.
    #[doc(hidden)]
    pub fn fail_statements_at(&self, things: Option<usize>) {
        self.lock().fail_statements_at(things);
    }

    /// For tests: all that stands behind the catalog, as text.
    #[doc(hidden)]
    pub fn internals(&self) -> String {
        self.lock().internals()
    }

    /// Ends all sources that have not failed: windows close, sinks complete their output. Nothing can be pushed afterwards.
    pub fn finish(&self) -> Result<()> {
        self.lock().finish()
    }

    /// Says that nothing more will be read: what sources have read and is not a whole row, such as half a line of a file
    /// that is followed, becomes readable in `<source>$errors`. To be called where reading ends early.
    pub fn stop_reading(&self) -> Result<()> {
        self.lock().stop_reading()
    }

    /// Completes what sinks have written so far; they take nothing more. Windows that are open stay open.
    pub fn close_sinks(&self) {
        self.lock().close_sinks();
    }

    /// How everything is doing.
    pub fn status(&self) -> Status {
        Status::of(&mut self.lock())
    }

    /// The engine, for a push into `names`: when no subscription holds it back any more. Fails if that takes too long.
    pub(crate) fn lock_for_push(&self, names: &[&str]) -> Result<EngineGuard<'_, Engine>> {
        let mut engine = self.lock();
        let mut waited = 0;
        while let Some((name, blocker)) = engine.blocked_among(names) {
            let timeout = engine.settings.push_timeout;
            drop(engine);
            if waited >= timeout {
                return Err(blocker.error(name));
            }
            // Sleeps are counted, not measured: a clock that is moved by hand stands still meanwhile.
            std::thread::sleep(PUSH_LOOKS_EVERY);
            waited += PUSH_LOOKS_EVERY.as_nanos() as i64;
            engine = self.lock();
        }
        Ok(engine)
    }

    pub(crate) fn end_subscription(&self, reading: &Reading) {
        let ended = self.lock().end_reading(reading);
        debug_assert!(ended.is_ok(), "{ended:?}");
    }

    fn end_callback(&self, outlet: OutletId) {
        let mut engine = self.lock();
        engine.reactor.graph_mut().detach_outlet(outlet);
        let dropped = engine.drop_unread_streams();
        debug_assert!(dropped.is_ok(), "{dropped:?}");
    }

    /// The engine, for a thread that waits for an answer.
    pub(crate) fn lock(&self) -> EngineGuard<'_, Engine> {
        let mut engine = self.engine.enter(Priority::Interactive);
        engine.last_turn = None;
        engine
    }
}

/// How long to wait for `at`.
fn sleep_until(at: i64, now: i64) -> Duration {
    let wait = Duration::from_nanos(u64::try_from(at.saturating_sub(now)).unwrap_or(0));
    wait.clamp(SLEEP_MIN, SLEEP_MAX)
}

/// Stops a callback when dropped.
pub struct CallbackHandle {
    outlet: OutletId,
    database: Database,
}

impl Drop for CallbackHandle {
    fn drop(&mut self) {
        self.database.end_callback(self.outlet);
    }
}

struct Callback(Box<dyn FnMut(&ChangeBatch) + Send>);

impl laminar_core::dag::Outlet for Callback {
    fn deliver(&mut self, _: laminar_core::StepId, changes: &[ChangeBatch], _: laminar_core::time::Watermark, _: i64) {
        for batch in changes {
            (self.0)(batch);
        }
    }
}
