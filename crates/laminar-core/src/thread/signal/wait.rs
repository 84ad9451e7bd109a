//! How a thread waits for another: it looks for a while, because what it waits for comes within microseconds, and then sleeps.

use std::sync::PoisonError;
use std::time::Duration;

use super::sync::thread::{self, Thread};
use super::sync::{AtomicBool, Mutex, Ordering, fence, spin_loop};

/// One waiting thread, and those that have something for it.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    sleeping: AtomicBool,
    /// The waiting thread while it sleeps; read and written only by it when it falls asleep, and by the thread that wakes it.
    sleeper: Mutex<Option<Thread>>,
}

impl Signal {
    /// Waits until `look` finds something: looks `looks` times, then sleeps between looks.
    pub(crate) fn wait<T>(&self, looks: u32, mut look: impl FnMut() -> Option<T>) -> T {
        if let Some(found) = spin(looks, &mut look) {
            return found;
        }
        loop {
            if let Some(found) = self.look_or_sleep(&mut look, thread::park) {
                return found;
            }
        }
    }

    /// The same, but it sleeps only once and for `sleep_max` at most: for a thread that also has something to do at a certain time.
    pub(crate) fn wait_at_most<T>(&self, looks: u32, sleep_max: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        spin(looks, &mut look).or_else(|| self.look_or_sleep(&mut look, || thread::park_timeout(sleep_max))).or_else(look)
    }

    fn look_or_sleep<T>(&self, look: &mut impl FnMut() -> Option<T>, sleep: impl FnOnce()) -> Option<T> {
        *self.sleeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        // Every change is a swap, here and in `wake`: so they stand in one order, and no thread takes its own for the newest.
        self.sleeping.swap(true, Ordering::SeqCst);
        // Either we see what was put there before, or the thread that puts it there sees that we sleep.
        fence(Ordering::SeqCst);
        let found = look();
        if found.is_none() {
            sleep();
        }
        self.sleeping.swap(false, Ordering::SeqCst);
        found
    }

    /// Wakes the thread that waits, if it sleeps. To be called after there is something for it to find.
    #[inline]
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::SeqCst) {
            let sleeper = self.sleeper.lock().unwrap_or_else(PoisonError::into_inner);
            sleeper.iter().for_each(Thread::unpark);
        }
    }
}

/// Looks `looks` times.
pub(super) fn spin<T>(looks: u32, look: &mut impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..looks {
        if let Some(found) = look() {
            return Some(found);
        }
        spin_loop();
    }
    None
}
