//! Shows what each overflow strategy does when a slow consumer meets a fast producer.
//!
//! `cargo run --release -p laminar-core --example backpressure`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use laminar_core::Result;
use laminar_core::tpc::{Admission, BackpressureConfig, CreditGate, OverflowStrategy};

const EVENTS: u32 = 2_000;

/// Brings all events to the gate; returns how many it was refused.
fn produce(gate: &CreditGate, queue: &Mutex<VecDeque<u32>>) -> u32 {
    let mut refused = 0;
    for event in 0..EVENTS {
        match gate.acquire(1) {
            Ok(Admission::Admitted) => push(queue, event, false),
            Ok(Admission::ReplaceOldest) => push(queue, event, true),
            Ok(Admission::Dropped | Admission::Wait) => {}
            Err(_) => refused += 1,
        }
    }
    refused
}

fn push(queue: &Mutex<VecDeque<u32>>, event: u32, replace: bool) {
    let mut queue = queue.lock().unwrap();
    if replace {
        queue.pop_front();
    }
    queue.push_back(event);
}

/// Takes one event at a time and works on it for a while; returns how many it saw and the last one.
fn consume(gate: &CreditGate, queue: &Mutex<VecDeque<u32>>, done: &AtomicBool) -> (u32, u32) {
    let (mut seen, mut last) = (0, 0);
    loop {
        let finished = done.load(Ordering::Acquire);
        let Some(event) = queue.lock().unwrap().pop_front() else {
            if finished {
                return (seen, last);
            }
            thread::yield_now();
            continue;
        };
        thread::sleep(Duration::from_micros(20));
        gate.release(1);
        (seen, last) = (seen + 1, event);
    }
}

fn run(strategy: OverflowStrategy) -> Result<()> {
    let config = BackpressureConfig::builder()
        .exclusive_credits(64)
        .floating_credits(64)
        .high_watermark(0.8)
        .low_watermark(0.5)
        .overflow_strategy(strategy)
        .build()?;
    let gate = CreditGate::new(config);
    let (queue, done) = (Mutex::default(), AtomicBool::new(false));
    let (refused, (seen, last)) = thread::scope(|threads| {
        let consumer = threads.spawn(|| consume(&gate, &queue, &done));
        let refused = produce(&gate, &queue);
        done.store(true, Ordering::Release);
        (refused, consumer.join().unwrap_or_default())
    });
    let metrics = gate.metrics();
    println!(
        "{:<12} {seen:>5} seen (the last is {last}), {:>5} dropped, {refused:>5} refused, {:>5} times waited",
        format!("{strategy:?}"),
        metrics.dropped,
        metrics.blocked
    );
    assert_eq!(u64::from(seen) + metrics.dropped + u64::from(refused), u64::from(EVENTS), "every event is accounted for");
    Ok(())
}

fn main() -> Result<()> {
    println!("{EVENTS} events, 128 credits:");
    [OverflowStrategy::Block, OverflowStrategy::DropNewest, OverflowStrategy::DropOldest, OverflowStrategy::Error]
        .into_iter()
        .try_for_each(run)
}
