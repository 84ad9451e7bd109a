//! What operators evaluate: traits only. laminar-sql implements them with DataFusion; tests and Rust users by hand.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::DataType;

use crate::Result;

pub mod aggregate;
mod column;
mod comparison;
mod isolate;
mod row_mask;
mod sort;
mod times_apart;
pub(crate) mod word_types;
pub(crate) mod words;

pub use column::Column;
pub use comparison::{CompareOp, both, compare_with_constant};
pub use isolate::{BadRow, Isolated, evaluate_all_isolating, evaluate_isolating};
pub use row_mask::RowMask;
pub use sort::{SortDirection, SortKey};
pub use times_apart::times_apart;

/// A scalar expression over the columns of a batch.
pub trait ScalarExpr: Debug + Send + Sync {
    /// One value for each row of `rows`. An error concerns at least one row; the operator finds out which.
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef>;

    /// For a condition: leaves out the rows for which it is not true (false or NULL), if it has a shorter way to tell than
    /// [`evaluate`](Self::evaluate). If not, the answer is false, and what `mask` then holds means nothing.
    fn retain_true(&self, rows: &RecordBatch, mask: &mut RowMask) -> bool {
        let _ = (rows, mask);
        false
    }

    /// The type of the values.
    fn data_type(&self) -> &DataType;

    /// Whether a value may be NULL.
    fn nullable(&self) -> bool;

    /// The input column that this expression merely repeats, if it does only that.
    fn as_column(&self) -> Option<usize> {
        None
    }

    /// The input column with which the values grow, if they do.
    fn grows_with(&self) -> Option<Growth> {
        self.as_column().map(|column| Growth { column, behind: 0 })
    }

    /// The expression as people read it in `EXPLAIN GRAPH`.
    fn display(&self) -> String;
}

/// Values that never get less while those of a column grow: a time that is cut to the hour, or moved by an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Which column of the input.
    pub column: usize,
    /// By how much a value can be less than the column's, in nanoseconds.
    pub behind: i64,
}

/// A shared expression.
pub type ExprRef = Arc<dyn ScalarExpr>;
