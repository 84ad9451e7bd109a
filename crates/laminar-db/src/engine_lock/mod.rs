//! The lock of the engine: one thread at a time holds it, and threads that wait get it by priority and in order of arrival.
//!
//! Interactive threads (a push, a statement: the caller waits for the answer) go before background ones (a loop that reads and steps on and on), but let
//! one pass when it has waited long enough. A thread that finds the lock free and no other waiting takes it: that costs what a mutex costs.
//!
//! Waiting threads stand in a queue, each asleep until it is called: by the one that lets go of the lock, since it is the next, or by the one that has done
//! its job. A job is what a caller would do inside, left at the queue ([`EngineLock::leave_job`]): who is inside does the jobs of those who have come meanwhile
//! before it goes. To wake a thread and to let it in takes longer than a push; so many callers together are as fast as one.

mod wait_queue;

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use laminar_core::Result;
use laminar_core::limits::{CONTENTION_NS, LATENCY_BUDGET_NS};
use laminar_core::panics::caught;
use laminar_core::time::Clock;

use self::wait_queue::{Called, WaitQueue, Waiter};

/// What the lock protects, and the threads that wait for it.
pub(crate) struct EngineLock<T> {
    inside: Mutex<T>,
    queue: Mutex<WaitQueue<Job<T>>>,
    /// How many stand in the queue; written under its lock.
    waiting: AtomicUsize,
    /// How many of these are interactive.
    interactive: AtomicUsize,
    /// Background threads that have nothing to do sleep here.
    beds: [Bed; 3],
    /// When a thread had to wait last, in wall-clock nanoseconds.
    contended_at: AtomicI64,
    clock: Arc<dyn Clock>,
    on_leaving: Option<OnLeaving<T>>,
}

/// Finds what a thread that leaves has to do outside.
type OnLeaving<T> = Box<dyn Fn(&mut T) -> Option<Errand<T>> + Send + Sync>;
/// What a thread does that has let go of the lock.
pub(crate) type Errand<T> = Box<dyn FnOnce(&EngineLock<T>)>;

/// What a thread has left to be done by the one that is inside.
type Job<T> = Box<dyn FnOnce(&mut EngineGuard<'_, T>) + Send>;

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
    /// How often those who slept here were woken.
    calls: Mutex<u64>,
    wakeups: Condvar,
    /// How many sleep, or are about to; raised with the engine's lock held, so that who comes in afterwards knows of them.
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
    leaving: Leaving<'a, T>,
}

/// Wakes those that sleep, and calls the next of those that wait, on the way out.
struct Leaving<'a, T> {
    lock: &'a EngineLock<T>,
    /// For what sleepers are woken.
    wakeups: [bool; 3],
    /// It looks for no errand.
    has_no_errand: bool,
    /// What is done outside.
    errand: Option<Errand<T>>,
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
            on_leaving: None,
        }
    }

    /// The same lock; each thread that leaves does what `errand` finds while it is still inside, when it has let go of it.
    pub(crate) fn on_leaving(self, errand: impl Fn(&mut T) -> Option<Errand<T>> + Send + Sync + 'static) -> Self {
        Self { on_leaving: Some(Box::new(errand)), ..self }
    }

    /// Goes in, when it is one's turn. An interactive thread has changed something and left work when it goes, unless it says otherwise; a
    /// background thread wakes those that it says.
    pub(crate) fn enter(&self, priority: Priority) -> EngineGuard<'_, T> {
        self.try_enter(priority).unwrap_or_else(|| {
            loop {
                // Without a job there is none that another could do for it.
                if let Some(inside) = self.wait_in_queue(&Waiter::new(priority, None)) {
                    return inside;
                }
            }
        })
    }

    /// Goes in if the lock is free and no thread waits.
    pub(crate) fn try_enter(&self, priority: Priority) -> Option<EngineGuard<'_, T>> {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return None;
        }
        self.try_lock().map(|guard| self.guarded(guard, priority))
    }

    /// Has `job` done as an interactive thread: by the thread that is inside when it is its turn, or by this one. A panic in it becomes an error.
    #[cold]
    pub(crate) fn leave_job<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut EngineGuard<'_, T>) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let outcome = Arc::new(Mutex::new(None));
        let place = Arc::clone(&outcome);
        let job: Job<T> = Box::new(move |inside| *locked(&place) = Some(caught(|| job(inside))));
        let me = Waiter::new(Priority::Interactive, Some(job));
        if let Some(mut inside) = self.wait_in_queue(&me) {
            if let Some(job) = me.take_job() {
                job(&mut inside);
            }
            self.do_jobs(&mut inside);
        }
        let outcome = locked(&outcome).take();
        outcome.unwrap_or_else(|| Err(laminar_core::Error::internal("a job at the engine's lock was not done")))
    }

    /// Does the jobs of those who are waiting now, as long as the next of them has left one and for about a millisecond: this thread has a caller of its own.
    pub(crate) fn do_jobs(&self, inside: &mut EngineGuard<'_, T>) {
        let mut began = None;
        for _ in 0..self.waiting.load(Ordering::Acquire) {
            let now = self.clock.now();
            if now.saturating_sub(*began.get_or_insert(now)) > LATENCY_BUDGET_NS as i64 {
                return;
            }
            let mut queue = locked(&self.queue);
            let Some((waiter, job)) = queue.take_job(now) else { return };
            self.count(&queue);
            drop(queue);
            inside.wake(Wakeup::Change);
            inside.wake(Wakeup::Work);
            job(inside);
            waiter.call(Called::Done);
        }
    }

    /// Whether a thread has had to wait within the last second: no one thread makes itself wait.
    pub(crate) fn is_contended(&self) -> bool {
        self.clock.now().saturating_sub(self.contended_at.load(Ordering::Relaxed)) < CONTENTION_NS
    }

    /// Whether a thread that is inside keeps one out that waits for an answer.
    pub(crate) fn interactive_wait(&self) -> bool {
        self.interactive.load(Ordering::Acquire) > 0
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.inside.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn guarded<'a>(&'a self, guard: MutexGuard<'a, T>, priority: Priority) -> EngineGuard<'a, T> {
        let is_interactive = priority == Priority::Interactive;
        EngineGuard {
            guard,
            leaving: Leaving { lock: self, wakeups: [is_interactive, is_interactive, false], has_no_errand: false, errand: None },
        }
    }

    /// Goes in when it is the turn of `me`; `None`: its job was done instead.
    #[cold]
    fn wait_in_queue(&self, me: &Arc<Waiter<Job<T>>>) -> Option<EngineGuard<'_, T>> {
        let now = self.clock.now();
        self.contended_at.store(now, Ordering::Relaxed);
        let mut queue = locked(&self.queue);
        queue.join(Arc::clone(me), now);
        self.count(&queue);
        drop(queue);
        // Who was inside may have gone before it could see that one waits: see `Leaving::drop`.
        fence(Ordering::SeqCst);
        if self.try_lock().is_some() {
            self.call_next();
        }
        while me.wait() == Called::Next {
            let inside = self.guarded(locked(&self.inside), me.priority());
            let now = self.clock.now();
            let mut queue = locked(&self.queue);
            let is_next = queue.leave(me, now);
            self.count(&queue);
            drop(queue);
            if is_next {
                return Some(inside);
            }
            inside.step_back();
        }
        None
    }

    /// Tells those that do not hold the queue's lock how many stand in it.
    fn count(&self, queue: &WaitQueue<Job<T>>) {
        self.waiting.store(queue.len(), Ordering::Release);
        self.interactive.store(queue.interactive(), Ordering::Release);
    }

    #[cold]
    fn call_next(&self) {
        let now = self.clock.now();
        let queue = locked(&self.queue);
        if let Some(next) = queue.next(now) {
            next.call(Called::Next);
        }
    }

    /// Lets go and sleeps until another thread wakes it for this, `at_most` so long. Those are woken first whom this one wakes.
    pub(crate) fn sleep(&self, inside: EngineGuard<'_, T>, wakeup: Wakeup, at_most: Duration) {
        let bed = &self.beds[wakeup as usize];
        inside.leaving.wake_sleepers();
        let calls = *locked(&bed.calls);
        bed.sleepers.fetch_add(1, Ordering::Relaxed);
        inside.leave_unchanged();
        let sleeps = |now: &mut u64| *now == calls;
        drop(bed.wakeups.wait_timeout_while(locked(&bed.calls), at_most, sleeps).unwrap_or_else(PoisonError::into_inner));
        bed.sleepers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> EngineGuard<'_, T> {
    /// Wakes those that sleep until this happens, when it goes.
    pub(crate) fn wake(&mut self, wakeup: Wakeup) {
        self.leaving.wakeups[wakeup as usize] = true;
    }

    /// Whether a thread sleeps that will be woken for this.
    pub(crate) fn wakes(&self, wakeup: Wakeup) -> bool {
        self.leaving.wakeups[wakeup as usize] && self.leaving.lock.beds[wakeup as usize].sleepers.load(Ordering::Relaxed) > 0
    }

    /// There is nothing to do for a thread that sleeps until there is.
    pub(crate) fn leave_no_work(&mut self) {
        self.leaving.wakeups[Wakeup::Work as usize] = false;
    }

    /// Goes and wakes none of those that sleep.
    fn leave_unchanged(mut self) {
        self.leaving.wakeups = [false; 3];
    }

    /// Goes without having been inside: it still waits.
    fn step_back(mut self) {
        self.leaving.has_no_errand = true;
        self.leave_unchanged();
    }

    /// Goes and leaves what there is to do outside to the next one.
    pub(crate) fn leave_errand(mut self) {
        self.leaving.has_no_errand = true;
    }
}

impl<T> Drop for EngineGuard<'_, T> {
    fn drop(&mut self) {
        let lock = self.leaving.lock;
        if let Some(find) = lock.on_leaving.as_ref().filter(|_| !self.leaving.has_no_errand && !std::thread::panicking()) {
            self.leaving.errand = find(&mut self.guard);
        }
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

impl<T> Leaving<'_, T> {
    fn wake_sleepers(&self) {
        // A thread that has gone to sleep since this one left the lock has seen what it did.
        for (bed, wanted) in self.lock.beds.iter().zip(self.wakeups) {
            if wanted && bed.sleepers.load(Ordering::Relaxed) > 0 {
                *locked(&bed.calls) += 1;
                bed.wakeups.notify_all();
            }
        }
    }
}

impl<T> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        self.wake_sleepers();
        // The lock was let go of before this look; who waits is counted before it looks at the lock. So one of the two sees the other.
        fence(Ordering::SeqCst);
        if self.lock.waiting.load(Ordering::Relaxed) > 0 {
            self.lock.call_next();
        }
        if let Some(errand) = self.errand.take() {
            errand(self.lock);
        }
    }
}

/// A poisoned lock means that a panic left a statement half done; steps themselves are guarded by the executor.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use laminar_core::time::ManualClock;

    use super::*;

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

    #[test]
    fn the_thread_inside_does_the_jobs_of_those_who_wait_in_their_order_up_to_one_that_wants_to_go_in() {
        let lock = lock(Vec::new());
        let leave = |number| lock.leave_job(move |inside| Ok(inside.push((number, thread::current().id()))));
        thread::scope(|scope| {
            let mut inside = lock.enter(Priority::Interactive);
            let mut waiting = 0;
            let mut arrive = |arrival: Box<dyn FnOnce() + Send>| {
                scope.spawn(arrival);
                waiting += 1;
                until(|| lock.waiting.load(Ordering::Acquire) == waiting);
            };
            for number in 1..=3 {
                arrive(Box::new(move || leave(number).unwrap()));
            }
            arrive(Box::new(|| lock.enter(Priority::Interactive).push((4, thread::current().id()))));
            arrive(Box::new(move || leave(5).unwrap()));
            lock.do_jobs(&mut inside);
            assert_eq!(*inside, [1, 2, 3].map(|number| (number, thread::current().id())));
            assert_eq!(lock.waiting.load(Ordering::Acquire), 2);
        });
        let done: Vec<_> = lock.enter(Priority::Interactive).iter().map(|(number, _)| *number).collect();
        assert_eq!(done, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_thread_that_has_done_jobs_for_a_millisecond_goes_and_the_next_one_does_its_own() {
        let clock = ManualClock::at(0);
        let lock = EngineLock::new(Vec::new(), Arc::new(clock.clone()));
        thread::scope(|scope| {
            let mut inside = lock.enter(Priority::Interactive);
            for number in 1..=3 {
                let (lock, clock) = (&lock, clock.clone());
                scope.spawn(move || {
                    lock.leave_job(move |inside| {
                        clock.advance(LATENCY_BUDGET_NS as i64 + 1);
                        Ok(inside.push((number, thread::current().id())))
                    })
                });
                until(|| lock.waiting.load(Ordering::Acquire) == number);
            }
            lock.do_jobs(&mut inside);
            assert_eq!(*inside, [(1, thread::current().id())]);
        });
        let done = lock.enter(Priority::Interactive);
        assert_eq!(done.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(done[1..].iter().all(|(_, thread)| *thread != thread::current().id()));
    }

    #[test]
    fn a_panic_in_a_job_is_the_error_of_who_left_it() {
        let lock = lock(0);
        let (failed, done) = thread::scope(|scope| {
            let mut inside = lock.enter(Priority::Interactive);
            let failed = scope.spawn(|| lock.leave_job(|_| -> Result<()> { panic!("boom") }));
            until(|| lock.waiting.load(Ordering::Acquire) == 1);
            let done = scope.spawn(|| lock.leave_job(|inside| Ok(**inside += 1)));
            until(|| lock.waiting.load(Ordering::Acquire) == 2);
            lock.do_jobs(&mut inside);
            (failed.join().unwrap(), done.join().unwrap())
        });
        assert_eq!((failed.unwrap_err().to_string(), done), ("LDB-9001: panicked: boom".to_owned(), Ok(())));
        assert_eq!(*lock.enter(Priority::Interactive), 1);
    }

    #[test]
    fn jobs_turns_and_sleeps_of_a_crowd_are_all_done_and_none_is_forgotten() {
        let lock = lock((0, 0_usize));
        let alone = |inside: &mut (i32, usize)| {
            inside.0 += 1;
            assert_eq!(inside.0, 1, "no other thread is inside");
            inside.1 += 1;
            inside.0 -= 1;
        };
        thread::scope(|scope| {
            for thread in 0..8 {
                let lock = &lock;
                scope.spawn(move || {
                    for round in 0..500 {
                        match (thread, lock.try_enter(Priority::Interactive)) {
                            (0, inside) => {
                                drop(inside);
                                let mut inside = lock.enter(Priority::Background);
                                alone(&mut inside);
                                if round % 50 == 0 {
                                    lock.sleep(inside, Wakeup::Change, Duration::from_millis(1));
                                }
                            }
                            (1, inside) => {
                                drop(inside);
                                alone(&mut lock.enter(Priority::Interactive));
                            }
                            (_, Some(mut inside)) => {
                                alone(&mut inside);
                                lock.do_jobs(&mut inside);
                            }
                            (_, None) => lock.leave_job(move |inside| Ok(alone(inside))).unwrap(),
                        }
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
                *locked(&lock.beds[wakeup as usize].calls) += 1;
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
    fn a_thread_that_leaves_its_errand_has_it_done_by_the_next_one() {
        let lock = lock((0, 0)).on_leaving(|inside: &mut (i32, i32)| {
            let found = std::mem::take(&mut inside.0);
            (found > 0).then(|| -> Errand<(i32, i32)> { Box::new(move |lock| lock.enter(Priority::Interactive).1 += found) })
        });
        let mut inside = lock.enter(Priority::Interactive);
        inside.0 = 7;
        inside.leave_errand();
        let inside = lock.enter(Priority::Interactive);
        assert_eq!(*inside, (7, 0));
        drop(inside);
        assert_eq!(*lock.enter(Priority::Interactive), (0, 7));
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
