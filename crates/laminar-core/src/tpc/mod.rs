//! Many cores: what one pinned thread per core needs to hand rows on without locks.
//!
//! * [`spsc`]: a queue from one thread to one other; [`CachePadded`]: values that do not share cache lines.
//! * [`backpressure`]: credits, so that a queue fills only as far as it may.
//! * [`router`]: rows to workers by key; [`affinity`]: a thread stays on its core.
//! * [`CoreHandle`]: a thread with a reactor of its own; [`ThreadPerCoreRuntime`]: one of them for each core, rows dealt out by key.
//! * [`Threads`]: a thread for each worker of a graph that several workers share (see [`Workers`](crate::dag::Workers)).

pub mod affinity;
pub mod backpressure;
mod cache_padded;
mod core;
pub mod router;
mod runtime;
mod signal;
pub mod spsc;
mod sync;
mod thread_pool;

pub use self::core::{CoreConfig, CoreHandle, CoreMetrics, CoreOutput, Emitted, Event, Lane, LaneBudgets};
pub use backpressure::{Admission, BackpressureConfig, BackpressureConfigBuilder, CreditGate, CreditMetrics, OverflowStrategy};
pub use cache_padded::CachePadded;
pub use router::{KeyRouter, KeySpec};
pub use runtime::{ThreadPerCoreRuntime, TpcConfig, TpcConfigBuilder};
pub use spsc::{Consumer, Producer, SpscQueue};
pub use thread_pool::{ThreadPool, ThreadPoolConfig};
