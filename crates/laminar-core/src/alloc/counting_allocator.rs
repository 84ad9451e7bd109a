//! A global allocator that counts, for each thread, what it hands out.

#![expect(unsafe_code, reason = "an allocator can be written in no other way; it only counts and passes on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Passes on to another allocator (the system's, if nothing is said) and counts for each thread.
///
/// A test or benchmark binary installs it; then [`HotPathGuard`](super::HotPathGuard) sees what is allocated:
///
/// ```
/// use laminar_core::alloc::{CountingAllocator, thread_allocations};
///
/// #[global_allocator]
/// static ALLOCATOR: CountingAllocator = CountingAllocator::new();
///
/// # fn main() {
/// let before = thread_allocations();
/// let text = String::from("on the heap");
/// assert_eq!((thread_allocations() - before).allocations, 1);
/// # drop(text);
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct CountingAllocator<A = System> {
    inner: A,
}

impl CountingAllocator {
    /// Counts in front of the system's allocator.
    pub const fn new() -> Self {
        Self { inner: System }
    }
}

impl<A> CountingAllocator<A> {
    /// Counts in front of `inner`.
    pub const fn before(inner: A) -> Self {
        Self { inner }
    }
}

/// What a thread has allocated. All zero for ever in a program that has not installed [`CountingAllocator`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllocationCounts {
    /// Calls that handed out memory, those included that made a piece larger or smaller.
    pub allocations: u64,
    /// Bytes that these calls asked for.
    pub bytes: u64,
    /// Bytes that were given back, by any thread that had asked for them.
    pub freed: u64,
}

impl AllocationCounts {
    /// Bytes that were asked for and not given back.
    pub fn held(self) -> i64 {
        self.bytes.wrapping_sub(self.freed).cast_signed()
    }
}

impl std::ops::Sub for AllocationCounts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            allocations: self.allocations - before.allocations,
            bytes: self.bytes - before.bytes,
            freed: self.freed - before.freed,
        }
    }
}

thread_local! {
    /// Neither made lazily nor dropped, so that the allocator can touch it at any moment of a thread's life.
    static COUNTS: Cell<AllocationCounts> = const { Cell::new(AllocationCounts { allocations: 0, bytes: 0, freed: 0 }) };
}

/// What the current thread has allocated since it began.
#[inline]
pub fn thread_allocations() -> AllocationCounts {
    COUNTS.get()
}

/// Runs `work` without counting what it allocates.
pub(super) fn uncounted<R>(work: impl FnOnce() -> R) -> R {
    let before = COUNTS.get();
    let result = work();
    COUNTS.set(before);
    result
}

#[inline]
fn count(bytes: usize) {
    let before = COUNTS.get();
    COUNTS.set(AllocationCounts { allocations: before.allocations + 1, bytes: before.bytes + bytes as u64, ..before });
}

#[inline]
fn count_freed(bytes: usize) {
    let before = COUNTS.get();
    COUNTS.set(AllocationCounts { freed: before.freed + bytes as u64, ..before });
}

// SAFETY: every call is passed on unchanged, and counting neither allocates nor panics (the counters wrap no sooner than
// after 2^64 calls).
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { self.inner.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        count_freed(layout.size());
        // SAFETY: the caller keeps the contract of `realloc`; `memory` came from `inner`, as all of ours does.
        unsafe { self.inner.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count_freed(layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`; `memory` came from `inner`.
        unsafe { self.inner.dealloc(memory, layout) }
    }
}
