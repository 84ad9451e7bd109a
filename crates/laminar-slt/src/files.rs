//! Tests in files: every `.slt` below a folder, in order.

use std::path::{Path, PathBuf};

use laminar_db::{Code, Error, Result};

use crate::{Options, Report, run_text};

/// The ending of a test's file.
const ENDING: &str = "slt";

/// The tests that `path` names: the file itself, or every `.slt` file below the folder, in order.
///
/// # Errors
/// If there is no such file or folder, or the folder holds no test.
pub fn find(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Error::new(Code::Io, format!("'{}': {error}", path.display()));
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    walk(path, &mut found).map_err(failed)?;
    found.sort();
    if found.is_empty() {
        return Err(Error::new(Code::Io, format!("the folder '{}' holds no .{ENDING} file", path.display())));
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == ENDING) {
            found.push(path);
        }
    }
    Ok(())
}

/// Runs the test in the file at `path`; with [`Options::update`] the rows that came are written into it.
///
/// # Errors
/// If the file cannot be read or written.
pub fn run_file(path: &Path, options: &Options) -> Result<Report> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| Error::new(Code::Io, format!("'{name}' cannot be read: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let report = run_text(&name, &text, folder, options);
    if let Some(updated) = &report.updated {
        std::fs::write(path, updated).map_err(|error| Error::new(Code::Io, format!("'{name}' cannot be written: {error}")))?;
    }
    Ok(report)
}
