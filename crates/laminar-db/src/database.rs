//! The database: a handle that can be cloned and sent, behind which one engine runs inline.

use std::any::Any;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::alloc::StateScope;
use laminar_core::dag::OutletId;
use laminar_core::reactor::{LaneBudgets, Scheduler};
use laminar_core::row::Row;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, Result};
use laminar_storage::LogPosition;

use crate::catalog::{ObjectId, kind_name};
use crate::durability::Durable;
use crate::engine::{Engine, EngineParts};
use crate::engine_lock::{EngineGuard, EngineLock, Errand, Priority, Wakeup};
use crate::events::{Event, EventOutlet};
use crate::history::Reading;
use crate::{Interrupt, Notice, Status};

/// How often a push that is held back looks whether it still is.
const PUSH_LOOKS_EVERY: Duration = Duration::from_millis(1);

/// A database. Clones are handles to the same one.
#[derive(Clone)]
pub struct Database {
    pub(crate) engine: Arc<EngineLock<Engine>>,
    /// Where the database has a directory: what answers wait for.
    pub(crate) durable: Option<Durable>,
    /// What the thread that works does next; who holds it is that thread.
    pub(crate) scheduler: Arc<Mutex<Scheduler>>,
    /// Outside of the lock: a thread that interrupts cannot wait for it.
    interrupt: Interrupt,
    /// Whether the database has a thread of its own that reads and steps.
    pub(crate) is_hosted: bool,
    /// Kept to be dropped: the threads that work for it, which end with the last handle.
    _threads: Option<Arc<dyn Any + Send + Sync>>,
}

impl Database {
    /// A database over an engine of these parts.
    pub(crate) fn new(parts: EngineParts) -> Self {
        let clock = Arc::clone(&parts.clock);
        let engine = Engine::new(parts);
        let interrupt = engine.interrupt.clone();
        let scheduler = Arc::new(Mutex::new(Scheduler::new(LaneBudgets::START, Arc::clone(&clock))));
        let lock = EngineLock::new(engine, clock).on_leaving(writing_sinks);
        Self { engine: Arc::new(lock), durable: None, scheduler, interrupt, is_hosted: false, _threads: None }
    }

    /// The same database, whose answers wait until they last.
    pub(crate) fn with_durability(self, durable: Durable) -> Self {
        Self { durable: Some(durable), ..self }
    }

    /// The same database with threads that work for it until the last handle is gone; `is_hosted`: one of them reads and steps.
    pub(crate) fn with_threads(self, is_hosted: bool, threads: impl Any + Send + Sync) -> Self {
        Self { is_hosted, _threads: Some(Arc::new(threads)), ..self }
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
    /// the setting `push_timeout` says, and with [`Code::LimitReached`] if the process takes all that `memory_limit` allows for as long; nothing of
    /// `rows` was taken in then.
    pub fn push(&self, name: &str, rows: RecordBatch) -> Result<()> {
        self.push_changes(name, ChangeBatch::append(rows))
    }

    /// Pushes rows with weights into a table, or into a source that was created `WITH (changelog = 'true')`: −1 retracts a row.
    pub fn push_changes(&self, name: &str, changes: ChangeBatch) -> Result<()> {
        let (mut changes, mut waited) = (changes, 0);
        loop {
            match self.try_push(name, changes, waited)? {
                Pushed::In(end) => return self.wait_until_durable(end),
                Pushed::HeldBack(rows) => changes = rows,
            }
            waited += sleep_held_back();
        }
    }

    /// Pushes, or has it done by the thread that is inside, unless something holds the rows back.
    fn try_push(&self, name: &str, changes: ChangeBatch, waited: i64) -> Result<Pushed> {
        let Some(mut engine) = self.engine.try_enter(Priority::Interactive) else {
            let name = name.to_owned();
            return self.engine.leave_job(move |engine| pushed(engine, &name, changes, waited));
        };
        let outcome = pushed(&mut engine, name, changes, waited);
        self.engine.do_jobs(&mut engine);
        outcome
    }

    /// Lets others in, and returns when what was written into the log lasts as the setting `durability` says.
    pub(crate) fn let_go_when_durable(&self, engine: EngineGuard<'_, Engine>) -> Result<()> {
        let end = engine.journal.end();
        drop(engine);
        self.wait_until_durable(end)
    }

    fn wait_until_durable(&self, end: Option<LogPosition>) -> Result<()> {
        match (&self.durable, end) {
            (Some(durable), Some(end)) => durable.wait(end),
            _ => Ok(()),
        }
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
        engine.take_end(id, node)?;
        engine.settle_for(node)?;
        self.let_go_when_durable(engine)
    }

    /// Says that no row before `watermark` will be pushed into a source any more, although its rows do not say so: windows that end by then close. A
    /// watermark never goes back: an earlier one changes nothing. A source without `WATERMARK FOR` has none that could be moved.
    ///
    /// ```
    /// use laminar_db::Database;
    /// use laminar_db::core::time::Watermark;
    ///
    /// # fn main() -> laminar_db::Result<()> {
    /// let db = Database::open(":memory:")?;
    /// db.execute(
    ///     "CREATE SOURCE clicks (ts TIMESTAMP, WATERMARK FOR ts AS ts);
    ///      CREATE MATERIALIZED VIEW minutes AS
    ///          SELECT window_start, count(*) AS n FROM clicks GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE;
    ///      INSERT INTO clicks VALUES ('1970-01-01 00:00:10')",
    /// )?;
    /// db.advance_watermark("clicks", Watermark(60_000_000_000))?;
    /// assert_eq!(db.query("SELECT n FROM minutes")?.to_strings(), [["1"]]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance_watermark(&self, name: &str, watermark: Watermark) -> Result<()> {
        let mut engine = self.lock();
        let (id, node) = engine.watermark_target(name)?;
        engine.take_watermark(id, node, watermark)?;
        engine.settle_for(node)?;
        self.let_go_when_durable(engine)
    }

    /// Calls `callback` with the changes of every step, within the step: no copy, no thread between. It must not call the
    /// database and must not block. Where several threads push, any of them may call it.
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
        self.lock_with_sources().finish()
    }

    /// Says that nothing more will be read: what sources have read and is not a whole row, such as half a line of a file
    /// that is followed, becomes readable in `<source>$errors`. To be called where reading ends early.
    pub fn stop_reading(&self) -> Result<()> {
        self.lock_with_sources().stop_reading()
    }

    /// Completes what sinks have written so far; they take nothing more. Windows that are open stay open. In a database with a directory, whose sinks go
    /// on when it is opened again, a checkpoint makes visible what they have written.
    pub fn close_sinks(&self) {
        if self.durable.is_some() {
            let failure = self.checkpoint().err();
            self.lock().checkpoint_failure = failure;
            return;
        }
        self.lock().close_sinks();
    }

    /// What is to be known of how the directory of the database was found: that the end of its log was torn, for example, and cut.
    pub fn opening_notices(&self) -> Vec<Notice> {
        self.lock().notices_of_opening.clone()
    }

    /// How everything is doing.
    pub fn status(&self) -> Status {
        Status::of(&mut self.lock())
    }

    /// The engine, for a push into `names`: when no subscription holds it back any more. Fails if that takes too long.
    pub(crate) fn lock_for_push(&self, names: &[&str]) -> Result<EngineGuard<'_, Engine>> {
        self.lock_when_free(names, |_| false)
    }

    /// The same for a push that brings rows: when there is memory for them, too.
    pub(crate) fn lock_for_rows(&self, names: &[&str]) -> Result<EngineGuard<'_, Engine>> {
        self.lock_when_free(names, Engine::is_out_of_memory)
    }

    /// The engine, when nothing holds back what is to be done with `names`. Fails with what does if that takes too long.
    fn lock_when_free(&self, names: &[&str], lacks_memory: impl Fn(&Engine) -> bool) -> Result<EngineGuard<'_, Engine>> {
        let mut waited = 0;
        loop {
            let mut engine = self.lock();
            if !is_held_back(&mut engine, names, &lacks_memory, waited)? {
                return Ok(engine);
            }
            drop(engine);
            waited += sleep_held_back();
        }
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

/// What a thread does that has let go of the engine: it writes what its steps have left for sinks. What these reject flows on.
fn writing_sinks(engine: &mut Engine) -> Option<Errand<Engine>> {
    let sinks = engine.busy_sinks.take();
    if sinks.is_empty() {
        return None;
    }
    let busy = Arc::clone(&engine.busy_sinks);
    Some(Box::new(move |lock| {
        if busy.write(&sinks) {
            lock.enter(Priority::Interactive).settle_rejected();
        }
    }))
}

/// What came of a push.
enum Pushed {
    /// The rows are in; the log's end with them.
    In(Option<LogPosition>),
    /// These rows are not in.
    HeldBack(ChangeBatch),
}

/// Pushes rows into `name` and runs the steps over them, by the thread that is inside, unless something holds them back that they have not `waited` for as
/// long as is allowed.
fn pushed(engine: &mut EngineGuard<'_, Engine>, name: &str, changes: ChangeBatch, waited: i64) -> Result<Pushed> {
    engine.last_turn = None;
    if is_held_back(engine, &[name], Engine::is_out_of_memory, waited)? {
        return Ok(Pushed::HeldBack(changes));
    }
    let _scope = StateScope::enter();
    let (id, node, changes) = engine.admitted(name, changes)?;
    engine.take_in(id, node, changes)?;
    engine.settle_for(node)?;
    if engine.wakes(Wakeup::Work) && engine.is_settled() {
        engine.leave_no_work();
    }
    Ok(Pushed::In(engine.journal.end()))
}

/// Whether something holds back what is to be done with `names`. Fails with what does if that has taken too long.
fn is_held_back(engine: &mut Engine, names: &[&str], lacks_memory: impl Fn(&Engine) -> bool, waited: i64) -> Result<bool> {
    let blocked = engine.blocked_among(names);
    if blocked.is_none() && !lacks_memory(engine) {
        return Ok(false);
    }
    if waited < engine.settings.push_timeout {
        return Ok(true);
    }
    let error = blocked.map(|(name, blocker)| blocker.error(name));
    Err(error.unwrap_or_else(|| engine.out_of_memory(names.first().copied().unwrap_or_default())))
}

/// Waits before the next look whether something still holds a push back. Returns how long: sleeps are counted, not measured, since a clock that is moved by
/// hand stands still meanwhile.
fn sleep_held_back() -> i64 {
    std::thread::sleep(PUSH_LOOKS_EVERY);
    PUSH_LOOKS_EVERY.as_nanos() as i64
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
