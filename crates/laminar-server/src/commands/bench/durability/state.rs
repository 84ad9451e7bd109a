//! Many groups: how long pushes wait while a checkpoint of them is made, how long it takes to recover them, and what an idle database writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::core::time::{Clock, SystemClock};
use laminar_db::{Code, Database, Durability, Error, Result};

use super::pushes::{Times, open, row};
use super::{Figure, Suite};
use crate::files::failed;

/// Rows that are pushed at once to make the groups.
const BATCH_ROWS: usize = 65_536;
/// Below what pushes are to wait for a checkpoint, in microseconds.
const PAUSE_US: f64 = 1_000.0;
/// How much longer recovery may take than reading the same bytes.
const RECOVERY_RATIO: f64 = 1.5;

/// Measures a database with many groups in `folder`.
pub(super) fn measure(suite: &Suite, folder: &Path) -> Result<Vec<Figure>> {
    let data = folder.join("data");
    fill(suite, &data)?;
    let mut figures = recovery(suite, &data)?;
    let database = open(suite, Durability::None, &data)?;
    figures.extend(pauses(suite, &database)?);
    figures.push(idle(suite, &database, &data)?);
    Ok(figures)
}

/// Makes the groups and one checkpoint of them.
fn fill(suite: &Suite, data: &Path) -> Result<()> {
    let database = open(suite, Durability::None, data)?;
    database.execute("CREATE SOURCE events (k BIGINT, v BIGINT)")?;
    database.execute("CREATE MATERIALIZED VIEW totals AS SELECT k, count(*) AS n, sum(v) AS v FROM events GROUP BY k")?;
    for first in (0..suite.groups).step_by(BATCH_ROWS) {
        let keys = first as i64..suite.groups.min(first + BATCH_ROWS) as i64;
        let column = Arc::new(Int64Array::from_iter_values(keys)) as ArrayRef;
        database.push("events", RecordBatch::try_from_iter([("k", column.clone()), ("v", column)])?)?;
    }
    database.checkpoint().map(drop)
}

/// Opens the database, beside reading the same bytes: from the device, as after the machine has gone down, and from the system's memory, as after the
/// process has.
fn recovery(suite: &Suite, data: &Path) -> Result<Vec<Figure>> {
    let (mut from_device, mut from_memory) = ([f64::MAX; 2], [f64::MAX; 2]);
    let mut bytes = 0;
    for _ in 0..suite.recoveries {
        evict(data)?;
        let raw = raw_read(data)?;
        evict(data)?;
        from_device = least(from_device, [raw.0, recover(suite, data)?]);
        from_memory = least(from_memory, [raw_read(data)?.0, recover(suite, data)?]);
        bytes = raw.1;
    }
    let gigabytes = bytes as f64 / 1e9;
    let figures = |from: &str, [raw, recovery]: [f64; 2]| {
        [
            Figure::new(format!("raw read of the checkpoint {from}"), raw / gigabytes, "s per GB"),
            Figure::new(format!("recovery {from}"), recovery / gigabytes, "s per GB"),
            Figure::new(format!("recovery of the raw read {from}"), recovery / raw, "x"),
        ]
    };
    let [raw, recovery, ratio] = figures("from the device", from_device);
    let size = Figure::new("checkpoint size", bytes as f64 / 1e6, "MB");
    let mut all = vec![
        size.note(format!("{} groups, with the view over them", suite.groups)),
        raw.note(format!("the least of {}", suite.recoveries)),
        recovery,
        ratio.at_most(RECOVERY_RATIO),
    ];
    all.extend(figures("from memory", from_memory));
    Ok(all)
}

fn least(one: [f64; 2], other: [f64; 2]) -> [f64; 2] {
    [one[0].min(other[0]), one[1].min(other[1])]
}

/// The files of the checkpoint.
fn parts(data: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for part in ["blocks", "checkpoints"] {
        paths.extend(files(&data.join(part))?.into_iter().map(|(path, ..)| path));
    }
    Ok(paths)
}

/// Has the system forget what it has of the directory in memory, where it takes such advice.
fn evict(data: &Path) -> Result<()> {
    for (path, ..) in files(data)? {
        let file = std::fs::File::open(&path).map_err(failed(&path))?;
        file.sync_all().map_err(failed(&path))?;
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).map_err(|error| failed(&path)(error.into()))?;
    }
    Ok(())
}

/// Seconds that reading the checkpoint takes, and its bytes.
fn raw_read(data: &Path) -> Result<(f64, usize)> {
    let paths = parts(data)?;
    let (began, mut bytes) = (SystemClock.now(), 0);
    for path in &paths {
        bytes += std::fs::read(path).map_err(failed(path))?.len();
    }
    Ok((seconds_since(began), bytes))
}

/// Seconds that opening the database takes.
fn recover(suite: &Suite, data: &Path) -> Result<f64> {
    let began = SystemClock.now();
    let database = open(suite, Durability::None, data)?;
    let took = seconds_since(began);
    let groups = database.query("SELECT count(*) FROM totals")?.to_strings();
    if groups != [[suite.groups.to_string()]] {
        return Err(Error::new(Code::Internal, format!("{groups:?} groups were recovered instead of {}", suite.groups))
            .with_hint("this is a bug"));
    }
    Ok(took)
}

fn seconds_since(began: i64) -> f64 {
    (SystemClock.now() - began).max(1) as f64 / 1e9
}

/// Pushes row after row, first alone and then beside checkpoints.
fn pauses(suite: &Suite, database: &Database) -> Result<Vec<Figure>> {
    let alone_ms = suite.checkpoints_every_ms * suite.checkpoints as u64;
    let alone = push_beside(database, || {
        std::thread::sleep(Duration::from_millis(alone_ms));
        Ok(Vec::new())
    })?;
    let beside = push_beside(database, || {
        let mut made = Vec::new();
        for _ in 0..suite.checkpoints {
            std::thread::sleep(Duration::from_millis(suite.checkpoints_every_ms));
            let began = SystemClock.now();
            database.checkpoint()?;
            made.push((began, SystemClock.now()));
        }
        Ok(made)
    })?;
    let (mut pauses, mut lengths) = (Times::new()?, Times::new()?);
    for (began, ended) in &beside.checkpoints {
        lengths.add(ended - began);
        let during = beside.pushes.iter().filter(|(from, to)| to > began && from < ended);
        pauses.add(during.map(|(from, to)| to - from).max().unwrap_or_default());
    }
    let [alone, beside] = [alone, beside].map(|pushed| pushed.times());
    let (alone, beside) = (alone?, beside?);
    Ok(vec![
        Figure::new("push beside many groups p99", alone.us(99.0), "us").note("durability none, no checkpoints"),
        Figure::new("push beside checkpoints of them p99", beside.us(99.0), "us").note("to be as without"),
        Figure::new("push beside checkpoints of them longest", beside.us(100.0), "us"),
        Figure::new("checkpoint pause p50", pauses.us(50.0), "us").note("the longest push while a checkpoint is made"),
        Figure::new("checkpoint pause p99", pauses.us(99.0), "us").at_most(PAUSE_US),
        Figure::new("checkpoint length p50", lengths.us(50.0) / 1e3, "ms").note("taken, written and published"),
    ])
}

/// Rows that were pushed one after the other, and checkpoints that were made meanwhile: from when to when, in nanoseconds.
struct Pushed {
    pushes: Vec<(i64, i64)>,
    checkpoints: Vec<(i64, i64)>,
}

impl Pushed {
    fn times(&self) -> Result<Times> {
        let mut times = Times::new()?;
        self.pushes.iter().for_each(|(from, to)| times.add(to - from));
        Ok(times)
    }
}

/// Pushes until `work`, on a thread of its own, is done.
fn push_beside(database: &Database, work: impl FnOnce() -> Result<Vec<(i64, i64)>> + Send) -> Result<Pushed> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let made = work();
            done.store(true, Ordering::Relaxed);
            made
        });
        let (mut pushes, mut number) = (Vec::new(), 0);
        while !done.load(Ordering::Relaxed) {
            let rows = row(number)?;
            let began = SystemClock.now();
            database.push("events", rows)?;
            pushes.push((began, SystemClock.now()));
            number += 1;
        }
        let checkpoints = worker.join().map_err(|_| Error::internal("the thread that makes checkpoints panicked"))??;
        Ok(Pushed { pushes, checkpoints })
    })
}

/// What changes in the directory while nothing happens, with checkpoints by themselves.
fn idle(suite: &Suite, database: &Database, data: &Path) -> Result<Figure> {
    database.checkpoint()?;
    let interval = (suite.idle_ms / 5).max(1);
    database.execute(&format!("SET checkpoint_interval = '{interval} ms'"))?;
    let before = files(data)?;
    std::thread::sleep(Duration::from_millis(suite.idle_ms));
    let after = files(data)?;
    let changed = after.iter().filter(|file| !before.contains(file)).count() + before.len().saturating_sub(after.len());
    Ok(Figure::new("idle database files written", changed as f64, "files")
        .at_most(0.0)
        .note(format!("in {:.1} s, a checkpoint being due each {interval} ms", suite.idle_ms as f64 / 1e3)))
}

/// All files below a directory, with their lengths and when they were written.
fn files(directory: &Path) -> Result<Vec<(PathBuf, u64, SystemTime)>> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).map_err(failed(&directory))? {
            let path = entry.map_err(failed(&directory))?.path();
            let metadata = path.metadata().map_err(failed(&path))?;
            if metadata.is_dir() {
                directories.push(path);
            } else {
                let modified = metadata.modified().map_err(failed(&path))?;
                found.push((path, metadata.len(), modified));
            }
        }
    }
    found.sort();
    Ok(found)
}
