//! Gates that share floating credits, with threads that take, wait, give back and close.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use laminar_core::Code;
use laminar_core::tpc::{Admission, BackpressureConfig, CreditGate, OverflowStrategy};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::random::{for_each_case, stress_cases};

/// A gate, and what its credits stand for: each is right to one of these.
struct Door {
    gate: CreditGate,
    inside: AtomicI64,
    admitted: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
}

impl Door {
    fn new(gate: CreditGate) -> Self {
        let [admitted, dropped, refused] = [0; 3].map(AtomicU64::new);
        Self { gate, inside: AtomicI64::new(0), admitted, dropped, refused }
    }

    /// Comes with `credits` and goes again. False if the gate is closed.
    fn visit(&self, credits: usize, total: &AtomicI64, most: i64) -> bool {
        let counted = |counter: &AtomicU64| {
            counter.fetch_add(credits as u64, Ordering::Relaxed);
            true
        };
        match self.gate.acquire(credits) {
            Ok(Admission::Admitted) => {
                let inside = self.inside.fetch_add(credits as i64, Ordering::SeqCst) + credits as i64;
                assert!(inside <= self.gate.config().credits() as i64, "{inside} in one gate");
                let all = total.fetch_add(credits as i64, Ordering::SeqCst) + credits as i64;
                assert!(all <= most, "{all} in all gates");
                thread::yield_now();
                total.fetch_sub(credits as i64, Ordering::SeqCst);
                self.inside.fetch_sub(credits as i64, Ordering::SeqCst);
                self.gate.release(credits);
                counted(&self.admitted)
            }
            Ok(Admission::Dropped | Admission::ReplaceOldest) => counted(&self.dropped),
            Ok(Admission::Wait) => panic!("`acquire` waits by itself"),
            Err(error) if error.code() == Code::LimitReached => counted(&self.refused),
            Err(error) => {
                assert_eq!(error.code(), Code::Closed);
                false
            }
        }
    }

    /// What must hold when nobody is inside.
    fn check_empty(&self, free: usize) {
        let metrics = self.gate.metrics();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!((metrics.in_use, metrics.available), (0, free));
        assert_eq!((metrics.acquired, metrics.released), (read(&self.admitted), read(&self.admitted)));
        assert_eq!((metrics.dropped, metrics.refused), (read(&self.dropped), read(&self.refused)));
        assert!(!self.gate.is_backpressured(), "nothing is in use");
    }
}

const STRATEGIES: [OverflowStrategy; 4] =
    [OverflowStrategy::Block, OverflowStrategy::DropNewest, OverflowStrategy::DropOldest, OverflowStrategy::Error];

#[test]
fn gates_give_out_no_more_than_there_is_and_are_as_before_when_all_is_given_back() {
    for_each_case(stress_cases(100), |rng| {
        let (exclusive, floating) = (rng.random_range(1..6), rng.random_range(0..8));
        let config = BackpressureConfig::builder().exclusive_credits(exclusive).floating_credits(floating);
        let config = config.overflow_strategy(STRATEGIES[rng.random_range(0..4)]).build().unwrap();
        let mut doors = vec![Door::new(CreditGate::new(config))];
        (1..rng.random_range(1..4)).for_each(|_| doors.push(Door::new(doors[0].gate.sibling())));
        let most = (doors.len() * exclusive + floating) as i64;
        let (total, closes) = (AtomicI64::new(0), rng.random_bool(0.3));
        let closed = AtomicBool::new(false);
        let mut visitors: Vec<StdRng> = (0..rng.random_range(2..5)).map(|_| StdRng::seed_from_u64(rng.random())).collect();
        thread::scope(|threads| {
            for rng in &mut visitors {
                threads.spawn(|| {
                    for _ in 0..200 {
                        let door = &doors[rng.random_range(0..doors.len())];
                        let was_closed = closed.load(Ordering::SeqCst);
                        let comes_in = door.visit(rng.random_range(0..=exclusive + floating), &total, most);
                        assert!(closes || comes_in, "nobody has closed it");
                        assert!(!(was_closed && comes_in), "all are closed");
                    }
                });
            }
            if closes {
                (0..rng.random_range(0..2_000)).for_each(|_| thread::yield_now());
                doors.iter().for_each(|door| door.gate.close());
                closed.store(true, Ordering::SeqCst);
            }
        });
        doors.iter().for_each(|door| door.check_empty(exclusive + floating));
    });
}

#[test]
fn pressure_is_over_when_everything_has_come_back_however_soon() {
    let rounds = 500 * stress_cases(100) as usize;
    let config = BackpressureConfig::builder().exclusive_credits(1).floating_credits(0).build().unwrap();
    let (gate, given_back, mut stuck) = (CreditGate::new(config), AtomicUsize::new(0), 0);
    thread::scope(|threads| {
        threads.spawn(|| {
            for round in 1..=rounds {
                wait_until(|| gate.in_use() == 1);
                gate.release(1);
                given_back.store(round, Ordering::Release);
            }
        });
        for round in 1..=rounds {
            assert!(gate.try_acquire(1));
            wait_until(|| given_back.load(Ordering::Acquire) == round);
            stuck += usize::from(gate.is_backpressured());
        }
    });
    assert_eq!(stuck, 0, "rounds after which there was pressure though nothing was in use");
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}
