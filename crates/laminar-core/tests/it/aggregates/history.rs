//! Random histories of rows: inserts, deletions, NULLs, duplicates, large weights, empty batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::ChangeBatch;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

/// One row of the test input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) key: Option<i64>,
    pub(super) text_key: Option<String>,
    pub(super) int: Option<i64>,
    /// In quarters, so that the model can compute in whole numbers.
    pub(super) float: Option<i64>,
    /// In hundredths.
    pub(super) decimal: Option<i128>,
    pub(super) flag: Option<bool>,
    pub(super) text: Option<String>,
    pub(super) time: Option<i64>,
}

/// The columns of [`Row`]: `k, tk, i, f, d, b, s, t`.
pub(super) fn schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        field("k", DataType::Int64),
        field("tk", DataType::Utf8),
        field("i", DataType::Int64),
        field("f", DataType::Float64),
        field("d", DataType::Decimal128(10, 2)),
        field("b", DataType::Boolean),
        field("s", DataType::Utf8),
        field("t", DataType::Timestamp(TimeUnit::Nanosecond, None)),
    ]))
}

/// Rows as a batch.
pub(super) fn batch(rows: &[(Row, i64)]) -> ChangeBatch {
    let decimals: Decimal128Array = rows.iter().map(|(row, _)| row.decimal).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|(row, _)| row.key).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(row, _)| row.text_key.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|(row, _)| row.int).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(row, _)| row.float.map(|quarters| quarters as f64 / 4.0)).collect::<Float64Array>()),
        Arc::new(decimals.with_precision_and_scale(10, 2).unwrap()),
        Arc::new(rows.iter().map(|(row, _)| row.flag).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|(row, _)| row.text.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|(row, _)| row.time).collect::<TimestampNanosecondArray>()),
    ];
    let weights: Vec<i64> = rows.iter().map(|(_, weight)| *weight).collect();
    ChangeBatch::new(RecordBatch::try_new(schema(), columns).unwrap(), weights)
}

/// What rows a history draws from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Domain {
    /// Without retractions all weights are +1.
    pub(super) retracts: bool,
    /// Added to all numbers: cancellation shows when they are far from zero.
    offset: i64,
    spread: i64,
}

impl Domain {
    pub(super) fn random(random: &mut StdRng) -> Self {
        let offset = *[0, 0, 0, 1_000, 1_000_000_000, -4_000_000_000].choose(random).unwrap();
        Self { retracts: random.random_bool(0.7), offset, spread: *[2, 5, 1_000].choose(random).unwrap() }
    }

    fn row(&self, random: &mut StdRng) -> Row {
        let number = |random: &mut StdRng| self.offset + random.random_range(-self.spread..=self.spread);
        Row {
            key: maybe(random, |random| random.random_range(0..3)),
            text_key: maybe(random, |random| ["", "a", "b"].choose(random).unwrap().to_string()),
            int: maybe(random, number),
            float: maybe(random, number),
            decimal: maybe(random, |random| i128::from(number(random) % 50_000_000)),
            flag: maybe(random, |random| random.random()),
            text: maybe(random, |random| {
                ["", "x", "xy", "é", "a text that is a little longer"].choose(random).unwrap().to_string()
            }),
            time: maybe(random, |random| random.random_range(0..3)),
        }
    }
}

fn maybe<T>(random: &mut StdRng, value: impl FnOnce(&mut StdRng) -> T) -> Option<T> {
    let present = !random.random_bool(0.2);
    present.then(|| value(random))
}

/// The rows that are there, with their weights.
#[derive(Debug, Default)]
pub(super) struct Contents(pub(super) BTreeMap<Row, i64>);

impl Contents {
    pub(super) fn add(&mut self, row: &Row, weight: i64) {
        let stored = self.0.entry(row.clone()).or_default();
        *stored += weight;
        assert!(*stored >= 0, "a history retracts only what is there");
        if *stored == 0 {
            self.0.remove(row);
        }
    }
}

/// The changes of one step, in random order: a retraction may overtake its insertion. They are added to `contents`.
pub(super) fn step(domain: Domain, contents: &mut Contents, random: &mut StdRng) -> Vec<(Row, i64)> {
    let mut changes = Vec::new();
    for _ in 0..random.random_range(0..8) {
        let there = (domain.retracts && random.random_bool(0.5)).then(|| {
            let nth = random.random_range(0..contents.0.len().max(1));
            contents.0.iter().nth(nth).map(|(row, weight)| (row.clone(), *weight))
        });
        let change = match there.flatten() {
            Some((row, weight)) if random.random_bool(0.6) => (row, -weight),
            Some((row, weight)) => (row, -random.random_range(1..=weight)),
            None if domain.retracts => (domain.row(random), *[1, 1, 1, 2, 3, 100].choose(random).unwrap()),
            None => (domain.row(random), 1),
        };
        contents.add(&change.0, change.1);
        changes.push(change);
    }
    if domain.retracts && random.random_bool(0.2) {
        // Something that comes and goes within the step.
        let row = domain.row(random);
        changes.extend([(row.clone(), 2), (row, -2)]);
    }
    changes.shuffle(random);
    changes
}

/// Changes cut into batches at random places; some of them are empty.
pub(super) fn cut(mut changes: Vec<(Row, i64)>, random: &mut StdRng) -> Vec<Vec<(Row, i64)>> {
    let mut batches = Vec::new();
    while !changes.is_empty() && random.random_bool(0.7) {
        let rest = changes.split_off(random.random_range(0..=changes.len()));
        batches.push(std::mem::replace(&mut changes, rest));
    }
    batches.push(changes);
    batches
}
