//! State on disk: memory of a file that is mapped, so that a process keeps more state than it may take memory.
//!
//! What operators keep is allocated from a file in the `temp_directory` once a `memory_limit` is set; the file has no name, so nothing is
//! left of it when the process ends. Containers know nothing of it: a page that is not in memory comes back when it is touched.
//!
//! * [`SpillAllocator`]: the global allocator of a program whose state shall be able to leave memory. All else it passes on.
//! * [`StateScope`]: says that what this thread allocates is state; [`IndexScope`], that every change looks into it.
//! * [`MemoryLimit`]: how much the process may take. A thread puts pages out when it takes more.
//!
//! Built of: `mapping` the file and its addresses, `runs` which parts of it are free, `slabs` small pieces, `resident` what the process takes.

#[cfg(target_os = "linux")]
mod allocator;
#[cfg(target_os = "linux")]
mod limit;
#[cfg(target_os = "linux")]
mod mapping;
#[cfg(target_os = "linux")]
mod pool;
#[cfg(target_os = "linux")]
mod resident;
#[cfg(target_os = "linux")]
mod runs;
#[cfg(target_os = "linux")]
mod slabs;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(target_os = "linux")]
pub use allocator::{IndexScope, SpillAllocator, StateScope};
#[cfg(target_os = "linux")]
pub use limit::MemoryLimit;
#[cfg(not(target_os = "linux"))]
pub use unsupported::{IndexScope, MemoryLimit, SpillAllocator, StateScope};

/// What a process takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryUsage {
    /// Pages in memory, those of the program's own file included.
    pub resident: u64,
    /// State that can leave memory, whether it is there or not.
    pub spillable: u64,
    /// The size of the file for it.
    pub file: u64,
}
