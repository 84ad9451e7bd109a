//! Typed doors for programs in Rust that build graphs without SQL. The database itself does not read on here.
//!
//! * [`CoreHandle`]: a thread with a reactor of its own; [`ThreadPerCoreRuntime`]: one of them for each core, rows dealt out by key.

mod core;
mod thread_per_core;

pub use self::core::{CoreConfig, CoreHandle, CoreMetrics, CoreOutput, Emitted, Event};
pub use crate::runtime::{Lane, LaneBudgets};
pub use thread_per_core::{ThreadPerCoreRuntime, TpcConfig, TpcConfigBuilder};
