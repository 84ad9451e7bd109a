//! Which files a path means, and what their names say about them.

use std::fs;
use std::path::{Path, PathBuf};

use laminar_core::{Code, Error, Result};

use super::glob;
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

/// The files that `path` means, sorted: itself, those of a directory, or those that match a glob. None is an error, and so
/// is a directory with files of several formats if none is declared.
pub(super) fn expand(path: &str, format: Option<Format>) -> Result<Vec<PathBuf>> {
    let files = list(path, format)?;
    let named = Path::new(path);
    if files.is_empty() {
        return Err(no_files(path, format));
    }
    if named.is_dir() {
        check_one_format(named, format, &files)?;
    }
    Ok(files)
}

/// The same, whatever the formats, and also if there are none.
pub(super) fn list(path: &str, format: Option<Format>) -> Result<Vec<PathBuf>> {
    let named = Path::new(path);
    let mut files = Vec::new();
    if named.is_dir() {
        collect(named, format, &mut files)?;
        files.sort();
    } else if named.exists() {
        files.push(named.to_owned());
    } else if glob::is_pattern(path) {
        files = glob::matching(path)?;
    }
    Ok(files)
}

/// Whether a path can mean more than one file.
pub(super) fn can_mean_several(path: &str) -> bool {
    let named = Path::new(path);
    named.is_dir() || (!named.exists() && glob::is_pattern(path))
}

/// The message for a path that means no file.
fn no_files(path: &str, format: Option<Format>) -> Error {
    let named = Path::new(path);
    if named.is_dir() {
        let kind = format.map_or("data", Format::name);
        return Error::new(Code::Io, format!("the directory '{path}' holds no {kind} files"))
            .with_hint("files are known by their endings: .parquet, .csv, .tsv, .ndjson, .jsonl, .json, also with .gz or .zst");
    }
    if glob::is_pattern(path) {
        return Error::new(Code::Io, format!("no file matches '{path}'"))
            .with_hint("relative paths start at the directory in which the program runs");
    }
    not_found(named)
}

/// Adds the data files of a directory and of those in it that are partitions.
fn collect(directory: &Path, format: Option<Format>, files: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = |error: std::io::Error| cannot_read(directory, &error);
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if path.is_dir() {
            if key_of(&entry.file_name().to_string_lossy()).is_some() {
                collect(&path, format, files)?;
            }
        } else if is_data(&path, format) && is_file(&path)? {
            files.push(path);
        }
    }
    Ok(())
}

/// Key and value of a directory that is called `key=value`, as written.
pub(super) fn key_of(directory: &str) -> Option<(&str, &str)> {
    directory.split_once('=').filter(|(key, _)| !key.is_empty() && !key.starts_with(['.', '_']))
}

/// Hidden files, and those that start with `_`, belong to tools.
pub(super) fn is_data(file: &Path, format: Option<Format>) -> bool {
    let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
    let known = format_of(file);
    !hidden && known.is_some() && (format.is_none() || known == format)
}

/// Whether what was found among others is a file that can be read with them: it may be gone by now, or a directory; what
/// can be read only once is refused, since it would be read by each look at the others.
pub(super) fn is_file(path: &Path) -> Result<bool> {
    let kind = match fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        // Removed between the listing and this look.
        Err(_) if fs::symlink_metadata(path).is_err() => return Ok(false),
        Err(error) => return Err(cannot_read(path, &error)),
    };
    if kind.is_file() || kind.is_dir() {
        return Ok(kind.is_file());
    }
    Err(Error::new(Code::InvalidOption, format!("'{}' is a pipe or device, which is not read among other files", path.display()))
        .with_hint("give it a source of its own, or leave it out of the path"))
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

/// What reading found out about a file as a whole, if that is what the error carries.
pub(super) fn told(error: &std::io::Error) -> Option<Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned()
}

/// The message for a file that the system does not let us read.
pub(super) fn cannot_read(path: &Path, error: &std::io::Error) -> Error {
    if let Some(told) = told(error) {
        return told;
    }
    match error.kind() {
        std::io::ErrorKind::NotFound => not_found(path),
        std::io::ErrorKind::PermissionDenied => {
            Error::new(Code::Io, format!("'{}' cannot be read: permission denied", path.display()))
                .with_hint("let the user that runs the program read the file")
        }
        _ => Error::new(code_of(error), format!("'{}' cannot be read", path.display())).with_detail(error.to_string()),
    }
}

/// What the system does not say is wrong with the bytes, and stays so however often they are read.
pub(super) fn code_of(error: &std::io::Error) -> Code {
    if error.raw_os_error().is_some() { Code::Io } else { Code::BadData }
}

/// Endings of compressed files: those that are read, and those that are refused by their first bytes.
const COMPRESSED: &[&str] =
    &["gz", "zst", "bz2", "xz", "lzma", "lz", "lz4", "lzo", "z", "sz", "snappy", "br", "zip", "7z", "rar"];

/// The format that a file's name tells, looking through `.gz` and other endings of compressed files.
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

/// The compression that the name of a file to be written tells.
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
    let outer = ending(file)?;
    if COMPRESSED.contains(&outer.as_str()) { ending(Path::new(file.file_stem()?)) } else { Some(outer) }
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
            ("a.csv.bz2", Some(Format::Csv), Compression::None),
            ("a.csv.1.gz", None, Compression::Gzip),
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
