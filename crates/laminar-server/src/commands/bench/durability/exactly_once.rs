//! A file through a window into a file: with a directory, where each row is there once whatever happens, and without one.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use laminar_db::core::time::{Clock, SystemClock};
use laminar_db::{Code, Database, Error, Result, Settings};

use super::super::input::{Input, Source};
use super::super::throughput::median;
use super::{Figure, Suite};
use crate::files::failed;

/// Between two checkpoints, in nanoseconds.
const CHECKPOINT_NS: i64 = 2_000_000_000;
/// Keys of the rows.
const KEYS: u64 = 1_000;

/// Runs both in turns and gives the ratio of their rates.
pub(super) fn measure(suite: &Suite, folder: &Path) -> Result<Vec<Figure>> {
    let input = folder.join("events.parquet");
    make_input(suite.rows, &input)?;
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..suite.pairs {
        // The second of a pair may find warmer caches: so they take turns at it.
        let mut seconds = [0.0; 2];
        for turn in [pair % 2, 1 - pair % 2] {
            let data = (turn == 0).then(|| folder.join(format!("data-{pair}")));
            seconds[usize::from(turn)] = run(suite, &input, &output(folder, turn), data.as_deref())?;
        }
        assert_same(folder)?;
        with.push(suite.rows as f64 / seconds[0]);
        without.push(suite.rows as f64 / seconds[1]);
        ratios.push(100.0 * seconds[1] / seconds[0]);
    }
    Ok(vec![
        Figure::new("file to file exactly once", median(with), "rows/s").note("a checkpoint each 2 s and one at the end"),
        Figure::new("file to file without a directory", median(without), "rows/s"),
        Figure::new("exactly once of the rate without", median(ratios), "%").at_least(90.0).note("median of the pairs"),
    ])
}

fn output(folder: &Path, turn: u16) -> std::path::PathBuf {
    folder.join(["exactly-once.csv", "without.csv"][usize::from(turn)])
}

/// Writes the rows into a file, before any clock starts.
fn make_input(rows: usize, path: &Path) -> Result<()> {
    let source = Source::Events { keys: KEYS };
    let columns = source.tables()[0].columns;
    let database = Database::builder().build();
    database.execute(&format!(
        "CREATE SOURCE events ({columns}); CREATE SINK file FROM events INTO FILE (path = '{}')",
        quoted(path)
    ))?;
    for batch in Input::make(source, rows)?.batches {
        database.push(batch.table, batch.rows)?;
    }
    database.finish()
}

/// Seconds from creating the source until the output is complete.
fn run(suite: &Suite, input: &Path, output: &Path, data: Option<&Path>) -> Result<f64> {
    let settings = Settings { checkpoint_interval: Some(CHECKPOINT_NS), ..Settings::default() };
    let builder = Database::builder().settings(settings).workers(suite.workers.into());
    let database = match data {
        Some(data) => builder.open(&data.to_string_lossy())?,
        None => builder.build(),
    };
    let columns = Source::Events { keys: KEYS }.tables()[0].columns;
    let began = SystemClock.now();
    database.execute(&format!(
        "CREATE SOURCE events ({columns}) FROM FILE (path = '{}');
         CREATE SINK windows AS SELECT k, window_start, count(*) AS n, sum(v) AS total FROM events
             GROUP BY k, TUMBLE(ts, INTERVAL '1' SECOND) EMIT ON WINDOW CLOSE INTO FILE (path = '{}')",
        quoted(input),
        quoted(output)
    ))?;
    database.run_until_finished(&AtomicBool::new(false))?;
    if data.is_some() {
        database.checkpoint()?;
    } else {
        database.finish()?;
    }
    let seconds = (SystemClock.now() - began).max(1) as f64 / 1e9;
    match database.status().failures().next() {
        Some((object, error)) => Err(error.clone().within(format!("'{}' has stopped", object.name))),
        None => Ok(seconds),
    }
}

/// Fails unless both outputs hold the same lines.
fn assert_same(folder: &Path) -> Result<()> {
    let lines = |turn| -> Result<Vec<String>> {
        let path = output(folder, turn);
        let text = std::fs::read_to_string(&path).map_err(failed(&path))?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        Ok(lines)
    };
    if lines(0)? == lines(1)? {
        return Ok(());
    }
    Err(Error::new(Code::Internal, "the outputs with a directory and without one differ").with_hint("this is a bug"))
}

fn quoted(path: &Path) -> String {
    path.to_string_lossy().replace('\'', "''")
}
