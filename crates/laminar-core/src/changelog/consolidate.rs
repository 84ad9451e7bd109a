//! Adds up the weights of equal rows and drops the zeros.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use arrow_schema::SchemaRef;
use hashbrown::HashTable;

use super::row_hash::hash_rows;
use super::row_key::RowKeys;
use super::{ChangeBatch, Weights};
use crate::{Code, Error, Result};

/// The same change with each row once, in the order of first occurrence, and without rows of weight 0.
///
/// Rows are equal as keys are (NULL = NULL, −0.0 = 0.0). Rows that arrived at different watermarks stay apart, because
/// one of them may be late where the other is not. Rows that are already distinct are only
/// hashed, and those of a batch that is known to be consolidated not even that.
pub fn consolidate(changes: &ChangeBatch) -> Result<ChangeBatch> {
    if changes.is_consolidated() {
        return Ok(changes.clone());
    }
    if changes.len() <= 1 {
        return drop_zeros(changes);
    }
    let columns = identity(changes);
    let Some(firsts) = first_equal_rows(&columns, changes.len())? else { return drop_zeros(changes) };
    let mut sums = vec![0; changes.len()];
    for (row, first) in firsts.iter().enumerate() {
        let sum = &mut sums[*first as usize];
        *sum = add_weights(*sum, changes.weight(row))?;
    }
    gather(changes, &sums)
}

/// The consolidated sum of several batches.
pub fn consolidate_all(schema: &SchemaRef, batches: &[ChangeBatch]) -> Result<ChangeBatch> {
    consolidate(&ChangeBatch::concat(schema, batches)?)
}

/// The sum of two weights.
pub(crate) fn add_weights(a: i64, b: i64) -> Result<i64> {
    a.checked_add(b).ok_or_else(|| Error::new(Code::LimitReached, "a row occurs more than 2^63 times"))
}

/// What makes a row itself: its columns and the watermark at which it arrived.
fn identity(changes: &ChangeBatch) -> Vec<ArrayRef> {
    let mut columns = changes.rows().columns().to_vec();
    if let Some(arrivals) = changes.arrivals() {
        columns.push(Arc::new(Int64Array::new(arrivals.clone(), None)));
    }
    columns
}

/// For each row the first one that is equal to it; `None` if all rows differ.
pub(crate) fn first_equal_rows(columns: &[ArrayRef], rows: usize) -> Result<Option<Vec<u32>>> {
    let hashes = hash_rows(columns, rows)?;
    let by_hash = firsts(&hashes, |_, _| true);
    if by_hash.iter().enumerate().all(|(row, first)| row == *first as usize) {
        return Ok(None);
    }
    let types: Vec<_> = columns.iter().map(|column| column.data_type().clone()).collect();
    let keys = RowKeys::new(&types)?.encode(columns, rows)?;
    Ok(Some(firsts(&hashes, |a, b| keys.row(a as usize) == keys.row(b as usize))))
}

fn firsts(hashes: &[u64], equal: impl Fn(u32, u32) -> bool) -> Vec<u32> {
    let hash_of = |row: &u32| hashes[*row as usize];
    let mut table: HashTable<u32> = HashTable::with_capacity(hashes.len());
    let first = |(row, hash): (u32, &u64)| {
        let same = |first: &u32| hash_of(first) == *hash && equal(*first, row);
        *table.entry(*hash, same, hash_of).or_insert(row).get()
    };
    (0..).zip(hashes).map(first).collect()
}

fn drop_zeros(changes: &ChangeBatch) -> Result<ChangeBatch> {
    match changes.weights() {
        Weights::Each(weights) if weights.contains(&0) => gather(changes, weights),
        _ => Ok(changes.clone()),
    }
}

/// The rows with new weights, without those of weight 0.
fn gather(changes: &ChangeBatch, weights: &[i64]) -> Result<ChangeBatch> {
    let kept = || (0..).zip(weights).filter(|(_, weight)| **weight != 0);
    let taken = changes.take(&UInt32Array::from_iter_values(kept().map(|(row, _)| row)))?;
    let weights: Vec<i64> = kept().map(|(_, weight)| *weight).collect();
    let consolidated = ChangeBatch::new(taken.rows().clone(), weights);
    Ok(match taken.arrivals() {
        Some(arrivals) => consolidated.with_arrivals(arrivals.clone()),
        None => consolidated,
    })
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};
    use expect_test::{Expect, expect};

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("v", DataType::Float64, true)]))
    }

    fn check(changes: &str, expected: Expect) {
        let changes = ChangeBatch::parse(&schema(), changes).unwrap();
        expected.assert_eq(&consolidate(&changes).unwrap().print());
    }

    #[test]
    fn weights_of_equal_rows_add_up_in_the_order_of_first_occurrence() {
        check("", expect![""]);
        check(
            "+1 | a | 1\n+1 | b | 1",
            expect![[r#"
            +1 | a | 1.0
            +1 | b | 1.0"#]],
        );
        check(
            "+1 | b | 1\n+1 | a | 1\n+2 | b | 1\n-1 | a | 1\n-1 | c | NULL",
            expect![[r#"
            +3 | b | 1.0
            -1 | c | NULL"#]],
        );
        check("+1 | a | 0.0\n-1 | a | -0.0\n+1 | NULL | NaN\n+1 | NULL | NaN", expect!["+2 | NULL | NaN"]);
        check("+0 | a | 1", expect![""]);
        check("+0 | a | 1\n-1 | b | 1", expect!["-1 | b | 1.0"]);
    }

    #[test]
    fn rows_that_arrived_at_different_watermarks_stay_apart() {
        let changes = ChangeBatch::parse(&schema(), "+1 | a | 1\n-1 | a | 1\n+1 | a | 1").unwrap();
        let changes = consolidate(&changes.with_arrivals(vec![5, 7, 5].into())).unwrap();
        assert_eq!(changes.print(), "+2 | a | 1.0\n-1 | a | 1.0");
        assert_eq!(changes.arrivals().unwrap().to_vec(), [5, 7]);
    }

    #[test]
    fn several_batches_cancel_out() {
        let batch = |text| ChangeBatch::parse(&schema(), text).unwrap();
        let sum = consolidate_all(&schema(), &[batch("+1 | a | 1"), batch(""), batch("-1 | a | 1")]).unwrap();
        assert!(sum.is_empty());
        assert!(consolidate_all(&schema(), &[]).unwrap().is_empty());
    }

    #[test]
    fn rows_without_columns_are_all_equal() {
        let rows = ChangeBatch::parse(&Arc::new(Schema::empty()), "+1\n+1\n-1").unwrap();
        assert_eq!(consolidate(&rows).unwrap().print(), "+1");
    }
}
