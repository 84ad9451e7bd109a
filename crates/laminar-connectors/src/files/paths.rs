//! Which files a path means, and what their names say about them.

use std::fs;
use std::path::{Path, PathBuf};

use laminar_core::{Code, Error, Result};

use super::settings::Compression;
use crate::formats::Format;
use crate::options::nearest;

/// The ending of files that are being written.
pub(super) const PARTIAL: &str = "partial";

/// A path of this machine; other schemes are refused.
pub(super) fn local(path: &str) -> Result<String> {
    match path.split_once("://") {
        Some(("file", rest)) => Ok(rest.to_owned()),
        Some((scheme, _)) => Err(Error::new(Code::NotSupported, format!("the file connector cannot reach '{scheme}://' paths"))
            .with_hint("copy the data to this machine, or mount it as a file system")),
        None if path.trim().is_empty() => Err(Error::new(Code::InvalidOption, "option 'path' is empty")),
        None => Ok(path.to_owned()),
    }
}

/// The files that `path` means, sorted: itself, those of a directory, or those that match a glob. None is an error.
pub(super) fn expand(path: &str, format: Option<Format>) -> Result<Vec<PathBuf>> {
    let place = Path::new(path);
    if place.is_dir() {
        return in_directory(place, format);
    }
    if place.exists() {
        return Ok(vec![place.to_owned()]);
    }
    if is_glob(path) { matching(path) } else { Err(not_found(place)) }
}

/// Whether a path that is not there as it is written stands for others.
pub(super) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

fn in_directory(directory: &Path, format: Option<Format>) -> Result<Vec<PathBuf>> {
    let unreadable = |error: std::io::Error| cannot_read(directory, &error);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.is_file() && is_data(&file, format) {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        let kind = format.map_or("data", Format::name);
        return Err(Error::new(Code::Io, format!("the directory '{}' holds no {kind} files", directory.display()))
            .with_hint("files are known by their endings: .parquet, .csv, .tsv, .ndjson, .jsonl, .json, also with .gz or .zst"));
    }
    check_one_format(directory, format, &files)?;
    Ok(files)
}

/// Hidden files, and those that start with `_`, belong to tools.
pub(super) fn is_data(file: &Path, format: Option<Format>) -> bool {
    let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
    let known = format_of(file);
    !hidden && known.is_some() && (format.is_none() || known == format)
}

fn check_one_format(directory: &Path, format: Option<Format>, files: &[PathBuf]) -> Result<()> {
    let mut formats = files.iter().filter_map(|file| format_of(file));
    let first = formats.next();
    match formats.find(|other| format.is_none() && Some(*other) != first) {
        Some(other) => {
            let first = first.map_or("", Format::name);
            Err(Error::new(
                Code::InvalidOption,
                format!("the directory '{}' holds files of several formats", directory.display()),
            )
            .with_detail(format!("{first} and {}", other.name()))
            .with_hint("add format = '…', or a glob such as '*.csv'"))
        }
        None => Ok(()),
    }
}

fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let bad = |error: glob::PatternError| {
        Error::new(Code::InvalidOption, format!("'{pattern}' is not a valid glob")).with_detail(error.msg)
    };
    let mut files = Vec::new();
    // A star does not mean hidden files, as in a shell.
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    for file in glob::glob_with(pattern, options).map_err(bad)? {
        let file = file.map_err(|error| cannot_read(error.path(), error.error()))?;
        if file.is_file() && file.extension().is_none_or(|ending| ending != PARTIAL) {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::new(Code::Io, format!("no file matches '{pattern}'"))
            .with_hint("relative paths start at the directory in which the program runs"));
    }
    Ok(files)
}

/// The message for a file that is not there, with a neighbour of a similar name.
fn not_found(path: &Path) -> Error {
    let error = Error::new(Code::Io, format!("there is no file '{}'", path.display()));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !directory.is_dir() {
        return error.with_hint(format!("there is no directory '{}' either", directory.display()));
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(name) => error.with_hint(format!("did you mean '{}'?", path.with_file_name(name).display())),
        None => error.with_hint("relative paths start at the directory in which the program runs"),
    }
}

/// The message for a file that the system does not let us read.
pub(super) fn cannot_read(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => not_found(path),
        std::io::ErrorKind::PermissionDenied => {
            Error::new(Code::Io, format!("'{}' cannot be read: permission denied", path.display()))
                .with_hint("let the user that runs the program read the file")
        }
        _ => Error::new(Code::Io, format!("'{}' cannot be read", path.display())).with_detail(error.to_string()),
    }
}

/// The format that a file's name tells, looking through `.gz` and `.zst`.
pub(super) fn format_of(file: &Path) -> Option<Format> {
    match inner_ending(file)?.as_str() {
        "parquet" | "pq" => Some(Format::Parquet),
        "csv" | "tsv" => Some(Format::Csv),
        "ndjson" | "jsonl" | "json" => Some(Format::Ndjson),
        _ => None,
    }
}

/// What separates the values of a CSV file by this name.
pub(super) fn delimiter_of(file: &Path) -> u8 {
    if inner_ending(file).is_some_and(|ending| ending == "tsv") { b'\t' } else { b',' }
}

/// The compression that a file's name tells.
pub(super) fn compression_of(file: &Path) -> Compression {
    match ending(file).as_deref() {
        Some("gz") => Compression::Gzip,
        Some("zst") => Compression::Zstd,
        _ => Compression::None,
    }
}

fn ending(file: &Path) -> Option<String> {
    file.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase())
}

fn inner_ending(file: &Path) -> Option<String> {
    match compression_of(file) {
        Compression::None => ending(file),
        _ => ending(Path::new(file.file_stem()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_format_and_compression() {
        let cases = [
            ("a.parquet", Some(Format::Parquet), Compression::None),
            ("a.csv.gz", Some(Format::Csv), Compression::Gzip),
            ("A.TSV", Some(Format::Csv), Compression::None),
            ("a.b.jsonl.zst", Some(Format::Ndjson), Compression::Zstd),
            ("a.gz", None, Compression::Gzip),
            ("a", None, Compression::None),
        ];
        for (name, format, compression) in cases {
            assert_eq!((format_of(Path::new(name)), compression_of(Path::new(name))), (format, compression), "{name}");
        }
    }

    #[test]
    fn paths_of_other_machines_are_refused() {
        assert_eq!(local("s3://bucket/x.csv").unwrap_err().code(), Code::NotSupported);
        assert_eq!(local("file:///tmp/x.csv").unwrap(), "/tmp/x.csv");
    }
}
