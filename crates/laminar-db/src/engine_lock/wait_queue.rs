//! Who waits at the engine's lock, by priority and in order of arrival.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};

use laminar_core::limits::{INTERACTIVE_PASS_MAX, LATENCY_BUDGET_NS, SPIN_LOOKS};

use super::{Priority, locked};

/// A thread in the queue, and the job that it has left for the one inside.
pub(super) struct Waiter<J> {
    state: AtomicU8,
    thread: Thread,
    priority: Priority,
    job: Mutex<Option<J>>,
}

/// Why a thread that waited goes on. As a number it is the state of a waiter, where 0 is that it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// It is the next, or was when it was called.
    Next = 1,
    /// Another thread has done its job.
    Done = 2,
}

impl<J> Waiter<J> {
    pub(super) fn new(priority: Priority, job: Option<J>) -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(0), thread: thread::current(), priority, job: Mutex::new(job) })
    }

    pub(super) fn priority(&self) -> Priority {
        self.priority
    }

    pub(super) fn call(&self, why: Called) {
        if self.state.swap(why as u8, Ordering::Release) != why as u8 {
            self.thread.unpark();
        }
    }

    /// Takes its job away, to do it.
    pub(super) fn take_job(&self) -> Option<J> {
        locked(&self.job).take()
    }

    fn look(&self) -> Option<Called> {
        match self.state.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Called::Next),
            _ => Some(Called::Done),
        }
    }

    /// Waits to be called. Most who are inside are out again sooner than one falls asleep.
    pub(super) fn wait(&self) -> Called {
        for _ in 0..SPIN_LOOKS {
            if let Some(called) = self.look() {
                return called;
            }
            std::hint::spin_loop();
        }
        loop {
            match self.look() {
                Some(called) => return called,
                None => thread::park(),
            }
        }
    }
}

/// Who waits.
pub(super) struct WaitQueue<J> {
    interactive: VecDeque<Arc<Waiter<J>>>,
    background: VecDeque<Arc<Waiter<J>>>,
    /// Interactive threads that have gone in while the first background thread was waiting.
    passed: u32,
    /// Since when it has been waiting, or since the one before it went in.
    since: i64,
}

impl<J> Default for WaitQueue<J> {
    fn default() -> Self {
        Self { interactive: VecDeque::new(), background: VecDeque::new(), passed: 0, since: 0 }
    }
}

impl<J> WaitQueue<J> {
    pub(super) fn len(&self) -> usize {
        self.interactive.len() + self.background.len()
    }

    pub(super) fn interactive(&self) -> usize {
        self.interactive.len()
    }

    pub(super) fn join(&mut self, waiter: Arc<Waiter<J>>, now: i64) {
        match waiter.priority {
            Priority::Interactive => self.interactive.push_back(waiter),
            Priority::Background => {
                if self.background.is_empty() {
                    (self.passed, self.since) = (0, now);
                }
                self.background.push_back(waiter);
            }
        }
    }

    /// Who goes in next: the first interactive thread, unless the first background thread has let enough of them pass.
    pub(super) fn next(&self, now: i64) -> Option<&Arc<Waiter<J>>> {
        let patient =
            self.passed < INTERACTIVE_PASS_MAX && (self.passed == 0 || now.saturating_sub(self.since) < LATENCY_BUDGET_NS as i64);
        match (self.interactive.front(), self.background.front()) {
            (Some(_), Some(background)) if !patient => Some(background),
            (Some(interactive), _) => Some(interactive),
            (None, background) => background,
        }
    }

    /// Takes `waiter` out if it is the next. If not, another has come before it: then it waits to be called again, unless its job is done.
    pub(super) fn leave(&mut self, waiter: &Arc<Waiter<J>>, now: i64) -> bool {
        let is_next = self.next(now).is_some_and(|next| Arc::ptr_eq(next, waiter));
        if is_next {
            self.take_next(now);
        } else if waiter.look() != Some(Called::Done) {
            waiter.state.store(0, Ordering::Relaxed);
        }
        is_next
    }

    /// Takes the next one out if it has left a job.
    pub(super) fn take_job(&mut self, now: i64) -> Option<(Arc<Waiter<J>>, J)> {
        let job = self.next(now)?.take_job()?;
        Some((self.take_next(now)?, job))
    }

    fn take_next(&mut self, now: i64) -> Option<Arc<Waiter<J>>> {
        match self.next(now)?.priority {
            Priority::Interactive => {
                self.passed += u32::from(!self.background.is_empty());
                self.interactive.pop_front()
            }
            Priority::Background => {
                (self.passed, self.since) = (0, now);
                self.background.pop_front()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those who wait, by name: `g…` are interactive, `w…` background.
    #[derive(Default)]
    struct Queue {
        queue: WaitQueue<()>,
        names: Vec<(&'static str, Arc<Waiter<()>>)>,
    }

    impl Queue {
        fn join(&mut self, name: &'static str, now: i64) {
            let waiter = Waiter::new(if name.starts_with('g') { Priority::Interactive } else { Priority::Background }, None);
            self.names.push((name, Arc::clone(&waiter)));
            self.queue.join(waiter, now);
        }

        /// The next goes in.
        fn next(&mut self, now: i64) -> &'static str {
            let next = Arc::clone(self.queue.next(now).expect("a thread waits"));
            assert!(self.queue.leave(&next, now));
            self.names.iter().find(|(_, waiter)| Arc::ptr_eq(waiter, &next)).expect("it has a name").0
        }
    }

    #[test]
    fn interactive_threads_go_before_background_ones_and_each_in_order_of_arrival() {
        for (arrivals, order) in [
            (["w1", "g1", "w2", "g2"], ["g1", "g2", "w1", "w2"]),
            (["g1", "g2", "g3", "w1"], ["g1", "g2", "g3", "w1"]),
            (["w1", "w2", "w3", "g1"], ["g1", "w1", "w2", "w3"]),
        ] {
            let mut queue = Queue::default();
            arrivals.into_iter().for_each(|name| queue.join(name, 0));
            assert_eq!([(); 4].map(|()| queue.next(0)), order, "{arrivals:?}");
            assert_eq!(queue.queue.len(), 0);
        }
    }

    #[test]
    fn a_background_thread_has_its_turn_when_so_many_interactive_ones_have_passed_however_many_come() {
        let mut queue = Queue::default();
        for worker in ["w1", "w2"] {
            queue.join(worker, 0);
        }
        for worker in ["w1", "w2"] {
            for _ in 0..INTERACTIVE_PASS_MAX {
                queue.join("g", 0);
                assert_eq!(queue.next(0), "g");
            }
            queue.join("g", 0);
            assert_eq!(queue.next(0), worker);
        }
    }

    #[test]
    fn a_background_thread_has_its_turn_when_interactive_ones_have_taken_so_long_but_one_always_passes() {
        let budget = LATENCY_BUDGET_NS as i64;
        let mut queue = Queue::default();
        for name in ["w", "g1", "g2", "g3", "g4"] {
            queue.join(name, 0);
        }
        assert_eq!(queue.next(budget - 1), "g1");
        assert_eq!(queue.next(budget - 1), "g2");
        assert_eq!(queue.next(budget), "w");
        queue.join("w", budget);
        assert_eq!(queue.next(9 * budget), "g3", "none has passed yet");
        assert_eq!(queue.next(9 * budget), "w");
        assert_eq!(queue.next(9 * budget), "g4");
    }

    #[test]
    fn a_job_is_taken_of_the_next_one_alone() {
        let mut queue = WaitQueue::default();
        let waiters = [Some("a"), None, Some("c")].map(|job| Waiter::new(Priority::Interactive, job));
        waiters.iter().for_each(|waiter| queue.join(Arc::clone(waiter), 0));
        assert_eq!(queue.take_job(0).map(|(_, job)| job), Some("a"));
        assert!(queue.take_job(0).is_none(), "the second one wants to go in itself");
        assert!(queue.leave(&waiters[1], 0));
        assert_eq!(queue.take_job(0).map(|(_, job)| job), Some("c"));
        assert_eq!(queue.len(), 0);
    }
}
