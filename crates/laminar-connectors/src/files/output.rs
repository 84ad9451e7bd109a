//! A file that is written: under its own name, or under another one until it is complete.

use std::fs::{self, File, TryLockError};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use laminar_core::io_uring::{IoUringConfig, IoUringSink};
use laminar_core::{Code, Error, Result};

use super::paths::PARTIAL;
use super::settings::{Compression, Publish};

/// Bytes of a buffer.
const BUFFER_BYTES: usize = 256 << 10;
/// One is filled while the other is written.
const RING_BUFFERS: u16 = 2;

/// Where an output goes.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    /// The name until the output is complete.
    written: PathBuf,
    overwrite: bool,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    NotStarted,
    Started,
    Finished,
}

impl Target {
    /// Checks that `path` can be written; nothing is created or changed yet.
    pub(super) fn new(path: PathBuf, publish: Publish, overwrite: bool) -> Result<Self> {
        check_target(&path, overwrite)?;
        let written = written_name(&path, publish);
        Ok(Self { path, written, overwrite, state: State::NotStarted })
    }

    /// The file to write, empty, with the directories that it needs. It is locked: two writers would mix their rows.
    pub(super) fn create(&mut self) -> Result<File> {
        check_overwrite(&self.path, self.overwrite)?;
        if let Some(directory) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
        }
        let open = File::options().write(true).create(true).truncate(false).open(&self.written);
        let file = open.map_err(|error| cannot_write(&self.written, &error))?;
        lock(&file, &self.path)?;
        file.set_len(0).map_err(|error| cannot_write(&self.written, &error))?;
        self.state = State::Started;
        Ok(file)
    }

    /// Whether the file has been created.
    pub(super) fn is_started(&self) -> bool {
        self.state != State::NotStarted
    }

    /// Makes the complete output visible.
    pub(super) fn publish(&mut self, file: File) -> Result<()> {
        file.sync_all().map_err(|error| self.failed(&error))?;
        if self.written != self.path {
            fs::rename(&self.written, &self.path).map_err(|error| self.failed(&error))?;
        }
        self.state = State::Finished;
        Ok(())
    }

    /// The message for a write that failed.
    pub(super) fn failed(&self, error: &std::io::Error) -> Error {
        cannot_write(&self.path, error)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Half an output under another name helps nobody; there is no one left to tell if it cannot be removed.
        if self.state == State::Started && self.written != self.path {
            let _removed = fs::remove_file(&self.written);
        }
    }
}

/// Refuses what cannot become an output.
pub(super) fn check_target(path: &Path, overwrite: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::new(Code::Io, format!("'{}' is a directory", path.display()))
            .with_hint("name a file in it, such as 'out/rows.parquet'"));
    }
    check_overwrite(path, overwrite)
}

/// Refuses to replace a file, unless that is wanted.
pub(super) fn check_overwrite(path: &Path, overwrite: bool) -> Result<()> {
    if overwrite || !path.exists() {
        return Ok(());
    }
    Err(Error::new(Code::ObjectExists, format!("the file '{}' exists", path.display()))
        .with_hint("leave out overwrite = 'false' to replace it, or name another file"))
}

/// Keeps other sinks out of a file that becomes `path`.
pub(super) fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::new(Code::ObjectInUse, format!("another sink writes '{}'", path.display()))
            .with_hint("give each sink a file of its own")),
        // Some file systems have no locks; the rows matter more than the check.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// The name under which an output is written.
pub(super) fn written_name(path: &Path, publish: Publish) -> PathBuf {
    match publish {
        Publish::AtOnce => path.to_owned(),
        Publish::AtEnd => partial_of(path),
    }
}

/// `rows.parquet.partial`.
pub(super) fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(PARTIAL);
    path.with_file_name(name)
}

pub(super) fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("'{}' cannot be written", path.display())).with_detail(error.to_string())
}

/// How bytes go into a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteOptions {
    pub(super) compression: Compression,
    /// Whether through the kernel's rings instead of a call for each piece.
    pub(super) io_uring: bool,
}

/// Bytes that wait for the disk.
pub(super) enum Buffered {
    Calls(BufWriter<File>),
    Rings(Box<IoUringSink>),
}

impl Buffered {
    /// Where the system refuses rings after all, system calls write the same.
    pub(super) fn new(file: File, io_uring: bool) -> Self {
        let file = if io_uring {
            let config = IoUringConfig::builder().buffer_size(BUFFER_BYTES).buffer_count(RING_BUFFERS).build();
            match IoUringSink::new(file, &config.unwrap_or_default()) {
                Ok(sink) => return Buffered::Rings(Box::new(sink)),
                Err((file, _)) => file,
            }
        } else {
            file
        };
        Buffered::Calls(BufWriter::with_capacity(BUFFER_BYTES, file))
    }

    /// Writes what waits, and gives back the file, which stands at its end.
    pub(super) fn finish(self) -> std::io::Result<File> {
        match self {
            Buffered::Calls(file) => file.into_inner().map_err(std::io::IntoInnerError::into_error),
            Buffered::Rings(sink) => sink.finish(),
        }
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Buffered::Calls(file) => file.write(bytes),
            Buffered::Rings(sink) => sink.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Buffered::Calls(file) => file.flush(),
            Buffered::Rings(sink) => sink.flush(),
        }
    }
}

/// Bytes on their way into a file, compressed or not.
pub(super) enum Compressed {
    Plain(Buffered),
    Gzip(GzEncoder<Buffered>),
    Zstd(zstd::Encoder<'static, Buffered>),
}

impl Compressed {
    pub(super) fn new(file: File, options: WriteOptions) -> std::io::Result<Self> {
        let file = Buffered::new(file, options.io_uring);
        Ok(match options.compression {
            Compression::None => Compressed::Plain(file),
            Compression::Gzip => Compressed::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Compression::Zstd => Compressed::Zstd(zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?),
        })
    }

    /// Completes the stream and gives back the file.
    pub(super) fn finish(self) -> std::io::Result<File> {
        let file = match self {
            Compressed::Plain(file) => file,
            Compressed::Gzip(encoder) => encoder.finish()?,
            Compressed::Zstd(encoder) => encoder.finish()?,
        };
        file.finish()
    }
}

impl Write for Compressed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Compressed::Plain(file) => file.write(bytes),
            Compressed::Gzip(encoder) => encoder.write(bytes),
            Compressed::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Compressed::Plain(file) => file.flush(),
            Compressed::Gzip(encoder) => encoder.flush(),
            Compressed::Zstd(encoder) => encoder.flush(),
        }
    }
}
