//! Decides which worker a row belongs to, a whole batch at a time: equal keys meet on one worker.
//!
//! A hash of a row's key names one of 256 virtual partitions, and each worker has a contiguous range of them. So the
//! partition of a key does not depend on the number of workers, and state that is kept by partition can be handed to
//! other workers. (Eight neighbouring whole numbers beyond the small ones share a partition: see `changelog/partition.rs`.)

use std::ops::Range;

use arrow_array::ArrayRef;
use arrow_schema::Schema;

use crate::changelog::{RowKeys, partitions, split_by_key, worker_of_partition};
use crate::limits::VIRTUAL_PARTITIONS;
use crate::{ChangeBatch, Code, Error, Result};

/// What rows are dealt out by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySpec {
    /// Columns by name.
    Columns(Vec<String>),
    /// Columns by position, from 0.
    ColumnIndices(Vec<usize>),
    /// All columns: equal rows meet, and so do a row and its retraction.
    AllColumns,
    /// No key: whole batches, in turn. For work that keeps no state.
    RoundRobin,
}

/// Deals the rows of one edge out to workers.
///
/// ```
/// use std::sync::Arc;
/// use arrow_schema::{DataType, Field, Schema};
/// use laminar_core::ChangeBatch;
/// use laminar_core::tpc::{KeyRouter, KeySpec};
///
/// # fn main() -> laminar_core::Result<()> {
/// let schema = Arc::new(Schema::new(vec![Field::new("user", DataType::Utf8, true), Field::new("n", DataType::Int64, true)]));
/// let mut router = KeyRouter::new(&KeySpec::Columns(vec!["user".into()]), &schema, 2)?;
/// let parts = router.route(ChangeBatch::parse(&schema, "+1 | ann | 1 ; +1 | bob | 2 ; -1 | ann | 1")?)?;
/// let rows: usize = parts.iter().map(|(_, part)| part.len()).sum();
/// assert_eq!(rows, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct KeyRouter {
    key: Key,
    workers: usize,
}

#[derive(Debug, Clone)]
enum Key {
    Columns(Vec<usize>),
    /// The worker of the next batch.
    Turn(usize),
}

impl KeyRouter {
    /// A router for rows of `schema` to `workers` workers, 1 to 256.
    ///
    /// Fails if a column does not exist or cannot be a key, if a list of columns is empty, or if that many workers cannot be.
    pub fn new(spec: &KeySpec, schema: &Schema, workers: usize) -> Result<Self> {
        if !(1..=VIRTUAL_PARTITIONS).contains(&workers) {
            let text = format!("rows cannot be dealt out to {workers} workers");
            return Err(Error::new(Code::InvalidOption, text).with_hint(format!("use 1 to {VIRTUAL_PARTITIONS} workers")));
        }
        let key = match spec {
            KeySpec::RoundRobin => Key::Turn(0),
            KeySpec::AllColumns => Key::Columns((0..schema.fields().len()).collect()),
            KeySpec::ColumnIndices(columns) => Key::Columns(expect_some(columns)?.to_vec()),
            KeySpec::Columns(names) => {
                Key::Columns(expect_some(names)?.iter().map(|name| find(schema, name)).collect::<Result<_>>()?)
            }
        };
        if let Key::Columns(columns) = &key {
            check_columns(schema, columns)?;
        }
        Ok(Self { key, workers })
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The partition (below [`VIRTUAL_PARTITIONS`]) of each of `rows` rows with these key columns.
    pub fn partitions(keys: &[ArrayRef], rows: usize) -> Result<Vec<u8>> {
        partitions(keys, rows)
    }

    /// The worker of `partition`.
    #[inline]
    pub fn worker_of_partition(&self, partition: usize) -> usize {
        worker_of_partition(partition, self.workers)
    }

    /// The partitions of `worker`.
    pub fn partitions_of(&self, worker: usize) -> Range<usize> {
        let start = |worker: usize| (worker * VIRTUAL_PARTITIONS).div_ceil(self.workers);
        start(worker)..start(worker + 1)
    }

    /// The rows of `changes` by worker: ascending, each worker at most once, none without rows. Rows keep their order,
    /// weights and arrivals. If all go to one worker, the batch is handed on without copying.
    ///
    /// Fails if the columns are not those of the schema.
    pub fn route(&mut self, changes: ChangeBatch) -> Result<Vec<(usize, ChangeBatch)>> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        match &mut self.key {
            _ if self.workers == 1 => Ok(vec![(0, changes)]),
            Key::Turn(next) => {
                let worker = *next;
                *next = (worker + 1) % self.workers;
                Ok(vec![(worker, changes)])
            }
            Key::Columns(columns) => {
                let columns = key_columns(&changes, columns)?;
                split_by_key(changes, &columns, self.workers)
            }
        }
    }
}

fn expect_some<T>(columns: &[T]) -> Result<&[T]> {
    if columns.is_empty() {
        return Err(Error::new(Code::InvalidOption, "a key without columns")
            .with_hint("name at least one column, or use KeySpec::AllColumns or KeySpec::RoundRobin"));
    }
    Ok(columns)
}

fn find(schema: &Schema, name: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        Error::new(Code::UnknownColumn, format!("there is no column '{name}' to route rows by"))
            .with_hint(format!("the columns are {}", names.join(", ")))
    })
}

/// Fails where a column is missing or its type can be no key.
fn check_columns(schema: &Schema, columns: &[usize]) -> Result<()> {
    let fields = schema.fields();
    if let Some(missing) = columns.iter().find(|column| **column >= fields.len()) {
        let text = format!("there is no column {missing} to route rows by");
        return Err(Error::new(Code::UnknownColumn, text).with_hint(format!("the rows have {} columns, from 0", fields.len())));
    }
    let types: Vec<_> = columns.iter().map(|column| fields[*column].data_type().clone()).collect();
    RowKeys::new(&types).map(|_| ())
}

fn key_columns(changes: &ChangeBatch, columns: &[usize]) -> Result<Vec<ArrayRef>> {
    let column = |column: &usize| {
        let found = changes.rows().columns().get(*column).cloned();
        found.ok_or_else(|| Error::internal(format!("no column {column} in a batch of {:?}", changes.schema())))
    };
    columns.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, SchemaRef};

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]))
    }

    fn router(spec: &KeySpec, workers: usize) -> KeyRouter {
        KeyRouter::new(spec, &schema(), workers).unwrap()
    }

    fn batch(text: &str) -> ChangeBatch {
        ChangeBatch::parse(&schema(), text).unwrap()
    }

    #[test]
    fn every_partition_has_one_worker_and_workers_have_ranges_of_about_the_same_size() {
        for workers in 1..=VIRTUAL_PARTITIONS {
            let router = router(&KeySpec::AllColumns, workers);
            let mut next = 0;
            for worker in 0..workers {
                let range = router.partitions_of(worker);
                assert_eq!(range.start, next, "{workers} workers");
                assert!(range.len().abs_diff(VIRTUAL_PARTITIONS / workers) <= 1, "{workers} workers: {range:?}");
                assert!(range.clone().all(|partition| router.worker_of_partition(partition) == worker));
                next = range.end;
            }
            assert_eq!(next, VIRTUAL_PARTITIONS);
        }
    }

    #[test]
    fn the_partition_of_a_key_stays_what_it_is_for_ever() {
        let keys: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![Some(0), Some(1), Some(2), None]));
        assert_eq!(KeyRouter::partitions(&[keys], 4).unwrap(), [45, 138, 227, 0]);
    }

    #[test]
    fn a_batch_for_one_worker_is_not_copied() {
        let changes = batch("+1 | 7 | a ; -1 | 7 | b ; +1 | 7 | c");
        let column = changes.column(0).clone();
        for (spec, workers) in
            [(KeySpec::ColumnIndices(vec![0]), 8), (KeySpec::AllColumns, 1), (KeySpec::RoundRobin, 2), (KeySpec::RoundRobin, 1)]
        {
            let parts = router(&spec, workers).route(changes.clone()).unwrap();
            assert_eq!(parts.len(), 1, "{spec:?}");
            assert!(Arc::ptr_eq(parts[0].1.column(0), &column), "{spec:?}");
        }
    }

    #[test]
    fn round_robin_takes_turns_and_skips_nobody_for_an_empty_batch() {
        let mut router = router(&KeySpec::RoundRobin, 3);
        let mut worker = |text: &str| router.route(batch(text)).unwrap().first().map(|(worker, _)| *worker);
        let turns = ["+1 | 1 | a", "", "+1 | 1 | a", "+1 | 1 | a", "+1 | 1 | a"].map(&mut worker);
        assert_eq!(turns, [Some(0), None, Some(1), Some(2), Some(0)]);
    }

    #[test]
    fn what_cannot_be_routed_is_refused_with_what_to_do() {
        let list = DataType::List(Arc::new(Field::new("e", DataType::Int64, true)));
        let list = Field::new("l", DataType::Dictionary(Box::new(DataType::Int32), Box::new(list)), true);
        let odd = Schema::new(vec![Field::new("k", DataType::Int64, true), list]);
        let by = |names: &[&str]| KeySpec::Columns(names.iter().map(|name| (*name).to_owned()).collect());
        for (spec, workers, expected) in [
            (by(&["x"]), 2, "LDB-1003: there is no column 'x' to route rows by; hint: the columns are k, l"),
            (KeySpec::ColumnIndices(vec![0, 2]), 2, "LDB-1003: there is no column 2 to route rows by; hint: the rows have 2"),
            (by(&[]), 2, "LDB-1006: a key without columns; hint: name at least one"),
            (by(&["k"]), 0, "LDB-1006: rows cannot be dealt out to 0 workers; hint: use 1 to 256 workers"),
            (by(&["k"]), 257, "LDB-1006: rows cannot be dealt out to 257 workers"),
            (by(&["l"]), 2, "LDB-1010: values of type Dictionary"),
        ] {
            let error = KeyRouter::new(&spec, &odd, workers).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
