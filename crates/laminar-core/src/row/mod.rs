//! Typed rows: Rust structs as rows of a batch, and rows of a batch as Rust structs.
//!
//! [`Row`] is derived (`#[derive(Row)]` of the crate `laminar-derive`); [`Cell`] says which field types there are. Columns
//! are found by name, never by position, so that a query may list them in any order and add others.
//!
//! | Rust | SQL | also read from |
//! |---|---|---|
//! | `bool` | `BOOLEAN` | |
//! | `i8` `i16` `i32` `i64`, `u8` `u16` `u32` `u64` | `TINYINT` … `BIGINT`, unsigned | every smaller integer that fits |
//! | `f32`, `f64` | `REAL`, `DOUBLE` | `REAL` as `f64` |
//! | `String` | `VARCHAR` | |
//! | `Vec<u8>` | `BYTEA` | |
//! | [`EventTime`](crate::time::EventTime) | `TIMESTAMP` (nanoseconds) | timestamps in other units; dates |
//! | `Option<T>` | the same, with NULL | |

mod cell;
mod columns;

pub use arrow_array::RecordBatch;
pub use arrow_schema::SchemaRef;
pub use cell::Cell;
pub use columns::{Values, batch, column, field, schema, values};

use crate::Result;

/// A struct whose fields are the columns of a table.
pub trait Row: Sized {
    /// The columns' names and types, in the order of the fields.
    fn schema() -> SchemaRef;

    /// The rows as a batch of exactly [`schema`](Self::schema).
    fn to_batch(rows: &[Self]) -> Result<RecordBatch>;

    /// The rows of a batch. Columns are found by name, others are ignored.
    ///
    /// # Errors
    /// `UnknownColumn` (with the nearest name) if a column is missing, `TypeMismatch` if it has another type, `BadData` if it
    /// holds a NULL and its field is not an `Option`.
    fn from_batch(batch: &RecordBatch) -> Result<Vec<Self>>;
}
