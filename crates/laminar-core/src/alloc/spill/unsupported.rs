//! Where the system has no way to put state out: nothing is limited, and a limit is refused.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;

use super::MemoryUsage;
use crate::{Code, Error, Result};

/// Passes everything on: state leaves memory on Linux only.
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

#[expect(unsafe_code, reason = "an allocator can be written in no other way; it only passes on")]
// SAFETY: every call is passed on unchanged.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SpillAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { self.inner.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { self.inner.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { self.inner.dealloc(memory, layout) }
    }
}

/// Does nothing here.
#[derive(Debug)]
pub struct StateScope(());

impl StateScope {
    /// Begins the scope.
    pub fn enter() -> Self {
        Self(())
    }
}

/// Does nothing here.
#[derive(Debug)]
pub struct IndexScope(());

impl IndexScope {
    /// Begins the scope.
    pub fn enter() -> Self {
        Self(())
    }
}

/// There is none here.
#[derive(Debug)]
pub struct MemoryLimit(());

impl MemoryLimit {
    /// Says that there is none on this system.
    pub fn new(_bytes: u64, _directory: &Path) -> Result<Self> {
        Err(Error::new(Code::NotSupported, "memory_limit works on Linux only"))
    }

    /// What it is.
    pub fn bytes(&self) -> u64 {
        0
    }

    /// Never.
    pub fn is_reached() -> bool {
        false
    }

    /// It does not.
    pub fn spills() -> bool {
        false
    }

    /// Nothing is known.
    pub fn usage() -> MemoryUsage {
        MemoryUsage::default()
    }

    /// Never.
    pub fn is_disk_full() -> bool {
        false
    }

    /// There is none.
    pub fn smallest() -> Option<u64> {
        None
    }
}
