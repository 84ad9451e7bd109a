//! DataFusion's expressions and aggregates behind laminar-core's traits.

mod aggregate;
mod bridge;
mod growth;
mod over;
mod scalar;

pub(crate) use aggregate::aggregate_call;
pub(crate) use growth::{exact_length, shifted};
pub(crate) use over::over_function;
pub(crate) use scalar::scalar;
