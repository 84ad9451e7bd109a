//! Marks a section of code that must not allocate, and reports where it did.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Mutex;

use super::counting_allocator::{AllocationCounts, thread_allocations, uncounted};

/// Stands where a section begins that must not allocate, and looks at the counters when it ends.
///
/// Only a program that has installed [`CountingAllocator`](super::CountingAllocator) has anything to see; in all others a
/// guard reads one thread-local value twice. A section includes those inside of it.
///
/// ```
/// use laminar_core::alloc::{CountingAllocator, HotPathGuard, hot_sections};
///
/// #[global_allocator]
/// static ALLOCATOR: CountingAllocator = CountingAllocator::new();
///
/// # fn main() {
/// let mut rows = vec![1];
/// {
///     let _guard = HotPathGuard::enter("process_event");
///     rows[0] += 1;
/// }
/// assert!(hot_sections().is_empty());
/// {
///     laminar_core::hot_path!("grow");
///     rows.push(2);
/// }
/// assert_eq!((hot_sections()[0].name, hot_sections()[0].allocations), ("grow", 1));
/// # }
/// ```
#[must_use = "a guard watches until it is dropped"]
#[derive(Debug)]
pub struct HotPathGuard {
    name: &'static str,
    before: AllocationCounts,
    /// It looks at the counters of the thread that it began on.
    stays_on_its_thread: PhantomData<*const ()>,
}

impl HotPathGuard {
    /// Begins the section `name` of the current thread.
    #[inline]
    pub fn enter(name: &'static str) -> Self {
        Self { name, before: thread_allocations(), stays_on_its_thread: PhantomData }
    }

    /// What has been allocated since it began.
    #[inline]
    pub fn allocated(&self) -> AllocationCounts {
        thread_allocations() - self.before
    }
}

impl Drop for HotPathGuard {
    #[inline]
    fn drop(&mut self) {
        let allocated = self.allocated();
        if allocated.allocations > 0 {
            report(self.name, allocated);
        }
    }
}

/// Marks the rest of the block as a section that must not allocate: [`HotPathGuard`](crate::alloc::HotPathGuard) in one line.
#[macro_export]
macro_rules! hot_path {
    ($name:expr) => {
        let _hot_path = $crate::alloc::HotPathGuard::enter($name);
    };
}

/// A section that has allocated, over all threads of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotSection {
    /// As given to [`HotPathGuard::enter`].
    pub name: &'static str,
    /// How often the section was run and allocated.
    pub runs: u64,
    /// Calls that handed out memory.
    pub allocations: u64,
    /// Bytes that they asked for.
    pub bytes: u64,
}

/// What a thread does at the end of a section that has allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnAllocation {
    /// Counts it in [`hot_sections`].
    Count,
    /// Counts it and panics, so that a test fails where it happened.
    Panic,
}

thread_local! {
    static ON_ALLOCATION: Cell<OnAllocation> = const { Cell::new(OnAllocation::Count) };
}

/// The one list of the program, as the allocator is one: sections run on all threads. It is locked only when something was
/// allocated.
static SECTIONS: Mutex<Vec<HotSection>> = Mutex::new(Vec::new());

/// Says what the current thread does from now on at the end of a section that has allocated; at first it counts.
pub fn on_allocation(reaction: OnAllocation) {
    ON_ALLOCATION.set(reaction);
}

/// The sections that have allocated, in the order of their first time. Empty is what a test wants to see.
pub fn hot_sections() -> Vec<HotSection> {
    sections(|sections| sections.clone())
}

/// Forgets what has been counted, for instance after a warm-up.
pub fn reset_hot_sections() {
    sections(Vec::clear);
}

#[cold]
fn report(name: &'static str, allocated: AllocationCounts) {
    uncounted(|| sections(|sections| add(sections, name, allocated)));
    if ON_ALLOCATION.get() == OnAllocation::Panic && !std::thread::panicking() {
        panic!("the hot section '{name}' allocated {} times, {} bytes", allocated.allocations, allocated.bytes);
    }
}

fn add(sections: &mut Vec<HotSection>, name: &'static str, allocated: AllocationCounts) {
    let at = sections.iter().position(|section| section.name == name).unwrap_or_else(|| {
        sections.push(HotSection { name, runs: 0, allocations: 0, bytes: 0 });
        sections.len() - 1
    });
    let section = &mut sections[at];
    section.runs += 1;
    section.allocations += allocated.allocations;
    section.bytes += allocated.bytes;
}

/// A thread that panicked with the lock leaves a list that is still a list.
fn sections<R>(work: impl FnOnce(&mut Vec<HotSection>) -> R) -> R {
    work(&mut SECTIONS.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}
