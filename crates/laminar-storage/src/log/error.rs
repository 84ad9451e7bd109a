//! What can be wrong with a log.

use std::path::{Path, PathBuf};

use laminar_core::{Code, Error};

use super::{LogPosition, segment};
use crate::disk::{disk_full, is_full};

/// Why a log cannot be read or written. Positions are those of the record at fault.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The last record is incomplete: a crash during a write. Nothing that was acknowledged is missing.
    #[error("the log ends in a torn write at {position}: {reason}")]
    TornWrite {
        /// Where the incomplete record begins.
        position: LogPosition,
        /// What is missing.
        reason: String,
    },
    /// A record's bytes are not those that were written.
    #[error("the log is damaged at {position}: {reason}")]
    ChecksumMismatch {
        /// Where the damaged record begins.
        position: LogPosition,
        /// What does not fit.
        reason: String,
    },
    /// A segment is missing, or is not one of this log; or a record is not known to this build.
    #[error("{position} of the log cannot be used: {reason}")]
    Unusable {
        /// Where.
        position: LogPosition,
        /// Why.
        reason: String,
    },
    /// A record that no frame can hold.
    #[error("a record of {bytes} bytes is too large for the log")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// An earlier write failed, so that nobody knows what is on the disk.
    #[error("the log takes nothing more after a failed write: {reason}")]
    Poisoned {
        /// The failure.
        reason: String,
    },
    /// The record could not be encoded.
    #[error(transparent)]
    Encoding(#[from] Error),
    /// The file system failed.
    #[error("'{path}': {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The failure.
        source: std::io::Error,
    },
}

impl WalError {
    /// Names the file that failed.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> WalError {
        let path = path.into();
        move |source| WalError::Io { path, source }
    }

    /// The same for a user, who is told the file, what is lost and what to do.
    pub(crate) fn in_directory(self, directory: &Path) -> Error {
        let file = |position: &LogPosition| segment::path(directory, position.segment).display().to_string();
        match &self {
            WalError::ChecksumMismatch { position, reason } => {
                Error::new(Code::BadData, format!("'{}' is damaged at byte {}: {reason}", file(position), position.offset))
                    .with_detail("what was logged from there on cannot be trusted, and is not read")
                    .with_hint(format!(
                        "restore the directory from a copy; to go on without what follows, cut the file to {} bytes and remove \
                         the segments after it",
                        position.offset
                    ))
            }
            WalError::TornWrite { position, reason } => Error::new(
                Code::BadData,
                format!("'{}' ends in a torn write at byte {}: {reason}", file(position), position.offset),
            )
            .with_hint("open the database: what is cut off was never acknowledged"),
            WalError::Unusable { position, reason } => {
                Error::new(Code::BadData, format!("'{}' cannot be used at byte {}: {reason}", file(position), position.offset))
                    .with_hint("restore the directory from a copy, or read it with the version of LaminarDB that wrote it")
            }
            _ => self.into(),
        }
    }
}

impl From<WalError> for Error {
    fn from(error: WalError) -> Self {
        let message = error.to_string();
        match error {
            WalError::Encoding(error) => error,
            WalError::TornWrite { .. } => {
                Error::new(Code::BadData, message).with_hint("repair the log: what is cut off was never acknowledged")
            }
            WalError::ChecksumMismatch { .. } | WalError::Unusable { .. } => Error::new(Code::BadData, message)
                .with_hint("restore the log's directory from a copy: what follows cannot be trusted"),
            WalError::TooLarge { .. } => Error::new(Code::LimitReached, message).with_hint("write smaller batches"),
            WalError::Poisoned { reason } => poisoned(&reason),
            WalError::Io { source, .. } if is_full(&source) => disk_full(message),
            WalError::Io { .. } => Error::new(Code::Io, message),
        }
    }
}

/// What everything fails with once the disk has failed.
fn poisoned(reason: &str) -> Error {
    Error::new(Code::Io, format!("the disk failed, and nothing more is written: {reason}"))
        .with_detail("what was acknowledged before is on the disk; what waited may be or not")
        .with_hint("see to the disk, then open the database again")
}
