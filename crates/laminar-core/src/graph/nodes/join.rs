//! Pairs of rows with equal keys.

use crate::expr::ExprRef;

/// Inner equi-join. Output columns: left, then right. NULL keys match nothing.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// Key expressions over the left input; none: every pair is looked at.
    pub left_keys: Vec<ExprRef>,
    /// Key expressions over the right input, of the same types.
    pub right_keys: Vec<ExprRef>,
    /// A condition over left and right columns together that a pair must also meet.
    pub residual: Option<ExprRef>,
}
