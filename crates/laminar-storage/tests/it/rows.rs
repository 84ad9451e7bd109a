//! Batches to write down: every kind of column, NULLs, weights, arrivals.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray, TimestampNanosecondArray};
use laminar_core::ChangeBatch;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// `rows` random rows of four columns.
pub(crate) fn batch(seed: u64, rows: usize) -> RecordBatch {
    let mut random = StdRng::seed_from_u64(seed);
    let mut maybe = |value: i64| (value % 3 != 0).then(|| value + random.random_range(0..100));
    let numbers: Vec<Option<i64>> = (0..rows as i64).map(&mut maybe).collect();
    let text = |number: &Option<i64>| number.map(|number| format!("text that is not short: {number}"));
    let columns: [(&str, ArrayRef); 5] = [
        ("n", Arc::new(Int64Array::from(numbers.clone()))),
        ("s", Arc::new(StringArray::from_iter(numbers.iter().map(text)))),
        ("v", Arc::new(StringViewArray::from_iter(numbers.iter().map(text)))),
        ("f", Arc::new(Float64Array::from_iter(numbers.iter().map(|number| number.map(|number| number as f64 / 7.0))))),
        ("t", Arc::new(TimestampNanosecondArray::from(numbers))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// The same with weights.
pub(crate) fn changes(seed: u64, rows: usize) -> ChangeBatch {
    ChangeBatch::new(batch(seed, rows), (0..rows as i64).map(|row| row % 5 - 2).collect::<Vec<_>>())
}

/// Fails unless both are the same to the bit.
pub(crate) fn assert_same(one: &ChangeBatch, other: &ChangeBatch) {
    assert_eq!(one.rows(), other.rows());
    assert_eq!(one.weights(), other.weights());
    assert_eq!(one.arrivals(), other.arrivals());
}
