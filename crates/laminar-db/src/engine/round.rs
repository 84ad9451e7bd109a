//! What is done under the engine's lock: rounds over everything, the pieces of turns that keep to a budget, and what a push does.

use laminar_core::dag::NodeStatus;
use laminar_core::limits::HELD_ROUND_NS;
use laminar_core::reactor::{Poll, Reactor};
use laminar_core::{NodeId, Result};

use super::alignment::Held;
use super::readers::{Deliveries, Reader};
use super::{Engine, SideOutputs};
use crate::StepBudget;
use crate::catalog::ObjectId;

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
    /// Reads a batch from each source that has room for it, and runs one step over everything.
    pub(crate) fn whole_round(&mut self) -> Result<Round> {
        let now = self.clock.now();
        let held = self.hold(now);
        let read =
            self.readers.read(&mut Deliveries::of(&mut self.reactor, &mut self.side_outputs, &mut self.journal), &held, now);
        // What could not be read takes part in the step of the rows beside it.
        self.forward_rejected()?;
        self.tend_lookups()?;
        let started = self.reactor.start_poll()?;
        if started.is_running() && self.settings.workers > 1 {
            self.readers.read_ahead(&held, now);
        }
        let poll = self.reactor.finish_poll(started, Some(&mut self.side_outputs))?;
        let progressed = self.forward_rejected()? || poll.progressed || read;
        self.tend_lookups()?;
        self.round_of(progressed, &held)
    }

    /// One step over the component `component`, of at most `rows_max` rows of each source; how many rows it had.
    pub(crate) fn step_component(&mut self, component: NodeId, rows_max: usize, held: &Held) -> Result<usize> {
        let started = self.reactor.start_component(component, rows_max)?;
        if started.is_running() && self.settings.workers > 1 {
            self.readers.read_piece_ahead(held, self.clock.as_ref());
        }
        let rows = started.rows();
        self.reactor.finish_poll(started, Some(&mut self.side_outputs))?;
        self.forward_rejected()?;
        self.tend_lookups()?;
        Ok(rows)
    }

    /// Passes on what the source at `node` has to deliver; how many rows, and the nanoseconds that reading them ahead took. `None`: nothing yet.
    pub(crate) fn read_source(&mut self, node: NodeId, held: &Held) -> Result<Option<(usize, u64)>> {
        let now = self.clock.now();
        let mut into = Deliveries::of(&mut self.reactor, &mut self.side_outputs, &mut self.journal);
        let read = self.readers.read_one(node, &mut into, held, now);
        self.forward_rejected()?;
        Ok(read)
    }

    /// Takes in what sources have delivered already, so that they stand where their rows are.
    pub(super) fn pass_on_what_was_read(&mut self) -> Result<()> {
        let now = self.clock.now();
        let mut into = Deliveries::of(&mut self.reactor, &mut self.side_outputs, &mut self.journal);
        self.readers.pass_on_ahead(&mut into, now);
        self.forward_rejected().map(|_| ())
    }

    /// What a round comes to in which something moved, or nothing.
    pub(crate) fn round_of(&mut self, progressed: bool, held: &Held) -> Result<Round> {
        let sinks_at = self.try_sinks_again(self.clock.now());
        // What steps have left for sinks is written when the lock is let go of, and then it is known how they are doing.
        if progressed || self.busy_sinks.any() {
            self.held_rounds = 0;
            return Ok(Round::Progressed);
        }
        if !self.sinks_are_idle() {
            return Ok(Round::WaitUntil(self.clock.now().saturating_add(HELD_ROUND_NS)));
        }
        if self.can_step()? {
            // The turn went to callers that waited.
            return Ok(Round::Progressed);
        }
        let again_at = self.readers.next_ask(&self.reactor, held).into_iter().chain(sinks_at).min();
        if again_at.is_none() && self.readers.some_open(&Held::default()) && !self.readers.some_open(held) {
            return self.wait_for_reader(held, self.clock.now());
        }
        Ok(match (again_at, self.next_timer()) {
            (Some(a), Some(b)) => Round::WaitUntil(a.min(b)),
            (Some(at), None) => Round::WaitUntil(at),
            // A timer alone counts only as long as something could still come: an idle timeout is no reason to run for ever.
            (None, Some(at)) if self.readers.some_open(held) => Round::WaitUntil(at),
            (None, _) => Round::Finished,
        })
    }

    /// When something happens by itself next, in wall-clock nanoseconds: a source is to be looked at again, or a timer is due.
    pub(crate) fn wakes_at(&mut self) -> Option<i64> {
        let held = self.hold(self.clock.now());
        self.readers.next_ask(&self.reactor, &held).into_iter().chain(self.next_timer()).min()
    }

    /// When a node wants to run next, or an answer of a lookup table is too old.
    fn next_timer(&self) -> Option<i64> {
        self.reactor.next_wake().into_iter().chain(self.lookups_expire_at()).min()
    }

    /// Whether a step would have something to do now.
    fn can_step(&mut self) -> Result<bool> {
        let mut components = Vec::new();
        self.reactor.component_tasks(&mut components)?;
        Ok(components.iter().any(|component| component.ready))
    }

    /// Whether sources of these objects will come to an end and have not, or what they delivered last is still to be stepped over.
    pub(crate) fn waits_for_ends(&self, objects: &[ObjectId]) -> bool {
        let is_running = |node: NodeId| self.reactor.graph().status(node) == Ok(NodeStatus::Running);
        let is_behind =
            |reader: &Reader| self.reactor.waiting_rows(reader.node) > 0 || reader.ends_node() && is_running(reader.node);
        let has_ended = |reader: &&Reader| objects.contains(&reader.object) && reader.has_ended();
        self.readers.some_bounded_open(objects) || self.readers.iter().filter(has_ended).any(is_behind)
    }

    /// Whether steps are cut so that other threads have their turn soon. A thread alone has its steps whole, which takes less time, and its answers
    /// come out the same every time.
    pub(crate) fn keeps_to_budget(&self, contended: bool) -> bool {
        match self.settings.step_budget {
            StepBudget::WhileContended => contended,
            StepBudget::Always(_) => true,
            StepBudget::Never => false,
        }
    }

    /// All that is left to do is to read sources that are held back, by a subscription whose reader has some time to go on, or until memory is freed.
    fn wait_for_reader(&mut self, held: &Held, now: i64) -> Result<Round> {
        self.held_rounds += 1;
        if i64::from(self.held_rounds) * HELD_ROUND_NS <= self.settings.push_timeout {
            return Ok(Round::WaitUntil(now.saturating_add(HELD_ROUND_NS)));
        }
        self.held_rounds = 0;
        if held.is_for_memory() && !self.is_out_of_memory() {
            return Ok(Round::WaitUntil(now));
        }
        let open = || self.readers.iter().filter(|reader| reader.is_open()).map(|reader| reader.object);
        if self.is_out_of_memory() {
            let name = open().next().map(|id| self.catalog.name_of(id).to_owned());
            return Err(self.out_of_memory(&name.unwrap_or_default()));
        }
        let held = open().filter_map(|id| self.blocker_of(id).map(|blocker| blocker.error(self.catalog.name_of(id)))).next();
        held.map_or(Ok(Round::Finished), Err)
    }

    /// Runs steps until nothing waits that somebody has pushed: what a statement does. Reads no source, and leaves alone what sources have delivered.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.settle_awaited(None)
    }

    /// Has what sinks have rejected outside of the engine flow on. No caller waits for that: a failure is told by the next turn.
    pub(crate) fn settle_rejected(&mut self) {
        if let Err(error) = self.settle() {
            self.last_turn = Some(Err(error));
        }
    }

    /// Whether a thread that reads and steps has nothing to do that it did not have before what was just settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.reactor.is_settled() && !self.readers.some_held() && !self.some_lookup_wanted()
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
        if self.recorded.is_restoring {
            return Ok(());
        }
        loop {
            let poll = step(&mut self.reactor, &mut self.side_outputs)?;
            let forwarded = self.forward_rejected()?;
            if !forwarded && (!poll.progressed || self.reactor.is_settled()) {
                return self.tend_lookups();
            }
        }
    }
}
