//! What flows: rows with integer weights (Z-sets). +1 inserts a row, −1 retracts it, equal rows add up.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Int64Array, RecordBatch};
//! use laminar_core::ChangeBatch;
//!
//! let rows = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1, 2])) as _)]).unwrap();
//! let changes = ChangeBatch::new(rows, vec![1, -1]);
//! assert_eq!(changes.weight(1), -1);
//! ```

mod batch;
mod builder;
mod change;
mod consolidate;
mod integrate;
mod partition;
mod print;
mod row_equal;
mod row_hash;
mod row_key;
mod weight;

pub use batch::ChangeBatch;
pub(crate) use batch::take_rows;
pub use change::{Change, changes_of};
pub(crate) use consolidate::{add_weights, first_equal_rows};
pub use consolidate::{consolidate, consolidate_all};
pub use integrate::{Integral, assert_same};
pub(crate) use partition::{partitions, split_by_key, worker_of_partition};
pub use print::{print_all, print_net};
pub use row_equal::equal_rows;
pub(crate) use row_hash::hash_bytes;
pub use row_hash::hash_rows;
pub use row_key::{RowKeys, canonical_floats};
pub use weight::Weights;
