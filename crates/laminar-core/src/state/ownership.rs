//! Which part of a state belongs to one worker: how the images of several workers are dealt anew.

use arrow_array::{ArrayRef, BooleanArray};

use crate::changelog::{partitions, worker_of_partition};
use crate::{ChangeBatch, Result};

/// What one worker takes of the images of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Everything: there is no other worker, or what this is about is on this one alone.
    All,
    /// No rows: another worker has them.
    Nothing,
    /// The rows whose keys belong to this worker, as exchanges between workers see it.
    Keys {
        /// Which of the keys say where a row belongs, in the order in which they are hashed. What the keys are belongs to the
        /// operator: group keys, join keys, columns.
        keys: Vec<usize>,
        /// The worker's number, counted from 0.
        worker: usize,
        /// How many workers there are.
        workers: usize,
    },
}

impl Ownership {
    /// Which of `rows` rows with these keys, one column each, belong to the worker.
    pub fn owned(&self, keys: &[ArrayRef], rows: usize) -> Result<BooleanArray> {
        Ok(match self {
            Ownership::All => BooleanArray::from(vec![true; rows]),
            Ownership::Nothing => BooleanArray::from(vec![false; rows]),
            Ownership::Keys { keys: by, worker, workers } => {
                let by: Vec<ArrayRef> = by.iter().map(|key| keys[*key].clone()).collect();
                let is_own = |partition: u8| worker_of_partition(usize::from(partition), *workers) == *worker;
                partitions(&by, rows)?.into_iter().map(|partition| Some(is_own(partition))).collect()
            }
        })
    }

    /// The changes that belong to the worker; `keys` are the columns that hold the keys.
    pub(crate) fn of_changes(&self, changes: ChangeBatch, keys: &[ArrayRef]) -> Result<ChangeBatch> {
        if *self == Ownership::All {
            return Ok(changes);
        }
        let owned = self.owned(keys, changes.len())?;
        if owned.true_count() == owned.len() { Ok(changes) } else { changes.filter(&owned) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, RecordBatch};

    use super::*;
    use crate::changelog::split_by_key;

    #[test]
    fn a_worker_owns_what_an_exchange_would_bring_it() {
        let column: ArrayRef = Arc::new((0..1000).map(|row| (row % 7 > 0).then_some(row * 977)).collect::<Int64Array>());
        let text: ArrayRef = Arc::new((0..1000).map(|row| Some(format!("{}", row % 13))).collect::<arrow_array::StringArray>());
        let columns = [column, text];
        for (keys, workers) in [(vec![0], 1), (vec![0], 3), (vec![1], 4), (vec![1, 0], 2)] {
            let by: Vec<ArrayRef> = keys.iter().map(|key: &usize| columns[*key].clone()).collect();
            let rows: ArrayRef = Arc::new((0..1000).collect::<Int64Array>());
            let changes = ChangeBatch::append(RecordBatch::try_from_iter([("row", rows)]).unwrap());
            let mut parts = vec![ChangeBatch::empty(changes.schema()); workers];
            for (worker, part) in split_by_key(changes.clone(), &by, workers).unwrap() {
                parts[worker] = part;
            }
            for (worker, part) in parts.iter().enumerate() {
                let owned = Ownership::Keys { keys: keys.clone(), worker, workers };
                let ours = owned.of_changes(changes.clone(), &columns).unwrap();
                assert_eq!(ours.rows(), part.rows(), "worker {worker} of {workers} by {keys:?}");
            }
        }
    }
}
