//! Adds up what an edge has carried: no row may be there less than zero times, and no key twice.

use arrow_schema::DataType;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::changelog::RowKeys;
use crate::graph::{ChangeKind, EdgeProperties};
use crate::{ChangeBatch, Error, Result};

/// The current rows of an edge, by key.
pub(super) struct Totals {
    keys: RowKeys,
    /// The columns that tell rows apart: the key of an upsert edge, else all.
    columns: Vec<usize>,
    whole: RowKeys,
    unique: bool,
    rows: HashMap<Box<[u8]>, i64, FixedState>,
    counts: HashMap<Box<[u8]>, i64, FixedState>,
}

impl Totals {
    /// Nothing yet. `None` if there is nothing to find out (append edges) or the rows cannot be compared.
    pub(super) fn new(edge: &EdgeProperties) -> Option<Self> {
        let all = (0..edge.schema.fields().len()).collect();
        let (columns, unique): (Vec<usize>, bool) = match &edge.changes {
            ChangeKind::Append => return None,
            ChangeKind::Upsert(key) => (key.clone(), true),
            ChangeKind::Retract => (all, false),
        };
        let types: Vec<DataType> = columns.iter().map(|column| edge.schema.field(*column).data_type().clone()).collect();
        let (keys, whole) = (RowKeys::new(&types).ok()?, RowKeys::of_schema(&edge.schema).ok()?);
        Some(Self { keys, columns, whole, unique, rows: HashMap::default(), counts: HashMap::default() })
    }

    /// Adds the changes of one step and looks at the rows that they touch.
    pub(super) fn add(&mut self, out: &[ChangeBatch]) -> Result<()> {
        let mut touched: Vec<Box<[u8]>> = Vec::new();
        let mut touched_keys: Vec<Box<[u8]>> = Vec::new();
        for changes in out {
            let whole = self.whole.encode(changes.rows().columns(), changes.len())?;
            touched.extend(sum(&mut self.rows, changes, whole.iter().map(|row| row.as_ref().into())));
            if self.unique {
                let columns: Vec<_> = self.columns.iter().map(|column| changes.column(*column).clone()).collect();
                let keys = self.keys.encode(&columns, changes.len())?;
                touched_keys.extend(sum(&mut self.counts, changes, keys.iter().map(|row| row.as_ref().into())));
            }
        }
        let worst = touched.iter().map(|row| self.rows.get(row).copied().unwrap_or(0)).min();
        if let Some(weight) = worst.filter(|weight| *weight < 0) {
            return Err(Error::internal(format!("a row is there {weight} times")));
        }
        let most = touched_keys.iter().map(|key| self.counts.get(key).copied().unwrap_or(0)).max();
        if let Some(count) = most.filter(|count| *count > 1) {
            return Err(Error::internal(format!("a key is there {count} times")));
        }
        Ok(())
    }
}

/// Adds the weights; returns the keys that were touched. A key that comes to nothing is forgotten.
fn sum(
    sums: &mut HashMap<Box<[u8]>, i64, FixedState>,
    changes: &ChangeBatch,
    keys: impl Iterator<Item = Box<[u8]>>,
) -> Vec<Box<[u8]>> {
    let keys: Vec<Box<[u8]>> = keys.collect();
    for (row, key) in keys.iter().enumerate() {
        let total = sums.entry(key.clone()).or_insert(0);
        *total += changes.weight(row);
        if *total == 0 {
            sums.remove(key);
        }
    }
    keys
}
