//! Many cores: what one pinned thread per core needs to hand rows on without locks.
//!
//! * [`CachePadded`]: values that do not share cache lines; [`affinity`]: a thread stays on its core.

pub mod affinity;
mod cache_padded;

pub use cache_padded::CachePadded;
