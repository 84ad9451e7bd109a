//! Rows of files by their keys: read whole when they are asked for first, and again when a file has changed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::SystemTime;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use laminar_core::changelog::RowKeys;
use laminar_core::limits::BATCH_ROWS_MAX;
use laminar_core::{ChangeBatch, Code, Error, Result};

use super::paths::{cannot_read, list};
use super::pipe::Pipes;
use super::settings::SourceSettings;
use super::source;
use crate::lookup::{Answer, Lookup, LookupRequest};
use crate::{BadRow, Source, SourcePoll, SourceRequest};

/// What tells that a file is another one than when it was read: its name, when it was written, and its length.
type Stamp = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// Files of which the last row of each key is held in memory.
pub(super) struct FileLookup {
    request: LookupRequest,
    pipes: Pipes,
    settings: SourceSettings,
    schema: SchemaRef,
    key: Vec<usize>,
    keys: RowKeys,
    /// When the rows were read; empty: not yet.
    stamp: Stamp,
    batches: Vec<RecordBatch>,
    /// Batch and row of the last row of each key.
    rows: HashMap<Box<[u8]>, (usize, usize)>,
}

impl FileLookup {
    /// Opens the files, so that their faults are those of the statement, and reads none of their rows.
    pub(super) fn open(request: LookupRequest, pipes: &Pipes) -> Result<Self> {
        let settings = SourceSettings::parse(request.options.clone())?;
        if settings.follow {
            let error = Error::new(
                Code::InvalidOption,
                "a lookup table does not follow its files: it reads them again when they have changed",
            );
            return Err(error.with_hint("leave out follow"));
        }
        if settings.envelope.is_some() {
            let error = Error::new(Code::NotSupported, "a lookup table over records that tell changes is not built yet");
            return Err(error.with_hint("CREATE SOURCE with the same key, and join with a MATERIALIZED VIEW over it"));
        }
        let opened = open(&request, pipes)?;
        if !opened.is_replayable() {
            let text = format!("'{}' is a pipe or device, which cannot be read again when it has changed", settings.path);
            return Err(Error::new(Code::NotSupported, text).with_hint("write it into a file first, or read it into a TABLE"));
        }
        let schema = opened.schema();
        let key = request.key_in(&schema)?;
        let types: Vec<_> = key.iter().map(|column| schema.field(*column).data_type().clone()).collect();
        let keys = RowKeys::new(&types)?;
        Ok(Self {
            request: LookupRequest {
                schema_was_found: request.schema_was_found || request.schema.is_none(),
                schema: Some(schema.clone()),
                ..request
            },
            pipes: pipes.clone(),
            settings,
            schema,
            key,
            keys,
            stamp: Stamp::new(),
            batches: Vec::new(),
            rows: HashMap::new(),
        })
    }

    /// Reads the files, unless they are as they were; the rows that could not be read.
    fn refresh(&mut self) -> Result<Vec<BadRow>> {
        // What is written while the files are read is seen the next time.
        let stamp = self.stamp_now()?;
        if stamp == self.stamp {
            return Ok(Vec::new());
        }
        let mut source = open(&self.request, &self.pipes)?;
        let (mut batches, mut rows, mut all_bad) = (Vec::new(), HashMap::new(), Vec::new());
        loop {
            match source.poll(4 * BATCH_ROWS_MAX)? {
                SourcePoll::Rows { changes, bad } => {
                    all_bad.extend(bad);
                    let batch = changes.rows().clone();
                    let columns = self.key_columns(&batch);
                    let keys = self.keys.encode(&columns, batch.num_rows())?;
                    for row in 0..batch.num_rows() {
                        match columns.iter().position(|column| column.is_null(row)) {
                            Some(null) => all_bad.push(self.without_key(&batch, row, null, &*source)),
                            None => drop(rows.insert(keys.row(row).data().into(), (batches.len(), row))),
                        }
                    }
                    batches.push(batch);
                }
                SourcePoll::Pending(_) => return Err(Error::internal("files that do not grow have an end")),
                SourcePoll::End => break,
            }
        }
        (self.stamp, self.batches, self.rows) = (stamp, batches, rows);
        Ok(all_bad)
    }

    fn stamp_now(&self) -> Result<Stamp> {
        let files = list(&self.settings.path, self.settings.format)?;
        if files.is_empty() {
            let text = format!("'{}': there is no such file", self.settings.path);
            return Err(Error::new(Code::Io, text));
        }
        let stamp = |file: PathBuf| {
            let metadata = std::fs::metadata(&file).map_err(|error| cannot_read(&file, &error))?;
            Ok((file, metadata.modified().ok(), metadata.len()))
        };
        files.into_iter().map(stamp).collect()
    }

    fn key_columns(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.key.iter().map(|column| rows.column(*column).clone()).collect()
    }

    fn without_key(&self, rows: &RecordBatch, row: usize, null: usize, source: &dyn Source) -> BadRow {
        BadRow {
            raw: ChangeBatch::append(rows.slice(row, 1)).print(),
            reason: format!("'{}' is NULL, which no key is", self.schema.field(self.key[null]).name()),
            position: source.describe_position(),
        }
    }
}

fn open(request: &LookupRequest, pipes: &Pipes) -> Result<Box<dyn Source>> {
    let LookupRequest { name, schema, schema_was_found, options, .. } = request.clone();
    source::open(SourceRequest { name, schema, key: Vec::new(), options, schema_was_found }, pipes)
}

impl Lookup for FileLookup {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn look_up(&mut self, keys: &RecordBatch) -> Result<Answer> {
        let bad = self.refresh()?;
        let asked = self.keys.encode(keys.columns(), keys.num_rows())?;
        let found: Vec<(usize, usize)> = asked.iter().filter_map(|key| self.rows.get(key.data()).copied()).collect();
        if found.is_empty() {
            return Ok(Answer { rows: RecordBatch::new_empty(self.schema.clone()), bad });
        }
        let column = |column: usize| {
            let parts: Vec<&dyn Array> = self.batches.iter().map(|batch| batch.column(column).as_ref()).collect();
            Ok(interleave(&parts, &found)?)
        };
        let columns = (0..self.schema.fields().len()).map(column).collect::<Result<Vec<_>>>()?;
        Ok(Answer { rows: RecordBatch::try_new(self.schema.clone(), columns)?, bad })
    }

    fn describe(&self) -> String {
        match self.stamp.is_empty() {
            true => format!("{}: not read yet", self.settings.path),
            false => format!("{}: {} rows", self.settings.path, self.rows.len()),
        }
    }
}
