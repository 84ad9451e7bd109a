//! Files and directories that the commands make for themselves.

use std::path::PathBuf;

use laminar_db::{Code, Error};

/// Names the file, directory or program that failed.
pub(crate) fn failed(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |error| Error::new(Code::Io, format!("'{}': {error}", path.display()))
}
