//! DataFusion's expressions and aggregates behind laminar-core's traits.

mod aggregate;
mod bridge;
mod clock;
mod growth;
mod moment;
mod over;
mod scalar;

pub(crate) use aggregate::aggregate_call;
pub(crate) use clock::{conditions, read_clock, tells_time, trend};
pub(crate) use growth::{exact_length, shifted};
pub(crate) use moment::{Turn, shown, turn};
pub(crate) use over::over_function;
pub(crate) use scalar::scalar;
