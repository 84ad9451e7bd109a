//! Makes a log usable again after a crash: cuts it after its last whole record.

use std::path::Path;
use std::sync::Arc;

use super::reader::{WalReadResult, WalReader};
use super::segment::{self, HEADER_BYTES};
use super::{LogPosition, WalError};
use crate::disk::{Disk, RealDisk};

/// What [`repair`] found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairReport {
    /// Whole records, all of which are still there.
    pub records: u64,
    /// Where the log ends now.
    pub end: LogPosition,
    /// Bytes that were cut off.
    pub bytes_cut: u64,
    /// Why; `None`: there was nothing to cut.
    pub reason: Option<String>,
}

/// Cuts a log after its last whole record. Whole records are never lost: if one follows what is damaged, the log stays as it
/// is and the damage is the error. A last record that is damaged, not torn, is cut and reported.
pub fn repair(directory: impl AsRef<Path>) -> Result<RepairReport, WalError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    repair_on(&disk, directory.as_ref(), Scan::All, LastRecord::Cut)
}

/// What becomes of a last record that is damaged, not torn: it may have been acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastRecord {
    Cut,
    Refuse,
}

/// How much of a log is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    All,
    /// Only the last segment can be torn; and what lies before the position is known to have been synced.
    LastSegment(Option<LogPosition>),
}

/// The same on any disk.
pub(crate) fn repair_on(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    scan: Scan,
    last_record: LastRecord,
) -> Result<RepairReport, WalError> {
    let torn_segment = remove_torn_segment(&**disk, directory)?;
    let from = match scan {
        Scan::All => None,
        Scan::LastSegment(after) => {
            let last = segment::list(&**disk, directory)?.pop().map(LogPosition::first_of);
            last.map(|last| after.map_or(last, |after| after.max(last)))
        }
    };
    let mut reader = WalReader::open_between(disk.clone(), directory, from, None)?;
    let mut records = 0;
    let reason = loop {
        match reader.read_next()? {
            WalReadResult::Entry(_) => records += 1,
            WalReadResult::End => break None,
            WalReadResult::TornWrite { reason, .. } => break Some(reason),
            WalReadResult::ChecksumMismatch { reason, last: true, .. } if last_record == LastRecord::Cut => break Some(reason),
            WalReadResult::ChecksumMismatch { position, reason, .. } => {
                return Err(WalError::ChecksumMismatch { position, reason });
            }
        }
    };
    let end = reader.next_position();
    let cut = if reason.is_some() { cut(&**disk, directory, end)? } else { 0 };
    let (removed, why) = torn_segment.map_or((0, None), |(bytes, why)| (bytes, Some(why)));
    Ok(RepairReport { records, end, bytes_cut: cut + removed, reason: reason.or(why) })
}

/// A last segment that ends within its header holds nothing and was never used.
fn remove_torn_segment(disk: &dyn Disk, directory: &Path) -> Result<Option<(u64, String)>, WalError> {
    let Some(last) = segment::list(disk, directory)?.pop() else { return Ok(None) };
    match segment::load(disk, directory, last) {
        Err(WalError::TornWrite { reason, .. }) => {
            let path = segment::path(directory, last);
            let bytes = disk.read(&path).map_err(WalError::io(&path))?.len();
            disk.remove(&path).map_err(WalError::io(&path))?;
            disk.sync_dir(directory).map_err(WalError::io(directory))?;
            Ok(Some((bytes as u64, reason)))
        }
        Ok(_) => Ok(None),
        Err(error) => Err(error),
    }
}

fn cut(disk: &dyn Disk, directory: &Path, end: LogPosition) -> Result<u64, WalError> {
    debug_assert!(end.offset >= HEADER_BYTES as u64);
    let path = segment::path(directory, end.segment);
    let before = disk.read(&path).map_err(WalError::io(&path))?.len() as u64;
    let file = disk.open(&path).map_err(WalError::io(&path))?;
    file.truncate(end.offset).and_then(|()| file.sync_data()).map_err(WalError::io(&path))?;
    Ok(before - end.offset)
}
