//! `EXPLAIN ANALYZE`: what each operator of an object has done since it began.

use laminar_core::Result;
use laminar_core::dag::{NodeMetrics, TimedRuns};
use laminar_core::time::Watermark;

use super::super::{StatementOutcome, text_rows};
use super::facts::Facts;
use crate::catalog::ObjectId;
use crate::engine::Engine;

/// The time is that of runs which were timed, one in 64: `1.2 us/row` of so many rows.
const DONE: [&str; 11] = [
    "operator",
    "rows_in",
    "rows_out",
    "late",
    "errors",
    "batches",
    "rows_per_batch",
    "sampled_time",
    "state_rows",
    "state_bytes",
    "watermark",
];

/// The operators of the object and the sources below, each after those that read from it. Of a sink that has none, all from which its rows come.
pub(super) fn run(engine: &mut Engine, id: ObjectId) -> Result<StatementOutcome> {
    let facts = Facts::of(engine, id)?;
    let has_own = facts.nodes.iter().any(|node| node.is_own);
    let shown = facts.nodes.iter().rev().filter(|node| !has_own || node.is_own || node.inputs.is_empty());
    let mut rows: Vec<Vec<String>> = shown.map(|node| row(node.text.clone(), &node.metrics)).collect();
    if rows.is_empty() {
        let mut nothing = vec![String::new(); DONE.len()];
        nothing[0] = "nothing runs for it yet".to_owned();
        rows.push(nothing);
    }
    text_rows(&DONE, rows)
}

fn row(operator: String, metrics: &NodeMetrics) -> Vec<String> {
    let per_batch = metrics.rows_in.checked_div(metrics.batches_in).map_or(String::new(), |rows| rows.to_string());
    let watermark = if metrics.watermark == Watermark::START { String::new() } else { metrics.watermark.to_string() };
    vec![
        operator,
        metrics.rows_in.to_string(),
        metrics.rows_out.to_string(),
        metrics.late.to_string(),
        metrics.errors.to_string(),
        metrics.batches_in.to_string(),
        per_batch,
        sampled(metrics.timed),
        metrics.state_rows.to_string(),
        metrics.state_bytes.to_string(),
        watermark,
    ]
}

fn sampled(timed: TimedRuns) -> String {
    let TimedRuns { runs, rows, nanos } = timed;
    let of = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
    match (nanos.checked_div(rows), nanos.checked_div(runs)) {
        (Some(row), _) => format!("{row} ns/row in {of}"),
        (None, Some(run)) => format!("{run} ns/run in {of}"),
        (None, None) => String::new(),
    }
}
