//! Filter and projection, fused.

use crate::expr::ExprRef;

/// `filter`, then `projection`.
#[derive(Debug, Clone)]
pub struct ComputeSpec {
    /// Rows for which this is not true are dropped.
    pub filter: Option<ExprRef>,
    /// The output columns; `None`: as they are.
    pub projection: Option<Vec<ExprRef>>,
}
