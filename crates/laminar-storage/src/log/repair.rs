//! Makes a log usable again after a crash: cuts it after its last whole record.

use std::fs::{self, OpenOptions};
use std::path::Path;

use super::reader::{WalReadResult, WalReader};
use super::segment::{self, HEADER_BYTES};
use super::{WalError, WalPosition};

/// What [`repair`] found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairReport {
    /// Whole records, all of which are still there.
    pub records: u64,
    /// Where the log ends now.
    pub end: WalPosition,
    /// Bytes that were cut off.
    pub bytes_cut: u64,
    /// Why; `None`: there was nothing to cut.
    pub reason: Option<String>,
}

/// Cuts a log after its last whole record. Whole records are never lost: if one follows what is damaged, the log stays as it
/// is and the damage is the error.
pub fn repair(directory: impl AsRef<Path>) -> Result<RepairReport, WalError> {
    let directory = directory.as_ref();
    let torn_segment = remove_torn_segment(directory)?;
    let mut reader = WalReader::open(directory)?;
    let mut records = 0;
    let reason = loop {
        match reader.read_next()? {
            WalReadResult::Entry(_) => records += 1,
            WalReadResult::End => break None,
            WalReadResult::TornWrite { reason, .. } | WalReadResult::ChecksumMismatch { reason, last: true, .. } => {
                break Some(reason);
            }
            WalReadResult::ChecksumMismatch { position, reason, last: false } => {
                return Err(WalError::ChecksumMismatch { position, reason });
            }
        }
    };
    let end = reader.next_position();
    let cut = if reason.is_some() { cut(directory, end)? } else { 0 };
    let (removed, why) = torn_segment.map_or((0, None), |(bytes, why)| (bytes, Some(why)));
    Ok(RepairReport { records, end, bytes_cut: cut + removed, reason: reason.or(why) })
}

/// A last segment that ends within its header holds nothing and was never used.
fn remove_torn_segment(directory: &Path) -> Result<Option<(u64, String)>, WalError> {
    let Some(last) = segment::list(directory)?.pop() else { return Ok(None) };
    match segment::load(directory, last) {
        Err(WalError::TornWrite { reason, .. }) => {
            let path = segment::path(directory, last);
            let bytes = fs::metadata(&path).map_err(WalError::io(&path))?.len();
            fs::remove_file(&path).map_err(WalError::io(&path))?;
            segment::sync_directory(directory)?;
            Ok(Some((bytes, reason)))
        }
        Ok(_) => Ok(None),
        Err(error) => Err(error),
    }
}

fn cut(directory: &Path, end: WalPosition) -> Result<u64, WalError> {
    debug_assert!(end.offset >= HEADER_BYTES as u64);
    let path = segment::path(directory, end.segment);
    let file = OpenOptions::new().write(true).open(&path).map_err(WalError::io(&path))?;
    let before = file.metadata().map_err(WalError::io(&path))?.len();
    file.set_len(end.offset).and_then(|()| file.sync_all()).map_err(WalError::io(&path))?;
    Ok(before - end.offset)
}
