//! Bytes out of a text file, whatever its compression.

use std::fs::{File, Metadata};
use std::io::{Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use laminar_core::{Code, Error, Result};

use super::paths::cannot_read;
use super::settings::Compression;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes that tell what a file is.
const MAGIC_BYTES: usize = 4;

/// A window that moves over the bytes of a file.
pub(super) struct Input {
    bytes: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    /// Bytes read from `bytes` so far.
    read: u64,
    at_start: bool,
}

impl Input {
    /// Opens a file; `compression` `None` looks at its first bytes.
    pub(super) fn open(path: &Path, compression: Option<Compression>) -> Result<Self> {
        let mut file = open_file(path)?;
        let head = head(&mut file).map_err(|error| cannot_read(path, &error))?;
        check_text(&head, path)?;
        let found = compression.unwrap_or_else(|| compression_by(&head));
        let whole = Cursor::new(head).chain(file);
        Ok(Self::over(match found {
            Compression::None => Box::new(whole),
            Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
            Compression::Zstd => Box::new(zstd::Decoder::new(whole).map_err(|error| cannot_read(path, &error))?),
        }))
    }

    /// Opens a file that grows; it cannot be compressed.
    pub(super) fn open_growing(path: &Path) -> Result<(Self, Metadata)> {
        let mut file = open_file(path)?;
        let metadata = file.metadata().map_err(|error| cannot_read(path, &error))?;
        let head = head(&mut file).map_err(|error| cannot_read(path, &error))?;
        check_text(&head, path)?;
        if compression_by(&head) != Compression::None {
            return Err(Error::new(Code::InvalidOption, format!("'{}' is compressed and cannot be followed", path.display()))
                .with_hint("end its name in .gz or .zst so that it is read as a whole, or leave out follow"));
        }
        Ok((Self::over(Box::new(Cursor::new(head).chain(file))), metadata))
    }

    /// The bytes of `bytes` as they are.
    fn over(bytes: Box<dyn Read + Send>) -> Self {
        Self { bytes, buffer: Vec::new(), start: 0, read: 0, at_start: true }
    }

    /// Bytes that have been read and not yet consumed.
    pub(super) fn window(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Moves the window on.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        debug_assert!(self.start <= self.buffer.len(), "consumed more than there is");
    }

    /// Bytes that have been read from the file so far.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read
    }

    /// Reads more; false if there is nothing more now.
    pub(super) fn fill(&mut self) -> std::io::Result<bool> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let old = self.buffer.len();
        // A long record is shown again from its start each time, so the steps grow with it.
        self.buffer.resize(old + CHUNK_BYTES.max(old), 0);
        let outcome = read_some(&mut self.bytes, &mut self.buffer[old..]);
        let new = *outcome.as_ref().unwrap_or(&0);
        self.buffer.truncate(old + new);
        self.read += new as u64;
        outcome?;
        if std::mem::take(&mut self.at_start) && self.buffer.starts_with(b"\xEF\xBB\xBF") {
            self.start = 3;
        }
        Ok(new > 0)
    }
}

fn read_some(from: &mut dyn Read, into: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match from.read(into) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Opens a file for reading.
pub(super) fn open_file(path: &Path) -> Result<File> {
    if path.is_dir() {
        return Err(Error::new(Code::Io, format!("'{}' is a directory", path.display())));
    }
    File::open(path).map_err(|error| cannot_read(path, &error))
}

fn head(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(MAGIC_BYTES);
    file.take(MAGIC_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Refuses files that are known not to be text, before every line of them becomes a bad row.
fn check_text(head: &[u8], path: &Path) -> Result<()> {
    let (what, hint) = if head == b"PAR1" {
        ("a Parquet file", "set format = 'parquet'")
    } else if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        ("UTF-16 text", "convert it to UTF-8")
    } else if head.starts_with(b"PK\x03\x04") {
        ("a zip archive", "unpack it, or compress the file with gzip or zstd")
    } else {
        return Ok(());
    };
    Err(Error::new(Code::BadData, format!("'{}' is {what}", path.display())).with_hint(hint))
}

fn compression_by(head: &[u8]) -> Compression {
    if head.starts_with(&[0x1F, 0x8B]) {
        Compression::Gzip
    } else if head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        Compression::Zstd
    } else {
        Compression::None
    }
}
