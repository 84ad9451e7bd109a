//! How long all rows of a workload take together: wall time, CPU time of the whole process, and what came out.

use cpu_time::ProcessTime;
use laminar_core::ChangeBatch;
use laminar_db::Result;
use laminar_db::core::time::{Clock, SystemClock};

use super::answer::Answer;
use super::input::Input;
use super::pipeline::{Kept, Pipeline, Threads};
use super::workload::Workload;

/// One run over all rows.
pub(super) struct Run {
    /// Seconds from the first push until the last window is closed.
    pub(super) wall: f64,
    /// Seconds of CPU that all threads of this process took in that time.
    pub(super) cpu: f64,
    /// Rows that the stream emitted, retractions too.
    pub(super) emitted: usize,
    /// What they add up to.
    pub(super) answer: Answer,
}

/// Pushes all rows into a fresh database. What is emitted is kept, and looked at after the clock has stopped.
pub(super) fn run(workload: &Workload, input: &Input, threads: Threads) -> Result<Run> {
    let kept = Kept::default();
    let keeper = kept.clone();
    let pipeline = Pipeline::new(workload, threads, move |changes| keeper.keep(changes))?;
    let (began, cpu) = (SystemClock.now(), ProcessTime::now());
    for batch in &input.batches {
        pipeline.push(batch.clone())?;
    }
    pipeline.end()?;
    let (wall, cpu) = (seconds_since(began), cpu.elapsed().as_secs_f64());
    pipeline.assert_complete()?;
    let changes = kept.take();
    let emitted = changes.iter().map(ChangeBatch::len).sum();
    Ok(Run { wall, cpu, emitted, answer: Answer::of_changes(&changes)? })
}

fn seconds_since(began: i64) -> f64 {
    (SystemClock.now() - began).max(1) as f64 / 1e9
}

/// The middle of `values`, or the mean of the two in the middle; 0 of nothing.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_does_not_follow_outliers() {
        for (values, expected) in
            [(vec![], 0.0), (vec![3.0], 3.0), (vec![100.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 100.0], 3.0)]
        {
            assert_eq!(median(values.clone()).to_bits(), f64::to_bits(expected), "{values:?}");
        }
    }
}
