//! Chains of queues: a thread behind each, any of which may go before the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use laminar_core::tpc::{Consumer, Producer, SpscQueue};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::random::{for_each_case, stress_cases};

/// An item that says when it is dropped. Its number stands behind a pointer, so that whoever reads it before it is there reads anything.
struct Item {
    number: Box<u64>,
    living: Arc<AtomicUsize>,
}

impl Item {
    fn new(number: u64, living: &Arc<AtomicUsize>) -> Self {
        living.fetch_add(1, Ordering::Relaxed);
        Self { number: Box::new(number), living: Arc::clone(living) }
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.living.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread of the chain: how many items it hands on before it goes, and how it takes them.
struct Stage {
    rng: StdRng,
    items_max: u64,
}

impl Stage {
    fn random(rng: &mut StdRng, items: u64) -> Self {
        let goes_early = rng.random_bool(0.2);
        let items_max = if goes_early { rng.random_range(0..items) } else { u64::MAX };
        Self { rng: StdRng::seed_from_u64(rng.random()), items_max }
    }

    /// Puts items in until there are no more, or until the other end is gone.
    fn produce(&mut self, mut producer: Producer<Item>, items: u64, living: &Arc<AtomicUsize>) {
        let items = items.min(self.items_max);
        let mut next = 0;
        while next < items && !producer.is_closed() {
            let end = (next + self.rng.random_range(1..40)).min(items);
            next += producer.push_batch(&mut (next..end).map(|number| Item::new(number, living))) as u64;
            thread::yield_now();
        }
    }

    /// Hands items on, one by one or in batches, until no more come or until the other end is gone.
    fn hand_on(&mut self, from: &Consumer<Item>, to: &mut Producer<Item>) {
        let (mut taken, mut handed) = (Vec::new(), 0);
        while handed < self.items_max && !to.is_closed() {
            if !self.take(from, &mut taken) {
                return;
            }
            let count = taken.len();
            let mut rest = taken.drain(..).peekable();
            while rest.peek().is_some() && !to.is_closed() {
                if to.push_batch(&mut rest) == 0 {
                    thread::yield_now();
                }
            }
            handed += (count - rest.count()) as u64;
        }
    }

    fn consume(&mut self, from: &Consumer<Item>) -> Vec<Item> {
        let mut items = Vec::new();
        while (items.len() as u64) < self.items_max && self.take(from, &mut items) {}
        items
    }

    /// False if nothing will come any more.
    fn take(&mut self, from: &Consumer<Item>, into: &mut Vec<Item>) -> bool {
        let closed = from.is_closed();
        let taken = match self.rng.random_range(0..20) {
            0 => from.pop().map(|item| into.push(item)).is_some(),
            batch => from.pop_batch(into, batch) > 0,
        };
        if !taken && !closed {
            thread::yield_now();
        }
        taken || !closed
    }
}

/// Runs a chain and returns what came out at its end.
fn run_chain(rng: &mut StdRng, items: u64, living: &Arc<AtomicUsize>) -> Vec<Item> {
    let queues: Vec<SpscQueue<Item>> =
        (0..rng.random_range(1..4)).map(|_| SpscQueue::with_capacity(rng.random_range(1..64))).collect();
    let (mut producers, mut consumers): (Vec<_>, Vec<_>) = queues.into_iter().map(SpscQueue::split).unzip();
    let (first, last) = (producers.remove(0), consumers.pop().unwrap());
    let stage = || Stage::random(rng, items);
    let mut stages: Vec<Stage> = std::iter::repeat_with(stage).take(producers.len() + 2).collect();
    let (mut begin, mut end) = (stages.pop().unwrap(), stages.pop().unwrap());
    thread::scope(|threads| {
        threads.spawn(move || begin.produce(first, items, living));
        for ((from, mut to), mut stage) in consumers.into_iter().zip(producers).zip(stages) {
            threads.spawn(move || stage.hand_on(&from, &mut to));
        }
        threads.spawn(move || end.consume(&last)).join().unwrap()
    })
}

#[test]
fn items_come_out_in_order_from_the_first_on_and_none_is_left_or_dropped_twice() {
    for_each_case(stress_cases(60), |rng| {
        let (items, living) = (rng.random_range(1..2_000), Arc::new(AtomicUsize::new(0)));
        let out = run_chain(rng, items, &living);
        assert!(out.len() as u64 <= items && (0..).zip(&out).all(|(expected, item)| *item.number == expected));
        assert_eq!(living.load(Ordering::Relaxed), out.len(), "what did not come out is dropped, once");
        drop(out);
        assert_eq!(living.load(Ordering::Relaxed), 0);
    });
}
