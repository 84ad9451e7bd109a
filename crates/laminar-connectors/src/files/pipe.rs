//! What can be read only once: a pipe, a named pipe, standard input, a device.
//!
//! A thread of its own waits for its bytes, so that a source never does. What is read to find the columns is kept and is
//! the beginning of what is read then. The same pipe never has two readers: each would get a part of its bytes.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laminar_core::{Code, Error, Result};

use super::paths::cannot_read;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that may wait for the source.
const CHUNKS_WAITING: usize = 16;
/// Bytes that are kept while the columns are found out, at most.
const SAMPLE_BYTES_MAX: usize = 64 << 20;

/// The pipes that one connector reads or has read.
#[derive(Debug, Clone, Default)]
pub(super) struct Pipes(Arc<Mutex<BTreeSet<(u64, u64)>>>);

/// A pipe that is open. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Pipe(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    incoming: Receiver<std::io::Result<Vec<u8>>>,
    /// Bytes from the start while the columns are found out, then those that the reader has not got yet.
    kept: Vec<u8>,
    sampling: bool,
}

/// The bytes of a pipe from its start.
#[derive(Debug)]
pub(super) struct PipeReader {
    pipe: Pipe,
    /// Bytes of `kept` that this reader has got.
    at: usize,
}

/// Takes the pipe out of those that are read, once it has been read to its end.
struct Claim {
    pipes: Pipes,
    identity: Option<(u64, u64)>,
}

impl Pipes {
    /// Opens what stands at `path`, which is not a regular file.
    pub(super) fn open(&self, path: &Path, metadata: &Metadata) -> Result<Pipe> {
        let identity = identity(metadata);
        if !identity.is_none_or(|identity| lock(&self.0).insert(identity)) {
            return Err(Error::new(
                Code::ObjectInUse,
                format!("'{}' is read already, and can be read only once", path.display()),
            )
            .with_hint("let one source read it, and all views that need its rows read from that source"));
        }
        // Who opens a name again gets what is written then; who opens standard input again gets what was left of it.
        let named = std::fs::symlink_metadata(path).is_ok_and(|itself| !itself.file_type().is_symlink());
        let claim = Claim { pipes: self.clone(), identity: identity.filter(|_| named) };
        let (outgoing, incoming) = sync_channel(CHUNKS_WAITING);
        let owned = path.to_owned();
        let read = move || {
            read_all(&owned, &outgoing);
            drop(claim);
        };
        std::thread::Builder::new().name("laminar-pipe".to_owned()).spawn(read)?;
        Ok(Pipe(Arc::new(Mutex::new(Shared { incoming, kept: Vec::new(), sampling: true }))))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(identity) = &self.identity {
            lock(&self.pipes.0).remove(identity);
        }
    }
}

/// Opens a pipe. A socket, which some programs give as standard input, can only be taken over.
#[cfg(unix)]
fn open(path: &Path) -> std::io::Result<File> {
    use std::os::fd::AsFd;
    File::open(path).or_else(|error| {
        let is_input = path == Path::new("/dev/stdin") || path == Path::new("/proc/self/fd/0");
        if is_input { std::io::stdin().as_fd().try_clone_to_owned().map(File::from) } else { Err(error) }
    })
}

#[cfg(not(unix))]
fn open(path: &Path) -> std::io::Result<File> {
    File::open(path)
}

/// Sends everything that comes; ends early if the source is gone.
fn read_all(path: &Path, outgoing: &SyncSender<std::io::Result<Vec<u8>>>) {
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) => return drop(outgoing.send(Err(error))),
    };
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = match file.read(&mut chunk) {
            Ok(0) => return,
            Ok(bytes) => {
                chunk.truncate(bytes);
                Ok(chunk)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if outgoing.send(read).is_err() || failed {
            return;
        }
    }
}

impl Pipe {
    /// Its bytes from the start: while the columns are found out any number of times, then once.
    pub(super) fn reader(&self) -> PipeReader {
        PipeReader { pipe: self.clone(), at: 0 }
    }

    /// Says that the next reader is the one that reads the rows.
    pub(super) fn stop_sampling(&self) {
        lock(&self.0).sampling = false;
    }
}

impl Read for PipeReader {
    /// While the columns are found out it waits for bytes; later it says `WouldBlock`.
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let mut shared = lock(&self.pipe.0);
        if self.at == shared.kept.len() && !shared.receive(&mut self.at)? {
            return Ok(0);
        }
        let bytes = into.len().min(shared.kept.len() - self.at);
        into[..bytes].copy_from_slice(&shared.kept[self.at..self.at + bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}

impl Shared {
    /// Gets the next bytes for a reader who has had all that is kept; false at the end.
    fn receive(&mut self, at: &mut usize) -> std::io::Result<bool> {
        let chunk = if self.sampling {
            if self.kept.len() > SAMPLE_BYTES_MAX {
                return Err(std::io::Error::other(sample_too_large()));
            }
            self.incoming.recv().ok()
        } else {
            self.kept.clear();
            *at = 0;
            match self.incoming.try_recv() {
                Ok(chunk) => Some(chunk),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => return Err(std::io::ErrorKind::WouldBlock.into()),
            }
        };
        let Some(chunk) = chunk.transpose()? else { return Ok(false) };
        self.kept.extend_from_slice(&chunk);
        Ok(true)
    }
}

fn sample_too_large() -> Error {
    let text = format!("the columns of a pipe are not known after {} MiB", SAMPLE_BYTES_MAX >> 20);
    Error::new(Code::LimitReached, text)
        .with_detail("what is read to find them is kept in memory, since it cannot be read again")
        .with_hint("declare the columns, or set a smaller schema_sample_rows")
}

/// A lock whose holder panicked is as good as another: nothing is half done under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether what stands at `path` can be read only once; with its metadata then.
pub(super) fn once_only(path: &Path) -> Result<Option<Metadata>> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
    Ok((!metadata.is_file() && !metadata.is_dir()).then_some(metadata))
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}
