//! The global allocator that takes state from the pool, and what tells it what state is.

#![expect(unsafe_code, reason = "an allocator can be written in no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use super::pool::Pool;

thread_local! {
    /// Whether what the thread allocates is state. Neither made lazily nor dropped, so that the allocator can ask at any moment of a thread's life.
    static IN_STATE: Cell<bool> = const { Cell::new(false) };
    /// Whether that is an index.
    static IN_INDEX: Cell<bool> = const { Cell::new(false) };
}

/// Whether some database of the process has a limit.
static HAS_LIMIT: AtomicBool = AtomicBool::new(false);

/// Takes state from a file once a [`MemoryLimit`](super::MemoryLimit) is set; everything else, and everything before that, from another
/// allocator (the system's, if nothing is said).
///
/// The programs `laminar` and the Python package have it. A Rust program that wants a `memory_limit` installs it:
///
/// ```
/// use laminar_core::alloc::SpillAllocator;
///
/// #[global_allocator]
/// static ALLOCATOR: SpillAllocator = SpillAllocator::new();
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SpillAllocator<A = System> {
    inner: A,
}

impl SpillAllocator {
    /// In front of the system's allocator.
    pub const fn new() -> Self {
        Self { inner: System }
    }
}

impl<A> SpillAllocator<A> {
    /// In front of `inner`.
    pub const fn before(inner: A) -> Self {
        Self { inner }
    }
}

/// While it lives, what its thread allocates is state.
#[derive(Debug)]
pub struct StateScope {
    before: bool,
    /// The scope is its thread's.
    here: PhantomData<*const ()>,
}

impl StateScope {
    /// Begins the scope. Without a memory limit it does nothing.
    #[inline]
    pub fn enter() -> Self {
        let before = if HAS_LIMIT.load(Ordering::Relaxed) { IN_STATE.replace(true) } else { IN_STATE.get() };
        Self { before, here: PhantomData }
    }
}

/// While it lives, state that its thread allocates is looked into by every change: it leaves memory last.
#[derive(Debug)]
pub struct IndexScope {
    before: bool,
    /// The scope is its thread's.
    here: PhantomData<*const ()>,
}

impl IndexScope {
    /// Begins the scope.
    #[inline]
    pub fn enter() -> Self {
        Self { before: IN_INDEX.replace(true), here: PhantomData }
    }
}

impl Drop for IndexScope {
    #[inline]
    fn drop(&mut self) {
        IN_INDEX.set(self.before);
    }
}

/// Says whether scopes mean anything from now on.
pub(super) fn has_limit(has: bool) {
    HAS_LIMIT.store(has, Ordering::Relaxed);
}

impl Drop for StateScope {
    #[inline]
    fn drop(&mut self) {
        IN_STATE.set(self.before);
    }
}

/// Runs `work`, which keeps books of the pool and must not allocate from it.
pub(super) fn outside<R>(work: impl FnOnce() -> R) -> R {
    let before = IN_STATE.replace(false);
    let result = work();
    IN_STATE.set(before);
    result
}

/// Whether the program has installed the allocator.
pub(super) fn is_installed() -> bool {
    let _state = StateScope::enter();
    let probe = std::hint::black_box(Box::new([0_u8; 64]));
    Pool::has((&raw const *probe).cast_mut().cast())
}

impl<A: GlobalAlloc> SpillAllocator<A> {
    #[inline]
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        if IN_STATE.get() { Pool::get()?.take(layout.size(), layout.align(), IN_INDEX.get()) } else { None }
    }
}

// SAFETY: the pool's memory is at least as large and aligned as asked and in use once; what is the pool's is told by its address, all else is
// passed on unchanged. Neither allocates through this allocator nor panics.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SpillAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        self.take(layout).unwrap_or_else(|| unsafe { self.inner.alloc(layout) })
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(memory) => {
                // SAFETY: the memory has so many bytes. They may be what was there before.
                unsafe { memory.write_bytes(0, layout.size()) };
                memory
            }
            // SAFETY: the caller keeps the contract of `alloc_zeroed`.
            None => unsafe { self.inner.alloc_zeroed(layout) },
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_ours = Pool::has(memory);
        if is_ours && Pool::is_same(layout.size(), size, layout.align()) {
            return memory;
        }
        if !is_ours && !IN_STATE.get() {
            // SAFETY: the caller keeps the contract of `realloc`, and the memory came from `inner`.
            return unsafe { self.inner.realloc(memory, layout, size) };
        }
        // State stays state, whichever thread makes it larger.
        let pool = Pool::get().and_then(|pool| pool.take(size, layout.align(), IN_INDEX.get()));
        // SAFETY: the size is one that `realloc` may be called with, so the layout is valid; it is not 0.
        let moved = pool.unwrap_or_else(|| unsafe { self.inner.alloc(Layout::from_size_align_unchecked(size, layout.align())) });
        if !moved.is_null() {
            // SAFETY: both have at least as many bytes, and they are apart; the old memory is the caller's to give.
            unsafe {
                moved.copy_from_nonoverlapping(memory, layout.size().min(size));
                self.dealloc(memory, layout);
            }
        }
        moved
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match Pool::get() {
            Some(pool) if Pool::has(memory) => pool.give(memory, layout.size(), layout.align()),
            // SAFETY: the caller keeps the contract of `dealloc`, and the memory came from `inner`.
            _ => unsafe { self.inner.dealloc(memory, layout) },
        }
    }
}
