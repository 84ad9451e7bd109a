//! Credits: how much may be under way to a worker, and what happens when there is no more room.
//!
//! A credit is the right to have one thing (a row, an event: whatever the caller counts) under way. Some credits belong to
//! one gate alone, so that it never stands still because of others; some float between the gates that share them, so that
//! memory goes where the load is. Credits go back when the thing has been worked off.

mod config;
mod gate;

pub use config::{BackpressureConfig, BackpressureConfigBuilder, OverflowStrategy};
pub(crate) use gate::wait_a_little;
pub use gate::{Admission, CreditGate, CreditMetrics};
