//! The oracle: after every step a view must hold what the same query gives as a batch over the inputs so far.
//!
//! A test describes tables and queries; [`check`] makes random histories, gives them step by step to the engine (the
//! [`Subject`], which the test brings) and compares with DataFusion ([`BatchOracle`]). Each history is also cut anew and
//! must end in the same contents, so that results depend on no cut.
//!
//! A failure prints the seed, the statements, the history (the smallest of those that failed) and the differences.
//!
//! | variable | meaning |
//! |---|---|
//! | `LAMINAR_ORACLE_CASES` | how many histories each operator gets (10000) |
//! | `LAMINAR_ORACLE_SEED` | the one history to repeat |

use laminar_core::{ChangeBatch, Result};

use crate::random::{Sizes, Table};

mod batch;
mod check;
mod report;

pub use batch::{BatchOracle, BatchQuery};
pub use check::{Effort, check, run};
pub use report::{Failure, Summary};

/// An oracle test: one operator, several queries about it.
#[derive(Debug, Clone)]
pub struct Test {
    /// The tables and sources of all queries.
    pub tables: Vec<Table>,
    /// The queries; each history is for one of them.
    pub queries: Vec<Query>,
    /// How large a history is.
    pub sizes: Sizes,
    /// It gets one of so many parts of the histories: 1 is all, 2 half, for one of several tests of the same operator.
    pub share: u64,
}

/// A query, said twice.
#[derive(Debug, Clone)]
pub struct Query {
    /// What the engine runs after the tables are created. The last statement creates the object [`VIEW`].
    pub statements: Vec<String>,
    /// What DataFusion runs. It sees each table with one more column, `arrival`: the source's watermark (a timestamp or
    /// NULL) before the row came. A table `progress` of one row has a column for each table of the test: its watermark now.
    pub batch: String,
}

/// The name of the object whose contents are compared.
pub const VIEW: &str = "v";

impl Test {
    /// A test with histories of the usual size.
    pub fn new(tables: Vec<Table>, queries: Vec<Query>) -> Self {
        Self { tables, queries, sizes: Sizes::default(), share: 1 }
    }
}

impl Query {
    /// A materialized view and the same SELECT as a batch.
    pub fn same(select: impl Into<String>) -> Self {
        let select = select.into();
        Self::pair(select.clone(), select)
    }

    /// A materialized view and what it must hold, said in batch SQL.
    pub fn pair(streaming: impl AsRef<str>, batch: impl Into<String>) -> Self {
        let statement = format!("CREATE MATERIALIZED VIEW {VIEW} AS {}", streaming.as_ref());
        Self { statements: vec![statement], batch: batch.into() }
    }
}

/// The engine under test, as a maker of prepared queries.
pub trait Subject {
    /// Plans `statements`, of which the last creates [`VIEW`].
    ///
    /// # Errors
    /// If a statement is refused; the test fails with that.
    fn prepare(&self, tables: &[Table], statements: &[String]) -> Result<Box<dyn Prepared>>;
}

/// A planned query that can be started as often as wanted, each time with empty tables.
pub trait Prepared {
    /// A fresh engine.
    ///
    /// # Errors
    /// If the engine does not start; the test fails with that.
    fn start(&self) -> Result<Box<dyn Running + '_>>;
}

/// An engine that is fed step by step.
pub trait Running {
    /// Runs one step over batches of `(table number, changes)`, in this order. There may be none at all.
    ///
    /// # Errors
    /// If the step fails; the test fails with that.
    fn step(&mut self, batches: Vec<(usize, ChangeBatch)>) -> Result<()>;

    /// What [`VIEW`] holds now, with weights.
    ///
    /// # Errors
    /// If it cannot be read; the test fails with that.
    fn contents(&mut self) -> Result<Vec<ChangeBatch>>;
}
