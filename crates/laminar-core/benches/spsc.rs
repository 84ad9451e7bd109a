//! Compares the queue with others, two threads each, in turn: `cargo bench -p laminar-core --bench spsc`.
//!
//! Each line is one way to move items from one thread to the other: the median time of an item over all rounds, and the
//! median of the ratios to rtrb in the same round. Both threads spin; with fewer than two free cores the figures mean nothing.

#![expect(clippy::print_stdout, reason = "a benchmark reports on the screen")]

use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::thread;

use laminar_core::time::{Clock, SystemClock};
use laminar_core::tpc::{SpscQueue, affinity};
use rtrb::chunks::ChunkError;

const ITEMS: u64 = 10_000_000;
const CAPACITY: usize = 1024;
const BATCH: usize = 64;
const ROUNDS: usize = 9;

/// Runs both sides on cores of their own and returns the nanoseconds of one item. The sum proves that all came.
fn measure(produce: impl FnOnce() + Send, consume: impl FnOnce() -> u64 + Send) -> f64 {
    let both_are_there = Barrier::new(2);
    let there = |cpu| {
        let _ = affinity::pin_current_thread(cpu);
        both_are_there.wait();
    };
    let consumer = || {
        there(0);
        let start = SystemClock.now();
        assert_eq!(consume(), ITEMS * (ITEMS - 1) / 2, "no item was lost");
        (SystemClock.now() - start) as f64 / ITEMS as f64
    };
    thread::scope(|threads| {
        threads.spawn(|| {
            there(1);
            produce();
        });
        threads.spawn(consumer).join().expect("the consumer found all items")
    })
}

/// Offers 0.. one by one until each is taken.
fn push_singly(mut push: impl FnMut(u64) -> bool) {
    for item in 0..ITEMS {
        while !push(item) {
            spin_loop();
        }
    }
}

fn pop_singly(mut pop: impl FnMut() -> Option<u64>) -> u64 {
    let (mut left, mut sum) = (ITEMS, 0);
    while left > 0 {
        match pop() {
            Some(item) => {
                sum += black_box(item);
                left -= 1;
            }
            None => spin_loop(),
        }
    }
    sum
}

/// Offers 0.. in batches of [`BATCH`]; `push` takes what fits out of the range.
fn push_batches(mut push: impl FnMut(&mut std::ops::Range<u64>)) {
    let mut next = 0;
    while next < ITEMS {
        let mut batch = next..(next + BATCH as u64).min(ITEMS);
        while !batch.is_empty() {
            let before = batch.start;
            push(&mut batch);
            if batch.start == before {
                spin_loop();
            }
        }
        next += BATCH as u64;
    }
}

/// `pop` appends what it takes.
fn pop_batches(mut pop: impl FnMut(&mut Vec<u64>)) -> u64 {
    let (mut left, mut sum, mut batch) = (ITEMS, 0, Vec::with_capacity(BATCH));
    while left > 0 {
        pop(&mut batch);
        if batch.is_empty() {
            spin_loop();
        }
        left -= batch.len() as u64;
        sum += black_box(&batch).iter().sum::<u64>();
        batch.clear();
    }
    sum
}

fn ours_singly() -> f64 {
    let (producer, consumer) = SpscQueue::with_capacity(CAPACITY).split();
    measure(move || push_singly(|item| producer.push(item).is_ok()), move || pop_singly(|| consumer.pop()))
}

fn ours_in_batches() -> f64 {
    let (mut producer, consumer) = SpscQueue::with_capacity(CAPACITY).split();
    let push = move || push_batches(|batch| _ = producer.push_batch(batch));
    measure(push, move || pop_batches(|out| _ = consumer.pop_batch(out, BATCH)))
}

fn rtrb_singly() -> f64 {
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(CAPACITY);
    measure(move || push_singly(|item| producer.push(item).is_ok()), || pop_singly(|| consumer.pop().ok()))
}

fn rtrb_in_batches() -> f64 {
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(CAPACITY);
    let push = move || {
        push_batches(|batch| {
            let mut chunk = producer.write_chunk_uninit((batch.end - batch.start) as usize);
            if let Err(ChunkError::TooFewSlots(count)) = chunk {
                chunk = producer.write_chunk_uninit(count);
            }
            if let Ok(chunk) = chunk {
                chunk.fill_from_iter(batch.by_ref());
            }
        });
    };
    let pop = |out: &mut Vec<u64>| {
        let mut chunk = consumer.read_chunk(BATCH);
        if let Err(ChunkError::TooFewSlots(count)) = chunk {
            chunk = consumer.read_chunk(count);
        }
        if let Ok(chunk) = chunk {
            out.extend(chunk);
        }
    };
    measure(push, || pop_batches(pop))
}

fn crossbeam_array() -> f64 {
    let queue = crossbeam::queue::ArrayQueue::new(CAPACITY);
    measure(|| push_singly(|item| queue.push(item).is_ok()), || pop_singly(|| queue.pop()))
}

fn crossbeam_channel() -> f64 {
    let (sender, receiver) = crossbeam::channel::bounded(CAPACITY);
    measure(move || push_singly(|item| sender.try_send(item).is_ok()), || pop_singly(|| receiver.try_recv().ok()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs all `ways` in turn; the first is what the others are held against.
fn compare(title: &str, ways: &[(&str, fn() -> f64)]) {
    let rounds: Vec<Vec<f64>> = (0..ROUNDS).map(|_| ways.iter().map(|(_, run)| run()).collect()).collect();
    println!("{title}");
    for (at, (name, _)) in ways.iter().enumerate() {
        let time = median(rounds.iter().map(|round| round[at]).collect());
        let ratio = median(rounds.iter().map(|round| round[at] / round[0]).collect());
        let best = rounds.iter().map(|round| round[at]).fold(f64::INFINITY, f64::min);
        println!("  {name:<22} {time:6.2} ns an item   {ratio:5.2} x   best {best:6.2} ns");
    }
}

fn main() {
    compare(
        "one by one",
        &[
            ("rtrb", rtrb_singly),
            ("ours", ours_singly),
            ("crossbeam ArrayQueue", crossbeam_array),
            ("crossbeam channel", crossbeam_channel),
        ],
    );
    compare("in batches of 64", &[("rtrb", rtrb_in_batches), ("ours", ours_in_batches)]);
}
