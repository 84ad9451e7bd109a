//! How a thread waits for another: it looks for a while, because what it waits for comes within microseconds, and then sleeps.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

/// One waiting thread, and those that have something for it.
#[derive(Debug, Default)]
pub(super) struct Signal {
    sleeping: AtomicBool,
    /// Who sleeps; looked at only by those who fall asleep and those who wake them.
    sleeper: Mutex<Option<Thread>>,
}

impl Signal {
    /// Waits until `look` finds something: looks `looks` times, then sleeps between looks.
    pub(super) fn wait<T>(&self, looks: u32, mut look: impl FnMut() -> Option<T>) -> T {
        if let Some(found) = spin(looks, &mut look) {
            return found;
        }
        loop {
            if let Some(found) = self.look_or_sleep(&mut look, thread::park) {
                return found;
            }
        }
    }

    /// The same, but it sleeps only once and for `nap` at most: for who also waits for a moment.
    pub(super) fn wait_at_most<T>(&self, looks: u32, nap: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        spin(looks, &mut look).or_else(|| self.look_or_sleep(&mut look, || thread::park_timeout(nap))).or_else(look)
    }

    fn look_or_sleep<T>(&self, look: &mut impl FnMut() -> Option<T>, sleep: impl FnOnce()) -> Option<T> {
        *self.sleeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        self.sleeping.store(true, Ordering::SeqCst);
        // Either we see what was put there before, or whoever puts it there sees that we sleep.
        fence(Ordering::SeqCst);
        let found = look();
        if found.is_none() {
            sleep();
        }
        self.sleeping.store(false, Ordering::SeqCst);
        found
    }

    /// Wakes the thread that waits, if it sleeps. To be called after there is something for it to find.
    #[inline]
    pub(super) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::SeqCst) {
            let sleeper = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
            sleeper.iter().for_each(Thread::unpark);
        }
    }
}

fn spin<T>(looks: u32, look: &mut impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..looks {
        if let Some(found) = look() {
            return Some(found);
        }
        std::hint::spin_loop();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn nobody_sleeps_through_what_came() {
        for looks in [0, 10, 1000] {
            let there = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0), Signal::default(), Signal::default()));
            let here = Arc::clone(&there);
            let rounds = 2000;
            let echo = thread::Builder::new().spawn(move || {
                for round in 1..=rounds {
                    there.2.wait(looks, || (there.0.load(Ordering::Acquire) == round).then_some(()));
                    there.1.store(round, Ordering::Release);
                    there.3.wake();
                }
            });
            for round in 1..=rounds {
                here.0.store(round, Ordering::Release);
                here.2.wake();
                here.3.wait(looks, || (here.1.load(Ordering::Acquire) == round).then_some(()));
            }
            echo.unwrap().join().unwrap();
        }
    }

    #[test]
    fn who_also_waits_for_a_moment_goes_on_when_it_has_come() {
        let (signal, looked) = (Signal::default(), AtomicUsize::new(0));
        let look = || {
            looked.fetch_add(1, Ordering::Relaxed);
            None::<()>
        };
        assert_eq!(signal.wait_at_most(3, Duration::from_millis(1), look), None);
        assert_eq!(looked.load(Ordering::Relaxed), 5, "three times, before it sleeps, and after");
        assert_eq!(signal.wait_at_most(0, Duration::from_secs(3600), || Some(7)), Some(7));
    }
}
