//! Memory on the hot path: nothing is allocated per row, and where something is, tests and benchmarks see it.
//!
//! * [`CountingAllocator`]: counts what each thread allocates, in the programs that install it.
//! * [`HotPathGuard`] and [`hot_path!`](crate::hot_path): mark what must not allocate.
//! * [`SpillAllocator`], [`MemoryLimit`]: state that leaves memory when a process takes more than it may.
//! * [`ObjectPool`], [`RingBuffer`]: things that are made once and used again.

mod counting_allocator;
mod hot_path_guard;
mod object_pool;
mod ring_buffer;
mod spill;

pub use counting_allocator::{AllocationCounts, CountingAllocator, thread_allocations};
pub use hot_path_guard::{HotPathGuard, HotSection, OnAllocation, hot_sections, on_allocation, reset_hot_sections};
pub use object_pool::ObjectPool;
pub use ring_buffer::RingBuffer;
pub use spill::{IndexScope, MemoryLimit, MemoryUsage, SpillAllocator, StateScope};

pub use crate::hot_path;
