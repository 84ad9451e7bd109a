//! The door to the engine: one thread at a time is inside, and those who wait go in by ring and in order of arrival.
//!
//! Guests (a push, a statement: somebody waits for the answer) go before the workers (a loop that reads and steps on and on), but let one pass when
//! it has waited long enough. Whoever finds the door free and nobody waiting walks in: that costs what a lock costs.
//!
//! All that wait stand in a line, which tells who is next. The next one alone waits at the lock itself. When it is inside, it looks whether it still is
//! the next, leaves the line and calls the one after it. So nobody has to look at the line on the way out.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::Duration;

use laminar_core::limits::{GUESTS_PASS_MAX, LATENCY_BUDGET_NS, SPIN_LOOKS};
use laminar_core::time::Clock;

/// What is behind the door, and who waits for it.
pub(crate) struct Door<T> {
    inside: Mutex<T>,
    line: Mutex<Line>,
    /// How many stand in the line; written under its lock.
    waiting: AtomicUsize,
    /// Workers that have nothing to do sleep here, with the lock of `inside`.
    news: Condvar,
    /// How many sleep; written under the lock of `inside`.
    sleepers: AtomicUsize,
    clock: Arc<dyn Clock>,
}

/// In which ring somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    /// Somebody waits for the answer.
    Guest,
    /// A loop that works on and on.
    Worker,
}

/// Being inside, until dropped.
pub(crate) struct Inside<'a, T> {
    // The first is dropped first: who is woken finds the door free.
    guard: MutexGuard<'a, T>,
    wake: Wake<'a>,
}

/// Wakes those that sleep, on the way out.
struct Wake<'a> {
    news: &'a Condvar,
    sleepers: &'a AtomicUsize,
    wanted: bool,
}

impl<T> Door<T> {
    pub(crate) fn new(inside: T, clock: Arc<dyn Clock>) -> Self {
        Self {
            inside: Mutex::new(inside),
            line: Mutex::default(),
            waiting: AtomicUsize::new(0),
            news: Condvar::new(),
            sleepers: AtomicUsize::new(0),
            clock,
        }
    }

    /// Goes in, when it is one's turn. A guest leaves news for those that sleep; a worker does if it says so.
    pub(crate) fn enter(&self, ring: Ring) -> Inside<'_, T> {
        let guard = self.walk_in().unwrap_or_else(|| self.stand_in_line(ring));
        Inside { guard, wake: Wake { news: &self.news, sleepers: &self.sleepers, wanted: ring == Ring::Guest } }
    }

    /// Goes in if nobody is inside and nobody waits.
    fn walk_in(&self) -> Option<MutexGuard<'_, T>> {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return None;
        }
        match self.inside.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    #[cold]
    fn stand_in_line(&self, ring: Ring) -> MutexGuard<'_, T> {
        let me = Arc::new(Waiter { called: AtomicBool::new(false), thread: thread::current(), ring });
        self.change_line(|line, now| line.join(Arc::clone(&me), now));
        loop {
            me.wait();
            let guard = locked(&self.inside);
            if self.change_line(|line, now| line.leave(&me, now)) {
                return guard;
            }
        }
    }

    /// Changes the line and calls whoever is next then.
    fn change_line<R>(&self, change: impl FnOnce(&mut Line, i64) -> R) -> R {
        let now = self.clock.now();
        let mut line = locked(&self.line);
        let changed = change(&mut line, now);
        self.waiting.store(line.len(), Ordering::Release);
        if let Some(next) = line.next(now) {
            next.call();
        }
        changed
    }

    /// Goes out and sleeps until somebody leaves news, `at_most` so long.
    pub(crate) fn sleep(&self, inside: Inside<'_, T>, at_most: Duration) {
        let Inside { guard, mut wake } = inside;
        wake.wanted = false;
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        let (guard, _) = self.news.wait_timeout(guard, at_most).unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        drop(guard);
    }
}

impl<T> Inside<'_, T> {
    /// Those that sleep will want to look.
    pub(crate) fn leave_news(&mut self) {
        self.wake.wanted = true;
    }
}

impl<T> Deref for Inside<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Inside<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        // Whoever has gone to sleep since this one left the lock has seen what it did.
        if self.wanted && self.sleepers.load(Ordering::Relaxed) > 0 {
            self.news.notify_all();
        }
    }
}

/// A poisoned lock means that a panic left a statement half done; steps themselves are guarded by the executor.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody in the line.
struct Waiter {
    /// It is the next, or was when it was called.
    called: AtomicBool,
    thread: Thread,
    ring: Ring,
}

impl Waiter {
    fn call(&self) {
        if !self.called.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }

    /// Waits to be called. Most who are inside are out again sooner than one falls asleep.
    fn wait(&self) {
        for _ in 0..SPIN_LOOKS {
            if self.called.load(Ordering::Acquire) {
                return;
            }
            std::hint::spin_loop();
        }
        while !self.called.load(Ordering::Acquire) {
            thread::park();
        }
    }
}

/// Who waits, by ring and in order of arrival.
#[derive(Default)]
struct Line {
    guests: VecDeque<Arc<Waiter>>,
    workers: VecDeque<Arc<Waiter>>,
    /// Guests that have gone in while the first worker was waiting.
    passed: u32,
    /// Since when it has been waiting, or since the one before it went in.
    since: i64,
}

impl Line {
    fn len(&self) -> usize {
        self.guests.len() + self.workers.len()
    }

    fn join(&mut self, waiter: Arc<Waiter>, now: i64) {
        match waiter.ring {
            Ring::Guest => self.guests.push_back(waiter),
            Ring::Worker => {
                if self.workers.is_empty() {
                    (self.passed, self.since) = (0, now);
                }
                self.workers.push_back(waiter);
            }
        }
    }

    /// Who goes in next: the first guest, unless the first worker has let enough of them pass.
    fn next(&self, now: i64) -> Option<&Arc<Waiter>> {
        let patient =
            self.passed < GUESTS_PASS_MAX && (self.passed == 0 || now.saturating_sub(self.since) < LATENCY_BUDGET_NS as i64);
        match (self.guests.front(), self.workers.front()) {
            (Some(_), Some(worker)) if !patient => Some(worker),
            (Some(guest), _) => Some(guest),
            (None, worker) => worker,
        }
    }

    /// Takes `waiter` out if it is the next. If not, somebody has come before it: then it waits to be called again.
    fn leave(&mut self, waiter: &Arc<Waiter>, now: i64) -> bool {
        if !self.next(now).is_some_and(|next| Arc::ptr_eq(next, waiter)) {
            waiter.called.store(false, Ordering::Relaxed);
            return false;
        }
        match waiter.ring {
            Ring::Guest => {
                self.guests.pop_front();
                self.passed += u32::from(!self.workers.is_empty());
            }
            Ring::Worker => {
                self.workers.pop_front();
                (self.passed, self.since) = (0, now);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use laminar_core::time::ManualClock;

    use super::*;

    /// Those who wait, by name: `g…` are guests, `w…` workers.
    #[derive(Default)]
    struct Queue {
        line: Line,
        names: Vec<(&'static str, Arc<Waiter>)>,
    }

    impl Queue {
        fn join(&mut self, name: &'static str, now: i64) {
            let ring = if name.starts_with('g') { Ring::Guest } else { Ring::Worker };
            let waiter = Arc::new(Waiter { called: AtomicBool::new(false), thread: thread::current(), ring });
            self.names.push((name, Arc::clone(&waiter)));
            self.line.join(waiter, now);
        }

        /// The next goes in.
        fn next(&mut self, now: i64) -> &'static str {
            let next = Arc::clone(self.line.next(now).expect("somebody waits"));
            assert!(self.line.leave(&next, now));
            self.names.iter().find(|(_, waiter)| Arc::ptr_eq(waiter, &next)).expect("it has a name").0
        }
    }

    #[test]
    fn guests_go_before_workers_and_each_in_order_of_arrival() {
        for (arrivals, order) in [
            (["w1", "g1", "w2", "g2"], ["g1", "g2", "w1", "w2"]),
            (["g1", "g2", "g3", "w1"], ["g1", "g2", "g3", "w1"]),
            (["w1", "w2", "w3", "g1"], ["g1", "w1", "w2", "w3"]),
        ] {
            let mut queue = Queue::default();
            arrivals.into_iter().for_each(|name| queue.join(name, 0));
            assert_eq!([(); 4].map(|()| queue.next(0)), order, "{arrivals:?}");
            assert_eq!(queue.line.len(), 0);
        }
    }

    #[test]
    fn a_worker_has_its_turn_when_so_many_guests_have_passed_however_many_come() {
        let mut queue = Queue::default();
        for worker in ["w1", "w2"] {
            queue.join(worker, 0);
        }
        for worker in ["w1", "w2"] {
            for _ in 0..GUESTS_PASS_MAX {
                queue.join("g", 0);
                assert_eq!(queue.next(0), "g");
            }
            queue.join("g", 0);
            assert_eq!(queue.next(0), worker);
        }
    }

    #[test]
    fn a_worker_has_its_turn_when_guests_have_taken_so_long_but_one_always_passes() {
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

    fn door<T>(inside: T) -> Door<T> {
        Door::new(inside, Arc::new(ManualClock::at(0)))
    }

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    #[test]
    fn threads_that_arrive_while_a_worker_is_inside_go_in_before_it_comes_again() {
        let door = door(Vec::new());
        thread::scope(|scope| {
            let mut inside = door.enter(Ring::Worker);
            for guest in 1..=5 {
                let door = &door;
                scope.spawn(move || door.enter(Ring::Guest).push(guest));
                until(|| door.waiting.load(Ordering::Acquire) == guest);
            }
            inside.push(0);
            drop(inside);
            door.enter(Ring::Worker).push(6);
        });
        assert_eq!(*door.enter(Ring::Guest), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn one_at_a_time_is_inside_whatever_the_crowd() {
        let door = door((0, 0_usize));
        thread::scope(|scope| {
            for thread in 0..8 {
                let door = &door;
                scope.spawn(move || {
                    for _ in 0..500 {
                        let mut inside = door.enter(if thread < 3 { Ring::Worker } else { Ring::Guest });
                        inside.0 += 1;
                        assert_eq!(inside.0, 1, "nobody else is inside");
                        inside.1 += 1;
                        inside.0 -= 1;
                    }
                });
            }
        });
        assert_eq!((door.enter(Ring::Guest).1, door.waiting.load(Ordering::Acquire)), (8 * 500, 0));
    }

    #[test]
    fn guests_and_workers_with_news_wake_those_that_sleep() {
        let hour = Duration::from_secs(3_600);
        for wake in
            [(|door: &Door<bool>| drop(door.enter(Ring::Guest))) as fn(&Door<bool>), |door| door.enter(Ring::Worker).leave_news()]
        {
            let door = door(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let inside = door.enter(Ring::Worker);
                    door.sleep(inside, hour);
                    *door.enter(Ring::Worker) = true;
                });
                until(|| door.sleepers.load(Ordering::Relaxed) == 1);
                drop(door.enter(Ring::Worker));
                // It only ends if this wakes the sleeper.
                wake(&door);
            });
            assert!(*door.enter(Ring::Worker));
        }
    }

    #[test]
    fn a_panic_inside_leaves_the_door_open() {
        let door = door(1);
        let panicked = thread::scope(|scope| {
            let inside = || {
                let _inside = door.enter(Ring::Guest);
                panic!("inside");
            };
            scope.spawn(inside).join().is_err()
        });
        assert_eq!((panicked, *door.enter(Ring::Guest)), (true, 1));
    }
}
