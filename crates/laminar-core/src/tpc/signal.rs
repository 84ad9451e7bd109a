//! How a thread waits for another: it looks for a while, because what it waits for comes within microseconds, and then sleeps.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};

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
        for _ in 0..looks {
            if let Some(found) = look() {
                return found;
            }
            std::hint::spin_loop();
        }
        *self.sleeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        loop {
            self.sleeping.store(true, Ordering::SeqCst);
            // Either we see what was put there before, or whoever puts it there sees that we sleep.
            fence(Ordering::SeqCst);
            if let Some(found) = look() {
                self.sleeping.store(false, Ordering::SeqCst);
                return found;
            }
            thread::park();
        }
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
}
