//! How long one row takes from its moment to its result, at a fixed rate that does not wait for slow rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hdrhistogram::Histogram;
use laminar_db::core::time::{Clock, SystemClock};
use laminar_db::{Code, Error, Result};

use super::answer::Answer;
use super::input::Input;
use super::pipeline::{Kept, Pipeline, Threads};
use super::workload::Workload;
use crate::output::{complain, count};

/// Longer latencies count as this one: a minute.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Digits of a latency that are kept.
const DIGITS: u8 = 3;
/// Between building the database and the first row's moment.
const LEAD_NS: i64 = 1_000_000;

/// Single rows that were timed.
pub(super) struct Latencies {
    /// Nanoseconds from the moment at which a row was to be pushed until its result was with the listener.
    pub(super) open_loop: Histogram<u64>,
    /// Rows a second that were reached, for each run.
    pub(super) reached: Vec<f64>,
    /// Mean nanoseconds of a push when each waits for the one before, for each run.
    pub(super) push_ns: Vec<f64>,
    /// What came out.
    pub(super) answer: Answer,
    /// Rows that the stream emitted in a run, retractions too.
    pub(super) emitted: usize,
}

/// Times every row of `input` alone, in `runs` runs: at `rate` rows a second, and as fast as it goes.
pub(super) fn measure(workload: &Workload, input: &Input, threads: Threads, rate: u32, runs: u16) -> Result<Latencies> {
    let open_loop = Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS);
    let open_loop = open_loop.map_err(|error| Error::internal(format!("a histogram: {error}")))?;
    let mut measured = Latencies { open_loop, reached: Vec::new(), push_ns: Vec::new(), answer: Answer::default(), emitted: 0 };
    for _ in 0..runs {
        closed_loop(workload, input, threads, &mut measured)?;
        at_rate(workload, input, threads, rate, &mut measured)?;
    }
    Ok(measured)
}

/// One push after the other; only the pushes themselves are timed. Keeps what comes out, for the checksum.
fn closed_loop(workload: &Workload, input: &Input, threads: Threads, measured: &mut Latencies) -> Result<()> {
    let kept = Kept::default();
    let keeper = kept.clone();
    let pipeline = Pipeline::new(workload, threads, move |changes| keeper.keep(changes))?;
    let rows = input.rows();
    let mut busy = 0;
    for row in 0..rows {
        let batch = input.one(row);
        let began = SystemClock.now();
        pipeline.push(batch)?;
        busy += SystemClock.now() - began;
    }
    measured.push_ns.push(busy as f64 / rows as f64);
    pipeline.end()?;
    pipeline.assert_complete()?;
    let changes = kept.take();
    measured.emitted = changes.iter().map(laminar_core::ChangeBatch::len).sum();
    measured.answer = Answer::of_changes(&changes)?;
    Ok(())
}

/// Every row at its moment. A row that waits because the one before took long has its waiting counted.
fn at_rate(workload: &Workload, input: &Input, threads: Threads, rate: u32, measured: &mut Latencies) -> Result<()> {
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = heard.clone();
    let pipeline = Pipeline::new(workload, threads, move |changes| {
        counter.fetch_add(changes.len(), Ordering::Relaxed);
    })?;
    beside(workload, &pipeline, || push_at_rate(&pipeline, input, rate, measured))?;
    pipeline.end()?;
    pipeline.assert_complete()?;
    match heard.load(Ordering::Relaxed) {
        rows if rows == measured.emitted => Ok(()),
        rows => {
            Err(Error::new(Code::Internal, format!("{rows} results were heard at a fixed rate, {} before", measured.emitted)))
        }
    }
}

fn push_at_rate(pipeline: &Pipeline, input: &Input, rate: u32, measured: &mut Latencies) -> Result<()> {
    let rows = input.rows();
    let interval = 1e9 / f64::from(rate);
    let begin = SystemClock.now() + LEAD_NS;
    for row in 0..rows {
        let batch = input.one(row);
        let moment = begin + (row as f64 * interval) as i64;
        wait_for(moment);
        pipeline.push(batch)?;
        measured.open_loop.saturating_record((SystemClock.now() - moment).max(1) as u64);
    }
    measured.reached.push(rows as f64 / ((SystemClock.now() - begin).max(1) as f64 / 1e9));
    Ok(())
}

/// Does `work` while what the workload has beside it runs on another thread, and tells how much that got done.
fn beside(workload: &Workload, pipeline: &Pipeline, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let Some(script) = workload.beside else { return work() };
    pipeline.database.execute(script)?;
    let stop = AtomicBool::new(false);
    let began = SystemClock.now();
    let (worked, ran) = std::thread::scope(|scope| {
        let load = scope.spawn(|| pipeline.database.run_until_finished(&stop));
        let worked = work();
        stop.store(true, Ordering::Relaxed);
        (worked, load.join())
    });
    let seconds = (SystemClock.now() - began).max(1) as f64 / 1e9;
    ran.map_err(|_| Error::internal("the thread beside panicked"))??;
    let status = pipeline.database.status();
    let rows = status.object("load").map_or(0, |load| load.rows);
    let [_, steps, reads] = status.lanes.map(|lane| format!("{} us", lane.spent_ns / lane.runs.max(1) / 1_000));
    let longest = status.lanes.map(|lane| lane.worst_ns / 1_000);
    let rate = count((rows as f64 / seconds) as u64);
    complain(&format!(
        "  beside it {rate} rows/s were read; a turn of steps took {steps} (longest {} us), one of reading {reads} ({} us)\n",
        longest[1], longest[2]
    ));
    worked
}

/// Stays awake until `moment`: going to sleep would take longer than what is measured.
fn wait_for(moment: i64) {
    while SystemClock.now() < moment {
        std::hint::spin_loop();
    }
}
