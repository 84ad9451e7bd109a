//! The life of a core's thread: take in, give each lane its turn, hand out, wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::config::CoreConfig;
use super::lane_queue::LaneQueue;
use super::metrics::CoreMetrics;
use super::shared::Shared;
use crate::limits::TIMER_SLEEP_MS;
use crate::panics::caught;
use crate::runtime::{Lane, Piece, Reactor, Scheduler, SourceInput, Work};
use crate::thread::spsc::Consumer;
use crate::time::Clock;
use crate::{Code, Error, NodeId, Result, hot_path};

/// What the caller asks of the core itself.
pub(super) enum Command {
    /// Do something with the reactor, between two steps.
    Ask(Box<dyn FnOnce(&mut Reactor) + Send>),
    /// Work off all that has been submitted, and end.
    Finish,
}

/// The core, on its thread.
pub(super) struct Core {
    commands: Consumer<Command>,
    scheduler: Scheduler,
    work: Graph,
    finishing: bool,
    sleeps: u64,
    looks: u32,
}

/// The reactor with what waits in front of it.
struct Graph {
    reactor: Reactor,
    lanes: [LaneQueue; 3],
    /// Sources whose end has come through some of the lanes, and how many.
    ends: Vec<(NodeId, usize)>,
    /// The reactor has something to do that is not in the lanes: new nodes, or input that waits for its outlets.
    unfinished: bool,
    steps: u64,
    rows_done: u64,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

impl Core {
    pub(super) fn new(config: &CoreConfig, commands: Consumer<Command>, lanes: [LaneQueue; 3], shared: Arc<Shared>) -> Self {
        let clock = Arc::clone(&config.clock);
        let reactor = if config.checked { Reactor::checked(Arc::clone(&clock)) } else { Reactor::new(Arc::clone(&clock)) };
        let scheduler = Scheduler::new(config.budgets, Arc::clone(&clock));
        let work = Graph { reactor, lanes, ends: Vec::new(), unfinished: false, steps: 0, rows_done: 0, clock, shared };
        Self { commands, scheduler, work, finishing: false, sleeps: 0, looks: config.spin_looks }
    }

    /// Runs until the caller is gone, everything is worked off, or the graph has failed. Whatever goes wrong is kept where the
    /// caller finds it.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.work.shared);
        let end = caught(|| self.live());
        self.show();
        // The queues end with what they belong to; results that are in them stay there.
        let dropped = caught(|| {
            drop(self);
            Ok(())
        });
        shared.fail(end.and(dropped).err().unwrap_or_else(ended));
        shared.caller.wake();
    }

    fn live(&mut self) -> Result<()> {
        while self.handle_commands() {
            let worked = self.turn()?;
            self.show();
            self.work.shared.caller.wake();
            if !worked && self.finishing && self.work.is_done() {
                return Ok(());
            }
            if !worked {
                self.wait();
            }
        }
        Ok(())
    }

    /// Does what the caller asked for. False if it is gone.
    fn handle_commands(&mut self) -> bool {
        let gone = self.commands.is_closed();
        while let Some(command) = self.commands.pop() {
            match command {
                Command::Ask(ask) => {
                    ask(&mut self.work.reactor);
                    // New nodes take part in a step even if nothing comes.
                    self.work.unfinished = true;
                }
                Command::Finish => self.finishing = true,
            }
        }
        !gone
    }

    fn turn(&mut self) -> Result<bool> {
        hot_path!("core loop");
        self.work.take_in();
        if self.work.is_held_up() && !self.work.go_on()? {
            return Ok(false);
        }
        self.scheduler.turn(&mut self.work)
    }

    fn wait(&mut self) {
        let (work, commands) = (&self.work, &self.commands);
        let has_work = || commands.is_closed() || !commands.is_empty() || work.has_input();
        let mut looked = 0;
        let look = || {
            looked += 1;
            has_work().then_some(())
        };
        match work.reactor.next_wake() {
            None => work.shared.core.wait(self.looks, look),
            Some(at) => {
                let until = u64::try_from(at.saturating_sub(work.clock.now())).unwrap_or(0);
                let sleep = Duration::from_nanos(until).min(Duration::from_millis(TIMER_SLEEP_MS));
                let _ = work.shared.core.wait_at_most(self.looks, sleep, look);
            }
        }
        self.sleeps += u64::from(looked > self.looks);
    }

    fn show(&self) {
        let Graph { steps, rows_done, reactor, .. } = &self.work;
        self.work.shared.board.show(&CoreMetrics {
            steps: *steps,
            rows_done: *rows_done,
            sleeps: self.sleeps,
            lanes: self.scheduler.metrics(),
            reactor: reactor.budget_metrics(),
            ..CoreMetrics::default()
        });
    }
}

impl Graph {
    fn take_in(&mut self) {
        self.lanes.iter_mut().for_each(LaneQueue::take_in);
    }

    /// Whether the reactor has to get on before it can have more: mostly, the caller has to take results out.
    fn is_held_up(&self) -> bool {
        self.unfinished || self.shared.is_stalled()
    }

    /// Hands on what was held up. True if all of it is gone.
    fn go_on(&mut self) -> Result<bool> {
        self.shared.polled.store(false, Ordering::Release);
        self.step()?;
        Ok(!self.is_held_up())
    }

    /// Runs steps until there is nothing more to do now.
    fn step(&mut self) -> Result<()> {
        loop {
            let poll = self.reactor.poll()?;
            self.unfinished = poll.backpressured;
            if let Some(error) = self.shared.failure() {
                return Err(error.clone());
            }
            if !poll.progressed {
                return Ok(());
            }
            self.steps += 1;
        }
    }

    fn has_input(&self) -> bool {
        let polled = || self.is_held_up() && self.shared.polled.load(Ordering::Acquire);
        self.lanes.iter().any(LaneQueue::has_input) || polled()
    }

    /// Whether everything that was submitted is worked off and handed out.
    fn is_done(&self) -> bool {
        let empty = |queue: &LaneQueue| queue.is_empty() && !queue.has_input();
        self.lanes.iter().all(empty) && self.reactor.is_idle() && !self.is_held_up()
    }

    fn is_timer_due(&self) -> bool {
        self.reactor.next_wake().is_some_and(|at| at <= self.clock.now())
    }
}

impl Work for Graph {
    fn waits(&mut self, lane: Lane) -> Result<bool> {
        if self.is_held_up() {
            return Ok(false);
        }
        let queue = &mut self.lanes[lane.index()];
        queue.take_in();
        Ok(!queue.is_empty() || (lane == Lane::Main && self.is_timer_due()))
    }

    fn work(&mut self, lane: Lane, _: NodeId, rows_max: usize) -> Result<Piece> {
        let (reactor, ends) = (&mut self.reactor, &mut self.ends);
        let rows = self.lanes[lane.index()].feed(rows_max, |source, input| match input {
            SourceInput::Changes(changes) => reactor.push(source, changes),
            SourceInput::Watermark(watermark) if !watermark.is_end() => reactor.advance(source, watermark),
            SourceInput::Watermark(_) if has_ended(ends, source) => reactor.end(source),
            SourceInput::Watermark(_) => Ok(()),
        })?;
        self.step()?;
        self.rows_done += rows as u64;
        self.shared.gate(lane).release(rows);
        Ok(Piece { rows, ..Piece::default() })
    }
}

/// Counts the ends of `source`. True at the last one: then no lane has rows of it any more.
fn has_ended(ends: &mut Vec<(NodeId, usize)>, source: NodeId) -> bool {
    match ends.iter_mut().find(|(other, _)| *other == source) {
        Some((_, count)) => {
            *count += 1;
            *count == Lane::ALL.len()
        }
        None => {
            ends.push((source, 1));
            false
        }
    }
}

/// Why a core that has not failed takes nothing in any more.
fn ended() -> Error {
    Error::new(Code::Closed, "the core has ended")
}
