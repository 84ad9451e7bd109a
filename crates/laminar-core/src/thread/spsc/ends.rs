//! The two ends of the queue, and both together before they go to their threads.
#![expect(unsafe_code, reason = "a cell is written by one thread and read by another; a lock would cost ten times as much")]

use std::cell::Cell;

use super::prefetch::{self, PrefetchDistance};
use super::ring::Ring;
use super::sync::{Arc, Ordering};

/// Both ends of a queue before they go to their threads.
///
/// ```
/// use laminar_core::tpc::SpscQueue;
///
/// let (producer, consumer) = SpscQueue::with_capacity(1024).split();
/// std::thread::scope(|threads| {
///     threads.spawn(move || (0..100).for_each(|item| producer.push(item).expect("the queue holds 1024")));
/// });
/// let mut items = Vec::new();
/// assert_eq!(consumer.pop_batch(&mut items, 64), 64);
/// assert_eq!(consumer.pop(), Some(64));
/// assert!(consumer.is_closed(), "the producer is gone, and 35 items are still there");
/// ```
pub struct SpscQueue<T> {
    producer: Producer<T>,
    consumer: Consumer<T>,
}

/// The end that items are put into. Its cells are written at every push, so they share no line (nor pair of lines) with
/// anything that another thread uses.
#[repr(align(128))]
pub struct Producer<T> {
    ring: Arc<Ring<T>>,
    tail: Cell<usize>,
    head_seen: Cell<usize>,
}

/// The end that items are taken out of. Aligned as [`Producer`] is.
#[repr(align(128))]
pub struct Consumer<T> {
    ring: Arc<Ring<T>>,
    head: Cell<usize>,
    tail_seen: Cell<usize>,
}

impl<T> SpscQueue<T> {
    /// A queue that holds `capacity` items, rounded up to a power of two (at least 1). All memory is taken here.
    ///
    /// # Panics
    /// If there is no such power of two, or no memory for it.
    pub fn with_capacity(capacity: usize) -> Self {
        let ring = Arc::new(Ring::new(capacity.max(1).next_power_of_two()));
        let producer = Producer { ring: Arc::clone(&ring), tail: Cell::new(0), head_seen: Cell::new(0) };
        Self { producer, consumer: Consumer { ring, head: Cell::new(0), tail_seen: Cell::new(0) } }
    }

    /// The same as [`with_capacity`](Self::with_capacity).
    pub fn new(capacity: usize) -> Self {
        Self::with_capacity(capacity)
    }

    /// The two ends, each for a thread of its own.
    pub fn split(self) -> (Producer<T>, Consumer<T>) {
        (self.producer, self.consumer)
    }

    /// See [`Producer::push`].
    pub fn push(&self, item: T) -> Result<(), T> {
        self.producer.push(item)
    }

    /// See [`Producer::push_batch`].
    pub fn push_batch(&mut self, items: &mut impl Iterator<Item = T>) -> usize {
        self.producer.push_batch(items)
    }

    /// See [`Consumer::pop`].
    pub fn pop(&self) -> Option<T> {
        self.consumer.pop()
    }

    /// See [`Consumer::pop_batch`].
    pub fn pop_batch(&self, into: &mut Vec<T>, items_max: usize) -> usize {
        self.consumer.pop_batch(into, items_max)
    }

    /// How many items it holds at most.
    pub fn capacity(&self) -> usize {
        self.producer.capacity()
    }

    /// How many items are in it.
    pub fn len(&self) -> usize {
        self.consumer.len()
    }

    /// True if no item is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Producer<T> {
    /// Puts an item in. Gives it back if the queue is full. Whether the consumer is still there, [`is_closed`](Self::is_closed) says.
    #[inline]
    pub fn push(&self, item: T) -> Result<(), T> {
        let tail = self.tail.get();
        if self.room(tail, 1) == 0 {
            return Err(item);
        }
        // SAFETY: there is room, so the cell at `tail` is outside of `head..tail`, and we are the producer.
        unsafe { self.ring.write(tail, item) };
        self.publish(tail.wrapping_add(1));
        self.prefetch(tail, 1);
        Ok(())
    }

    /// Puts items in, in order, until there are no more or the queue is full; the consumer sees them all at once.
    /// Returns how many; what did not fit is still in the iterator.
    #[inline]
    pub fn push_batch(&mut self, items: &mut impl Iterator<Item = T>) -> usize {
        let producer = &*self;
        let start = producer.tail.get();
        let mut written = Written { producer, tail: start };
        while written.go_on(items) {}
        written.tail.wrapping_sub(start)
    }

    /// Copies items in, from the first on, as far as there is room; the consumer sees them all at once. Returns how many.
    #[inline]
    pub fn push_slice(&self, items: &[T]) -> usize
    where
        T: Copy,
    {
        let tail = self.tail.get();
        let count = self.room(tail, items.len()).min(items.len());
        if count == 0 {
            return 0;
        }
        let (first, second) = self.ring.runs(tail, count);
        let (to_first, to_second) = items[..count].split_at(first.len());
        for (cells, items) in [(first, to_first), (second, to_second)] {
            for (cell, item) in cells.iter().zip(items) {
                // SAFETY: the runs are cells outside of `head..tail`, and we are the producer.
                cell.with_mut(|cell| unsafe { (*cell).write(*item) });
            }
        }
        self.publish(tail.wrapping_add(count));
        self.prefetch(tail, count);
        count
    }

    /// How many items the queue holds at most.
    pub fn capacity(&self) -> usize {
        self.ring.cells.len()
    }

    /// How many items are in the queue; the consumer may just be taking some.
    pub fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.ring.head.load(Ordering::Acquire))
    }

    /// True if no item is in the queue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if the consumer is gone: whatever is pushed will only be dropped.
    pub fn is_closed(&self) -> bool {
        self.ring.closed.load(Ordering::Acquire)
    }

    /// Free cells from `tail` on; asks the consumer's index only if fewer than `wanted` are known to be free.
    #[inline]
    fn room(&self, tail: usize, wanted: usize) -> usize {
        let free = |head: usize| self.ring.cells.len() - tail.wrapping_sub(head);
        let known = free(self.head_seen.get());
        if known >= wanted {
            return known;
        }
        // Acquire: the consumer has read the cells before `head` before we write them again.
        self.head_seen.set(self.ring.head.load(Ordering::Acquire));
        free(self.head_seen.get())
    }

    /// Asks for cells that come after `count` ones from `index` on, as far as they are known to be free: the consumer is
    /// not to lose what it has not read yet.
    #[inline(always)]
    fn prefetch(&self, index: usize, count: usize) {
        let free = self.head_seen.get().wrapping_add(self.ring.cells.len()).wrapping_sub(index);
        for_each_line::<T>(index, count, free, |index| prefetch::to_write(self.ring.cell(index)));
    }

    #[inline]
    fn publish(&self, tail: usize) {
        self.tail.set(tail);
        // Release: a consumer that sees the new `tail` sees what stands in the cells before it.
        self.ring.tail.store(tail, Ordering::Release);
    }
}

/// What a batch has written so far; it is published even if the iterator panics.
struct Written<'a, T> {
    producer: &'a Producer<T>,
    tail: usize,
}

impl<T> Written<'_, T> {
    /// Writes items into the cells that are known to be free. True if there may be more of both: an iterator can have more
    /// items than it promised.
    #[inline(always)]
    fn go_on(&mut self, items: &mut impl Iterator<Item = T>) -> bool {
        let room = self.producer.room(self.tail, items.size_hint().0.max(1));
        let (first, second) = self.producer.ring.runs(self.tail, room);
        let start = self.tail;
        for (cell, item) in first.iter().chain(second).zip(items.by_ref()) {
            // SAFETY: the runs are `room` cells outside of `head..tail`, and we are the producer.
            cell.with_mut(|cell| unsafe { (*cell).write(item) });
            self.tail = self.tail.wrapping_add(1);
        }
        room > 0 && self.tail.wrapping_sub(start) == room && items.size_hint().1 != Some(0)
    }
}

impl<T> Drop for Written<'_, T> {
    fn drop(&mut self) {
        let start = self.producer.tail.get();
        if self.tail != start {
            self.producer.publish(self.tail);
            self.producer.prefetch(start, self.tail.wrapping_sub(start));
        }
    }
}

impl<T> Consumer<T> {
    /// Takes the oldest item out. `None`: there is none now. Nothing will come any more if [`is_closed`](Self::is_closed)
    /// said so *before* this call.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        if self.ready(1) == 0 {
            return None;
        }
        let head = self.head.get();
        // SAFETY: an item is ready, so the cell at `head` is in `head..tail`; it is read once, since `head` moves on.
        let item = unsafe { self.ring.read(head) };
        self.publish(head.wrapping_add(1));
        self.prefetch(head, 1);
        Some(item)
    }

    /// Takes up to `items_max` items out, in order, and appends them to `into`. The producer sees their cells free at once.
    /// Returns how many. Allocates only if `into` has no room.
    #[inline]
    pub fn pop_batch(&self, into: &mut Vec<T>, items_max: usize) -> usize {
        let count = self.ready(items_max).min(items_max);
        if count == 0 {
            return 0;
        }
        into.reserve(count);
        let head = self.head.get();
        self.prefetch(head, count);
        let (first, second) = self.ring.runs(head, count);
        let (to_first, to_second) = into.spare_capacity_mut()[..count].split_at_mut(first.len());
        for (to, from) in [(to_first, first), (to_second, second)] {
            for (place, cell) in to.iter_mut().zip(from) {
                // SAFETY: `count` items are ready from `head` on; each is read once, since `head` moves behind them below.
                place.write(cell.with(|cell| unsafe { (*cell).assume_init_read() }));
            }
        }
        // SAFETY: `count` items were written behind the end, within the capacity; nothing above runs foreign code.
        unsafe { into.set_len(into.len() + count) };
        self.publish(head.wrapping_add(count));
        count
    }

    /// Copies the oldest items over those of `into`, as many as there are and fit in. Returns how many.
    #[inline]
    pub fn pop_slice(&self, into: &mut [T]) -> usize
    where
        T: Copy,
    {
        let count = self.ready(into.len()).min(into.len());
        if count == 0 {
            return 0;
        }
        let head = self.head.get();
        self.prefetch(head, count);
        let (first, second) = self.ring.runs(head, count);
        let (to_first, to_second) = into[..count].split_at_mut(first.len());
        for (places, cells) in [(to_first, first), (to_second, second)] {
            for (place, cell) in places.iter_mut().zip(cells) {
                // SAFETY: `count` items are ready from `head` on; `head` moves behind them below.
                *place = cell.with(|cell| unsafe { (*cell).assume_init_read() });
            }
        }
        self.publish(head.wrapping_add(count));
        count
    }

    /// How many items the queue holds at most.
    pub fn capacity(&self) -> usize {
        self.ring.cells.len()
    }

    /// How many items are in the queue; the producer may just be putting some in.
    pub fn len(&self) -> usize {
        self.ring.tail.load(Ordering::Acquire).wrapping_sub(self.head.get())
    }

    /// True if no item is in the queue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if the producer is gone. Items that it left are still there.
    pub fn is_closed(&self) -> bool {
        self.ring.closed.load(Ordering::Acquire)
    }

    /// Items that can be taken; asks the producer's index only if fewer than `wanted` are known.
    #[inline]
    fn ready(&self, wanted: usize) -> usize {
        let known = self.tail_seen.get().wrapping_sub(self.head.get());
        if known >= wanted {
            return known;
        }
        // Acquire: what the producer wrote into the cells before `tail` is seen.
        self.tail_seen.set(self.ring.tail.load(Ordering::Acquire));
        self.tail_seen.get().wrapping_sub(self.head.get())
    }

    /// Asks for cells that come after `count` ones from `index` on, as far as items are known to be there: the producer is not
    /// to lose what it has not written yet.
    #[inline(always)]
    fn prefetch(&self, index: usize, count: usize) {
        let ready = self.tail_seen.get().wrapping_sub(index);
        for_each_line::<T>(index, count, ready, |index| prefetch::to_read(self.ring.cell(index)));
    }

    #[inline]
    fn publish(&self, head: usize) {
        self.head.set(head);
        // Release: the items have been read before the producer sees their cells as free.
        self.ring.head.store(head, Ordering::Release);
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.ring.closed.store(true, Ordering::Release);
    }
}

/// Calls `ask` with an index on each line that comes into view if `count` cells from `index` on are worked off; only the
/// cells of `index..index + usable` count.
#[inline(always)]
fn for_each_line<T>(index: usize, count: usize, usable: usize, ask: impl Fn(usize)) {
    let (step, ahead) = (PrefetchDistance::<T>::STEP, PrefetchDistance::<T>::CELLS);
    let to_line = index.wrapping_neg() & (step - 1);
    let end = (count + ahead).min((usable + 1).saturating_sub(step));
    if ahead > 0 {
        for offset in (to_line + ahead..end).step_by(step) {
            ask(index.wrapping_add(offset));
        }
    }
}
