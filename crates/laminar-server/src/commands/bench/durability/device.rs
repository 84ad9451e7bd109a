//! What the device can do without a database: syncs of small appends, by system calls and through the kernel's rings, and long stretches of bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use laminar_db::Result;
use laminar_db::core::io_uring::{self, CoreRingManager, IoUringConfig, IoUringWal, sync_files};
use laminar_db::core::time::{Clock, SystemClock};

use super::pushes::Times;
use super::{Figure, Suite};
use crate::files::failed;

/// What is appended before each sync.
const APPEND_BYTES: usize = 4 << 10;
/// What is handed to the system at once.
const PIECE_BYTES: usize = 1 << 20;

/// Threads that append and sync at the same time.
const THREADS: usize = 8;
/// Writes in flight before a sync.
const DEPTH: usize = 32;
/// Files that a checkpoint might write.
const BLOCKS: usize = 64;
const BLOCK_BYTES: usize = 256 << 10;

/// What other figures are held against.
pub(super) struct Device {
    /// Microseconds of a sync.
    pub(super) sync_us: f64,
    /// Syncs in a second, one after the other.
    pub(super) syncs_per_s: f64,
}

/// Measures the device below `folder`.
pub(super) fn measure(suite: &Suite, folder: &Path) -> Result<(Vec<Figure>, Device)> {
    let syncs = syncs(suite.syncs, &folder.join("appended"))?;
    let device = Device { sync_us: syncs.us(50.0), syncs_per_s: syncs.per_s() };
    let stretch = folder.join("stretch");
    let (written, read) = (write(suite.stretch_bytes, &stretch)?, read(&stretch)?);
    let mb_per_s = |nanos: i64| suite.stretch_bytes as f64 / 1e6 / (nanos as f64 / 1e9);
    let mut figures = vec![
        Figure::new("fdatasync of 4 KiB p50", device.sync_us, "us").note("an append and its sync, by one thread"),
        Figure::new("fdatasync of 4 KiB p99", syncs.us(99.0), "us"),
        Figure::new("fdatasync of 4 KiB rate", device.syncs_per_s, "per s"),
        Figure::new("sequential write", mb_per_s(written), "MB/s").note("with a sync at the end"),
        Figure::new("sequential read", mb_per_s(read), "MB/s")
            .note("what was just written: of what the system still has in memory"),
    ];
    figures.extend(at_depth(suite.syncs, folder)?);
    Ok((figures, device))
}

/// System calls beside rings, where there are any: appends that are synced by several threads, and files that are synced together.
fn at_depth(count: usize, folder: &Path) -> Result<Vec<Figure>> {
    let calls = folder.join("calls");
    let file = OpenOptions::new().create(true).append(true).open(&calls).map_err(failed(&calls))?;
    let by_calls = appends_per_s(count, || (&file).write_all(&[0x5a; APPEND_BYTES]).and_then(|()| file.sync_data()));
    let by_calls = by_calls.map_err(failed(&calls))?;
    let blocks_us = syncs_of_blocks(folder, |files| files.iter().try_for_each(File::sync_data))?;
    let mut figures = vec![
        Figure::new("write + fdatasync of 4 KiB, 8 threads", by_calls, "per s").note("by each thread for itself"),
        Figure::new("fdatasync of 64 files of 256 KiB", blocks_us, "us").note("one after the other"),
    ];
    if io_uring::probe().is_ok() {
        let rings = folder.join("rings");
        let log = IoUringWal::create(&rings, &IoUringConfig::STANDARD).map_err(failed(&rings))?;
        let by_rings = appends_per_s(count, || log.append(&[0x5a; APPEND_BYTES]).and_then(|end| log.sync_to(end)));
        let by_rings = by_rings.map_err(failed(&rings))?;
        let blocks_us = syncs_of_blocks(folder, |files| sync_files(files).map_err(|(_, error)| error))?;
        figures.push(Figure::new("io_uring: append + fdatasync of 4 KiB, 8 threads", by_rings, "per s").note("syncs are shared"));
        let one_by_one = syncs(count, &folder.join("one-by-one"))?.per_s();
        let at_depth = writes_at_depth_per_s(count, &folder.join("depth"))?;
        let note = "beside a write + fdatasync for each";
        figures.push(Figure::new("io_uring: 4 KiB, 32 writes a sync", at_depth, "per s").at_least(2.0 * one_by_one).note(note));
        figures.push(Figure::new("io_uring: fdatasync of 64 files of 256 KiB", blocks_us, "us").note("all at once"));
    }
    Ok(figures)
}

/// How many appends and syncs of several threads end in a second.
fn appends_per_s(count: usize, append: impl Fn() -> io::Result<()> + Sync) -> io::Result<f64> {
    let each = count.div_ceil(THREADS);
    let began = SystemClock.now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| (0..each).try_for_each(|_| append()))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))))
    })?;
    Ok((each * THREADS) as f64 / ((SystemClock.now() - began).max(1) as f64 / 1e9))
}

/// How many writes of one thread are on the disk in a second, where so many are in flight and one sync follows them.
fn writes_at_depth_per_s(count: usize, path: &Path) -> Result<f64> {
    let config = IoUringConfig::builder().ring_entries(2 * DEPTH as u32).buffer_size(APPEND_BYTES).buffer_count(DEPTH as u16);
    let (mut rings, file) = (CoreRingManager::new(0, &config.build()?)?, File::create(path).map_err(failed(path))?);
    let buffers = (0..DEPTH).map(|_| rings.acquire_buffer().map(|(index, _)| index)).collect::<Result<Vec<u16>>>()?;
    let rounds = count.div_ceil(DEPTH);
    let began = SystemClock.now();
    for offset in (0..rounds).map(|round| round * DEPTH * APPEND_BYTES) {
        for (number, index) in buffers.iter().enumerate() {
            rings.submit_write(file.as_raw_fd(), *index, (offset + number * APPEND_BYTES) as u64, APPEND_BYTES)?;
        }
        rings.submit_sync(file.as_raw_fd())?;
        while rings.in_flight() > 0 {
            rings.wait()?.into_iter().try_for_each(|completion| completion.result.map(drop)).map_err(failed(path))?;
        }
    }
    Ok((rounds * DEPTH) as f64 / ((SystemClock.now() - began).max(1) as f64 / 1e9))
}

/// Microseconds until files that were just written are on the disk.
fn syncs_of_blocks(folder: &Path, sync: impl FnOnce(&[File]) -> io::Result<()>) -> Result<f64> {
    let write = |number: usize| {
        let path = folder.join(format!("block-{number}"));
        let written = File::create(&path).and_then(|mut file| file.write_all(&vec![0x5a; BLOCK_BYTES]).map(|()| file));
        written.map_err(failed(&path))
    };
    let files = (0..BLOCKS).map(write).collect::<Result<Vec<File>>>()?;
    let began = SystemClock.now();
    sync(&files).map_err(failed(folder))?;
    let took = SystemClock.now() - began;
    for number in 0..BLOCKS {
        let path = folder.join(format!("block-{number}"));
        std::fs::remove_file(&path).map_err(failed(&path))?;
    }
    Ok(took as f64 / 1e3)
}

fn syncs(count: usize, path: &Path) -> Result<Times> {
    let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed(path))?;
    let mut times = Times::new()?;
    let began = SystemClock.now();
    for _ in 0..count {
        let at = SystemClock.now();
        file.write_all(&[0x5a; APPEND_BYTES]).and_then(|()| file.sync_data()).map_err(failed(path))?;
        times.add(SystemClock.now() - at);
    }
    times.took(SystemClock.now() - began);
    Ok(times)
}

fn write(bytes: usize, path: &Path) -> Result<i64> {
    let piece = vec![0x5a; PIECE_BYTES];
    let began = SystemClock.now();
    let mut file = File::create(path).map_err(failed(path))?;
    for _ in 0..bytes / PIECE_BYTES {
        file.write_all(&piece).map_err(failed(path))?;
    }
    file.sync_all().map_err(failed(path))?;
    Ok((SystemClock.now() - began).max(1))
}

fn read(path: &Path) -> Result<i64> {
    let mut piece = vec![0; PIECE_BYTES];
    let began = SystemClock.now();
    let mut file = File::open(path).map_err(failed(path))?;
    while file.read(&mut piece).map_err(failed(path))? > 0 {}
    Ok((SystemClock.now() - began).max(1))
}
