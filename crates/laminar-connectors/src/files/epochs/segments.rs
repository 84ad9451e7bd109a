//! Text that readers see epoch by epoch, while it grows.
//!
//! The rows of an epoch go into a hidden file beside the output, a *segment*, which is called by the offset at which its
//! bytes belong (`.out.csv.laminar-4096`). `prepare` closes it. `commit` gives the first segment the name of the output, so that
//! what stood there before is replaced in one move, and appends each later one to it. Whatever happens in between, the token
//! tells which bytes belong into the output: what is missing there is still in a segment, and what is too much is cut off.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use laminar_core::Result;

use super::super::output::{WriteOptions, cannot_write, check_overwrite, lock};
use super::epoch_file::{EpochFile, gone, not_ours, open_at, remove, rename, sync_directory};
use super::token::{Extent, Prepared};

/// An output and the segments that are not part of it yet.
pub(super) struct Segments {
    path: PathBuf,
    options: WriteOptions,
    overwrite: bool,
    /// The output, once it is ours: open, so that no other sink writes it.
    output: Option<File>,
    /// Those that were prepared, ascending.
    closed: Vec<Segment>,
    open: Option<EpochFile>,
    /// All that was prepared.
    prepared: Extent,
}

/// A part of the output, from this byte to that one.
#[derive(Debug)]
struct Segment {
    from: u64,
    to: u64,
}

impl Segments {
    pub(super) fn new(path: PathBuf, options: WriteOptions, overwrite: bool) -> Self {
        Self { path, options, overwrite, output: None, closed: Vec::new(), open: None, prepared: Extent::default() }
    }

    /// Puts the output into the state that was prepared: what was to be seen is, and what came after goes.
    pub(super) fn resume(&mut self, prepared: &Prepared) -> Result<()> {
        let ends = prepared.segments.iter().skip(1).chain([&prepared.output.bytes]);
        let segments = prepared.segments.iter().zip(ends).map(|(from, to)| Segment { from: *from, to: *to });
        for segment in segments {
            self.show_segment(&segment)?;
        }
        if prepared.output.bytes > 0 {
            self.output = None;
            self.output = Some(open_at(&self.path, &prepared.output)?.ok_or_else(|| gone(&self.path))?);
        }
        self.prepared = prepared.output;
        self.remove_all()
    }

    /// Adds bytes to the current epoch.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.begin()?.write(bytes)
    }

    /// The segment of the current epoch.
    pub(super) fn begin(&mut self) -> Result<&mut EpochFile> {
        if self.open.is_none() && self.prepared.bytes == 0 {
            // A sink that is gone may have left some.
            check_overwrite(&self.path, self.overwrite)?;
            self.remove_all()?;
        }
        Ok(match &mut self.open {
            Some(segment) => segment,
            open => open.insert(EpochFile::create(segment_path(&self.path, self.prepared.bytes), self.options)?),
        })
    }

    pub(super) fn has_begun(&self) -> bool {
        self.open.is_some()
    }

    /// Whether nothing has been written at all.
    pub(super) fn is_empty(&self) -> bool {
        self.prepared.bytes == 0 && self.open.is_none()
    }

    /// Ends the epoch. Gives back all that is durable, and where the segments begin that readers do not see.
    pub(super) fn end_epoch(&mut self) -> Result<(Extent, Vec<u64>)> {
        if let Some(mut segment) = self.open.take() {
            let added = segment.end_epoch()?;
            sync_directory(segment.path())?;
            let from = self.prepared.bytes;
            self.prepared = Extent { bytes: from + added.bytes, end: added.end };
            // An empty output is a file too.
            if added.bytes > 0 || from == 0 {
                self.closed.push(Segment { from, to: self.prepared.bytes });
            }
        }
        Ok((self.prepared, self.closed.iter().map(|segment| segment.from).collect()))
    }

    /// Shows what was prepared, up to this byte.
    pub(super) fn show(&mut self, bytes: u64) -> Result<()> {
        while let Some(segment) = self.closed.first().filter(|segment| segment.to <= bytes) {
            let segment = Segment { ..*segment };
            self.show_segment(&segment)?;
            self.closed.remove(0);
        }
        Ok(())
    }

    /// Makes a segment a part of the output, unless it is one already.
    fn show_segment(&mut self, segment: &Segment) -> Result<()> {
        let path = segment_path(&self.path, segment.from);
        let bytes = segment.to - segment.from;
        let extent = Extent { bytes, ..Extent::default() };
        let Some(mut file) = open_at(&path, &extent)? else { return self.check_shown(segment) };
        if segment.from == 0 {
            check_overwrite(&self.path, self.overwrite)?;
            rename(&path, &self.path)?;
            self.output = Some(file);
            return Ok(());
        }
        let failed = |error: std::io::Error| cannot_write(&self.path, &error);
        let output = match &mut self.output {
            Some(output) => output,
            None => self.output.insert(open(&self.path)?),
        };
        // It may have been appended in part.
        if output.metadata().map_err(failed)?.len() < segment.from {
            return Err(not_ours(&self.path));
        }
        output.set_len(segment.from).map_err(failed)?;
        output.seek(SeekFrom::Start(segment.from)).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        std::io::copy(&mut file, output).map_err(failed)?;
        output.sync_all().map_err(failed)?;
        remove(&path)
    }

    /// A segment that is not there was shown before, unless its whole directory is away. Whether the output still holds it is looked at when it is
    /// opened again.
    fn check_shown(&self, segment: &Segment) -> Result<()> {
        let path = segment_path(&self.path, segment.from);
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::metadata(directory).map(|_| ()).map_err(|error| cannot_write(&self.path, &error))
    }

    /// Removes all segments: what they hold belongs to no output.
    fn remove_all(&self) -> Result<()> {
        let prefix = segment_name(&self.path, "");
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let is_ours = |name: &std::ffi::OsString| {
            let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
            rest.is_some_and(|offset| !offset.is_empty() && offset.iter().all(u8::is_ascii_digit))
        };
        entries.filter(|entry| is_ours(&entry.file_name())).try_for_each(|entry| remove(&entry.path()))
    }
}

fn open(path: &Path) -> Result<File> {
    let opened = File::options().read(true).write(true).open(path);
    let file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => gone(path),
        _ => cannot_write(path, &error),
    })?;
    lock(&file, path)?;
    Ok(file)
}

fn segment_path(output: &Path, from: u64) -> PathBuf {
    output.with_file_name(segment_name(output, &from.to_string()))
}

/// `.out.csv.laminar-4096`.
fn segment_name(output: &Path, from: &str) -> std::ffi::OsString {
    let mut name = std::ffi::OsString::from(".");
    name.push(output.file_name().unwrap_or_default());
    name.push(".laminar-");
    name.push(from);
    name
}
