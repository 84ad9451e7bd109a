//! The clock of a database that is recovered: while its log is replayed, it is as late as it was then.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use laminar_core::time::Clock;

/// Tells the time of what is replayed, and afterwards that of another clock; but never goes back behind what was replayed, if that one did.
pub(crate) struct ReplayClock {
    clock: Arc<dyn Clock>,
    /// The time of what is replayed; [`NOT_REPLAYING`] afterwards.
    replayed: AtomicI64,
    /// The latest time that was replayed.
    floor: AtomicI64,
}

const NOT_REPLAYING: i64 = i64::MIN;

impl ReplayClock {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, replayed: AtomicI64::new(NOT_REPLAYING), floor: AtomicI64::new(i64::MIN) }
    }

    /// What is replayed now happened at `now`.
    pub(crate) fn replay(&self, now: i64) {
        let floor = self.floor.load(Ordering::Relaxed).max(now);
        self.floor.store(floor, Ordering::Relaxed);
        self.replayed.store(floor, Ordering::Relaxed);
    }

    /// Everything has been replayed.
    pub(crate) fn go_on(&self) {
        self.replayed.store(NOT_REPLAYING, Ordering::Relaxed);
    }
}

impl Clock for ReplayClock {
    fn now(&self) -> i64 {
        match self.replayed.load(Ordering::Relaxed) {
            NOT_REPLAYING => self.clock.now().max(self.floor.load(Ordering::Relaxed)),
            replayed => replayed,
        }
    }
}

#[cfg(test)]
mod tests {
    use laminar_core::time::ManualClock;

    use super::*;

    #[test]
    fn a_clock_that_went_back_while_the_database_was_closed_stands_still_until_it_has_caught_up() {
        let inner = Arc::new(ManualClock::at(50));
        let clock = ReplayClock::new(inner.clone());
        assert_eq!(clock.now(), 50);
        clock.replay(100);
        clock.replay(90);
        assert_eq!(clock.now(), 100);
        clock.go_on();
        assert_eq!(clock.now(), 100);
        inner.advance(120);
        assert_eq!(clock.now(), 170);
    }
}
