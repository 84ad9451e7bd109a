//! Adds up the weights of equal rows and drops the zeros.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use arrow_schema::SchemaRef;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::row_hash::hash_rows;
use super::row_key::RowKeys;
use super::{ChangeBatch, Weights};
use crate::{Code, Error, Result};

/// The same change with each row once, in the order of first occurrence, and without rows of weight 0.
///
/// Rows are equal as keys are (NULL = NULL, −0.0 = 0.0). Rows that arrived at different watermarks stay apart, because
/// one of them may be late where the other is not. Rows that are already distinct are only hashed.
pub fn consolidate(changes: &ChangeBatch) -> Result<ChangeBatch> {
    if changes.len() <= 1 {
        return drop_zeros(changes);
    }
    let columns = identity(changes);
    let hashes = hash_rows(&columns, changes.len())?;
    if all_distinct(&hashes) {
        return drop_zeros(changes);
    }
    let types: Vec<_> = columns.iter().map(|column| column.data_type().clone()).collect();
    let keys = RowKeys::new(&types)?.encode(&columns, changes.len())?;
    let (firsts, weights) = add_up(changes, &hashes, |a, b| keys.row(a as usize) == keys.row(b as usize))?;
    gather(changes, &firsts, &weights)
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

fn all_distinct(hashes: &[u64]) -> bool {
    let mut seen: HashTable<u64> = HashTable::with_capacity(hashes.len());
    hashes.iter().all(|hash| match seen.entry(*hash, |other| other == hash, |other| *other) {
        Entry::Occupied(_) => false,
        Entry::Vacant(vacant) => {
            vacant.insert(*hash);
            true
        }
    })
}

/// The first row of each set of equal rows, and the sums of their weights.
fn add_up(changes: &ChangeBatch, hashes: &[u64], equal: impl Fn(u32, u32) -> bool) -> Result<(Vec<u32>, Vec<i64>)> {
    let (mut firsts, mut sums): (Vec<u32>, Vec<i64>) = (Vec::new(), Vec::new());
    // Positions in `firsts`.
    let mut table: HashTable<u32> = HashTable::new();
    for (row, hash) in (0_u32..).zip(hashes) {
        let same = |place: &u32| {
            let first = firsts[*place as usize];
            hashes[first as usize] == *hash && equal(first, row)
        };
        match table.entry(*hash, same, |place| hashes[firsts[*place as usize] as usize]) {
            Entry::Occupied(place) => {
                let sum = &mut sums[*place.get() as usize];
                *sum = add_weights(*sum, changes.weight(row as usize))?;
            }
            Entry::Vacant(vacant) => {
                vacant.insert(firsts.len() as u32);
                firsts.push(row);
                sums.push(changes.weight(row as usize));
            }
        }
    }
    Ok((firsts, sums))
}

fn drop_zeros(changes: &ChangeBatch) -> Result<ChangeBatch> {
    let Weights::Each(weights) = changes.weights() else { return Ok(changes.clone()) };
    if weights.iter().all(|weight| *weight != 0) {
        return Ok(changes.clone());
    }
    let rows: Vec<u32> = (0..changes.len() as u32).collect();
    gather(changes, &rows, weights)
}

/// The rows at `rows` with new weights, without those of weight 0.
fn gather(changes: &ChangeBatch, rows: &[u32], weights: &[i64]) -> Result<ChangeBatch> {
    let kept = || rows.iter().zip(weights).filter(|(_, weight)| **weight != 0);
    let taken = changes.take(&UInt32Array::from_iter_values(kept().map(|(row, _)| *row)))?;
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
