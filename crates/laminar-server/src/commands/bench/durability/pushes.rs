//! How long a push of one row takes until it is answered, for each setting of `durability`, by one caller and by eight.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use hdrhistogram::Histogram;
use laminar_db::core::time::{Clock, SystemClock};
use laminar_db::{Database, Durability, Error, Result, Settings};

use super::device::Device;
use super::{Figure, Suite};

/// Longer times count as this one: a minute.
const NS_MAX: u64 = 60_000_000_000;
/// Digits of a time that are kept.
const DIGITS: u8 = 3;
/// Threads that push at once.
const CALLERS: usize = 8;

/// How long things took that were done one after the other, or by several threads at once.
pub(super) struct Times {
    each: Histogram<u64>,
    together_ns: i64,
}

impl Times {
    pub(super) fn new() -> Result<Self> {
        let each = Histogram::new_with_bounds(1, NS_MAX, DIGITS);
        Ok(Self { each: each.map_err(|error| Error::internal(format!("a histogram: {error}")))?, together_ns: 1 })
    }

    /// One more, that took so many nanoseconds.
    pub(super) fn add(&mut self, nanos: i64) {
        self.each.saturating_record(nanos.max(1).unsigned_abs());
    }

    /// All of them took so many nanoseconds together.
    pub(super) fn took(&mut self, nanos: i64) {
        self.together_ns = nanos.max(1);
    }

    /// Microseconds that so many of a hundred took at most.
    pub(super) fn us(&self, percent: f64) -> f64 {
        self.each.value_at_quantile(percent / 100.0) as f64 / 1e3
    }

    /// How many there were in a second.
    pub(super) fn per_s(&self) -> f64 {
        self.each.len() as f64 / (self.together_ns as f64 / 1e9)
    }
}

/// Measures pushes into databases below `folder`.
pub(super) fn measure(suite: &Suite, device: &Device, folder: &Path) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, durability) in [("full", Durability::Full), ("group", Durability::Group), ("none", Durability::None)] {
        for callers in [1, CALLERS] {
            let times = pushes(suite, durability, callers, &folder.join(format!("{name}-{callers}")))?;
            let who = if callers == 1 { "1 caller".to_owned() } else { format!("{callers} callers") };
            let figure = |what: &str, value, unit| Figure::new(format!("push durability {name} {who} {what}"), value, unit);
            let (p50, rate) = (figure("p50", times.us(50.0), "us"), figure("rate", times.per_s(), "per s"));
            figures.extend(match (durability, callers) {
                (Durability::Full, 1) => [p50.at_most(2.0 * device.sync_us).note("twice the p50 of an fdatasync"), rate],
                (Durability::Full, _) => {
                    [p50, rate.at_least(0.9 * device.syncs_per_s).note("0.9 of the device's syncs: callers share one")]
                }
                _ => [p50, rate],
            });
            figures.push(figure("p99", times.us(99.0), "us"));
        }
    }
    Ok(figures)
}

/// Opens a database that makes no checkpoints by itself.
pub(super) fn open(suite: &Suite, durability: Durability, folder: &Path) -> Result<Database> {
    let settings = Settings { durability, checkpoint_interval: None, ..Settings::default() };
    Database::builder().settings(settings).workers(suite.workers.into()).open(&folder.to_string_lossy())
}

/// A row of `events`.
pub(super) fn row(number: i64) -> Result<RecordBatch> {
    let column = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    Ok(RecordBatch::try_from_iter([("k", column(number % 1_000)), ("v", column(number))])?)
}

fn pushes(suite: &Suite, durability: Durability, callers: usize, folder: &Path) -> Result<Times> {
    let database = open(suite, durability, folder)?;
    database.execute("CREATE SOURCE events (k BIGINT, v BIGINT)")?;
    database.execute("CREATE MATERIALIZED VIEW totals AS SELECT k, count(*) AS n, sum(v) AS v FROM events GROUP BY k")?;
    let each = suite.pushes.div_ceil(callers);
    let began = SystemClock.now();
    let all = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..callers).map(|_| scope.spawn(|| push_rows(&database, each))).collect();
        let joined = callers.into_iter().map(|caller| caller.join());
        joined.map(|times| times.map_err(|_| Error::internal("a thread that pushes panicked"))?).collect::<Result<Vec<_>>>()
    })?;
    let mut times = Times::new()?;
    times.took(SystemClock.now() - began);
    all.into_iter().flatten().for_each(|nanos| times.add(nanos));
    Ok(times)
}

fn push_rows(database: &Database, count: usize) -> Result<Vec<i64>> {
    let mut times = Vec::with_capacity(count);
    for number in 0..count as i64 {
        let rows = row(number)?;
        let began = SystemClock.now();
        database.push("events", rows)?;
        times.push(SystemClock.now() - began);
    }
    Ok(times)
}
