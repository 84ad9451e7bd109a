//! What a store asks of a disk.
//!
//! Everything that a store writes goes through a [`Disk`], so that a simulation can stop the machine between any two calls, lose
//! what was not synced, fill the disk up or damage it. [`RealDisk`] is the machine's, [`IoUringDisk`] the same through the kernel's rings; [`SimulatedDisk`]
//! lives in memory.
//!
//! What holds for both: bytes last once their file was synced, a name (new, changed or removed) once its directory was synced.
//! Neither implies the other.

mod io_uring;
mod real;
mod simulated;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laminar_core::{Code, Error};

pub use io_uring::IoUringDisk;
pub use real::RealDisk;
pub use simulated::SimulatedDisk;

/// Directories and files that only grow at their end.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a directory, whose parent is there. One that is there already is fine.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// What a directory holds, in order of the names.
    fn list(&self, directory: &Path) -> io::Result<Vec<DiskEntry>>;

    /// Whether a file or directory has that name.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The file will be read soon: a disk that can reads it meanwhile.
    fn read_ahead(&self, _path: &Path) {}

    /// Makes an empty file; fails if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file to write at its end.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// [`create`](Self::create) of a file that is written for long, by many threads: a segment of a log.
    fn create_log(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }

    /// [`open`](Self::open) of such a file.
    fn open_log(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    /// Returns when the bytes of all these files are on the disk.
    fn sync_files(&self, paths: &[PathBuf]) -> Result<(), NotSynced> {
        for path in paths {
            let file = self.open(path).map_err(|error| NotSynced::not_opened(path, error))?;
            file.sync_data().map_err(|error| NotSynced::failed(path, error))?;
        }
        Ok(())
    }

    /// Gives a file another name; one that has that name already is replaced, whole.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in the directory are on the disk as they are now.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Takes the lock that the file at `path` stands for, and writes `holder` into it.
    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock>;

    /// The time at which the disk would stamp a file: nanoseconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> i64;
}

/// A file that is open for writing. Several threads may write and sync it.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Hands bytes to the operating system, after all others. If it fails, any part of them may be there.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Returns when all bytes that were appended before the call are on the disk.
    fn sync_data(&self) -> io::Result<()>;
}

/// The file that kept others from being made to last.
#[derive(Debug)]
pub struct NotSynced {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
    /// Whether the disk was asked to sync, so that it is unknown what it has.
    pub was_tried: bool,
}

impl NotSynced {
    fn not_opened(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), error, was_tried: false }
    }

    fn failed(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), error, was_tried: true }
    }
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiskEntry {
    /// The name, without its directory. What is not UTF-8 in it is replaced; no name of ours has such.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// The length of a file.
    pub bytes: u64,
}

/// What came of [`Disk::lock`].
pub enum Lock {
    /// The lock is held until the value is dropped, or the process ends.
    Held(Box<dyn Send + Sync>),
    /// Another holds it, who wrote this into the file.
    Taken(String),
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lock::Held(_) => f.write_str("Held"),
            Lock::Taken(holder) => write!(f, "Taken({holder:?})"),
        }
    }
}

/// Whether a write failed for want of room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Names the file or directory that failed.
pub(crate) fn failed(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |error| {
        let message = format!("'{}': {error}", path.display());
        if is_full(&error) { disk_full(message) } else { Error::new(Code::Io, message) }
    }
}

pub(crate) fn disk_full(message: impl Into<String>) -> Error {
    Error::new(Code::DiskFull, message)
        .with_detail("nothing of it was taken in; what was there before is whole")
        .with_hint("make room on the disk, and do it again")
}
