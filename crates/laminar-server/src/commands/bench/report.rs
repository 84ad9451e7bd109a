//! The tables that `laminar bench` prints: one line for each workload.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use laminar_db::{Result, Rows};

use super::answer::Answer;
use super::duckdb::Answered;
use super::durability::Figure;
use super::latency::Latencies;
use super::throughput::{Run, median};
use super::workload::workloads;
use crate::output::Printer;

/// What all measured workloads have.
pub(super) struct Measured {
    /// Its name.
    pub(super) workload: &'static str,
    /// Rows of a run.
    pub(super) rows: usize,
    /// Threads that shared the work.
    pub(super) workers: u16,
    /// The most memory that the process had while it ran, with its input and the results that it kept.
    pub(super) peak_mib: Option<f64>,
    /// What of it was the input.
    pub(super) input_mib: f64,
    /// Rows that came out of a run, retractions too.
    pub(super) emitted: usize,
    /// What they add up to.
    pub(super) answer: Answer,
    /// Whether the batch engine gave the same, if it was asked.
    pub(super) batch_agrees: Agreement,
    /// Whether DuckDB did.
    pub(super) duckdb_agrees: Agreement,
}

/// What another engine says to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreement {
    /// It gives the same.
    Yes,
    /// It gives another one.
    No,
    /// It was not asked for, or the question cannot be asked there.
    NotAsked,
    /// The engine is not installed.
    Absent,
}

impl From<bool> for Agreement {
    fn from(agrees: bool) -> Self {
        if agrees { Self::Yes } else { Self::No }
    }
}

impl Agreement {
    fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "NO",
            Self::NotAsked => "not asked",
            Self::Absent => "not installed",
        }
    }
}

/// How a workload compares with another engine: below 1 we are faster.
pub(super) struct Comparison {
    workload: &'static str,
    with: String,
    workers: u16,
    pairs: usize,
    wall: [f64; 3],
    cpu: [f64; 3],
}

impl Comparison {
    /// Of runs that took turns.
    pub(super) fn new(measured: &Measured, ours: &[Run], theirs: &[Answered], version: &str) -> Self {
        let pairs: Vec<(&Run, &Answered)> = ours.iter().zip(theirs).collect();
        let of = |figure: &dyn Fn(&(&Run, &Answered)) -> f64| median(pairs.iter().map(figure).collect());
        Self {
            workload: measured.workload,
            with: format!("DuckDB {version}"),
            workers: measured.workers,
            pairs: pairs.len(),
            wall: [of(&|pair| pair.0.wall), of(&|pair| pair.1.wall), of(&|pair| pair.0.wall / pair.1.wall)],
            cpu: [of(&|pair| pair.0.cpu), of(&|pair| pair.1.cpu), of(&|pair| pair.0.cpu / pair.1.cpu)],
        }
    }
}

/// Everything that was measured.
#[derive(Default)]
pub(super) struct Report {
    /// Whole inputs, with their runs.
    pub(super) throughput: Vec<(Measured, Vec<Run>)>,
    /// Single rows, with the rate at which they were pushed.
    pub(super) latency: Vec<(Measured, u32, Latencies)>,
    /// The same rows elsewhere.
    pub(super) compared: Vec<Comparison>,
    /// What a directory costs.
    pub(super) durability: Vec<Figure>,
}

impl Report {
    /// Prints the tables that have lines.
    pub(super) fn print(&self, printer: &mut Printer) -> Result<()> {
        if !self.throughput.is_empty() {
            printer.rows(&throughput(&self.throughput)?)?;
        }
        if !self.latency.is_empty() {
            printer.rows(&latency(&self.latency)?)?;
        }
        if !self.compared.is_empty() {
            printer.rows(&compared(&self.compared)?)?;
        }
        if !self.durability.is_empty() {
            printer.rows(&durability(&self.durability)?)?;
        }
        Ok(())
    }
}

/// Prints what there is to measure.
pub(super) fn print_workloads(printer: &mut Printer) -> Result<()> {
    let lines: Vec<_> = workloads().collect();
    printer.rows(&table(vec![
        ("workload", text(&lines, |workload| workload.name.to_owned())),
        ("about", text(&lines, |workload| workload.about.to_owned())),
        ("sql", text(&lines, |workload| workload.query())),
    ])?)
}

fn throughput(lines: &[(Measured, Vec<Run>)]) -> Result<Rows> {
    let rates = |line: &(Measured, Vec<Run>)| -> Vec<f64> { line.1.iter().map(|run| line.0.rows as f64 / run.wall).collect() };
    let per_cpu = |line: &(Measured, Vec<Run>)| median(line.1.iter().map(|run| line.0.rows as f64 / run.cpu).collect());
    let mut columns = head(lines, |line| &line.0);
    columns.extend([
        ("runs", whole(lines, |line| line.1.len())),
        ("rows_per_s", whole(lines, |line| median(rates(line)) as usize)),
        ("rows_per_s_min", whole(lines, |line| rates(line).into_iter().fold(f64::INFINITY, f64::min) as usize)),
        ("rows_per_s_max", whole(lines, |line| rates(line).into_iter().fold(0.0, f64::max) as usize)),
        ("rows_per_cpu_s", whole(lines, |line| per_cpu(line) as usize)),
    ]);
    columns.extend(tail(lines, |line| &line.0));
    table(columns)
}

fn latency(lines: &[(Measured, u32, Latencies)]) -> Result<Rows> {
    let percentile =
        |percent: f64| number(lines, move |line| Some(line.2.open_loop.value_at_quantile(percent / 100.0) as f64 / 1e3));
    let mut columns = head(lines, |line| &line.0);
    columns.extend([
        ("runs", whole(lines, |line| line.2.reached.len())),
        ("rate_per_s", whole(lines, |line| line.1 as usize)),
        ("reached_per_s", whole(lines, |line| median(line.2.reached.clone()) as usize)),
        ("p50_us", percentile(50.0)),
        ("p90_us", percentile(90.0)),
        ("p99_us", percentile(99.0)),
        ("p99_9_us", percentile(99.9)),
        ("max_us", number(lines, |line| Some(line.2.open_loop.max() as f64 / 1e3))),
        ("closed_loop_us", number(lines, |line| Some(median(line.2.push_ns.clone()) / 1e3))),
    ]);
    columns.extend(tail(lines, |line| &line.0));
    table(columns)
}

fn compared(lines: &[Comparison]) -> Result<Rows> {
    table(vec![
        ("workload", text(lines, |line| line.workload.to_owned())),
        ("compared_with", text(lines, |line| line.with.clone())),
        ("threads", whole(lines, |line| line.workers.into())),
        ("pairs", whole(lines, |line| line.pairs)),
        ("wall_s", number(lines, |line| Some(line.wall[0]))),
        ("their_wall_s", number(lines, |line| Some(line.wall[1]))),
        ("wall_ratio", number(lines, |line| Some(line.wall[2]))),
        ("cpu_s", number(lines, |line| Some(line.cpu[0]))),
        ("their_cpu_s", number(lines, |line| Some(line.cpu[1]))),
        ("cpu_ratio", number(lines, |line| Some(line.cpu[2]))),
    ])
}

fn durability(lines: &[Figure]) -> Result<Rows> {
    table(vec![
        ("figure", text(lines, |line| line.name.clone())),
        ("value", number(lines, |line| Some(line.value))),
        ("unit", text(lines, |line| line.unit.to_owned())),
        ("target", text(lines, Figure::target)),
        ("reached", text(lines, |line| line.reached().to_owned())),
        ("note", text(lines, |line| line.note.clone())),
    ])
}

fn head<L>(lines: &[L], of: impl Fn(&L) -> &Measured) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("workload", text(lines, |line| of(line).workload.to_owned())),
        ("rows", whole(lines, |line| of(line).rows)),
        ("workers", whole(lines, |line| of(line).workers.into())),
    ]
}

fn tail<L>(lines: &[L], of: impl Fn(&L) -> &Measured) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("peak_mib", number(lines, |line| of(line).peak_mib)),
        ("input_mib", number(lines, |line| Some(of(line).input_mib))),
        ("rows_out", whole(lines, |line| of(line).emitted)),
        ("checksum", text(lines, |line| of(line).answer.to_string())),
        ("batch_agrees", text(lines, |line| of(line).batch_agrees.as_str().to_owned())),
        ("duckdb_agrees", text(lines, |line| of(line).duckdb_agrees.as_str().to_owned())),
    ]
}

fn text<L>(lines: &[L], cell: impl Fn(&L) -> String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(lines.iter().map(cell)))
}

fn whole<L>(lines: &[L], cell: impl Fn(&L) -> usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(lines.iter().map(|line| cell(line) as i64)))
}

/// Numbers with three digits after the point; more would be noise.
fn number<L>(lines: &[L], cell: impl Fn(&L) -> Option<f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(lines.iter().map(|line| cell(line).map(|value| (value * 1e3).round() / 1e3))))
}

fn table(columns: Vec<(&'static str, ArrayRef)>) -> Result<Rows> {
    let batch = RecordBatch::try_from_iter(columns)?;
    Ok(Rows::from(batch))
}
