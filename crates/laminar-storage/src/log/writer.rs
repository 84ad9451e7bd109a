//! Appends to a log, and makes it last.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::frame::{FRAME_BYTES, PAYLOAD_BYTES_MAX, seal};
use super::reader::WalReader;
use super::segment::{self, HEADER_BYTES};
use super::{WalEntry, WalError, WalPosition};

/// How a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalOptions {
    /// Bytes after which a new segment begins. A single larger record still goes into one segment.
    pub segment_bytes_max: u64,
}

impl WalOptions {
    /// Segments of 64 MiB.
    pub const STANDARD: WalOptions = WalOptions { segment_bytes_max: 64 << 20 };
}

/// The one writer of a log.
#[derive(Debug)]
pub struct Wal {
    directory: PathBuf,
    options: WalOptions,
    file: File,
    end: WalPosition,
    synced: WalPosition,
    poisoned: Option<String>,
    buffer: Vec<u8>,
}

impl Wal {
    /// Opens the log in `directory`, or makes an empty one. The log is read to its end first: one that ends in a torn
    /// write or is damaged is refused, and [`repair`](super::repair()) comes first.
    pub fn open(directory: impl AsRef<Path>, options: WalOptions) -> Result<Self, WalError> {
        let directory = directory.as_ref();
        fs::create_dir_all(directory).map_err(WalError::io(directory))?;
        let (file, end) = if segment::list(directory)?.is_empty() {
            (segment::create(directory, 1)?, WalPosition::new(1, HEADER_BYTES))
        } else {
            let end = end_of(directory)?;
            let path = segment::path(directory, end.segment);
            let mut file = OpenOptions::new().write(true).open(&path).map_err(WalError::io(&path))?;
            file.seek(SeekFrom::Start(end.offset)).map_err(WalError::io(&path))?;
            // What a crashed process wrote without a sync is read, so it must last before anything builds on it.
            file.sync_data().map_err(WalError::io(&path))?;
            (file, end)
        };
        let directory = directory.to_owned();
        Ok(Self { directory, options, file, end, synced: end, poisoned: None, buffer: Vec::new() })
    }

    /// Writes an entry and tells where it begins. It lasts after the next [`sync`](Self::sync).
    pub fn append(&mut self, entry: &WalEntry) -> Result<WalPosition, WalError> {
        self.check_usable()?;
        self.buffer.clear();
        self.buffer.resize(FRAME_BYTES, 0);
        entry.encode(&mut self.buffer)?;
        if self.buffer.len() - FRAME_BYTES > PAYLOAD_BYTES_MAX {
            return Err(WalError::TooLarge { bytes: self.buffer.len() });
        }
        seal(&mut self.buffer, 0);
        if self.end.offset > HEADER_BYTES as u64 && self.end.offset + self.buffer.len() as u64 > self.options.segment_bytes_max {
            self.begin_segment()?;
        }
        let position = self.end;
        self.file.write_all(&self.buffer).map_err(|error| self.poison(error))?;
        self.end.offset += self.buffer.len() as u64;
        Ok(position)
    }

    /// Waits until everything that was appended is on the disk.
    pub fn sync(&mut self) -> Result<(), WalError> {
        self.check_usable()?;
        if self.synced < self.end {
            self.file.sync_data().map_err(|error| self.poison(error))?;
            self.synced = self.end;
        }
        Ok(())
    }

    /// Where the next entry will begin, or in the segment after it.
    pub fn end(&self) -> WalPosition {
        self.end
    }

    /// Everything before this lasts.
    pub fn synced(&self) -> WalPosition {
        self.synced
    }

    /// Removes the segments that lie wholly before `position`: their entries are in a checkpoint.
    pub fn forget_before(&mut self, position: WalPosition) -> Result<(), WalError> {
        for segment in segment::list(&self.directory)? {
            // From the front, so that a crash in between leaves no gap.
            if segment < position.segment.min(self.end.segment) {
                let path = segment::path(&self.directory, segment);
                fs::remove_file(&path).map_err(WalError::io(&path))?;
            }
        }
        segment::sync_directory(&self.directory)
    }

    /// The old segment is synced before the new one exists: so only the last segment of a log can be torn.
    fn begin_segment(&mut self) -> Result<(), WalError> {
        self.sync()?;
        let next = self.end.segment + 1;
        self.file = segment::create(&self.directory, next).inspect_err(|error| self.poisoned = Some(error.to_string()))?;
        self.end = WalPosition::new(next, HEADER_BYTES);
        self.synced = self.end;
        Ok(())
    }

    fn check_usable(&self) -> Result<(), WalError> {
        match &self.poisoned {
            None => Ok(()),
            Some(reason) => Err(WalError::Poisoned { reason: reason.clone() }),
        }
    }

    fn poison(&mut self, error: std::io::Error) -> WalError {
        self.poisoned = Some(error.to_string());
        WalError::io(segment::path(&self.directory, self.end.segment))(error)
    }
}

/// The end of a log that is whole.
fn end_of(directory: &Path) -> Result<WalPosition, WalError> {
    let mut reader = WalReader::open(directory)?;
    reader.by_ref().try_for_each(|entry| entry.map(drop))?;
    Ok(reader.next_position())
}
