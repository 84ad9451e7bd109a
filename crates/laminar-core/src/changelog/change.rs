//! What each row of a step's changes does to the picture of a reader.

use std::collections::BTreeMap;

use arrow_array::Array;
use arrow_schema::DataType;

use super::{ChangeBatch, RowKeys};
use crate::Result;

/// What a change does to the reader's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `+I`: a new row.
    Insert,
    /// `-U`: the row before an update.
    UpdateBefore,
    /// `+U`: the row after an update.
    UpdateAfter,
    /// `-D`: a row that is gone.
    Delete,
}

impl Change {
    /// The two characters that people read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Change::Insert => "+I",
            Change::UpdateBefore => "-U",
            Change::UpdateAfter => "+U",
            Change::Delete => "-D",
        }
    }
}

/// What each row of one step's changes does. Where rows are replaced by the columns `key`, a retraction and an insertion of one key are
/// one update.
pub fn changes_of(changes: &ChangeBatch, key: Option<&[usize]>) -> Result<Vec<Change>> {
    let plain = |row: usize| if changes.weight(row) > 0 { Change::Insert } else { Change::Delete };
    let mut all: Vec<Change> = (0..changes.len()).map(plain).collect();
    let Some(key) = key.filter(|_| !changes.is_append()) else { return Ok(all) };
    let columns: Vec<_> = key.iter().map(|column| changes.column(*column).clone()).collect();
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
    let keys = RowKeys::new(&types)?.encode(&columns, changes.len())?;
    let mut removed = BTreeMap::new();
    for row in (0..changes.len()).filter(|row| changes.weight(*row) < 0) {
        removed.insert(keys.row(row), row);
    }
    for row in (0..changes.len()).filter(|row| changes.weight(*row) > 0) {
        if let Some(before) = removed.get(&keys.row(row)) {
            all[*before] = Change::UpdateBefore;
            all[row] = Change::UpdateAfter;
        }
    }
    Ok(all)
}
