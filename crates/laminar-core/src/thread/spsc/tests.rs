//! The queue on one thread, and two threads against each other at random.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Consumer, Producer, SpscQueue};

/// Items that two threads exchange in one random test.
const STRESS_ITEMS: u64 = 100_000;

fn filled(capacity: usize, items: std::ops::Range<u32>) -> SpscQueue<u32> {
    let queue = SpscQueue::with_capacity(capacity);
    items.for_each(|item| queue.push(item).unwrap());
    queue
}

#[test]
fn the_capacity_is_the_next_power_of_two() {
    for (asked, given) in [(0, 1), (1, 1), (2, 2), (3, 4), (1000, 1024)] {
        assert_eq!(SpscQueue::<u8>::with_capacity(asked).capacity(), given);
    }
}

#[test]
fn items_come_out_in_order_and_a_full_queue_gives_the_item_back() {
    let queue = filled(4, 0..4);
    assert_eq!(queue.push(4), Err(4));
    assert_eq!((queue.len(), queue.pop(), queue.push(4)), (4, Some(0), Ok(())));
    assert_eq!(queue.push(5), Err(5));
    assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(queue.is_empty());
}

#[test]
fn a_batch_goes_in_as_far_as_there_is_room() {
    let mut queue = filled(8, 0..5);
    let mut items = 5..20;
    assert_eq!((queue.push_batch(&mut items), items.clone()), (3, 8..20));
    assert_eq!(queue.push_batch(&mut items), 0);
    assert_eq!(items.start, 8, "what does not fit is not taken");
    let mut out = vec![100];
    assert_eq!((queue.pop_batch(&mut out, 2), queue.pop_batch(&mut out, 0)), (2, 0));
    assert_eq!(queue.push_batch(&mut items), 2, "over the end of the ring");
    assert_eq!(queue.pop_batch(&mut out, usize::MAX), 8);
    assert_eq!(out, [100, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(queue.push_batch(&mut std::iter::empty()), 0);
}

#[test]
fn a_batch_of_unknown_length_fills_the_queue() {
    let mut queue = filled(8, 0..5);
    assert_eq!(queue.pop_batch(&mut Vec::new(), 5), 5);
    let mut items = (5..20).filter(|_| true);
    assert_eq!((queue.push_batch(&mut items), items.next()), (8, Some(13)));
}

#[test]
fn slices_are_copied_as_far_as_there_is_room_and_over_the_end_of_the_ring() {
    let (producer, consumer) = SpscQueue::with_capacity(8).split();
    let items: Vec<u32> = (0..20).collect();
    let mut out = [100; 6];
    assert_eq!((producer.push_slice(&items[..5]), producer.push_slice(&[])), (5, 0));
    assert_eq!((consumer.pop_slice(&mut out[1..4]), out), (3, [100, 0, 1, 2, 100, 100]));
    assert_eq!((producer.push_slice(&items[5..]), producer.push_slice(&items)), (6, 0));
    assert_eq!((consumer.pop_slice(&mut out), out), (6, [3, 4, 5, 6, 7, 8]));
    assert_eq!((consumer.pop_slice(&mut []), consumer.len()), (0, 2));
    assert_eq!((consumer.pop_slice(&mut out), out), (2, [9, 10, 5, 6, 7, 8]));
    assert_eq!((consumer.pop_slice(&mut out), consumer.pop()), (0, None));
}

#[test]
fn what_an_end_keeps_shares_no_cache_line_with_anything_else() {
    assert_eq!((align_of::<Producer<u8>>(), align_of::<Consumer<u8>>()), (128, 128));
}

#[test]
fn an_end_that_is_gone_is_noticed_by_the_other() {
    let (producer, consumer) = filled(4, 0..2).split();
    assert!(!producer.is_closed() && !consumer.is_closed());
    drop(producer);
    assert!(consumer.is_closed());
    assert_eq!((consumer.pop(), consumer.pop(), consumer.pop()), (Some(0), Some(1), None));

    let (producer, consumer) = filled(4, 0..2).split();
    drop(consumer);
    assert!(producer.is_closed());
    assert_eq!(producer.len(), 2);
}

#[test]
fn items_without_size_are_counted() {
    let queue = SpscQueue::with_capacity(2);
    assert_eq!((queue.push(()), queue.push(()), queue.push(())), (Ok(()), Ok(()), Err(())));
    assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(()), Some(()), None));
}

/// Counts how often it is dropped, and panics if it is told to.
struct Dropped<'a>(&'a AtomicUsize, bool);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        assert!(!self.1 || thread::panicking(), "told to panic");
    }
}

#[test]
fn what_nobody_took_out_is_dropped_once() {
    let drops = AtomicUsize::new(0);
    let queue = SpscQueue::with_capacity(4);
    for _ in 0..6 {
        assert!(queue.push(Dropped(&drops, false)).is_ok());
        assert!(queue.push(Dropped(&drops, false)).is_ok());
        drop(queue.pop());
        if queue.len() == 4 {
            break;
        }
        drop(queue.pop());
    }
    assert!(queue.push(Dropped(&drops, false)).is_ok());
    let before = drops.load(Ordering::Relaxed);
    drop(queue);
    assert_eq!((before, drops.load(Ordering::Relaxed)), (12, 13));
}

#[test]
fn an_item_that_panics_when_dropped_does_not_keep_the_others() {
    let drops = AtomicUsize::new(0);
    let queue = SpscQueue::with_capacity(4);
    for at in 0..4 {
        assert!(queue.push(Dropped(&drops, at == 1)).is_ok());
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(queue)));
    assert!(outcome.is_err(), "the panic goes on");
    assert_eq!(drops.load(Ordering::Relaxed), 4);
}

#[test]
fn an_iterator_that_panics_loses_nothing_that_it_gave() {
    let mut queue = SpscQueue::with_capacity(8);
    let mut items = (0..8).inspect(|item| assert!(*item < 3, "the third one panics"));
    let outcome = catch_unwind(AssertUnwindSafe(|| queue.push_batch(&mut items)));
    assert!(outcome.is_err());
    let mut out = Vec::new();
    queue.pop_batch(&mut out, 8);
    assert_eq!(out, [0, 1, 2]);
}

/// Pushes 0.. one by one and in batches of random sizes.
fn produce(mut producer: Producer<Arc<u64>>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut next = 0;
    while next < STRESS_ITEMS {
        let batch = rng.random_range(0..20_u64).min(STRESS_ITEMS - next);
        let pushed = match batch {
            0 => u64::from(producer.push(Arc::new(next)).is_ok()),
            _ => producer.push_batch(&mut (next..next + batch).map(Arc::new)) as u64,
        };
        next += pushed;
        if pushed == 0 {
            thread::yield_now();
        }
    }
}

/// Takes out one by one and in batches of random sizes until the producer is gone.
fn consume(consumer: &Consumer<Arc<u64>>, seed: u64) -> Vec<Arc<u64>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut items = Vec::new();
    loop {
        let closed = consumer.is_closed();
        let before = items.len();
        match rng.random_range(0..20) {
            0 => items.extend(consumer.pop()),
            batch => {
                consumer.pop_batch(&mut items, batch);
            }
        }
        if items.len() == before {
            if closed {
                return items;
            }
            thread::yield_now();
        }
    }
}

#[test]
fn two_threads_exchange_slices_without_loss() {
    let (producer, consumer) = SpscQueue::with_capacity(256).split();
    let items: Vec<u64> = (0..STRESS_ITEMS).collect();
    let mut out = vec![0; items.len()];
    thread::scope(|threads| {
        let mut rest = items.as_slice();
        threads.spawn(move || {
            while !rest.is_empty() {
                let count = producer.push_slice(&rest[..rest.len().min(50)]);
                rest = &rest[count..];
            }
        });
        let mut done = 0;
        while done < out.len() {
            let end = (done + 64).min(out.len());
            done += consumer.pop_slice(&mut out[done..end]);
        }
    });
    assert_eq!(out, items);
}

#[test]
fn two_threads_exchange_every_item_once_and_in_order() {
    for (seed, capacity) in [1, 2, 8, 64, 1024].into_iter().enumerate() {
        let (producer, consumer) = SpscQueue::with_capacity(capacity).split();
        let items = thread::scope(|threads| {
            threads.spawn(move || produce(producer, seed as u64));
            consume(&consumer, seed as u64 + 100)
        });
        assert_eq!(items.len() as u64, STRESS_ITEMS, "capacity {capacity}");
        assert!(items.iter().zip(0..).all(|(item, expected)| **item == expected), "capacity {capacity}");
    }
}
