//! What threads need to hand rows to each other without locks.
//!
//! * [`spsc`]: a queue from one thread to one other; [`CachePadded`]: values that do not share cache lines.
//! * [`backpressure`]: credits, so that a queue fills only as far as it may.
//! * [`GroupCommit`]: threads that wait for the disk share its syncs.
//! * [`router`]: rows to workers by key; [`affinity`]: a thread stays on its core; `signal`: a thread waits for another.

pub mod affinity;
pub mod backpressure;
mod cache_padded;
mod group_commit;
pub mod router;
pub(crate) mod signal;
pub mod spsc;
mod sync;

pub use backpressure::{Admission, BackpressureConfig, BackpressureConfigBuilder, CreditGate, CreditMetrics, OverflowStrategy};
pub use cache_padded::CachePadded;
pub use group_commit::GroupCommit;
pub use router::{KeyRouter, KeySpec};
pub use spsc::{Consumer, Producer, SpscQueue};
