//! The lock of the engine: one thread at a time holds it, and threads that wait get it by priority and in order of arrival.
//!
//! Interactive threads (a push, a statement: the caller waits for the answer) go before background ones (a loop that reads and steps on and on), but let
//! one pass when it has waited long enough. A thread that finds the lock free and no other waiting takes it: that costs what a mutex costs.
//!
//! Waiting threads stand in a queue, which tells the next one. The next one alone waits at the mutex itself. When it has it, it looks whether it still is
//! the next, leaves the queue and calls the one after it. So the holder need not look at the queue when it lets go.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::Duration;

use laminar_core::limits::{CONTENTION_NS, INTERACTIVE_PASS_MAX, LATENCY_BUDGET_NS, SPIN_LOOKS};
use laminar_core::time::Clock;

/// What the lock protects, and the threads that wait for it.
pub(crate) struct EngineLock<T> {
    inside: Mutex<T>,
    queue: Mutex<WaitQueue>,
    /// How many stand in the queue; written under its lock.
    waiting: AtomicUsize,
    /// How many of these are interactive.
    interactive: AtomicUsize,
    /// Background threads that have nothing to do sleep here, with the lock of `inside`.
    beds: [Bed; 3],
    /// When a thread had to wait last, in wall-clock nanoseconds.
    contended_at: AtomicI64,
    clock: Arc<dyn Clock>,
}

/// What a thread that sleeps wants to be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wakeup {
    /// Whatever another thread has done.
    Change,
    /// Something to do for a thread that works.
    Work,
    /// There is nothing to do any more.
    End,
}

/// Where threads sleep that want to be woken for the same.
#[derive(Default)]
struct Bed {
    wakeups: Condvar,
    /// How many sleep; written under the lock.
    sleepers: AtomicUsize,
}

/// The priority with which a thread waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Priority {
    /// The caller waits for the answer.
    Interactive,
    /// A loop that works on and on.
    Background,
}

/// Holding the lock, until dropped.
pub(crate) struct EngineGuard<'a, T> {
    // The first is dropped first: a thread that is woken finds the lock free.
    guard: MutexGuard<'a, T>,
    wake: Wake<'a>,
}

/// Wakes those that sleep, on the way out.
struct Wake<'a> {
    beds: &'a [Bed; 3],
    /// For what.
    wakeups: [bool; 3],
}

impl<T> EngineLock<T> {
    pub(crate) fn new(inside: T, clock: Arc<dyn Clock>) -> Self {
        Self {
            inside: Mutex::new(inside),
            queue: Mutex::default(),
            waiting: AtomicUsize::new(0),
            interactive: AtomicUsize::new(0),
            beds: Default::default(),
            contended_at: AtomicI64::new(i64::MIN),
            clock,
        }
    }

    /// Goes in, when it is one's turn. An interactive thread has changed something and left work when it goes, unless it says otherwise; a
    /// background thread wakes those that it says.
    pub(crate) fn enter(&self, priority: Priority) -> EngineGuard<'_, T> {
        let guard = self.try_enter().unwrap_or_else(|| self.wait_in_queue(priority));
        let is_interactive = priority == Priority::Interactive;
        EngineGuard { guard, wake: Wake { beds: &self.beds, wakeups: [is_interactive, is_interactive, false] } }
    }

    /// Whether a thread has had to wait within the last second: no one thread makes itself wait.
    pub(crate) fn is_contended(&self) -> bool {
        self.clock.now().saturating_sub(self.contended_at.load(Ordering::Relaxed)) < CONTENTION_NS
    }

    /// Whether a thread that is inside keeps one out that waits for an answer.
    pub(crate) fn interactive_wait(&self) -> bool {
        self.interactive.load(Ordering::Acquire) > 0
    }

    /// Takes the lock if it is free and no thread waits.
    fn try_enter(&self) -> Option<MutexGuard<'_, T>> {
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
    fn wait_in_queue(&self, priority: Priority) -> MutexGuard<'_, T> {
        let me = Arc::new(Waiter { called: AtomicBool::new(false), thread: thread::current(), priority });
        self.contended_at.store(self.clock.now(), Ordering::Relaxed);
        self.change_queue(|queue, now| queue.join(Arc::clone(&me), now));
        loop {
            me.wait();
            let guard = locked(&self.inside);
            if self.change_queue(|queue, now| queue.leave(&me, now)) {
                return guard;
            }
        }
    }

    /// Changes the queue and calls the thread that is next then.
    fn change_queue<R>(&self, change: impl FnOnce(&mut WaitQueue, i64) -> R) -> R {
        let now = self.clock.now();
        let mut queue = locked(&self.queue);
        let changed = change(&mut queue, now);
        self.waiting.store(queue.len(), Ordering::Release);
        self.interactive.store(queue.interactive.len(), Ordering::Release);
        if let Some(next) = queue.next(now) {
            next.call();
        }
        changed
    }

    /// Lets go and sleeps until another thread wakes it for this, `at_most` so long. Those are woken first whom this one wakes.
    pub(crate) fn sleep(&self, inside: EngineGuard<'_, T>, wakeup: Wakeup, at_most: Duration) {
        let EngineGuard { guard, wake } = inside;
        drop(wake);
        let bed = &self.beds[wakeup as usize];
        bed.sleepers.fetch_add(1, Ordering::Relaxed);
        let (guard, _) = bed.wakeups.wait_timeout(guard, at_most).unwrap_or_else(PoisonError::into_inner);
        bed.sleepers.fetch_sub(1, Ordering::Relaxed);
        drop(guard);
    }
}

impl<T> EngineGuard<'_, T> {
    /// Wakes those that sleep until this happens, when it goes.
    pub(crate) fn wake(&mut self, wakeup: Wakeup) {
        self.wake.wakeups[wakeup as usize] = true;
    }

    /// Whether a thread sleeps that will be woken for this.
    pub(crate) fn wakes(&self, wakeup: Wakeup) -> bool {
        self.wake.wakeups[wakeup as usize] && self.wake.beds[wakeup as usize].sleepers.load(Ordering::Relaxed) > 0
    }

    /// There is nothing to do for a thread that sleeps until there is.
    pub(crate) fn leave_no_work(&mut self) {
        self.wake.wakeups[Wakeup::Work as usize] = false;
    }
}

impl<T> Deref for EngineGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for EngineGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        // A thread that has gone to sleep since this one left the lock has seen what it did.
        for (bed, wanted) in self.beds.iter().zip(self.wakeups) {
            if wanted && bed.sleepers.load(Ordering::Relaxed) > 0 {
                bed.wakeups.notify_all();
            }
        }
    }
}

/// A poisoned lock means that a panic left a statement half done; steps themselves are guarded by the executor.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread in the queue.
struct Waiter {
    /// It is the next, or was when it was called.
    called: AtomicBool,
    thread: Thread,
    priority: Priority,
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

/// Who waits, by priority and in order of arrival.
#[derive(Default)]
struct WaitQueue {
    interactive: VecDeque<Arc<Waiter>>,
    background: VecDeque<Arc<Waiter>>,
    /// Interactive threads that have gone in while the first background thread was waiting.
    passed: u32,
    /// Since when it has been waiting, or since the one before it went in.
    since: i64,
}

impl WaitQueue {
    fn len(&self) -> usize {
        self.interactive.len() + self.background.len()
    }

    fn join(&mut self, waiter: Arc<Waiter>, now: i64) {
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
    fn next(&self, now: i64) -> Option<&Arc<Waiter>> {
        let patient =
            self.passed < INTERACTIVE_PASS_MAX && (self.passed == 0 || now.saturating_sub(self.since) < LATENCY_BUDGET_NS as i64);
        match (self.interactive.front(), self.background.front()) {
            (Some(_), Some(background)) if !patient => Some(background),
            (Some(interactive), _) => Some(interactive),
            (None, background) => background,
        }
    }

    /// Takes `waiter` out if it is the next. If not, another has come before it: then it waits to be called again.
    fn leave(&mut self, waiter: &Arc<Waiter>, now: i64) -> bool {
        if !self.next(now).is_some_and(|next| Arc::ptr_eq(next, waiter)) {
            waiter.called.store(false, Ordering::Relaxed);
            return false;
        }
        match waiter.priority {
            Priority::Interactive => {
                self.interactive.pop_front();
                self.passed += u32::from(!self.background.is_empty());
            }
            Priority::Background => {
                self.background.pop_front();
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

    /// Those who wait, by name: `g…` are interactive, `w…` background.
    #[derive(Default)]
    struct Queue {
        queue: WaitQueue,
        names: Vec<(&'static str, Arc<Waiter>)>,
    }

    impl Queue {
        fn join(&mut self, name: &'static str, now: i64) {
            let priority = if name.starts_with('g') { Priority::Interactive } else { Priority::Background };
            let waiter = Arc::new(Waiter { called: AtomicBool::new(false), thread: thread::current(), priority });
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

    fn lock<T>(inside: T) -> EngineLock<T> {
        EngineLock::new(inside, Arc::new(ManualClock::at(0)))
    }

    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    #[test]
    fn threads_that_arrive_while_a_worker_is_inside_go_in_before_it_comes_again() {
        let lock = lock(Vec::new());
        thread::scope(|scope| {
            let mut inside = lock.enter(Priority::Background);
            for number in 1..=5 {
                let lock = &lock;
                scope.spawn(move || lock.enter(Priority::Interactive).push(number));
                until(|| lock.waiting.load(Ordering::Acquire) == number);
            }
            inside.push(0);
            drop(inside);
            lock.enter(Priority::Background).push(6);
        });
        assert_eq!(*lock.enter(Priority::Interactive), [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn one_at_a_time_is_inside_whatever_the_crowd() {
        let lock = lock((0, 0_usize));
        thread::scope(|scope| {
            for thread in 0..8 {
                let lock = &lock;
                scope.spawn(move || {
                    for _ in 0..500 {
                        let mut inside = lock.enter(if thread < 3 { Priority::Background } else { Priority::Interactive });
                        inside.0 += 1;
                        assert_eq!(inside.0, 1, "no other thread is inside");
                        inside.1 += 1;
                        inside.0 -= 1;
                    }
                });
            }
        });
        assert_eq!((lock.enter(Priority::Interactive).1, lock.waiting.load(Ordering::Acquire)), (8 * 500, 0));
    }

    /// Whether a thread that sleeps for `wakeup` is woken by what `wake` does with the lock.
    fn check_wakes(wakeup: Wakeup, wake: fn(&EngineLock<bool>), expected: bool) {
        let (lock, ended) = (lock(false), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let inside = lock.enter(Priority::Background);
                lock.sleep(inside, wakeup, Duration::from_secs(3_600));
                ended.store(true, Ordering::Release);
            });
            until(|| lock.beds[wakeup as usize].sleepers.load(Ordering::Relaxed) == 1);
            drop(lock.enter(Priority::Background));
            wake(&lock);
            if expected {
                until(|| ended.load(Ordering::Acquire));
            } else {
                thread::sleep(Duration::from_millis(20));
                assert!(!ended.load(Ordering::Acquire), "it sleeps on");
                lock.beds[wakeup as usize].wakeups.notify_all();
            }
        });
    }

    #[test]
    fn sleeping_threads_are_woken_for_what_they_wait_for() {
        let visit = |lock: &EngineLock<bool>| drop(lock.enter(Priority::Interactive));
        let push = |lock: &EngineLock<bool>| lock.enter(Priority::Interactive).leave_no_work();
        let progress = |lock: &EngineLock<bool>| lock.enter(Priority::Background).wake(Wakeup::Change);
        let end = |lock: &EngineLock<bool>| lock.enter(Priority::Background).wake(Wakeup::End);
        for (wakeup, woken) in [
            (Wakeup::Change, [true, true, true, false]),
            (Wakeup::Work, [true, false, false, false]),
            (Wakeup::End, [false, false, false, true]),
        ] {
            for (wake, woken) in [visit, push, progress, end].into_iter().zip(woken) {
                check_wakes(wakeup, wake, woken);
            }
        }
    }

    #[test]
    fn a_panic_inside_leaves_the_door_open() {
        let lock = lock(1);
        let panicked = thread::scope(|scope| {
            let inside = || {
                let _inside = lock.enter(Priority::Interactive);
                panic!("inside");
            };
            scope.spawn(inside).join().is_err()
        });
        assert_eq!((panicked, *lock.enter(Priority::Interactive)), (true, 1));
    }
}
