//! Runs `.slt` scripts: SQL statements with the results that they must have. One file is one test.
//!
//! ```text
//! statement ok
//! CREATE TABLE t (a BIGINT, b VARCHAR)
//!
//! statement ok
//! INSERT INTO t VALUES (1, 'x'), (2, NULL)
//!
//! query IT rowsort
//! SELECT a, b FROM t
//! ----
//! 1 x
//! 2 NULL
//!
//! statement error unknown column
//! SELECT c FROM t
//! ```
//!
//! `error` takes a regular expression over the whole message with its code. How values are printed: [`Kind`].
//! `UPDATE_EXPECT=1` writes the actual results into the files instead of comparing; read the difference before committing it.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::Result;

mod files;
mod kind;
mod runner;

pub use files::{MakeEngine, run_folder, run_folder_on};
pub use kind::Kind;
pub use runner::run_script;

/// An engine that scripts talk to. A script starts with a fresh one, and with another fresh one for each named connection.
pub trait Engine: Send {
    /// Runs one statement (without semicolon) to its end.
    ///
    /// # Errors
    /// If the statement is refused or fails; scripts can expect that.
    fn run(&mut self, sql: &str) -> Result<Answer>;
}

/// What a statement gives.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Rows, perhaps none.
    Rows(SchemaRef, Vec<RecordBatch>),
    /// It is done and has changed that many rows.
    Done(u64),
}
