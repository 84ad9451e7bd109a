//! Random rows with NULLs, duplicates and odd floats, random cuts, and how many cases to run.

use std::sync::Arc;

use arrow_array::{Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_core::ChangeBatch;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A row of [`schema`].
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) k: Option<i64>,
    pub(crate) s: Option<&'static str>,
    pub(crate) v: Option<f64>,
}

impl Row {
    /// Equal for rows that are equal as keys.
    pub(crate) fn identity(&self) -> (Option<i64>, Option<&'static str>, Option<u64>) {
        (self.k, self.s, self.v.map(canonical))
    }
}

/// The bits of a float, one and the same for all that are equal as keys.
pub(crate) fn canonical(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

/// The number of random cases of one oracle: 10 000, or what `LAMINAR_ORACLE_CASES` says.
pub(crate) fn cases() -> u64 {
    std::env::var("LAMINAR_ORACLE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}

/// The number of random cases of one stress test of threads: `usual`, or what `LAMINAR_STRESS_CASES` says.
pub(crate) fn stress_cases(usual: u64) -> u64 {
    std::env::var("LAMINAR_STRESS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

/// Runs `case` for each seed and names the seed that fails; `LAMINAR_ORACLE_SEED` runs that seed alone.
pub(crate) fn for_each_case(cases: u64, case: impl Fn(&mut StdRng)) {
    let only = std::env::var("LAMINAR_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in only.map_or(0..cases, |seed: u64| seed..seed + 1) {
        let run = std::panic::AssertUnwindSafe(|| case(&mut StdRng::seed_from_u64(seed)));
        if let Err(panic) = std::panic::catch_unwind(run) {
            let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("seed {seed}: {message}");
        }
    }
}

/// Key, text, value.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("v", DataType::Float64, true),
    ]))
}

/// A row out of so few values that equal rows and equal keys are common.
pub(crate) fn row(rng: &mut StdRng) -> Row {
    let pick = |rng: &mut StdRng, values: &[&'static str]| values[rng.random_range(0..values.len())];
    Row {
        k: (!rng.random_bool(0.15)).then(|| rng.random_range(0..6)),
        s: (!rng.random_bool(0.15)).then(|| pick(rng, &["", "a", "b", "a text of more than sixteen bytes"])),
        v: (!rng.random_bool(0.15)).then(|| [0.0, -0.0, 1.5, 7.0, f64::NAN, -f64::NAN][rng.random_range(0..6)]),
    }
}

/// Rows with weights as a batch.
pub(crate) fn batch(rows: &[(Row, i64)]) -> ChangeBatch {
    let columns: Vec<arrow_array::ArrayRef> = vec![
        Arc::new(rows.iter().map(|(row, _)| row.k).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(row, _)| row.s).collect::<StringArray>()),
        Arc::new(rows.iter().map(|(row, _)| row.v).collect::<Float64Array>()),
    ];
    let weights: Vec<i64> = rows.iter().map(|(_, weight)| *weight).collect();
    ChangeBatch::new(RecordBatch::try_new(schema(), columns).unwrap(), weights)
}

/// The rows in batches of random sizes, some of them empty.
pub(crate) fn cut(rng: &mut StdRng, rows: &[(Row, i64)]) -> Vec<ChangeBatch> {
    let (mut batches, mut start) = (Vec::new(), 0);
    while start < rows.len() || rng.random_bool(0.1) {
        let end = (start + rng.random_range(0..=4)).min(rows.len());
        batches.push(batch(&rows[start..end]));
        start = end;
    }
    batches
}

/// A row that comes, or, one time in three, one of `present` that goes.
pub(crate) fn change(rng: &mut StdRng, present: &mut Vec<Row>) -> (Row, i64) {
    if !present.is_empty() && rng.random_bool(0.35) {
        return (present.swap_remove(rng.random_range(0..present.len())), -1);
    }
    let row = row(rng);
    present.push(row.clone());
    (row, 1)
}
