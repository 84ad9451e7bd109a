//! Turns: what a thread does that works for the database.
//!
//! One thread at a time works, the one that holds the scheduler; another that would work waits for what comes of it. Where steps keep to a
//! budget, its work lies in the three lanes of a [`Scheduler`]:
//!
//! * latency: callers that wait at the engine's lock. Their steps are small and theirs to run, so the working thread only lets them in;
//! * main: a step over one connected component of the graph;
//! * poll: a piece of one source, which is read without the lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use laminar_core::limits::LATENCY_BUDGET_NS;
use laminar_core::reactor::{Lane, LaneBudgets, Piece, Scheduler, Task, Work};
use laminar_core::{NodeId, Result};

use crate::Database;
use crate::engine::{Engine, Held, Round};
use crate::engine_lock::{EngineGuard, EngineLock, Priority, Wakeup};

/// Between two looks for new data while everything is idle, at most: a thread that sets a flag or moves a clock by hand wakes no sleeper.
pub(crate) const SLEEP_MAX: Duration = Duration::from_millis(20);
/// The shortest sleep that is worth it.
const SLEEP_MIN: Duration = Duration::from_micros(50);
/// How often a thread that needs all sources looks whether one is still being read.
const RECALL_LOOKS_EVERY: Duration = Duration::from_micros(50);

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

impl Database {
    /// One round of work: a batch of every source, and one step; or a turn of each lane, where steps keep to a budget
    /// ([`StepBudget`](crate::StepBudget)). While another thread works, this one does nothing.
    pub fn turn(&self) -> Result<Turn> {
        match self.own_seat() {
            Some(mut scheduler) => self.work(&mut scheduler).map(|(turn, _)| turn),
            None => self.turn_of_another().map(|(turn, _)| turn),
        }
    }

    /// The same. If there was nothing to do, waits as long as [`Turn::Wait`] says, but not longer than `at_most`; a push or a statement of
    /// another thread ends the wait.
    pub fn turn_or_wait(&self, at_most: Duration) -> Result<Turn> {
        self.turn_or_sleep(Wakeup::Change, Wakeup::Change, at_most)
    }

    /// The same for a thread that wants to work or, while another does, to know when that is at its end.
    pub(crate) fn work_or_wait_for_end(&self) -> Result<Turn> {
        self.turn_or_sleep(Wakeup::Work, Wakeup::End, SLEEP_MAX)
    }

    /// One round of work or, while another thread works, what that has come to. If there was nothing to do, sleeps until it is woken for
    /// `work` in the first case and `other` in the second.
    fn turn_or_sleep(&self, work: Wakeup, other: Wakeup, at_most: Duration) -> Result<Turn> {
        if let Some(scheduler) = self.own_seat() {
            return self.work_or_sleep(scheduler, work, at_most);
        }
        let (turn, engine) = self.turn_of_another()?;
        if turn != Turn::Finished {
            self.engine.sleep(engine, other, at_most);
        }
        Ok(turn)
    }

    /// Works until every bounded source is read to its end, or `stop` is set. Unbounded sources are read as long as it takes:
    /// then only `stop` ends this. Other threads can use the database meanwhile: they go before the next step.
    pub fn run_until_finished(&self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            if self.work_or_wait_for_end()? == Turn::Finished {
                return Ok(());
            }
        }
        Ok(())
    }

    /// When something happens by itself next, in nanoseconds of the database's clock: a source is to be looked at again, a window that waits for the clock
    /// closes, a row is over. Who moves a clock by hand ([`DatabaseBuilder::clock`](crate::DatabaseBuilder::clock)) can stop there and let a [`turn`](Self::turn) do it.
    pub fn wakes_at(&self) -> Option<i64> {
        self.lock_with_sources().wakes_at()
    }

    /// One round of work for a reader that has nothing to read; false if nothing will come without a push.
    pub(crate) fn poll_or_wait(&self) -> Result<bool> {
        Ok(self.turn_or_wait(SLEEP_MAX)? != Turn::Finished)
    }

    /// One round of work by the thread of a hosted database, or a wait.
    pub(crate) fn host(&self) {
        let Some(scheduler) = self.seat() else { return };
        if matches!(self.work_or_sleep(scheduler, Wakeup::Work, SLEEP_MAX), Ok(Turn::Finished) | Err(_)) {
            // A push or a statement forgets the last turn, and then there may be something to do.
            let engine = self.engine.enter(Priority::Background);
            if engine.last_turn.is_some() {
                self.engine.sleep(engine, Wakeup::Work, SLEEP_MAX);
            }
        }
    }

    /// The right to work, if callers do the work here and no other thread has it.
    fn own_seat(&self) -> Option<MutexGuard<'_, Scheduler>> {
        if self.is_hosted { None } else { self.seat() }
    }

    fn seat(&self) -> Option<MutexGuard<'_, Scheduler>> {
        match self.scheduler.try_lock() {
            Ok(scheduler) => Some(scheduler),
            Err(TryLockError::Poisoned(poisoned)) => Some(PoisonError::into_inner(poisoned)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn work_or_sleep(&self, mut scheduler: MutexGuard<'_, Scheduler>, wakeup: Wakeup, at_most: Duration) -> Result<Turn> {
        let (turn, inside) = self.work(&mut scheduler)?;
        // Another thread may work while this one sleeps.
        drop(scheduler);
        match turn {
            // A thread that comes after this turn finds a sleeper: from the turn to the sleep the engine stays locked.
            Turn::Wait(wait) => self.engine.sleep(inside, wakeup, wait.min(at_most)),
            Turn::Progressed if self.engine.is_contended() => {
                drop(inside);
                // Where other programs want this processor, they get it now and not in the middle of the next turn, in which callers could
                // not go in before it has come back.
                std::thread::yield_now();
            }
            Turn::Progressed | Turn::Finished => {}
        }
        Ok(turn)
    }

    /// What the thread that works has come to. An error that it met is told once.
    fn turn_of_another(&self) -> Result<(Turn, EngineGuard<'_, Engine>)> {
        let mut engine = self.engine.enter(Priority::Background);
        match engine.last_turn.clone() {
            Some(Err(error)) => {
                engine.last_turn = None;
                Err(error)
            }
            Some(Ok(Round::Finished)) => Ok((Turn::Finished, engine)),
            _ => Ok((Turn::Wait(SLEEP_MAX), engine)),
        }
    }

    fn work(&self, scheduler: &mut Scheduler) -> Result<(Turn, EngineGuard<'_, Engine>)> {
        let mut engine = self.engine.enter(Priority::Background);
        let (round, mut engine) = if engine.keeps_to_budget(self.engine.is_contended()) {
            in_lanes(&self.engine, engine, scheduler)
        } else {
            (engine.whole_round(), engine)
        };
        engine.last_turn = Some(round.clone());
        if !matches!(round, Ok(Round::WaitUntil(_))) {
            engine.wake(Wakeup::Change);
        }
        if matches!(round, Ok(Round::Finished) | Err(_)) {
            engine.wake(Wakeup::End);
        }
        let turn = match round? {
            Round::Progressed => Turn::Progressed,
            Round::Finished => Turn::Finished,
            Round::WaitUntil(at) => Turn::Wait(sleep_until(at, engine.clock.now())),
        };
        Ok((turn, engine))
    }

    /// The engine, for a caller that needs all sources: when none is being read.
    pub(crate) fn lock_with_sources(&self) -> EngineGuard<'_, Engine> {
        let mut engine = self.lock();
        engine.readers.recall();
        while engine.readers.some_lent() {
            drop(engine);
            std::thread::sleep(RECALL_LOOKS_EVERY);
            engine = self.lock();
        }
        engine.readers.end_recall();
        engine
    }
}

/// How long to wait for `at`.
fn sleep_until(at: i64, now: i64) -> Duration {
    let wait = Duration::from_nanos(u64::try_from(at.saturating_sub(now)).unwrap_or(0));
    wait.clamp(SLEEP_MIN, SLEEP_MAX)
}

/// One turn of each lane, begun and ended with the lock.
fn in_lanes<'a>(
    lock: &'a EngineLock<Engine>,
    mut engine: EngineGuard<'a, Engine>,
    scheduler: &mut Scheduler,
) -> (Result<Round>, EngineGuard<'a, Engine>) {
    let limit_ns = engine.settings.step_budget.limit_ns();
    scheduler.set_budgets(LaneBudgets { latency_ns: LATENCY_BUDGET_NS, main_ns: limit_ns, poll_ns: limit_ns });
    let now = engine.clock.now();
    let held = engine.hold(now);
    let mut work =
        DatabaseWork { lock, inside: Some(engine), held, has_just_entered: true, progressed: false, tasks: Vec::new() };
    let worked = work.forward().and_then(|()| scheduler.turn(&mut work));
    let DatabaseWork { inside, held, progressed, .. } = work;
    let mut engine = inside.unwrap_or_else(|| lock.enter(Priority::Background));
    engine.lanes = scheduler.metrics();
    let round = worked.and_then(|_| engine.round_of(progressed, &held));
    (round, engine)
}

/// What waits in the lanes of a database, for the thread that works.
struct DatabaseWork<'a> {
    lock: &'a EngineLock<Engine>,
    /// `None` only while this thread waits at the lock, or reads.
    inside: Option<EngineGuard<'a, Engine>>,
    /// The sources that are not to be read now.
    held: Held,
    /// The lock has let this thread in, maybe before callers that wait: it has one piece before they are looked at.
    has_just_entered: bool,
    /// Whether something moved.
    progressed: bool,
    tasks: Vec<Task>,
}

impl DatabaseWork<'_> {
    fn engine(&mut self) -> &mut Engine {
        self.engine_and_held().0
    }

    fn engine_and_held(&mut self) -> (&mut Engine, &Held) {
        (self.inside.get_or_insert_with(|| self.lock.enter(Priority::Background)), &self.held)
    }

    /// Goes in again. Others may have changed anything meanwhile.
    fn enter(&mut self) {
        let engine = self.engine();
        let now = engine.clock.now();
        self.held = engine.hold(now);
        self.has_just_entered = true;
    }

    /// Passes on what was rejected outside of steps.
    fn forward(&mut self) -> Result<()> {
        self.progressed |= self.engine().forward_rejected()?;
        self.engine().tend_lookups()?;
        Ok(())
    }

    /// Lets callers in that wait for answers, as many as the lock's rule says.
    fn let_in(&mut self) -> Piece {
        let lock = self.lock;
        lock.do_jobs(self.inside.get_or_insert_with(|| lock.enter(Priority::Background)));
        if lock.interactive_wait() {
            self.inside = None;
        }
        self.enter();
        Piece::default()
    }

    fn step(&mut self, component: NodeId, rows_max: usize) -> Result<Piece> {
        let (engine, held) = self.engine_and_held();
        let rows = engine.step_component(component, rows_max, held)?;
        self.progressed = true;
        Ok(Piece { rows, ..Piece::default() })
    }

    /// Reads a piece of the source at `node` without the lock, then hands it over.
    fn read(&mut self, node: NodeId, rows_max: usize) -> Result<Piece> {
        let mut waited_ns = 0;
        if let Some(mut loan) = self.engine().readers.lend(node, rows_max) {
            let clock = Arc::clone(&self.engine().clock);
            self.inside = None;
            loan.read(rows_max);
            let read_at = clock.now();
            self.enter();
            waited_ns = u64::try_from(clock.now().saturating_sub(read_at)).unwrap_or(0);
            self.engine().readers.take_back(loan);
        }
        let (engine, held) = self.engine_and_held();
        let read = engine.read_source(node, held)?;
        self.progressed |= read.is_some();
        let (rows, ahead_ns) = read.unwrap_or_default();
        Ok(Piece { rows, waited_ns, ahead_ns })
    }
}

impl Work for DatabaseWork<'_> {
    fn waits(&mut self, lane: Lane) -> Result<bool> {
        if lane == Lane::Latency {
            return Ok(!self.has_just_entered && self.lock.interactive_wait());
        }
        let mut tasks = std::mem::take(&mut self.tasks);
        tasks.clear();
        self.tasks(lane, &mut tasks)?;
        self.tasks = tasks;
        Ok(self.tasks.iter().any(|task| task.ready))
    }

    fn tasks(&mut self, lane: Lane, tasks: &mut Vec<Task>) -> Result<()> {
        let (engine, held) = self.engine_and_held();
        match lane {
            Lane::Latency => tasks.push(Task { id: NodeId(0), ready: true }),
            Lane::Main => engine.reactor.component_tasks(tasks)?,
            Lane::Poll => engine.readers.tasks(tasks, &engine.reactor, held, engine.clock.now()),
        }
        Ok(())
    }

    fn work(&mut self, lane: Lane, task: NodeId, rows_max: usize) -> Result<Piece> {
        if lane == Lane::Latency {
            return Ok(self.let_in());
        }
        let piece = if lane == Lane::Main { self.step(task, rows_max) } else { self.read(task, rows_max) };
        self.has_just_entered = false;
        piece
    }
}
