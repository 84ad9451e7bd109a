//! Files one after the other, in the order of their names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_schema::SchemaRef;
use laminar_core::time::watermark::Partitions;
use laminar_core::{ChangeBatch, Code, Error, Result};

use super::enveloped::{self, EnvelopedSource};
use super::file_list::FileList;
use super::follow::FollowSource;
use super::partitions::{Columns, first_schema, is_cut_off};
use super::paths::{expand, list};
use super::pipe::{Pipe, Pipes, once_only};
use super::place::{FilePlace, gone};
use super::reader::FileReader;
use super::sample::schema_of;
use super::settings::SourceSettings;
use crate::fields::{FieldReader, FieldWriter};
use crate::formats::Format;
use crate::source::cannot_seek;
use crate::{BadRow, Position, Source, SourcePoll, SourceRequest};

/// The version of the positions that are written here: the columns, the file at hand, and those that are left.
const POSITION_VERSION: u8 = 1;

/// How soon a pipe is looked at again that has nothing now; it grows while nothing comes.
const PIPE_PAUSE_MIN: Duration = Duration::from_millis(1);
/// And at last.
const PIPE_PAUSE_MAX: Duration = Duration::from_millis(50);

/// Opens a file source.
pub(super) fn open(request: SourceRequest, pipes: &Pipes) -> Result<Box<dyn Source>> {
    let settings = SourceSettings::parse(request.options)?;
    let Some(envelope) = settings.envelope else {
        return open_records(settings, request.schema, request.schema_was_found, pipes);
    };
    let decoder = enveloped::decoder(envelope, request.schema.as_ref(), &request.key)?;
    let on_bad_row = settings.on_bad_row;
    let records = open_records(settings, Some(decoder.records().clone()), false, pipes)?;
    let schema = request.schema.unwrap_or_else(|| records.schema());
    Ok(Box::new(EnvelopedSource { records, decoder, schema, on_bad_row }))
}

/// Opens the files, whose records have the columns `schema`; `None`: they tell, as they did to an earlier reader if it `was_found`.
fn open_records(
    mut settings: SourceSettings,
    schema: Option<SchemaRef>,
    was_found: bool,
    pipes: &Pipes,
) -> Result<Box<dyn Source>> {
    settings.inferred = schema.is_none() || was_found;
    // With declared columns, a source that follows may wait for its first file.
    let may_wait = settings.follow && schema.is_some();
    let files = match list(&settings.path, settings.format)? {
        files if files.is_empty() && may_wait => files,
        _ => expand(&settings.path, settings.format)?,
    };
    check_format(&files, &settings)?;
    settings.pipe = pipe_among(&files, &settings, pipes)?;
    let columns = match schema {
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
    files: FileList,
    /// Files that have been opened: each is a partition.
    opened: u32,
    current: Option<FileReader>,
    described: String,
    pause: Duration,
}

impl FileSource {
    fn open(settings: SourceSettings, files: Vec<PathBuf>, columns: Columns) -> Result<Self> {
        let mut source = Self {
            described: format!("{}: not started", settings.path),
            settings,
            columns,
            files: FileList::new(files),
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
        let Some(file) = self.files.next() else { return Ok(false) };
        let reader = FileReader::open(file, &self.columns, &self.settings)?;
        self.files.advance();
        self.opened += 1;
        self.described = reader.describe_position();
        self.current = Some(reader);
        Ok(true)
    }

    /// How long to leave a pipe alone that has nothing now.
    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(PIPE_PAUSE_MAX);
        pause
    }

    /// Goes on in these files, the first of which has been read up to `place`.
    fn go_on(&mut self, files: Vec<PathBuf>, place: Option<&FilePlace>, opened: u32) -> Result<()> {
        // What is missing is told now, and not when its turn comes after hours.
        let mut places = std::iter::once(place).chain(std::iter::repeat(None));
        if let Some((file, place)) = files.iter().zip(&mut places).find(|(file, _)| !file.exists()) {
            return Err(gone(file, place));
        }
        (self.files, self.opened, self.current) = (FileList::new(files), opened, None);
        let Some(place) = place else { return Ok(()) };
        self.open_next()?;
        // Its number was given when it was opened first.
        self.opened = opened;
        let (Some(file), Some(reader)) = (self.files.current(), &mut self.current) else { return Ok(()) };
        reader.seek(file, place)?;
        self.described = reader.describe_position();
        Ok(())
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
            self.described = reader.describe_position();
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

    fn position(&self) -> Position {
        if !self.can_seek() {
            return Position::default();
        }
        let mut fields = FieldWriter::default();
        fields.number(u64::from(self.columns.sum())).number(u64::from(self.opened));
        // A file that has been read to its end is done, whatever is added to it later.
        match (&self.current, self.files.current()) {
            (Some(reader), Some(file)) if !reader.at_end() => {
                fields.flag(true).path(file);
                reader.place().write(&mut fields);
            }
            _ => drop(fields.flag(false)),
        }
        self.files.write_left(&mut fields);
        Position::new(POSITION_VERSION, fields.bytes())
    }

    fn can_seek(&self) -> bool {
        self.settings.pipe.is_none()
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        if !self.can_seek() {
            return cannot_seek(&format!("the pipe '{}'", self.settings.path), position);
        }
        if position.is_empty() {
            return Ok(());
        }
        let what = format!("the position in '{}'", self.settings.path);
        let mut fields = FieldReader::new(position.version(), POSITION_VERSION, position.bytes(), &what)?;
        check_columns(&self.columns, fields.number()?, &self.settings.path)?;
        let opened = fields.number()? as u32;
        let (mut files, mut place) = (Vec::new(), None);
        if fields.flag()? {
            files.push(fields.path()?);
            place = Some(FilePlace::read(&mut fields)?);
        }
        files.extend(FileList::read(&mut fields)?);
        fields.end()?;
        self.go_on(files, place.as_ref(), opened)
    }

    fn describe_position(&self) -> String {
        self.described.clone()
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn is_replayable(&self) -> bool {
        self.settings.pipe.is_none()
    }

    fn partitions(&self) -> Partitions {
        Partitions::InTurn(self.opened + self.files.left().len() as u32)
    }

    fn give_up(&mut self) -> Vec<BadRow> {
        // What a file still holds has not been read; what came out of a pipe has.
        match (&self.settings.pipe, &mut self.current) {
            (Some(_), Some(reader)) => reader.give_up(),
            _ => Vec::new(),
        }
    }
}

/// Refuses to go on with other columns than those of the reader that had come there.
pub(super) fn check_columns(columns: &Columns, sum: u64, path: &str) -> Result<()> {
    if u64::from(columns.sum()) == sum {
        return Ok(());
    }
    Err(Error::new(Code::BadData, format!("'{path}' has other columns than an earlier reader found in it"))
        .with_hint("declare the columns as they were, or DROP and CREATE the object to read from the start"))
}
