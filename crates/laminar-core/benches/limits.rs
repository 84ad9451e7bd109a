//! What this machine can do at all, to hold other figures against: `cargo bench -p laminar-core --bench limits`.
//!
//! Copying memory, probing a large hash table with and without asking for the lines ahead, and handing one word to
//! another core and back.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use laminar_core::time::{Clock, SystemClock};
use laminar_core::tpc::{Consumer, Producer, SpscQueue, affinity};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn copy(c: &mut Criterion) {
    let mut group = c.benchmark_group("memcpy");
    for (name, bytes) in [("L1", 12 * KIB), ("L2", 200 * KIB), ("DRAM", 128 * MIB)] {
        let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes]);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(&mut to).copy_from_slice(black_box(&from))));
    }
    group.finish();
}

/// Slots of the table: 256 MiB of 16 bytes each, half of them taken.
const SLOTS: usize = 1 << 24;
const PROBES: usize = 1 << 16;
/// Probes that are under way at once.
const AHEAD: usize = 16;

/// Open addressing, one key and one value beside each other; 0 is no key.
struct Table(Vec<(u64, u64)>);

fn hash(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize
}

impl Table {
    fn filled() -> Self {
        let mut table = Self(vec![(0, 0); SLOTS]);
        for key in 1..=(SLOTS / 2) as u64 {
            let mut at = hash(key);
            while table.0[at].0 != 0 {
                at = (at + 1) % SLOTS;
            }
            table.0[at] = (key, key);
        }
        table
    }

    fn get(&self, key: u64) -> u64 {
        let mut at = hash(key);
        loop {
            let (found, value) = self.0[at];
            if found == key || found == 0 {
                return value;
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// Asks for the line of a key that is looked up soon.
    #[expect(unsafe_code, reason = "a prefetch takes a raw address")]
    fn prefetch(&self, key: u64) {
        let slot: *const (u64, u64) = &raw const self.0[hash(key)];
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch reads nothing that the program could see; every x86-64 has it.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(slot.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        black_box(slot);
    }
}

/// Keys that are in the table, without order.
fn keys() -> Vec<u64> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % (SLOTS as u64 / 2) + 1
    };
    (0..PROBES * 16).map(|_| next()).collect()
}

fn probe(c: &mut Criterion) {
    let (table, keys) = (Table::filled(), keys());
    let mut batches = keys.chunks(PROBES).cycle();
    let mut group = c.benchmark_group("hash probe, 256 MiB");
    group.throughput(Throughput::Elements(PROBES as u64));
    group.bench_function("without asking ahead", |bencher| {
        bencher.iter(|| batches.next().map(|batch| batch.iter().fold(0, |sum: u64, key| sum.wrapping_add(table.get(*key)))));
    });
    let mut batches = keys.chunks(PROBES).cycle();
    group.bench_function("each waits for the one before", |bencher| {
        // No value is so large, but the processor must wait for it to know.
        bencher.iter(|| batches.next().map(|batch| batch.iter().fold(0, |last: u64, key| table.get(*key | (last >> 63)))));
    });
    let mut batches = keys.chunks(PROBES).cycle();
    group.bench_function("asked for 16 ahead", |bencher| {
        bencher.iter(|| {
            let batch = batches.next().unwrap_or_default();
            let ahead = batch[AHEAD..].iter().chain(&batch[..AHEAD]);
            batch.iter().zip(ahead).fold(0, |sum: u64, (key, later)| {
                table.prefetch(*later);
                sum.wrapping_add(table.get(*key))
            })
        });
    });
    group.finish();
}

/// Sends everything back until it is told to stop.
fn echo(consumer: &Consumer<u64>, producer: &Producer<u64>, stop: &AtomicBool) {
    let _ = affinity::pin_current_thread(1);
    while !stop.load(Ordering::Relaxed) {
        match consumer.pop() {
            Some(item) => producer.push(item).expect("one item is under way"),
            None => spin_loop(),
        }
    }
}

/// The time of `rounds` there and back.
fn ping_pong(rounds: u64, producer: &Producer<u64>, consumer: &Consumer<u64>) -> Duration {
    let start = SystemClock.now();
    for round in 0..rounds {
        producer.push(round).expect("one item is under way");
        while consumer.pop().is_none() {
            spin_loop();
        }
    }
    Duration::from_nanos((SystemClock.now() - start).unsigned_abs())
}

fn hand_over(c: &mut Criterion) {
    let mut group = c.benchmark_group("hand over to another core");
    let (there, theirs) = SpscQueue::with_capacity(64).split();
    let (back, ours) = SpscQueue::with_capacity(64).split();
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let (theirs, back) = (theirs, back);
            echo(&theirs, &back, &stop);
        });
        let _ = affinity::pin_current_thread(0);
        group.bench_function("there and back", |bencher| {
            bencher.iter_custom(|rounds| ping_pong(rounds, &there, &ours));
        });
        group.bench_function("one hop", |bencher| {
            bencher.iter_custom(|rounds| ping_pong(rounds, &there, &ours) / 2);
        });
        stop.store(true, Ordering::Relaxed);
    });
    group.finish();
}

fn one_thread(c: &mut Criterion) {
    let queue = SpscQueue::with_capacity(64);
    c.bench_function("push and pop on one thread", |bencher| {
        bencher.iter(|| {
            queue.push(black_box(1_u64)).expect("there is room");
            queue.pop()
        });
    });
}

criterion_group! {
    name = limits;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2));
    targets = copy, probe, one_thread, hand_over
}
criterion_main!(limits);
