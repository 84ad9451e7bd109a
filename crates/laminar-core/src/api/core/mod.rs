//! A core: a thread that owns a reactor of its own, with queues in front of it and behind it, and nothing shared with others.
//!
//! * [`config`]: the settings that a core starts with. [`event`]: what goes in and comes out.
//! * [`handle`]: the caller's side. [`thread`]: the core's side; [`shared`]: what both see.
//! * [`lane_queue`]: what waits in one lane; [`results`]: the way back. Which lane has its turn decides a [`Scheduler`](crate::runtime::Scheduler).
//!
//! **How a core waits.** When it has nothing to do, it looks at its queues up to `spin_looks` times (some 20 µs, about twice what
//! sleeping and waking take), then sleeps until the caller wakes it: after putting something into a queue, the caller looks whether
//! the core sleeps, which costs one atomic read when it does not. A core with a timer sleeps until that is due.

mod config;
mod event;
mod handle;
mod lane_queue;
mod metrics;
mod results;
mod shared;
mod thread;

pub use config::CoreConfig;
pub use event::{CoreOutput, Emitted, Event};
pub use handle::CoreHandle;
pub use metrics::CoreMetrics;

pub(super) use config::looks_for;
pub(super) use handle::{Source, find_source};
