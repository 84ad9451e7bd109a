//! A picture of an operator's state at a step boundary: named Arrow tables, so that one encoding serves all operators.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;

use super::Ownership;
use super::row_store::FrozenRows;
use crate::{Error, Result};

/// Tables of the same version hold the same rows, as long as the process lives: who has stored one need not look at the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableVersion([u64; 3]);

impl TableVersion {
    /// One that no other table has.
    pub(crate) fn unique() -> Self {
        Self([next_number(), 0, 0])
    }

    /// That of a table which is made of up to three things, each of which has a [number](next_number) of its own; 0 stands for none.
    pub(crate) fn of(numbers: [u64; 3]) -> Self {
        Self(numbers)
    }
}

/// A number that was never given before in this process.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// One table of an image. Arrow columns are shared, so that taking an image copies no data that is already columnar.
#[derive(Debug, Clone)]
pub struct ImageTable {
    /// What the table is to its operator: `groups`, `left`, `sessions`.
    pub name: String,
    /// What tells it from others of other rows; `None`: that is not known.
    pub version: Option<TableVersion>,
    rows: ImageRows,
}

#[derive(Debug, Clone)]
enum ImageRows {
    Table(RecordBatch),
    /// Rows of a store, out of which those that are live are picked when the image is read: it is taken between two steps, which wait for it, and read
    /// beside them.
    Frozen(FrozenRows, OnceLock<RecordBatch>),
    /// The last checkpoint has a table of this version.
    Stored,
}

impl ImageTable {
    /// Its rows. Fails for one of which only the last checkpoint has the rows ([`Imaged::checkpoint`]).
    pub fn rows(&self) -> Result<&RecordBatch> {
        match &self.rows {
            ImageRows::Table(rows) => Ok(rows),
            ImageRows::Frozen(frozen, rows) => Ok(rows.get_or_init(|| frozen.to_table())),
            ImageRows::Stored => Err(Error::internal(format!("the rows of {} are in the last checkpoint alone", self.name))),
        }
    }

    /// About how many bytes its rows have. Nothing is copied for that.
    pub fn bytes(&self) -> usize {
        match &self.rows {
            ImageRows::Table(rows) => rows.get_array_memory_size(),
            ImageRows::Frozen(frozen, _) => frozen.bytes(),
            ImageRows::Stored => 0,
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
        self.add(name, None, ImageRows::Table(rows));
    }

    /// Adds a table of this version. `None`: the last checkpoint has its rows.
    pub(crate) fn push_version(&mut self, name: impl Into<String>, version: TableVersion, rows: Option<RecordBatch>) {
        self.add(name, Some(version), rows.map_or(ImageRows::Stored, ImageRows::Table));
    }

    /// Adds a table of the live rows among these.
    pub(crate) fn push_frozen(&mut self, name: impl Into<String>, version: TableVersion, rows: FrozenRows) {
        self.add(name, Some(version), ImageRows::Frozen(rows, OnceLock::new()));
    }

    fn add(&mut self, name: impl Into<String>, version: Option<TableVersion>, rows: ImageRows) {
        self.tables.push(ImageTable { name: name.into(), version, rows });
    }

    /// All tables called `name`, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = Result<&'a RecordBatch>> {
        let name = name.to_owned();
        self.tables.iter().filter(move |table| table.name == name).map(ImageTable::rows)
    }

    /// The table called `name`.
    pub fn get(&self, name: &str) -> Result<&RecordBatch> {
        self.all(name).next().unwrap_or_else(|| Err(Error::internal(format!("state image without table {name}"))))
    }
}

/// What was copied ahead of a checkpoint, in rows, groups or the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CopiedAhead {
    /// So many now.
    pub copied: usize,
    /// So many are not, or have changed since.
    pub left: usize,
}

/// State of which an image can be taken and given back. Both happen between steps only.
///
/// Steps wait while a checkpoint is taken. So what would take long to copy is copied [ahead](Self::copy_ahead), in pieces between steps, and what has not
/// changed since the last one is not copied again.
///
/// Recovery and another number of workers are one contract: a state comes back from the images of any number of workers, all taken
/// after the same step, and each of the new workers takes what it owns of them. No row is in two images.
pub trait Imaged {
    /// The state as it stands.
    fn image(&mut self) -> Result<StateImage>;

    /// The same for a checkpoint: tables that the last one [has](Self::checkpoint_is_stored) may come without their rows.
    fn checkpoint(&mut self) -> Result<StateImage> {
        self.image()
    }

    /// The last [`checkpoint`](Self::checkpoint) that was taken is stored, and stays so until there is another one.
    fn checkpoint_is_stored(&mut self) {}

    /// Copies up to `rows` rows, groups or the like of what the next [`checkpoint`](Self::checkpoint) will need. What changes afterwards is copied anew, so that
    /// this may be called between any two steps, or not at all.
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
