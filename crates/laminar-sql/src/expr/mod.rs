//! DataFusion's expressions and aggregates behind laminar-core's traits.

mod aggregate;
mod bridge;
mod growth;
mod scalar;

pub(crate) use aggregate::aggregate_call;
pub(crate) use scalar::scalar;
