//! A picture of an operator's state at a step boundary: named Arrow tables, so that one encoding serves all operators.

use std::sync::OnceLock;

use arrow_array::RecordBatch;

use super::Ownership;
use super::row_store::FrozenRows;
use crate::{Error, Result};

/// One table of an image. Arrow columns are shared, so that taking an image copies no data that is already columnar.
#[derive(Debug, Clone)]
pub struct ImageTable {
    /// What the table is to its operator: `groups`, `left`, `sessions`.
    pub name: String,
    rows: ImageRows,
}

#[derive(Debug, Clone)]
enum ImageRows {
    Table(RecordBatch),
    /// Rows of a store, out of which those that are live are picked when the image is read: it is taken between two steps, which wait for it, and read
    /// beside them.
    Frozen(FrozenRows, OnceLock<RecordBatch>),
}

impl ImageTable {
    /// Its rows.
    pub fn rows(&self) -> &RecordBatch {
        match &self.rows {
            ImageRows::Table(rows) => rows,
            ImageRows::Frozen(frozen, rows) => rows.get_or_init(|| frozen.to_table()),
        }
    }
}

/// All that an operator must remember to go on after the step at whose end the image was taken.
#[derive(Debug, Clone, Default)]
pub struct StateImage {
    /// The tables; their order and names belong to the operator.
    pub tables: Vec<ImageTable>,
}

impl StateImage {
    /// Adds a table.
    pub fn push(&mut self, name: impl Into<String>, rows: RecordBatch) {
        self.tables.push(ImageTable { name: name.into(), rows: ImageRows::Table(rows) });
    }

    /// Adds a table of the live rows among these.
    pub(crate) fn push_frozen(&mut self, name: impl Into<String>, rows: FrozenRows) {
        self.tables.push(ImageTable { name: name.into(), rows: ImageRows::Frozen(rows, OnceLock::new()) });
    }

    /// All tables called `name`, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a RecordBatch> {
        let name = name.to_owned();
        self.tables.iter().filter(move |table| table.name == name).map(ImageTable::rows)
    }

    /// The table called `name`.
    pub fn get(&self, name: &str) -> Result<&RecordBatch> {
        self.all(name).next().ok_or_else(|| Error::internal(format!("state image without table {name}")))
    }
}

/// What was copied ahead of an image, in rows, groups or the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopiedAhead {
    /// So many now.
    pub copied: usize,
    /// So many are not, or have changed since.
    pub left: usize,
}

/// State of which an image can be taken and given back. Both happen between steps only.
///
/// Steps wait while an image is taken. So what would take long to copy is copied [ahead](Self::copy_ahead), in pieces between steps.
///
/// Recovery and another number of workers are one contract: a state comes back from the images of any number of workers, all taken
/// after the same step, and each of the new workers takes what it owns of them. No row is in two images.
pub trait Imaged {
    /// The state as it stands.
    fn image(&mut self) -> Result<StateImage>;

    /// Copies up to `rows` rows, groups or the like of what the next [`image`](Self::image) will need. What changes afterwards is copied anew, so that this
    /// may be called between any two steps, or not at all.
    fn copy_ahead(&mut self, _rows: usize) -> Result<CopiedAhead> {
        Ok(CopiedAhead::default())
    }

    /// Replaces the state of a fresh operator by what `owned` says of the images `parts`, of which there is at least one. One image
    /// of which all is owned comes back as it was, to the order of the rows.
    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()>;

    /// How many rows, groups or sessions are held.
    fn rows(&self) -> usize;

    /// Bytes that the state holds: within a tenth of what the allocator has handed out for it, a little more where it has large trees.
    fn bytes(&self) -> usize;
}
