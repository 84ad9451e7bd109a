//! What can be wrong with a log.

use std::path::PathBuf;

use laminar_core::{Code, Error};

use super::WalPosition;

/// Why a log cannot be read or written. Positions are those of the record at fault.
#[derive(Debug, thiserror::Error)]
pub enum WalError {
    /// The last record is incomplete: a crash during a write. Nothing that was acknowledged is missing.
    #[error("the log ends in a torn write at {position}: {reason}")]
    TornWrite {
        /// Where the incomplete record begins.
        position: WalPosition,
        /// What is missing.
        reason: String,
    },
    /// A record's bytes are not those that were written.
    #[error("the log is damaged at {position}: {reason}")]
    ChecksumMismatch {
        /// Where the damaged record begins.
        position: WalPosition,
        /// What does not fit.
        reason: String,
    },
    /// A segment is missing, or is not one of this log; or an entry is not known to this build.
    #[error("{position} of the log cannot be used: {reason}")]
    Unusable {
        /// Where.
        position: WalPosition,
        /// Why.
        reason: String,
    },
    /// An entry that no record can hold.
    #[error("an entry of {bytes} bytes is too large for the log")]
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
    /// The batch could not be encoded.
    #[error(transparent)]
    Encoding(#[from] Error),
    /// The file system failed.
    #[error("{path}: {source}")]
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
            WalError::Poisoned { .. } => Error::new(Code::Closed, message).with_hint("open the database again"),
            WalError::Io { .. } => Error::new(Code::Io, message),
        }
    }
}
