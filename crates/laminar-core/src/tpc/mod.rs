//! Many cores: what one pinned thread per core needs to hand rows on without locks.
//!
//! * [`spsc`]: a queue from one thread to one other; [`CachePadded`]: values that do not share cache lines.
//! * [`affinity`]: a thread stays on its core.
//! * [`Threads`]: a thread for each worker of a graph that several workers share (see [`Workers`](crate::dag::Workers)).

pub mod affinity;
mod cache_padded;
mod crew;
mod signal;
pub mod spsc;
mod sync;

pub use cache_padded::CachePadded;
pub use crew::{CrewConfig, Threads};
pub use spsc::{Consumer, Producer, SpscQueue};
