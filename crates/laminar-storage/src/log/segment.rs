//! The files of a log: their names, their headers, their order.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::WalError;
use crate::disk::{Disk, DiskFile};

const MAGIC: [u8; 8] = *b"LAMIWAL1";
/// Bytes before the first record.
pub(crate) const HEADER_BYTES: usize = 16;

/// A place in a log: positions grow in the order of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// The number of the segment, from 1.
    pub segment: u32,
    /// Bytes from its beginning.
    pub offset: u64,
}

impl LogPosition {
    pub(crate) fn new(segment: u32, offset: usize) -> Self {
        Self { segment, offset: offset as u64 }
    }

    /// Before the first record of a segment.
    pub(crate) fn first_of(segment: u32) -> Self {
        Self::new(segment, HEADER_BYTES)
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}, byte {}", self.segment, self.offset)
    }
}

/// The file of a segment.
pub(crate) fn path(directory: &Path, segment: u32) -> PathBuf {
    directory.join(format!("wal-{segment:010}.log"))
}

/// The number of a segment, if a file has a segment's name.
fn number(name: &str) -> Option<u32> {
    let number = name.strip_prefix("wal-")?.strip_suffix(".log")?.parse().ok()?;
    (name == format!("wal-{number:010}.log")).then_some(number)
}

/// The numbers of the segments that are there, in order. Files with other names are nobody's business.
pub(crate) fn list(disk: &dyn Disk, directory: &Path) -> Result<Vec<u32>, WalError> {
    let names = disk.list(directory).map_err(WalError::io(directory))?;
    let mut segments: Vec<u32> = names.iter().filter_map(|entry| number(&entry.name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// Fails if a segment is missing between two others.
pub(crate) fn check_gaps(segments: &[u32]) -> Result<(), WalError> {
    match segments.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        None => Ok(()),
        Some(gap) => Err(WalError::Unusable {
            position: LogPosition::new(gap[0] + 1, 0),
            reason: format!("the segment is missing, although segment {} is there", gap[1]),
        }),
    }
}

/// Makes an empty segment whose bytes are on the disk; its name is not yet.
pub(super) fn create(disk: &dyn Disk, directory: &Path, segment: u32) -> Result<Arc<dyn DiskFile>, WalError> {
    let path = path(directory, segment);
    let file = disk.create_log(&path).map_err(WalError::io(&path))?;
    file.append(&header(segment)).map_err(WalError::io(&path))?;
    Ok(file)
}

fn header(segment: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&crc32c::crc32c(&segment.to_le_bytes()).to_le_bytes());
    header[12..].copy_from_slice(&segment.to_le_bytes());
    header
}

/// The bytes of a segment whose header is right. A segment that ends within its header is torn: it was just being made.
pub(crate) fn load(disk: &dyn Disk, directory: &Path, segment: u32) -> Result<Vec<u8>, WalError> {
    let path = path(directory, segment);
    let bytes = disk.read(&path).map_err(WalError::io(&path))?;
    let (position, right) = (LogPosition::new(segment, 0), header(segment));
    match bytes.get(..HEADER_BYTES) {
        Some(found) if found == right => Ok(bytes),
        _ if right.starts_with(&bytes) || bytes.iter().all(|byte| *byte == 0) => {
            let found = bytes.len().min(HEADER_BYTES);
            Err(WalError::TornWrite { position, reason: format!("{found} of {HEADER_BYTES} bytes of its header") })
        }
        _ => Err(WalError::ChecksumMismatch { position, reason: "its header is not that of this segment".into() }),
    }
}
