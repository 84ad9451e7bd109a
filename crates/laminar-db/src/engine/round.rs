//! What a thread does that works for the database: rounds over everything, or turns that keep to a budget; and what a push does.

use laminar_core::limits::{HELD_ROUND_NS, PASSED_OVER_MAX};
use laminar_core::reactor::{Poll, Reactor};
use laminar_core::{NodeId, Result};

use super::alignment::Held;
use super::readers::{Read, ReadBudget};
use super::{Engine, SideOutputs};
use crate::StepBudget;

/// What one round of work did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// Something moved; there may be more.
    Progressed,
    /// Nothing to do now; something may come at this wall-clock time (nanoseconds), or earlier by a push.
    WaitUntil(i64),
    /// Nothing will come without a push or a statement.
    Finished,
}

impl Engine {
    /// Reads a batch from each source that has room for it, and runs one step; or a piece of that which keeps to the budget.
    /// `contended`: whether other threads have waited for the engine lately.
    pub(crate) fn round(&mut self, contended: bool) -> Result<Round> {
        let now = self.clock.now();
        let held = self.hold(now);
        let (read, progressed) = if self.keeps_to_budget(contended) { self.turn(&held)? } else { self.whole(&held, now)? };
        if read.progressed || progressed {
            self.held_rounds = 0;
            return Ok(Round::Progressed);
        }
        if read.again_at.is_none() && self.readers.some_open(&Held::default()) && !self.readers.some_open(&held) {
            return self.wait_for_reader(now);
        }
        Ok(match (read.again_at, self.reactor.next_wake()) {
            (Some(a), Some(b)) => Round::WaitUntil(a.min(b)),
            (Some(at), None) => Round::WaitUntil(at),
            // A timer alone counts only as long as something could still come: an idle timeout is no reason to run for ever.
            (None, Some(at)) if self.readers.some_open(&held) => Round::WaitUntil(at),
            (None, _) => Round::Finished,
        })
    }

    /// Whether steps are cut so that other threads have their turn soon. A thread alone has its steps whole, which takes less time, and its answers
    /// come out the same every time.
    fn keeps_to_budget(&self, contended: bool) -> bool {
        match self.settings.step_budget {
            StepBudget::WhileContended => contended,
            StepBudget::Always(_) => true,
            StepBudget::Never => false,
        }
    }

    /// All that is left to do is to read sources that a subscription holds back: its reader has some time to go on.
    fn wait_for_reader(&mut self, now: i64) -> Result<Round> {
        self.held_rounds += 1;
        if i64::from(self.held_rounds) * HELD_ROUND_NS <= self.settings.push_timeout {
            return Ok(Round::WaitUntil(now.saturating_add(HELD_ROUND_NS)));
        }
        self.held_rounds = 0;
        let open = self.readers.iter().filter(|reader| reader.is_open()).map(|reader| reader.object);
        let held = open.filter_map(|id| self.blocker_of(id).map(|blocker| blocker.error(self.catalog.name_of(id)))).next();
        held.map_or(Ok(Round::Finished), Err)
    }

    /// A batch of each source and one step over everything; what reading did, and whether a step ran.
    fn whole(&mut self, held: &Held, now: i64) -> Result<(Read, bool)> {
        let read = self.readers.read(&mut self.reactor, &mut self.side_outputs, held, now);
        // What could not be read takes part in the step of the rows beside it.
        self.forward_rejected()?;
        let started = self.reactor.start_poll()?;
        if started.is_running() && self.settings.workers > 1 {
            self.readers.read_ahead(held);
        }
        let poll = self.reactor.finish_poll(started, Some(&mut self.side_outputs))?;
        Ok((read, self.forward_rejected()? || poll.progressed))
    }

    /// One step over the component whose turn it is; or, if none has anything to do or they were passed over for some time, a piece of the
    /// source whose turn it is. So steps come before reading (the main ring before the poll ring), and what a guest waits for is one of both.
    fn turn(&mut self, held: &Held) -> Result<(Read, bool)> {
        let started = self.reactor.start_turn()?;
        let budget = ReadBudget { limit_ns: self.settings.step_budget.limit_ns(), clock: self.clock.as_ref() };
        if started.is_running() && self.settings.workers > 1 {
            self.readers.read_piece_ahead(held, &budget);
        }
        let poll = self.reactor.finish_poll(started, Some(&mut self.side_outputs))?;
        let progressed = self.forward_rejected()? || poll.progressed;
        self.passed_over += 1;
        if progressed && self.passed_over <= PASSED_OVER_MAX {
            return Ok((Read::default(), true));
        }
        self.passed_over = 0;
        let budget = ReadBudget { limit_ns: self.settings.step_budget.limit_ns(), clock: self.clock.as_ref() };
        Ok((self.readers.read_piece(&mut self.reactor, &mut self.side_outputs, held, &budget), progressed))
    }

    /// Runs steps until nothing waits that somebody has pushed: what a statement does. Reads no source, and leaves alone what sources have delivered.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.settle_awaited(None)
    }

    /// The same after a push into `node`, even if a source delivers there too.
    pub(crate) fn settle_for(&mut self, node: NodeId) -> Result<()> {
        self.settle_awaited(Some(node))
    }

    fn settle_awaited(&mut self, awaited: Option<NodeId>) -> Result<()> {
        self.poll_until_settled(|reactor, side_outputs| reactor.poll_urgent(awaited, Some(side_outputs)))
    }

    /// Runs steps until nothing waits in front of the reactor, whoever delivered it.
    pub(crate) fn settle_all(&mut self) -> Result<()> {
        self.poll_until_settled(|reactor, side_outputs| reactor.poll_handling(side_outputs))
    }

    fn poll_until_settled(&mut self, mut step: impl FnMut(&mut Reactor, &mut SideOutputs) -> Result<Poll>) -> Result<()> {
        loop {
            let poll = step(&mut self.reactor, &mut self.side_outputs)?;
            let forwarded = self.forward_rejected()?;
            if !forwarded && (!poll.progressed || self.reactor.is_settled()) {
                return Ok(());
            }
        }
    }
}
