//! Many cores: what one pinned thread per core needs to hand rows on without locks.
//!
//! * [`spsc`]: a queue from one thread to one other; [`CachePadded`]: values that do not share cache lines.
//! * [`affinity`]: a thread stays on its core.

pub mod affinity;
mod cache_padded;
pub mod spsc;
mod sync;

pub use cache_padded::CachePadded;
pub use spsc::{Consumer, Producer, SpscQueue};
