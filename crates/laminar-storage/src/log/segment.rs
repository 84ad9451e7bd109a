//! The files of a log: their names, their headers, their order.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::WalError;

const MAGIC: [u8; 8] = *b"LAMIWAL1";
/// Bytes before the first record.
pub(super) const HEADER_BYTES: usize = 16;

/// A place in a log: positions grow in the order of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalPosition {
    /// The number of the segment, from 1.
    pub segment: u32,
    /// Bytes from its beginning.
    pub offset: u64,
}

impl WalPosition {
    pub(super) fn new(segment: u32, offset: usize) -> Self {
        Self { segment, offset: offset as u64 }
    }
}

impl fmt::Display for WalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}, byte {}", self.segment, self.offset)
    }
}

/// The file of a segment.
pub(super) fn path(directory: &Path, segment: u32) -> PathBuf {
    directory.join(format!("wal-{segment:010}.log"))
}

/// The numbers of the segments that are there, in order. Files with other names are nobody's business.
pub(super) fn list(directory: &Path) -> Result<Vec<u32>, WalError> {
    let mut segments = Vec::new();
    for file in fs::read_dir(directory).map_err(WalError::io(directory))? {
        let name = file.map_err(WalError::io(directory))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("wal-")?.strip_suffix(".log")?.parse().ok());
        segments.extend(number.filter(|number| path(directory, *number).file_name() == Some(&name)));
    }
    segments.sort_unstable();
    match segments.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        None => Ok(segments),
        Some(gap) => Err(WalError::Unusable {
            position: WalPosition::new(gap[0] + 1, 0),
            reason: format!("the segment is missing, although segment {} is there", gap[1]),
        }),
    }
}

/// Makes an empty segment, and makes its name last.
pub(super) fn create(directory: &Path, segment: u32) -> Result<File, WalError> {
    let path = path(directory, segment);
    let failed = || WalError::io(&path);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed())?;
    file.write_all(&header(segment)).map_err(failed())?;
    file.sync_data().map_err(failed())?;
    sync_directory(directory)?;
    Ok(file)
}

/// Names of files last only once their directory is synced.
pub(super) fn sync_directory(directory: &Path) -> Result<(), WalError> {
    if cfg!(unix) {
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(WalError::io(directory))?;
    }
    Ok(())
}

fn header(segment: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&crc32c::crc32c(&segment.to_le_bytes()).to_le_bytes());
    header[12..].copy_from_slice(&segment.to_le_bytes());
    header
}

/// The bytes of a segment whose header is right. A segment that ends within its header is torn: it was just being made.
pub(super) fn load(directory: &Path, segment: u32) -> Result<Vec<u8>, WalError> {
    let path = path(directory, segment);
    let bytes = fs::read(&path).map_err(WalError::io(&path))?;
    let (position, right) = (WalPosition::new(segment, 0), header(segment));
    match bytes.get(..HEADER_BYTES) {
        Some(found) if found == right => Ok(bytes),
        None if right.starts_with(&bytes) || bytes.iter().all(|byte| *byte == 0) => {
            Err(WalError::TornWrite { position, reason: format!("{} of {HEADER_BYTES} bytes of its header", bytes.len()) })
        }
        _ => Err(WalError::ChecksumMismatch { position, reason: "its header is not that of this segment".into() }),
    }
}
