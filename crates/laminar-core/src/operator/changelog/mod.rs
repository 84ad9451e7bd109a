//! Changes for Rust users who aggregate and retract themselves.
//!
//! * [`accumulators`](RetractableAccumulator): aggregates of values that come and go, one value at a time.

mod accumulators;

pub use accumulators::{
    RetractableAccumulator, RetractableAvg, RetractableCount, RetractableFirst, RetractableLast, RetractableMax, RetractableMin,
    RetractableSum,
};
