//! The gate itself: takes credits, gives them back, counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::{BackpressureConfig, OverflowStrategy};
use crate::thread::CachePadded;
use crate::{Code, Error, Result};

/// What to do with things that were brought to a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Send them; the credits are taken.
    Admitted,
    /// Keep them and come again (`Block`).
    Wait,
    /// Drop them; it is counted (`DropNewest`).
    Dropped,
    /// Drop as many of the oldest that wait and put these in their place, with their credits; it is counted (`DropOldest`).
    ReplaceOldest,
}

/// Counters of a gate, in credits unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditMetrics {
    /// Credits that the gate can have in use.
    pub capacity: usize,
    /// Credits that it could take now.
    pub available: usize,
    /// Credits in use.
    pub in_use: usize,
    /// Taken since the start.
    pub acquired: u64,
    /// Given back since the start.
    pub released: u64,
    /// Times that a sender had to wait.
    pub blocked: u64,
    /// Dropped, new or old.
    pub dropped: u64,
    /// Refused with an error.
    pub refused: u64,
}

/// Gives out credits. Everything but [`acquire`](Self::acquire) is lock-free and never waits; shared between threads by `Arc`.
///
/// ```
/// use laminar_core::tpc::{Admission, BackpressureConfig, CreditGate, OverflowStrategy};
///
/// # fn main() -> laminar_core::Result<()> {
/// let config = BackpressureConfig::builder().exclusive_credits(2).floating_credits(0);
/// let gate = CreditGate::new(config.overflow_strategy(OverflowStrategy::Drop).build()?);
/// assert_eq!(gate.offer(2)?, Admission::Admitted);
/// assert_eq!(gate.offer(1)?, Admission::Dropped);
/// assert_eq!(gate.metrics().dropped, 1);
/// gate.release(2); // the work is done
/// assert_eq!(gate.offer(1)?, Admission::Admitted);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CreditGate {
    config: BackpressureConfig,
    /// Free floating credits.
    floating: Arc<CachePadded<AtomicUsize>>,
    /// A [`Use`] as one word, so that no thread judges the pressure by what was in use before.
    usage: CachePadded<AtomicUsize>,
    closed: AtomicBool,
    acquired: AtomicU64,
    released: AtomicU64,
    blocked: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
}

/// How many credits are in use, and whether that counts as pressure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    pub(super) credits: usize,
    pub(super) is_pressure: bool,
}

impl Use {
    fn of_word(word: usize) -> Self {
        Self { credits: word >> 1, is_pressure: word & 1 == 1 }
    }

    fn word(self) -> usize {
        self.credits << 1 | usize::from(self.is_pressure)
    }
}

impl CreditGate {
    /// A gate with floating credits of its own.
    pub fn new(config: BackpressureConfig) -> Self {
        let floating = Arc::new(CachePadded::new(AtomicUsize::new(config.floating_credits)));
        Self::with_floating(config, floating)
    }

    /// One more gate with exclusive credits of its own that shares the floating ones of `self`.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self::with_floating(self.config.clone(), Arc::clone(&self.floating))
    }

    fn with_floating(config: BackpressureConfig, floating: Arc<CachePadded<AtomicUsize>>) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            config,
            floating,
            usage: CachePadded::default(),
            closed: AtomicBool::new(false),
            acquired: zero(),
            released: zero(),
            blocked: zero(),
            dropped: zero(),
            refused: zero(),
        }
    }

    /// Takes `credits` if all of them can be had. Never waits, drops nothing, counts no refusal.
    pub fn try_acquire(&self, credits: usize) -> bool {
        let mut word = self.usage.load(Ordering::Relaxed);
        loop {
            let before = Use::of_word(word);
            let Some(wanted) = before.credits.checked_add(credits).filter(|wanted| *wanted <= self.config.credits()) else {
                return false;
            };
            let floating = self.floating_of(wanted) - self.floating_of(before.credits);
            if !self.take_floating(floating) {
                return false;
            }
            // Acquire: what the credits stood for before has been worked off.
            let after = self.config.judged(wanted, before).word();
            match self.usage.compare_exchange_weak(word, after, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    self.acquired.fetch_add(credits as u64, Ordering::Relaxed);
                    return true;
                }
                Err(now) => word = now,
            }
            self.give_floating(floating);
        }
    }

    /// Takes `credits`, or says by the strategy what to do with what was brought. Never waits.
    ///
    /// Fails if the gate is closed, if there are fewer credits in all than are asked for, and, by the strategy `Error`, if
    /// they are in use (`Code::LimitReached`).
    pub fn offer(&self, credits: usize) -> Result<Admission> {
        self.expect_possible(credits)?;
        if self.try_acquire(credits) {
            return Ok(Admission::Admitted);
        }
        match self.config.overflow_strategy {
            OverflowStrategy::Block => Ok(Admission::Wait),
            OverflowStrategy::DropNewest => {
                self.count_dropped(credits);
                Ok(Admission::Dropped)
            }
            OverflowStrategy::DropOldest => {
                self.count_dropped(credits);
                Ok(Admission::ReplaceOldest)
            }
            OverflowStrategy::Error => {
                self.refused.fetch_add(credits as u64, Ordering::Relaxed);
                Err(self.no_credits(credits))
            }
        }
    }

    /// Counts things that the caller has dropped by itself, without [`offer`](Self::offer).
    pub(crate) fn count_dropped(&self, credits: usize) {
        self.dropped.fetch_add(credits as u64, Ordering::Relaxed);
    }

    /// Counts that the caller has to wait, which it does by itself, without [`acquire`](Self::acquire).
    pub(crate) fn count_blocked(&self) {
        self.blocked.fetch_add(1, Ordering::Relaxed);
    }

    /// As [`offer`](Self::offer), but where that says `Wait`, this waits until there are credits. Not for a worker's own
    /// thread, which must never stand still.
    ///
    /// Also fails if the gate is closed while it waits.
    pub fn acquire(&self, credits: usize) -> Result<Admission> {
        let mut rounds = 0;
        loop {
            let admission = self.offer(credits)?;
            if admission != Admission::Wait {
                return Ok(admission);
            }
            if rounds == 0 {
                self.count_blocked();
            }
            wait_a_little(rounds);
            rounds += 1;
        }
    }

    /// Gives `credits` back, the floating ones first.
    ///
    /// # Panics
    /// If more are given back than were taken.
    pub fn release(&self, credits: usize) {
        let less = |word: usize| {
            let before = Use::of_word(word);
            before.credits.checked_sub(credits).map(|left| self.config.judged(left, before).word())
        };
        // Release: the work is done before another thread takes the credits for more of it.
        let before = self.usage.fetch_update(Ordering::AcqRel, Ordering::Relaxed, less);
        let before = Use::of_word(before.expect("no more credits are given back than were taken")).credits;
        self.give_floating(self.floating_of(before) - self.floating_of(before - credits));
        self.released.fetch_add(credits as u64, Ordering::Relaxed);
    }

    /// Lets nothing in any more: senders that wait get an error, and so do those that come. Credits can still be given back.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// True from the moment when the high watermark is reached until no more than the low watermark is in use.
    pub fn is_backpressured(&self) -> bool {
        Use::of_word(self.usage.load(Ordering::Relaxed)).is_pressure
    }

    /// Credits that could be taken now. Others may take the floating ones first.
    pub fn available(&self) -> usize {
        self.config.exclusive_credits.saturating_sub(self.in_use()) + self.floating.load(Ordering::Relaxed)
    }

    /// Credits in use.
    pub fn in_use(&self) -> usize {
        Use::of_word(self.usage.load(Ordering::Relaxed)).credits
    }

    /// The settings.
    pub fn config(&self) -> &BackpressureConfig {
        &self.config
    }

    /// The counters. While other threads are at work, each is right by itself, but they may be of different moments.
    pub fn metrics(&self) -> CreditMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CreditMetrics {
            capacity: self.config.credits(),
            available: self.available(),
            in_use: self.in_use(),
            acquired: read(&self.acquired),
            released: read(&self.released),
            blocked: read(&self.blocked),
            dropped: read(&self.dropped),
            refused: read(&self.refused),
        }
    }

    /// How many of `in_use` credits are floating: those beyond the exclusive ones.
    fn floating_of(&self, in_use: usize) -> usize {
        in_use.saturating_sub(self.config.exclusive_credits)
    }

    fn take_floating(&self, credits: usize) -> bool {
        let less = |free: usize| free.checked_sub(credits);
        credits == 0 || self.floating.fetch_update(Ordering::AcqRel, Ordering::Relaxed, less).is_ok()
    }

    fn give_floating(&self, credits: usize) {
        if credits > 0 {
            self.floating.fetch_add(credits, Ordering::Release);
        }
    }

    fn expect_possible(&self, credits: usize) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(Code::Closed, "nothing more is taken in: the receiver is closed"));
        }
        let capacity = self.config.credits();
        if credits > capacity {
            self.refused.fetch_add(credits as u64, Ordering::Relaxed);
            let text = format!("{credits} credits at once, where there are {capacity} in all");
            return Err(Error::new(Code::LimitReached, text).with_hint("send less at once, or raise floating_credits"));
        }
        Ok(())
    }

    fn no_credits(&self, credits: usize) -> Error {
        let text = format!("no room for {credits} more: {} of {} credits are in use", self.in_use(), self.config.credits());
        Error::new(Code::LimitReached, text).with_hint("send again later, raise the credits, or use OverflowStrategy::Block")
    }
}

/// Spins, then lets others run, then sleeps: giving credits back stays without a lock and without a call to the system.
pub(crate) fn wait_a_little(rounds: u32) {
    match rounds {
        0..64 => std::hint::spin_loop(),
        64..128 => std::thread::yield_now(),
        _ => std::thread::sleep(Duration::from_micros(50)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(exclusive: usize, floating: usize, strategy: OverflowStrategy) -> CreditGate {
        let config = BackpressureConfig::builder().exclusive_credits(exclusive).floating_credits(floating);
        CreditGate::new(config.overflow_strategy(strategy).build().unwrap())
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let start = BackpressureConfig::builder;
        for (config, expected) in [
            (start().exclusive_credits(0), "LDB-1006: a gate without exclusive credits; hint: give it at least 1"),
            (start().high_watermark(0.5), "LDB-1006: pressure from 0.5 of the credits down to 0.5; hint: use 0 <= low"),
            (start().high_watermark(1.5), "LDB-1006: pressure from 1.5"),
            (start().low_watermark(-0.5), "LDB-1006: pressure from 0.8 of the credits down to -0.5"),
            (start().low_watermark(f64::NAN), "LDB-1006: pressure from 0.8 of the credits down to NaN"),
            (start().floating_credits(usize::MAX), "LDB-1006: more credits than can be counted"),
        ] {
            let error = config.build().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn all_or_none_of_the_credits_are_taken() {
        let gate = gate(2, 2, OverflowStrategy::Block);
        assert!(gate.try_acquire(3) && !gate.try_acquire(2) && gate.try_acquire(1) && gate.try_acquire(0));
        assert_eq!((gate.available(), gate.in_use()), (0, 4));
        gate.release(4);
        assert_eq!((gate.available(), gate.in_use()), (4, 0));
        assert!(!gate.try_acquire(5) && !gate.try_acquire(usize::MAX));
    }

    #[test]
    fn floating_credits_go_where_the_load_is_and_come_back_first() {
        let busy = gate(2, 3, OverflowStrategy::Block);
        let calm = busy.sibling();
        assert!(busy.try_acquire(5));
        assert_eq!((calm.available(), calm.try_acquire(2), calm.try_acquire(1)), (2, true, false));
        busy.release(1);
        assert!(calm.try_acquire(1), "a floating credit came back");
        assert!(!busy.try_acquire(1), "and is gone again");
        busy.release(4);
        calm.release(3);
        assert_eq!((busy.available(), calm.available()), (5, 5));
    }

    #[test]
    fn pressure_stays_between_the_watermarks() {
        let config = BackpressureConfig::builder().exclusive_credits(10).floating_credits(0);
        let gate = CreditGate::new(config.high_watermark(0.8).low_watermark(0.5).build().unwrap());
        let mut seen = Vec::new();
        for step in [7, 1, -2, -1, 2, -3] {
            if step > 0 {
                assert!(gate.try_acquire(step as usize))
            } else {
                gate.release(-step as usize)
            }
            seen.push((gate.in_use(), gate.is_backpressured()));
        }
        assert_eq!(seen, [(7, false), (8, true), (6, true), (5, false), (7, false), (4, false)]);
    }

    #[test]
    fn each_strategy_says_what_to_do_and_counts_what_is_lost() {
        use OverflowStrategy as S;
        for (strategy, expected, dropped, refused) in [
            (S::Block, Some(Admission::Wait), 0, 0),
            (S::DropNewest, Some(Admission::Dropped), 2, 0),
            (S::Drop, Some(Admission::Dropped), 2, 0),
            (S::DropOldest, Some(Admission::ReplaceOldest), 2, 0),
            (S::Error, None, 0, 2),
        ] {
            let gate = gate(2, 1, strategy);
            assert_eq!(gate.offer(2), Ok(Admission::Admitted));
            assert_eq!(gate.offer(2).ok(), expected, "{strategy:?}");
            let counted =
                CreditMetrics { capacity: 3, available: 1, in_use: 2, acquired: 2, released: 0, blocked: 0, dropped, refused };
            assert_eq!(gate.metrics(), counted, "{strategy:?}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let gate = gate(2, 1, OverflowStrategy::Error);
        let text = |credits| gate.offer(credits).unwrap_err().to_string();
        assert_eq!(
            text(4),
            "LDB-4001: 4 credits at once, where there are 3 in all; hint: send less at once, or raise floating_credits"
        );
        assert!(gate.try_acquire(3));
        assert!(text(1).starts_with("LDB-4001: no room for 1 more: 3 of 3 credits are in use; hint: send again later"));
        gate.close();
        assert!(text(1).starts_with("LDB-4002"));
    }

    #[test]
    #[should_panic(expected = "no more credits are given back than were taken")]
    fn credits_cannot_be_made_up() {
        gate(2, 0, OverflowStrategy::Block).release(1);
    }

    #[test]
    fn who_waits_goes_on_when_credits_come_back_or_the_gate_closes() {
        let gate = gate(1, 0, OverflowStrategy::Block);
        assert!(gate.try_acquire(1));
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| gate.acquire(1));
            wait_until(|| gate.metrics().blocked == 1);
            gate.release(1);
            assert_eq!(waiting.join().unwrap(), Ok(Admission::Admitted));
            let waiting = threads.spawn(|| gate.acquire(1));
            wait_until(|| gate.metrics().blocked == 2);
            gate.close();
            assert_eq!(waiting.join().unwrap().unwrap_err().code(), Code::Closed);
        });
    }

    fn wait_until(condition: impl Fn() -> bool) {
        while !condition() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn two_gates_in_four_threads_never_give_out_more_than_there_is() {
        let first = gate(3, 5, OverflowStrategy::Block);
        let second = first.sibling();
        let most = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for (gate, credits) in [(&first, 1), (&first, 4), (&second, 2), (&second, 7)] {
                let most = &most;
                threads.spawn(move || {
                    for _ in 0..5_000 {
                        if gate.try_acquire(credits) {
                            most.fetch_add(credits, Ordering::SeqCst);
                            assert!(most.load(Ordering::SeqCst) <= 3 + 3 + 5);
                            most.fetch_sub(credits, Ordering::SeqCst);
                            gate.release(credits);
                        }
                    }
                });
            }
        });
        assert_eq!((first.available(), second.available()), (8, 8));
        assert_eq!(first.metrics().acquired, first.metrics().released);
    }
}
