//! Compares the queue with others, two threads each, in turn: `cargo bench -p laminar-core --bench spsc`.
//!
//! Each line is one way to move items from one thread to the other: the median time of an item over all rounds, and the
//! median of the ratios to rtrb in the same round. The order changes from round to round, and the first round does not count.
//! Both threads spin, each on a core of its own; with fewer than two free cores the figures mean nothing.
//!
//! The halves of every queue lie on cache lines of their own. Ours see to that themselves; those of rtrb write what they keep
//! at every item, and side by side on one line they take several times as long.

#![expect(clippy::print_stdout, reason = "a benchmark reports on the screen")]

use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::thread;

use laminar_core::time::{Clock, SystemClock};
use laminar_core::tpc::{SpscQueue, affinity};
use rtrb::chunks::ChunkError;

const ITEMS: u64 = 2_000_000;
const CAPACITY: usize = 1024;
const BATCH: usize = 64;
const ROUNDS: usize = 31;

/// A half on cache lines of its own.
#[repr(align(128))]
struct Apart<T>(T);

fn apart<P, C>((producer, consumer): (P, C)) -> (Box<Apart<P>>, Box<Apart<C>>) {
    (Box::new(Apart(producer)), Box::new(Apart(consumer)))
}

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

/// Offers 0.. in slices of [`BATCH`]; `push` says how many it took.
fn push_slices(mut push: impl FnMut(&[u64]) -> usize) {
    for start in (0..ITEMS).step_by(BATCH) {
        let batch: [u64; BATCH] = std::array::from_fn(|at| start + at as u64);
        let mut rest = &black_box(batch)[..];
        while !rest.is_empty() {
            match push(rest) {
                0 => spin_loop(),
                count => rest = &rest[count..],
            }
        }
    }
}

/// `pop` fills a slice from its start and says how far.
fn pop_slices(mut pop: impl FnMut(&mut [u64]) -> usize) -> u64 {
    let (mut left, mut sum, mut batch) = (ITEMS, 0, [0; BATCH]);
    while left > 0 {
        let count = pop(&mut batch);
        if count == 0 {
            spin_loop();
        }
        left -= count as u64;
        sum += black_box(&batch)[..count].iter().sum::<u64>();
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

fn ours_in_slices() -> f64 {
    let (producer, consumer) = SpscQueue::with_capacity(CAPACITY).split();
    let push = move || push_slices(|items| producer.push_slice(items));
    measure(push, move || pop_slices(|into| consumer.pop_slice(into)))
}

fn rtrb_singly() -> f64 {
    let (mut producer, mut consumer) = apart(rtrb::RingBuffer::new(CAPACITY));
    measure(move || push_singly(|item| producer.0.push(item).is_ok()), move || pop_singly(|| consumer.0.pop().ok()))
}

fn rtrb_in_batches() -> f64 {
    let (mut producer, mut consumer) = apart(rtrb::RingBuffer::new(CAPACITY));
    let push = move || {
        push_batches(|batch| {
            let mut chunk = producer.0.write_chunk_uninit((batch.end - batch.start) as usize);
            if let Err(ChunkError::TooFewSlots(count)) = chunk {
                chunk = producer.0.write_chunk_uninit(count);
            }
            if let Ok(chunk) = chunk {
                chunk.fill_from_iter(batch.by_ref());
            }
        });
    };
    let pop = move |out: &mut Vec<u64>| {
        let mut chunk = consumer.0.read_chunk(BATCH);
        if let Err(ChunkError::TooFewSlots(count)) = chunk {
            chunk = consumer.0.read_chunk(count);
        }
        if let Ok(chunk) = chunk {
            out.extend(chunk);
        }
    };
    measure(push, move || pop_batches(pop))
}

fn rtrb_in_slices() -> f64 {
    let (mut producer, mut consumer) = apart(rtrb::RingBuffer::new(CAPACITY));
    let push = move || push_slices(|items| producer.0.push_partial_slice(items).0.len());
    measure(push, move || pop_slices(|into| consumer.0.pop_partial_slice(into).0.len()))
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

/// Runs all `ways` once, beginning with another one in each round.
fn run_all(ways: &[(&str, fn() -> f64)], round: usize) -> Vec<f64> {
    let mut times = vec![0.0; ways.len()];
    for at in (0..ways.len()).map(|at| (at + round) % ways.len()) {
        times[at] = ways[at].1();
    }
    times
}

/// Runs all `ways` in turn; the first is what the others are held against.
fn compare(title: &str, ways: &[(&str, fn() -> f64)]) {
    let rounds: Vec<Vec<f64>> = (0..=ROUNDS).map(|round| run_all(ways, round)).skip(1).collect();
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
    compare(
        "in batches of 64, from an iterator to a vector",
        &[("rtrb chunks", rtrb_in_batches), ("ours batches", ours_in_batches)],
    );
    compare("in batches of 64, from slice to slice", &[("rtrb slices", rtrb_in_slices), ("ours slices", ours_in_slices)]);
}
