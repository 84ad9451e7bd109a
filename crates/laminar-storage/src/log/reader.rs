//! Reads a log from a position to its end, and says how it ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{Frame, frame_at};
use super::segment::{self, HEADER_BYTES};
use super::{LogPosition, WalEntry, WalError, entry};
use crate::disk::{Disk, RealDisk};

/// What is next in a log.
#[derive(Debug)]
pub enum WalReadResult {
    /// A record, whole and with the right checksum.
    Entry(WalEntry),
    /// The log ends here, between two records.
    End,
    /// The log ends here within a record that was being written when the machine stopped.
    TornWrite {
        /// Where the incomplete record begins.
        position: LogPosition,
        /// What is missing.
        reason: String,
    },
    /// Bytes here are not those that were written.
    ChecksumMismatch {
        /// Where the damaged record begins.
        position: LogPosition,
        /// What does not fit.
        reason: String,
        /// Whether no whole record follows.
        last: bool,
    },
}

/// Reads the records of a log in order. Holds one segment in memory.
///
/// Records that were appended together come all or none. As an [`Iterator`] it ends with the log, or with one error;
/// [`read_next`](Self::read_next) tells the same as a value.
#[derive(Debug)]
pub struct WalReader {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// Segments after the current one.
    waiting: std::vec::IntoIter<u32>,
    segment: u32,
    bytes: Vec<u8>,
    offset: usize,
    /// Records before this belong to a group that is whole.
    group_end: usize,
    /// Reads no further than this.
    end: Option<LogPosition>,
    finished: bool,
}

impl WalReader {
    /// Reads from the first record that is still there.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, WalError> {
        Self::open_between(Arc::new(RealDisk), directory.as_ref(), None, None)
    }

    /// Reads from a record whose position [`next_position`](Self::next_position) or [`Wal::append`](super::Wal::append) has told.
    pub fn open_at(directory: impl AsRef<Path>, position: LogPosition) -> Result<Self, WalError> {
        Self::open_between(Arc::new(RealDisk), directory.as_ref(), Some(position), None)
    }

    /// Reads from one position to another; without them, from the first record to the last.
    pub(crate) fn open_between(
        disk: Arc<dyn Disk>,
        directory: &Path,
        start: Option<LogPosition>,
        end: Option<LogPosition>,
    ) -> Result<Self, WalError> {
        let mut segments = segment::list(&*disk, directory)?;
        let start = start.unwrap_or(LogPosition::first_of(segments.first().copied().unwrap_or(1)));
        let last = end.map_or(u32::MAX, |end| end.segment);
        segments.retain(|segment| (start.segment..=last).contains(segment));
        segment::check_gaps(&segments)?;
        let empty = segments.is_empty() && start == LogPosition::first_of(1);
        if segments.first() != Some(&start.segment) && !empty {
            return Err(WalError::Unusable { position: start, reason: "the segment is not there".into() });
        }
        let mut waiting = segments.into_iter();
        let finished = waiting.next().is_none();
        let (segment, offset, directory) = (start.segment, start.offset as usize, directory.to_owned());
        let mut reader = Self { disk, directory, waiting, segment, bytes: Vec::new(), offset, group_end: 0, end, finished };
        if !finished {
            reader.load()?;
        }
        Ok(reader)
    }

    /// Where the next record begins.
    pub fn next_position(&self) -> LogPosition {
        LogPosition::new(self.segment, self.offset)
    }

    /// The next record, or how the log ends. An error is what is neither: a file that cannot be read, or a record of a newer
    /// version.
    pub fn read_next(&mut self) -> Result<WalReadResult, WalError> {
        loop {
            if self.finished {
                return Ok(WalReadResult::End);
            }
            let position = self.next_position();
            match frame_at(self.segment, &self.bytes, self.offset) {
                Frame::Record { payload, next } => {
                    if self.offset >= self.group_end && entry::continues(payload) {
                        match self.end_of_group(next) {
                            Ok(end) => self.group_end = end,
                            Err(broken) => return Ok(broken),
                        }
                    }
                    let record =
                        WalEntry::decode(payload).map_err(|error| WalError::Unusable { position, reason: error.to_string() })?;
                    self.offset = next;
                    return Ok(WalReadResult::Entry(record));
                }
                Frame::End => self.next_segment()?,
                Frame::Torn(reason) => return Ok(self.torn(position, reason)),
                Frame::Damaged { reason, last } => {
                    let last = last && self.waiting.len() == 0;
                    return Ok(WalReadResult::ChecksumMismatch { position, reason, last });
                }
            }
        }
    }

    /// Where the records end that were appended together with the next one, whose first successor begins at `offset`. If they are
    /// not all there, the log ends before all of them.
    fn end_of_group(&self, mut offset: usize) -> Result<usize, WalReadResult> {
        let start = self.next_position();
        loop {
            match frame_at(self.segment, &self.bytes, offset) {
                Frame::Record { payload, next } if entry::continues(payload) => offset = next,
                Frame::Record { next, .. } => return Ok(next),
                Frame::End => return Err(self.torn(start, "the last records of one write are missing".into())),
                Frame::Torn(reason) => return Err(self.torn(start, format!("{reason}, after others of the same write"))),
                Frame::Damaged { reason, last: true } if self.waiting.len() == 0 => {
                    return Err(WalReadResult::ChecksumMismatch { position: start, reason, last: true });
                }
                Frame::Damaged { reason, .. } => {
                    let position = LogPosition::new(self.segment, offset);
                    return Err(WalReadResult::ChecksumMismatch { position, reason, last: false });
                }
            }
        }
    }

    /// A segment is synced before the next one is made, so only the last can be torn.
    fn torn(&self, position: LogPosition, reason: String) -> WalReadResult {
        match self.waiting.len() {
            0 => WalReadResult::TornWrite { position, reason },
            _ => WalReadResult::ChecksumMismatch { position, reason, last: false },
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
        self.group_end = 0;
        match segment::load(&*self.disk, &self.directory, self.segment) {
            Ok(mut bytes) if self.offset <= bytes.len() && self.offset >= HEADER_BYTES => {
                if let Some(end) = self.end.filter(|end| end.segment == self.segment) {
                    bytes.truncate((end.offset as usize).max(self.offset));
                }
                self.bytes = bytes;
            }
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
