//! Reads a log from a position to its end, and says how it ends.

use std::path::{Path, PathBuf};

use super::frame::{Frame, frame_at};
use super::segment::{self, HEADER_BYTES};
use super::{WalEntry, WalError, WalPosition};

/// What is next in a log.
#[derive(Debug)]
pub enum WalReadResult {
    /// An entry, whole and with the right checksum.
    Entry(WalEntry),
    /// The log ends here, between two records.
    End,
    /// The log ends here within a record that was being written when the machine stopped.
    TornWrite {
        /// Where the incomplete record begins.
        position: WalPosition,
        /// What is missing.
        reason: String,
    },
    /// Bytes here are not those that were written.
    ChecksumMismatch {
        /// Where the damaged record begins.
        position: WalPosition,
        /// What does not fit.
        reason: String,
        /// Whether no whole record follows.
        last: bool,
    },
}

/// Reads the entries of a log in order. Holds one segment in memory.
///
/// As an [`Iterator`] it ends with the log, or with one error; [`read_next`](Self::read_next) tells the same as a value.
#[derive(Debug)]
pub struct WalReader {
    directory: PathBuf,
    /// Segments after the current one.
    waiting: std::vec::IntoIter<u32>,
    segment: u32,
    bytes: Vec<u8>,
    offset: usize,
    finished: bool,
}

impl WalReader {
    /// Reads from the first entry that is still there.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, WalError> {
        Self::open_from(directory.as_ref(), |first| WalPosition::new(first, HEADER_BYTES))
    }

    /// Reads from an entry whose position [`next_position`](Self::next_position) or [`Wal::append`](super::Wal::append) has told.
    pub fn open_at(directory: impl AsRef<Path>, position: WalPosition) -> Result<Self, WalError> {
        Self::open_from(directory.as_ref(), |_| position)
    }

    fn open_from(directory: &Path, start: impl FnOnce(u32) -> WalPosition) -> Result<Self, WalError> {
        let segments = segment::list(directory)?;
        let start = start(segments.first().copied().unwrap_or(1));
        let mut waiting: Vec<u32> = segments.into_iter().filter(|segment| *segment >= start.segment).collect();
        let empty = waiting.is_empty() && start == WalPosition::new(1, HEADER_BYTES);
        if waiting.first() != Some(&start.segment) && !empty {
            return Err(WalError::Unusable { position: start, reason: "the segment is not there".into() });
        }
        let mut reader = Self {
            directory: directory.to_owned(),
            segment: start.segment,
            bytes: Vec::new(),
            offset: 0,
            finished: waiting.is_empty(),
            waiting: Vec::new().into_iter(),
        };
        if !waiting.is_empty() {
            waiting.remove(0);
            reader.waiting = waiting.into_iter();
            reader.offset = start.offset as usize;
            reader.load()?;
        }
        Ok(reader)
    }

    /// Where the next record begins.
    pub fn next_position(&self) -> WalPosition {
        WalPosition::new(self.segment, self.offset)
    }

    /// The next entry, or how the log ends. An error is what is neither: a file that cannot be read, or an entry of a newer
    /// version.
    pub fn read_next(&mut self) -> Result<WalReadResult, WalError> {
        loop {
            if self.finished {
                return Ok(WalReadResult::End);
            }
            let position = self.next_position();
            match frame_at(&self.bytes, self.offset) {
                Frame::Record { payload, next } => {
                    let entry =
                        WalEntry::decode(payload).map_err(|error| WalError::Unusable { position, reason: error.to_string() })?;
                    self.offset = next;
                    return Ok(WalReadResult::Entry(entry));
                }
                Frame::End => self.next_segment()?,
                Frame::Torn(reason) if self.waiting.len() == 0 => return Ok(WalReadResult::TornWrite { position, reason }),
                // A segment is synced before the next one is made, so only the last can be torn.
                Frame::Torn(reason) => return Ok(WalReadResult::ChecksumMismatch { position, reason, last: false }),
                Frame::Damaged { reason, last } => {
                    let last = last && self.waiting.len() == 0;
                    return Ok(WalReadResult::ChecksumMismatch { position, reason, last });
                }
            }
        }
    }

    fn next_segment(&mut self) -> Result<(), WalError> {
        let Some(segment) = self.waiting.next() else {
            self.finished = true;
            return Ok(());
        };
        (self.segment, self.offset, self.bytes) = (segment, HEADER_BYTES, Vec::new());
        self.load()
    }

    /// Loads the current segment. A torn header is a torn write of an empty segment: then there is nothing to read in it.
    fn load(&mut self) -> Result<(), WalError> {
        match segment::load(&self.directory, self.segment) {
            Ok(bytes) if self.offset <= bytes.len() && self.offset >= HEADER_BYTES => self.bytes = bytes,
            Ok(_) => {
                return Err(WalError::Unusable { position: self.next_position(), reason: "no record begins there".into() });
            }
            Err(error) => {
                self.finished = true;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Iterator for WalReader {
    type Item = Result<WalEntry, WalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let error = match self.read_next() {
            Ok(WalReadResult::Entry(entry)) => return Some(Ok(entry)),
            Ok(WalReadResult::End) => return None,
            Ok(WalReadResult::TornWrite { position, reason }) => WalError::TornWrite { position, reason },
            Ok(WalReadResult::ChecksumMismatch { position, reason, .. }) => WalError::ChecksumMismatch { position, reason },
            Err(error) => error,
        };
        self.finished = true;
        Some(Err(error))
    }
}
