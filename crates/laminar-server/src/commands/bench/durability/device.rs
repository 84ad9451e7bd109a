//! What the device can do without a database: syncs of small appends, and long stretches of bytes.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use laminar_db::Result;
use laminar_db::core::time::{Clock, SystemClock};

use super::pushes::Times;
use super::{Figure, Suite};
use crate::files::failed;

/// What is appended before each sync.
const APPEND_BYTES: usize = 4 << 10;
/// What is handed to the system at once.
const PIECE_BYTES: usize = 1 << 20;

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
    let figures = vec![
        Figure::new("fdatasync of 4 KiB p50", device.sync_us, "us").note("an append and its sync, by one thread"),
        Figure::new("fdatasync of 4 KiB p99", syncs.us(99.0), "us"),
        Figure::new("fdatasync of 4 KiB rate", device.syncs_per_s, "per s"),
        Figure::new("sequential write", mb_per_s(written), "MB/s").note("with a sync at the end"),
        Figure::new("sequential read", mb_per_s(read), "MB/s")
            .note("what was just written: of what the system still has in memory"),
    ];
    Ok((figures, device))
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
