//! A file that grows at its end, written and synced by many threads: what a write-ahead log consists of.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::config::IoUringConfig;
use super::manager::RingClass;
use super::writes::Writes;
use crate::thread::GroupCommit;

/// A file to which bytes are appended through a ring, from registered buffers. Others append while it is synced, and threads that wait for a sync share it
/// ([`GroupCommit`]): one that finds its bytes in the sync of another returns at once.
///
/// ```
/// use laminar_core::io_uring::{IoUringConfig, IoUringWal};
///
/// # fn main() -> std::io::Result<()> {
/// # if laminar_core::io_uring::probe().is_err() { return Ok(()) }
/// # let path = std::env::temp_dir().join(format!("laminar-wal-{}", std::process::id()));
/// let log = IoUringWal::create(&path, &IoUringConfig::STANDARD)?;
/// std::thread::scope(|threads| {
///     for _ in 0..4 {
///         threads.spawn(|| {
///             let end = log.append(b"a record").unwrap();
///             log.sync_to(end).unwrap();
///         });
///     }
/// });
/// assert_eq!((log.end(), log.synced()), (32, 32));
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct IoUringWal {
    // Before the file: a ring waits for its writes when it is dropped.
    writer: Mutex<Writer>,
    file: File,
    commit: GroupCommit<u64>,
    /// After a sync that failed it is unknown what is on the disk, whatever a later one says.
    has_failed: AtomicBool,
}

#[derive(Debug)]
struct Writer {
    writes: Writes,
    end: u64,
    /// How often the file has been cut, and how many of these cuts are on the disk.
    cuts: u64,
    synced_cuts: u64,
}

impl IoUringWal {
    /// Makes an empty file; fails if the name is taken, and with [`Unsupported`](io::ErrorKind::Unsupported), before it makes one, if the system refuses a ring.
    pub fn create(path: &Path, config: &IoUringConfig) -> io::Result<Self> {
        let writer = Writer::new(config)?;
        writer.over(OpenOptions::new().write(true).create_new(true).open(path)?)
    }

    /// Opens a file to go on at its end; fails with [`Unsupported`](io::ErrorKind::Unsupported) if the system refuses a ring.
    pub fn open(path: &Path, config: &IoUringConfig) -> io::Result<Self> {
        let writer = Writer::new(config)?;
        writer.over(OpenOptions::new().write(true).open(path)?)
    }

    /// Hands bytes to the operating system, after all others, and returns where they end. If it fails, any part of them may be there, and the next bytes come
    /// after the last that were appended whole.
    pub fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        let writer = &mut *lock(&self.writer);
        let written = writer.write(&self.file, bytes);
        // What was handed over before an error ends before anything else is written.
        written.and(writer.writes.finish(&self.file))?;
        writer.end += bytes.len() as u64;
        Ok(writer.end)
    }

    /// Cuts the file.
    pub fn truncate(&self, bytes: u64) -> io::Result<()> {
        let writer = &mut *lock(&self.writer);
        writer.writes.check()?;
        self.file.set_len(bytes)?;
        writer.end = bytes;
        writer.cuts += 1;
        // What comes in their place is not on the disk yet.
        self.commit.set_back(bytes);
        Ok(())
    }

    /// Returns when everything that was done before the call is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        let (end, is_cut) = {
            let writer = lock(&self.writer);
            (writer.end, writer.cuts > writer.synced_cuts)
        };
        // What was cut off is not gone because what is before it lasts.
        if is_cut { self.sync_now().map(drop) } else { self.sync_to(end) }
    }

    /// Returns when everything before `position`, which has been appended, is on the disk. After a sync that failed every other fails.
    pub fn sync_to(&self, position: u64) -> io::Result<()> {
        self.commit.wait_for(position, || self.check_usable(), || self.sync_now())
    }

    /// Syncs what is there, and returns how much that is. The caller waits, so it makes the call itself: handing it to the kernel's threads takes longer.
    fn sync_now(&self) -> io::Result<u64> {
        self.check_usable()?;
        let (end, cuts) = {
            let writer = lock(&self.writer);
            (writer.end, writer.cuts)
        };
        self.file.sync_data().inspect_err(|_| self.has_failed.store(true, Ordering::SeqCst))?;
        // Of two syncs at a time the system tells one alone that it has failed.
        self.check_usable()?;
        let writer = &mut *lock(&self.writer);
        writer.synced_cuts = writer.synced_cuts.max(cuts);
        Ok(end)
    }

    fn check_usable(&self) -> io::Result<()> {
        if self.has_failed.load(Ordering::SeqCst) {
            return Err(io::Error::other("a sync of this file has failed before: it is unknown what is on the disk"));
        }
        Ok(())
    }

    /// Where the next bytes will begin.
    pub fn end(&self) -> u64 {
        lock(&self.writer).end
    }

    /// Everything before this is on the disk.
    pub fn synced(&self) -> u64 {
        self.commit.synced()
    }
}

impl Writer {
    /// Made before the file: where there is no ring, no file is left behind.
    fn new(config: &IoUringConfig) -> io::Result<Self> {
        Ok(Self { writes: Writes::new(config, RingClass::Latency)?, end: 0, cuts: 0, synced_cuts: 0 })
    }

    /// Goes on at the end of `file`.
    fn over(mut self, file: File) -> io::Result<IoUringWal> {
        self.end = file.metadata()?.len();
        Ok(IoUringWal { file, writer: Mutex::new(self), commit: GroupCommit::new(0), has_failed: AtomicBool::new(false) })
    }

    /// Hands over bytes, to be written at the end.
    fn write(&mut self, file: &File, bytes: &[u8]) -> io::Result<()> {
        let (mut rest, mut offset) = (bytes, self.end);
        while !rest.is_empty() {
            let (index, buffer) = self.writes.buffer(file)?;
            let (piece, left) = rest.split_at(rest.len().min(buffer.len()));
            buffer[..piece.len()].copy_from_slice(piece);
            self.writes.write_out(file, index, piece.len(), offset)?;
            (rest, offset) = (left, offset + piece.len() as u64);
        }
        Ok(())
    }
}

/// No thread panics while it holds the lock and leaves something half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
