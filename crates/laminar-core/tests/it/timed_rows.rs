//! Random rows of a key, a time and a number, in time and late.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::operator::Operator;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Port};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::harness::Harness;

/// Key, time, number.
pub(crate) type Row = (Option<i64>, Option<i64>, i64);

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("ts", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        Field::new("n", DataType::Int64, true),
    ]))
}

pub(crate) fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<TimestampNanosecondArray>()),
        Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Int64Array>()),
    ]
}

pub(crate) fn batch(rows: &[(Row, i64)]) -> ChangeBatch {
    let columns = columns(&rows.iter().map(|(row, _)| *row).collect::<Vec<_>>());
    ChangeBatch::new(RecordBatch::try_new(schema(), columns).unwrap(), rows.iter().map(|(_, weight)| *weight).collect::<Vec<_>>())
}

/// A change of one side of which no row before `from` is in time (`None`: all are), and whether it is.
pub(crate) fn random_change(rng: &mut StdRng, from: Option<i64>, appends: bool, present: &mut Vec<Row>) -> (Row, i64, bool) {
    let in_time = |row: &Row| row.1.zip(from).is_none_or(|(time, from)| time >= from);
    if !appends && !present.is_empty() && rng.random_bool(0.3) {
        let at = rng.random_range(0..present.len());
        let row = present[at];
        if in_time(&row) {
            present.swap_remove(at);
        }
        return (row, -1, in_time(&row));
    }
    let time = (!rng.random_bool(0.1)).then(|| from.unwrap_or(0) + rng.random_range(-3..15));
    let row = ((!rng.random_bool(0.1)).then(|| rng.random_range(0..3)), time, rng.random_range(0..3));
    if in_time(&row) {
        present.push(row);
    }
    (row, 1, in_time(&row))
}

/// The most rows and bytes that a join keeps at the end of a step of a long stream, of which every row has a partner, 7 later on the
/// left side, and the watermark follows by 100.
pub(crate) fn most_kept<O: Operator>(harness: &mut Harness<O>, steps: i64) -> (usize, usize) {
    let (mut rows, mut bytes) = (0, 0);
    for step in 0..steps {
        let side =
            |shift: i64| batch(&(0..50).map(|row| ((Some(row), Some(step * 50 + row + shift), step), 1)).collect::<Vec<_>>());
        let now = Watermark((step * 50 - 100).max(0));
        harness.step_between(vec![(Port::LEFT, side(7)), (Port::RIGHT, side(0))], Watermark(i64::MIN), now).unwrap();
        harness.emitted.clear();
        let state = harness.operator.state().unwrap();
        (rows, bytes) = (rows.max(state.rows()), bytes.max(state.bytes()));
    }
    (rows, bytes)
}
