//! Appends to a log, and makes it last: one sync for all threads that wait.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use laminar_core::thread::GroupCommit;

use super::frame::{FRAME_BYTES, PAYLOAD_BYTES_MAX, seal};
use super::reader::WalReader;
use super::segment::{self, HEADER_BYTES};
use super::{LogPosition, WalEntry, WalError};
use crate::disk::{Disk, DiskFile, RealDisk, is_full};

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalOptions {
    /// Bytes after which a new segment begins. What is appended at once still goes into one segment.
    pub segment_bytes_max: u64,
}

impl WalOptions {
    /// Segments of 64 MiB.
    pub const STANDARD: WalOptions = WalOptions { segment_bytes_max: 64 << 20 };
}

/// The writing end of a log, for any number of threads.
#[derive(Debug)]
pub struct Wal {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: WalOptions,
    tail: Mutex<Tail>,
    commit: GroupCommit<LogPosition>,
    /// Why nothing more is written.
    poison: OnceLock<String>,
}

/// Where the next record goes. The thread that holds it writes.
#[derive(Debug)]
struct Tail {
    file: Arc<dyn DiskFile>,
    end: LogPosition,
}

impl Wal {
    /// Opens the log in `directory`, or makes an empty one. The log is read to its end first: one that ends in a torn
    /// write or is damaged is refused, and [`repair`](super::repair()) comes first.
    pub fn open(directory: impl AsRef<Path>, options: WalOptions) -> Result<Self, WalError> {
        let (disk, directory) = (Arc::new(RealDisk) as Arc<dyn Disk>, directory.as_ref());
        std::fs::create_dir_all(directory).map_err(WalError::io(directory))?;
        if segment::list(&*disk, directory)?.is_empty() {
            return Self::create(disk, directory, options);
        }
        let end = end_of(&disk, directory)?;
        Self::open_at(disk, directory, end, options)
    }

    /// Makes an empty log in a directory that is there.
    pub(crate) fn create(disk: Arc<dyn Disk>, directory: &Path, options: WalOptions) -> Result<Self, WalError> {
        let file = segment::create(&*disk, directory, 1)?;
        file.sync_data().map_err(WalError::io(segment::path(directory, 1)))?;
        disk.sync_dir(directory).map_err(WalError::io(directory))?;
        Ok(Self::at(disk, directory, file, LogPosition::first_of(1), options))
    }

    /// Goes on with a log that is whole and ends at `end`.
    pub(crate) fn open_at(
        disk: Arc<dyn Disk>,
        directory: &Path,
        end: LogPosition,
        options: WalOptions,
    ) -> Result<Self, WalError> {
        let path = segment::path(directory, end.segment);
        let file = disk.open_log(&path).map_err(WalError::io(&path))?;
        // What a crashed process wrote without a sync is read, so it must last before anything builds on it.
        file.sync_data().map_err(WalError::io(&path))?;
        disk.sync_dir(directory).map_err(WalError::io(directory))?;
        Ok(Self::at(disk, directory, file, end, options))
    }

    fn at(disk: Arc<dyn Disk>, directory: &Path, file: Arc<dyn DiskFile>, end: LogPosition, options: WalOptions) -> Self {
        Self {
            disk,
            directory: directory.to_owned(),
            options,
            tail: Mutex::new(Tail { file, end }),
            commit: GroupCommit::new(end),
            poison: OnceLock::new(),
        }
    }

    /// Writes records, all or none, and tells where they end. They last once [`sync_to`](Self::sync_to) has returned for that position;
    /// after a crash before that, all of them are there or none.
    pub fn append(&self, records: &[WalEntry]) -> Result<LogPosition, WalError> {
        let (mut bytes, mut starts) = (Vec::new(), Vec::with_capacity(records.len()));
        for (index, record) in records.iter().enumerate() {
            let start = bytes.len();
            starts.push(start);
            bytes.resize(start + FRAME_BYTES, 0);
            record.encode(index + 1 < records.len(), &mut bytes)?;
            if bytes.len() - start - FRAME_BYTES > PAYLOAD_BYTES_MAX {
                return Err(WalError::TooLarge { bytes: bytes.len() - start });
            }
        }
        let mut tail = lock(&self.tail);
        self.check_usable()?;
        let is_first = tail.end.offset == HEADER_BYTES as u64;
        if !records.is_empty() && !is_first && tail.end.offset + bytes.len() as u64 > self.options.segment_bytes_max {
            self.begin_segment(&mut tail)?;
        }
        let synced = self.synced();
        let ends = starts.iter().copied().skip(1).chain([bytes.len()]).collect::<Vec<_>>();
        for (start, end) in starts.into_iter().zip(ends) {
            let place = LogPosition { offset: tail.end.offset + start as u64, ..tail.end };
            seal(&mut bytes[start..end], place, synced);
        }
        if let Err(error) = tail.file.append(&bytes) {
            return Err(self.take_back(&tail, error));
        }
        tail.end.offset += bytes.len() as u64;
        Ok(tail.end)
    }

    /// Returns when everything before `position` is on the disk. One thread syncs for all that wait, and others append meanwhile.
    pub fn sync_to(&self, position: LogPosition) -> Result<(), WalError> {
        if self.synced() < position && self.end() < position {
            return Err(WalError::Unusable { position, reason: "the log ends before it".into() });
        }
        self.commit.wait_for(
            position,
            || self.check_usable(),
            || {
                let (file, end) = {
                    let tail = lock(&self.tail);
                    (tail.file.clone(), tail.end)
                };
                file.sync_data().map_err(|error| self.poison(segment::path(&self.directory, end.segment), error))?;
                Ok(end)
            },
        )
    }

    /// Waits until everything that was appended is on the disk.
    pub fn sync(&self) -> Result<(), WalError> {
        self.sync_to(self.end())
    }

    /// Where the next record will begin, or in the segment after it.
    pub fn end(&self) -> LogPosition {
        lock(&self.tail).end
    }

    /// Everything before this lasts.
    pub fn synced(&self) -> LogPosition {
        self.commit.synced()
    }

    /// Removes the segments that lie wholly before `position`: their records are in a checkpoint.
    pub fn forget_before(&self, position: LogPosition) -> Result<(), WalError> {
        let last = position.segment.min(self.end().segment);
        let old: Vec<u32> = segment::list(&*self.disk, &self.directory)?.into_iter().filter(|segment| *segment < last).collect();
        for segment in &old {
            // From the front, and each for good before the next: a crash in between leaves no gap.
            let path = segment::path(&self.directory, *segment);
            self.disk.remove(&path).map_err(WalError::io(&path))?;
            self.disk.sync_dir(&self.directory).map_err(WalError::io(&self.directory))?;
        }
        Ok(())
    }

    /// Fails if the disk has failed before.
    pub(crate) fn check_usable(&self) -> Result<(), WalError> {
        match self.poison.get() {
            None => Ok(()),
            Some(reason) => Err(WalError::Poisoned { reason: reason.clone() }),
        }
    }

    /// Nothing more is written: the disk may or may not have what was given to it.
    pub(crate) fn poison(&self, path: impl Into<PathBuf>, error: std::io::Error) -> WalError {
        let reason = format!("'{}': {error}", path.into().display());
        let reason = self.poison.get_or_init(|| reason).clone();
        self.commit.wake();
        WalError::Poisoned { reason }
    }

    /// The old segment is synced before the new one exists: so only the last segment of a log can be torn.
    fn begin_segment(&self, tail: &mut Tail) -> Result<(), WalError> {
        let old = segment::path(&self.directory, tail.end.segment);
        tail.file.sync_data().map_err(|error| self.poison(&old, error))?;
        let next = tail.end.segment + 1;
        let path = segment::path(&self.directory, next);
        let file = match segment::create(&*self.disk, &self.directory, next) {
            Ok(file) => file,
            Err(WalError::Io { source, .. }) if is_full(&source) => {
                // The log goes on in the old segment once there is room.
                let removed = if self.disk.exists(&path).unwrap_or(true) { self.disk.remove(&path) } else { Ok(()) };
                return match removed {
                    Ok(()) => Err(WalError::Io { path, source }),
                    Err(error) => Err(self.poison(path, error)),
                };
            }
            Err(WalError::Io { path, source }) => return Err(self.poison(path, source)),
            Err(other) => return Err(other),
        };
        file.sync_data().map_err(|error| self.poison(&path, error))?;
        self.disk.sync_dir(&self.directory).map_err(|error| self.poison(&self.directory, error))?;
        let end = LogPosition::first_of(next);
        *tail = Tail { file, end };
        self.commit.advance(end);
        Ok(())
    }

    /// Cuts off what came of a failed write. Only a full disk is known to have left everything else as it was.
    fn take_back(&self, tail: &Tail, error: std::io::Error) -> WalError {
        let path = segment::path(&self.directory, tail.end.segment);
        match tail.file.truncate(tail.end.offset) {
            Ok(()) if is_full(&error) => WalError::Io { path, source: error },
            _ => self.poison(path, error),
        }
    }
}

/// No thread panics while it holds the lock and leaves something half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of a log that is whole.
fn end_of(disk: &Arc<dyn Disk>, directory: &Path) -> Result<LogPosition, WalError> {
    let mut reader = WalReader::open_between(disk.clone(), directory, None, None)?;
    reader.by_ref().try_for_each(|record| record.map(drop))?;
    Ok(reader.next_position())
}
