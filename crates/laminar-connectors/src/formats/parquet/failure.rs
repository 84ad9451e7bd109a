//! Why the decoder could not go on, in words of ours.

use arrow_schema::ArrowError;
use laminar_core::panics::panic_message;
use laminar_core::{Code, Error};
use parquet::errors::ParquetError;

/// The bytes of a page end before its values do.
const SHORT: &str = "it ends before its values do";
/// The bytes of a page are not what they should be.
const UNDECODABLE: &str = "its bytes are not what the file says they are";

/// Why a part of a file could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The bytes are not what they should be; the reason is a sentence about the column.
    Damaged(&'static str),
    /// The format has it, and the decoder has not.
    NotBuilt,
    /// The system could not read the file.
    Io(String),
}

/// Runs a part of the decoder, which panics on some damaged files. What was borrowed is not used again.
pub(super) fn unpanicked<T, E: Into<Failure>>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, Failure> {
    match panic_message(decode) {
        Ok(decoded) => decoded.map_err(E::into),
        Err(_) => Err(Failure::Damaged(UNDECODABLE)),
    }
}

impl From<ParquetError> for Failure {
    fn from(error: ParquetError) -> Self {
        ArrowError::from(error).into()
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        // Only the text is left of what went wrong below.
        let text = error.to_string();
        match () {
            () if text.contains("NYI: ") => Failure::NotBuilt,
            () if text.contains("(os error ") => Failure::Io(text),
            () if text.contains("EOF: ") => Failure::Damaged(SHORT),
            () => Failure::Damaged(UNDECODABLE),
        }
    }
}

impl Failure {
    /// The error for a row of `name`; `column` is the one that is at fault if it is known.
    pub(super) fn error(&self, name: &str, row: u64, column: Option<&str>) -> Error {
        let subject = column.map_or_else(|| name.to_owned(), |column| format!("column '{column}' of {name}"));
        match self {
            Failure::Damaged(reason) => {
                let error = Error::new(Code::BadData, format!("{name} is damaged after row {row}"));
                match column {
                    Some(column) => error.with_detail(format!("column '{column}': {reason}")),
                    None => error.with_detail(*reason),
                }
            }
            Failure::NotBuilt => Error::new(
                Code::NotSupported,
                format!("not supported: {subject} is encoded or compressed in a way that is not built in"),
            ),
            Failure::Io(text) => Error::new(Code::Io, format!("reading {name}")).with_detail(text.clone()),
        }
    }
}
