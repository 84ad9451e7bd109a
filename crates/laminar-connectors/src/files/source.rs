//! Files one after the other, in the order of their names.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;
use laminar_core::{ChangeBatch, Code, Error, Result};

use super::follow::FollowSource;
use super::parquet_file::is_finished;
use super::paths::{compression_of, expand};
use super::reader::FileReader;
use super::sample::schema_of;
use super::settings::{Compression, SourceSettings};
use crate::formats::Format;
use crate::{Source, SourcePoll, SourceRequest};

/// Opens a file source.
pub(super) fn open(request: SourceRequest) -> Result<Box<dyn Source>> {
    let mut settings = SourceSettings::parse(request.options)?;
    settings.inferred = request.schema.is_none();
    let files = match expand(&settings.path, settings.format) {
        // With declared columns, a source that follows may wait for its first file.
        Err(error) if error.code() == Code::Io && settings.follow && request.schema.is_some() => Vec::new(),
        files => files?,
    };
    // Without a file yet, the name of the pattern tells the format.
    let first = files.first().map_or(Path::new(&settings.path), PathBuf::as_path);
    settings.check_format(settings.format_of(first)?)?;
    let schema = match request.schema {
        Some(schema) => schema,
        None => inferred_schema(&files, &settings)?,
    };
    let grows = settings.follow && files.iter().all(|file| can_grow(file, &settings));
    Ok(if grows {
        Box::new(FollowSource::open(settings, files, schema)?)
    } else {
        Box::new(FileSource::open(settings, files, schema)?)
    })
}

/// Text that is not compressed can grow; other files come whole.
fn can_grow(file: &Path, settings: &SourceSettings) -> bool {
    let compression = settings.compression.unwrap_or_else(|| compression_of(file));
    settings.format_of(file).is_ok_and(|format| format != Format::Parquet) && compression == Compression::None
}

/// The columns of the first file that has some.
fn inferred_schema(files: &[PathBuf], settings: &SourceSettings) -> Result<SchemaRef> {
    for file in files {
        if let Some(schema) = schema_of(file, settings)? {
            return Ok(schema);
        }
    }
    let what = match files {
        [file] => format!("'{}' is empty, so its columns are not known", file.display()),
        _ => format!("all {} files of '{}' are empty, so their columns are not known", files.len(), settings.path),
    };
    Err(Error::new(Code::BadData, what).with_hint("declare the columns: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …"))
}

/// Files that do not grow. With `follow`, new ones are looked for when all are read.
struct FileSource {
    settings: SourceSettings,
    schema: SchemaRef,
    waiting: VecDeque<PathBuf>,
    seen: BTreeSet<PathBuf>,
    current: Option<FileReader>,
    position: String,
}

impl FileSource {
    fn open(settings: SourceSettings, files: Vec<PathBuf>, schema: SchemaRef) -> Result<Self> {
        let mut source = Self {
            position: format!("{}: not started", settings.path),
            settings,
            schema,
            seen: files.iter().cloned().collect(),
            waiting: files.into(),
            current: None,
        };
        // The first file is opened now, so that its faults are the faults of CREATE SOURCE.
        source.open_next()?;
        Ok(source)
    }

    /// Opens the next file; false if there is none, or if it is still being written.
    fn open_next(&mut self) -> Result<bool> {
        if self.waiting.is_empty() && self.settings.follow {
            self.look_for_new_files();
        }
        let Some(file) = self.waiting.front() else { return Ok(false) };
        let parquet = self.settings.format_of(file)? == Format::Parquet;
        if self.settings.follow && parquet && !is_finished(file) {
            return Ok(false);
        }
        let reader = FileReader::open(file, self.schema.clone(), &self.settings)?;
        self.waiting.pop_front();
        self.position = reader.position();
        self.current = Some(reader);
        Ok(true)
    }

    fn look_for_new_files(&mut self) {
        let files = expand(&self.settings.path, self.settings.format).unwrap_or_default();
        let new: Vec<_> = files.into_iter().filter(|file| !self.seen.contains(file)).collect();
        self.seen.extend(new.iter().cloned());
        self.waiting.extend(new);
    }
}

impl Source for FileSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        let rows_max = rows_max.min(self.settings.batch_rows).max(1);
        loop {
            let Some(reader) = &mut self.current else {
                match self.open_next()? {
                    true => continue,
                    false if self.settings.follow => return Ok(SourcePoll::Pending(self.settings.poll_interval)),
                    false => return Ok(SourcePoll::End),
                }
            };
            let read = reader.next(rows_max)?;
            self.position = reader.position();
            match read {
                Some(read) if read.is_empty() => {}
                Some(read) => return Ok(SourcePoll::Rows { changes: ChangeBatch::append(read.rows), bad: read.bad }),
                None => self.current = None,
            }
        }
    }

    fn position(&self) -> String {
        self.position.clone()
    }

    fn is_bounded(&self) -> bool {
        !self.settings.follow
    }
}
