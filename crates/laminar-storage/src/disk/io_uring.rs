//! The machine's disk, through the kernel's rings.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laminar_core::Result;
use laminar_core::io_uring::{self, IoUringConfig, IoUringWal};

use super::{Disk, DiskEntry, DiskFile, Lock, NotSynced, RealDisk};

/// How many files are open at once while they are synced.
const OPEN_FILES_MAX: usize = 64;

/// The file system of the machine. Segments of the log are written from buffers that the kernel knows, and the blocks of a checkpoint are synced all at once.
/// Everything else goes the way of [`RealDisk`]. The bytes on the disk are the same.
#[derive(Debug, Clone)]
pub struct IoUringDisk {
    real: RealDisk,
    config: IoUringConfig,
}

impl IoUringDisk {
    /// Fails if the system refuses `io_uring`; the error says why.
    pub fn new() -> Result<Self> {
        io_uring::probe()?;
        Ok(Self { real: RealDisk, config: IoUringConfig::STANDARD })
    }
}

/// A segment through a ring; one for which the system has no ring left is written by system calls.
fn log_file(
    with_ring: io::Result<IoUringWal>,
    with_calls: impl FnOnce() -> io::Result<Arc<dyn DiskFile>>,
) -> io::Result<Arc<dyn DiskFile>> {
    match with_ring {
        Ok(file) => Ok(Arc::new(file)),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => with_calls(),
        Err(error) => Err(error),
    }
}

impl Disk for IoUringDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.real.create_dir(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<DiskEntry>> {
        self.real.list(directory)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.real.exists(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.real.read(path)
    }

    fn read_ahead(&self, path: &Path) {
        self.real.read_ahead(path);
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.real.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.real.open(path)
    }

    fn create_log(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        log_file(IoUringWal::create(path, &self.config), || self.real.create(path))
    }

    fn open_log(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        log_file(IoUringWal::open(path, &self.config), || self.real.open(path))
    }

    fn sync_files(&self, paths: &[PathBuf]) -> Result<(), NotSynced> {
        for paths in paths.chunks(OPEN_FILES_MAX) {
            let open =
                |path: &PathBuf| OpenOptions::new().append(true).open(path).map_err(|error| NotSynced::not_opened(path, error));
            let files = paths.iter().map(open).collect::<Result<Vec<File>, _>>()?;
            io_uring::sync_files(&files).map_err(|(number, error)| NotSynced::failed(&paths[number], error))?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.real.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.real.remove_dir(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.real.sync_dir(directory)
    }

    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock> {
        self.real.lock(path, holder)
    }

    fn now(&self) -> i64 {
        self.real.now()
    }
}

impl DiskFile for IoUringWal {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        IoUringWal::append(self, bytes).map(drop)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        IoUringWal::truncate(self, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }
}
