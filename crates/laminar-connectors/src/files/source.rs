//! Files one after the other, in the order of their names.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_schema::SchemaRef;
use laminar_core::time::watermark::Partitions;
use laminar_core::{ChangeBatch, Code, Error, Result};

use super::follow::FollowSource;
use super::partitions::{Columns, first_schema, is_cut_off};
use super::paths::{expand, list};
use super::pipe::{Pipe, Pipes, once_only};
use super::reader::FileReader;
use super::sample::schema_of;
use super::settings::SourceSettings;
use crate::formats::Format;
use crate::{BadRow, Source, SourcePoll, SourceRequest};

/// How soon a pipe is looked at again that has nothing now; it grows while nothing comes.
const PIPE_PAUSE_MIN: Duration = Duration::from_millis(1);
/// And at last.
const PIPE_PAUSE_MAX: Duration = Duration::from_millis(50);

/// Opens a file source.
pub(super) fn open(request: SourceRequest, pipes: &Pipes) -> Result<Box<dyn Source>> {
    let mut settings = SourceSettings::parse(request.options)?;
    settings.inferred = request.schema.is_none();
    // With declared columns, a source that follows may wait for its first file.
    let may_wait = settings.follow && request.schema.is_some();
    let files = match list(&settings.path, settings.format)? {
        files if files.is_empty() && may_wait => files,
        _ => expand(&settings.path, settings.format)?,
    };
    check_format(&files, &settings)?;
    settings.pipe = pipe_among(&files, &settings, pipes)?;
    let columns = match request.schema {
        Some(schema) => Columns::declared(schema, &files, &settings)?,
        None => found_columns(&files, &settings)?,
    };
    if let Some(pipe) = &settings.pipe {
        pipe.stop_sampling();
    }
    Ok(if settings.follow {
        Box::new(FollowSource::open(settings, files, columns)?)
    } else {
        Box::new(FileSource::open(settings, files, columns)?)
    })
}

/// Refuses options that the format does not have. Without a file yet, the name of the pattern may tell the format.
fn check_format(files: &[PathBuf], settings: &SourceSettings) -> Result<()> {
    match (files.first(), settings.format_of(Path::new(&settings.path))) {
        (Some(first), _) => settings.check_format(settings.format_of(first)?),
        (None, Ok(format)) => settings.check_format(format),
        (None, Err(_)) => Ok(()),
    }
}

/// Opens what can be read only once; nothing is read from it twice.
fn pipe_among(files: &[PathBuf], settings: &SourceSettings, pipes: &Pipes) -> Result<Option<Pipe>> {
    let [file] = files else { return Ok(None) };
    let Some(metadata) = once_only(file)? else { return Ok(None) };
    let name = format!("'{}' is a pipe or device", file.display());
    if settings.follow {
        return Err(Error::new(Code::InvalidOption, format!("{name}, which is read until its writer closes it"))
            .with_hint("leave out follow"));
    }
    if settings.format_of(file)? == Format::Parquet {
        return Err(Error::new(Code::NotSupported, format!("{name}, and Parquet is read from its end"))
            .with_hint("write it into a file first"));
    }
    pipes.open(file, &metadata).map(Some)
}

/// The columns of the first file that has some, and of the paths.
fn found_columns(files: &[PathBuf], settings: &SourceSettings) -> Result<Columns> {
    if let Some(schema) = first_schema(files, settings)? {
        return Columns::found(&schema, files, settings);
    }
    // If there is no other, a file that is cut off is told to be.
    if let Some(file) = files.iter().find(|file| is_cut_off(file, settings)) {
        schema_of(file, settings)?;
    }
    Err(no_columns(files, settings))
}

fn no_columns(files: &[PathBuf], settings: &SourceSettings) -> Error {
    let what = match files {
        [file] => format!("'{}' is empty, so its columns are not known", file.display()),
        _ => format!("all {} files of '{}' are empty, so their columns are not known", files.len(), settings.path),
    };
    Error::new(Code::BadData, what).with_hint("declare the columns: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …")
}

/// Files that do not grow, or a pipe.
struct FileSource {
    settings: SourceSettings,
    columns: Columns,
    waiting: VecDeque<PathBuf>,
    /// Files that have been opened: each is a partition.
    opened: u32,
    current: Option<FileReader>,
    position: String,
    pause: Duration,
}

impl FileSource {
    fn open(settings: SourceSettings, files: Vec<PathBuf>, columns: Columns) -> Result<Self> {
        let mut source = Self {
            position: format!("{}: not started", settings.path),
            settings,
            columns,
            waiting: files.into(),
            opened: 0,
            current: None,
            pause: PIPE_PAUSE_MIN,
        };
        // The first file is opened now, so that its faults are the faults of CREATE SOURCE.
        source.open_next()?;
        Ok(source)
    }

    /// Opens the next file; false if there is none.
    fn open_next(&mut self) -> Result<bool> {
        let Some(file) = self.waiting.front() else { return Ok(false) };
        let reader = FileReader::open(file, &self.columns, &self.settings)?;
        self.waiting.pop_front();
        self.opened += 1;
        self.position = reader.position();
        self.current = Some(reader);
        Ok(true)
    }

    /// How long to leave a pipe alone that has nothing now.
    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(PIPE_PAUSE_MAX);
        pause
    }
}

impl Source for FileSource {
    fn schema(&self) -> SchemaRef {
        self.columns.all().clone()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        let rows_max = rows_max.min(self.settings.batch_rows).max(1);
        loop {
            let Some(reader) = &mut self.current else {
                match self.open_next()? {
                    true => continue,
                    false => return Ok(SourcePoll::End),
                }
            };
            let read = reader.next(rows_max, &self.columns)?;
            self.position = reader.position();
            match read {
                Some(read) if read.is_empty() && reader.waits() => return Ok(SourcePoll::Pending(self.next_pause())),
                Some(read) if read.is_empty() => {}
                Some(read) => {
                    self.pause = PIPE_PAUSE_MIN;
                    let changes = ChangeBatch::append(read.rows).with_partition(self.opened - 1);
                    return Ok(SourcePoll::Rows { changes, bad: read.bad });
                }
                None => self.current = None,
            }
        }
    }

    fn position(&self) -> String {
        self.position.clone()
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn is_replayable(&self) -> bool {
        self.settings.pipe.is_none()
    }

    fn partitions(&self) -> Partitions {
        Partitions::InTurn(self.opened + self.waiting.len() as u32)
    }

    fn give_up(&mut self) -> Vec<BadRow> {
        // What a file still holds has not been read; what came out of a pipe has.
        match (&self.settings.pipe, &mut self.current) {
            (Some(_), Some(reader)) => reader.give_up(),
            _ => Vec::new(),
        }
    }
}
