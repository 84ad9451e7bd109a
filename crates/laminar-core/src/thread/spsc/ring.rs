//! The cells of the queue, and the two indices that its ends show each other.
#![expect(unsafe_code, reason = "a cell is written by one thread and read by another; a lock would cost ten times as much")]

use std::mem::MaybeUninit;

use super::CachePadded;
use super::sync::{AtomicBool, AtomicUsize, Ordering, UnsafeCell};

/// The cells and the two indices. Processors fetch cache lines in pairs, so the indices lie in different pairs, each beside
/// something that is hardly ever written.
#[repr(C, align(128))]
pub(super) struct Ring<T> {
    /// The oldest item; moved by the consumer.
    pub(super) head: CachePadded<AtomicUsize>,
    /// A power of two of them; an index's cell is its low bits.
    pub(super) cells: CachePadded<Box<[Cell<T>]>>,
    /// One past the newest item; moved by the producer.
    pub(super) tail: CachePadded<AtomicUsize>,
    /// Set by the half that goes first.
    pub(super) closed: CachePadded<AtomicBool>,
}

pub(super) type Cell<T> = UnsafeCell<MaybeUninit<T>>;

// SAFETY: items move from thread to thread, so they must be `Send`; that no cell is touched by two threads at once is
// the invariant in `mod.rs`. No reference to an item is ever handed out, so `T: Sync` is not needed.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    pub(super) fn new(cells: usize) -> Self {
        Self {
            head: CachePadded::new(AtomicUsize::new(0)),
            cells: CachePadded::new((0..cells).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect()),
            tail: CachePadded::new(AtomicUsize::new(0)),
            closed: CachePadded::new(AtomicBool::new(false)),
        }
    }

    #[inline(always)]
    pub(super) fn cell(&self, index: usize) -> &Cell<T> {
        let position = index & (self.cells.len() - 1);
        debug_assert!(position < self.cells.len(), "the number of cells is a power of two");
        // SAFETY: there is at least one cell and their number is a power of two, so the low bits are below it.
        unsafe { self.cells.get_unchecked(position) }
    }

    /// The cells of `index..index + count` in order, where `count` is at most all: to the end of the ring, and from its start.
    #[inline(always)]
    pub(super) fn runs(&self, index: usize, count: usize) -> (&[Cell<T>], &[Cell<T>]) {
        let (before, from) = self.cells.split_at(index & (self.cells.len() - 1));
        let first = count.min(from.len());
        (&from[..first], &before[..count - first])
    }

    /// # Safety
    /// The caller is the only producer, and `index` is outside of `head..tail`.
    #[inline(always)]
    pub(super) unsafe fn write(&self, index: usize, item: T) {
        // SAFETY: by the contract neither the consumer nor another producer touches the cell.
        self.cell(index).with_mut(|cell| unsafe { (*cell).write(item) });
    }

    /// # Safety
    /// The caller is the only consumer, `index` is in `head..tail`, and `head` moves over it before it is read again.
    #[inline(always)]
    pub(super) unsafe fn read(&self, index: usize) -> T {
        // SAFETY: by the contract the cell holds an item, which we move out.
        self.cell(index).with(|cell| unsafe { (*cell).assume_init_read() })
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let (head, tail) = (self.head.load(Ordering::Acquire), self.tail.load(Ordering::Acquire));
        drop(LeftOver { ring: self, head, tail });
    }
}

/// The items that the consumer did not take out. If dropping one panics, the rest is dropped all the same.
struct LeftOver<'a, T> {
    ring: &'a mut Ring<T>,
    head: usize,
    tail: usize,
}

impl<T> Drop for LeftOver<'_, T> {
    fn drop(&mut self) {
        while self.head != self.tail {
            // SAFETY: both halves are gone; the cell is in `head..tail`, and our `head` moves on before the item is dropped.
            let item = unsafe { self.ring.read(self.head) };
            self.head = self.head.wrapping_add(1);
            let rest = LeftOver { ring: self.ring, head: self.head, tail: self.tail };
            drop(item);
            std::mem::forget(rest);
        }
    }
}
