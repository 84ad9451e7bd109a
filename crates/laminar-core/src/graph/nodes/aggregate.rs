//! Groups without windows.

use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::graph::EdgeProperties;

/// `GROUP BY keys`. Output columns: keys, then aggregates. Without keys there is always exactly one row.
#[derive(Debug, Clone)]
pub struct AggregateSpec {
    /// Group keys over the input.
    pub keys: Vec<ExprRef>,
    /// What is computed for each group.
    pub aggregates: Vec<AggregateCall>,
}

/// Whether these aggregates can be worked out in two phases over rows of `input`: nothing is taken back, and a group is no more
/// to send than a few rows.
pub fn can_be_sent(calls: &[AggregateCall], input: &EdgeProperties) -> bool {
    let is_small = |call: &AggregateCall| call.function.accumulator(false).is_ok_and(|accumulator| accumulator.is_small());
    input.changes.is_append() && calls.iter().all(is_small)
}
