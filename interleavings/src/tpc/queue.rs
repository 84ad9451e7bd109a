//! Models of the queue: two threads over few cells.

use loom::sync::Arc;
use loom::thread;

use super::spsc::{Consumer, Producer, SpscQueue};

/// Runs `produce` and `consume` on a queue of `capacity`.
fn check(capacity: usize, produce: fn(Producer<u32>), consume: fn(Consumer<u32>)) {
    super::check(move || {
        let (producer, consumer) = SpscQueue::with_capacity(capacity).split();
        let thread = thread::spawn(move || produce(producer));
        consume(consumer);
        thread.join().unwrap();
    });
}

fn push_all(producer: &Producer<u32>, items: std::ops::Range<u32>) {
    for item in items {
        while producer.push(item).is_err() {
            thread::yield_now();
        }
    }
}

/// Takes items one by one until the producer is gone and nothing is left.
fn pop_to_the_end(consumer: &Consumer<u32>) -> Vec<u32> {
    let mut items = Vec::new();
    loop {
        let closed = consumer.is_closed();
        match consumer.pop() {
            Some(item) => items.push(item),
            None if closed => return items,
            None => thread::yield_now(),
        }
    }
}

#[test]
fn items_come_out_once_and_in_order() {
    check(1, |producer| push_all(&producer, 0..2), |consumer| assert_eq!(pop_to_the_end(&consumer), [0, 1]));
    check(2, |producer| push_all(&producer, 0..3), |consumer| assert_eq!(pop_to_the_end(&consumer), [0, 1, 2]));
}

#[test]
fn batches_come_out_once_and_in_order() {
    let produce = |mut producer: Producer<u32>| {
        let mut items = 0..3;
        while !items.is_empty() {
            if producer.push_batch(&mut items) == 0 {
                thread::yield_now();
            }
        }
    };
    let consume = |consumer: Consumer<u32>| {
        let mut items = Vec::new();
        loop {
            let closed = consumer.is_closed();
            match consumer.pop_batch(&mut items, 2) {
                0 if closed => break,
                0 => thread::yield_now(),
                _ => {}
            }
        }
        assert_eq!(items, [0, 1, 2]);
    };
    check(2, produce, consume);
}

#[test]
fn slices_come_out_once_and_in_order() {
    let produce = |producer: Producer<u32>| {
        let mut rest = &[0, 1, 2][..];
        while !rest.is_empty() {
            let count = producer.push_slice(rest);
            rest = &rest[count..];
            if count == 0 {
                thread::yield_now();
            }
        }
    };
    let consume = |consumer: Consumer<u32>| {
        let (mut items, mut done) = ([9; 3], 0);
        while done < 3 {
            let count = consumer.pop_slice(&mut items[done..]);
            done += count;
            if count == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(items, [0, 1, 2]);
    };
    check(2, produce, consume);
}

#[test]
fn a_producer_learns_that_nobody_listens() {
    let produce = |producer: Producer<u32>| {
        while !producer.is_closed() {
            thread::yield_now();
        }
        assert!(producer.is_closed());
    };
    check(1, produce, drop);
}

#[test]
fn what_nobody_took_out_is_dropped_once() {
    super::check(|| {
        let item = Arc::new(());
        let (producer, consumer) = SpscQueue::with_capacity(2).split();
        let copy = Arc::clone(&item);
        let thread = thread::spawn(move || {
            let _ = producer.push(Arc::clone(&copy));
            let _ = producer.push(copy);
        });
        drop(consumer.pop());
        drop(consumer);
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&item), 1);
    });
}
