//! Rows into one file.
//!
//! Parquet appears under its name when the sink finishes, replacing the old file in one move, so no reader ever sees
//! half of it. CSV and NDJSON are written under their name and can be read while they grow, unless
//! `publish = 'at_end'`. Nothing is created before the first row or the end: a script that fails early leaves the old
//! output as it was. In a database with a directory [`epochs`](super::epochs) takes its place.

use std::fs::File;
use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};

use super::output::{Buffered, Compressed, Target, WriteOptions};
use super::settings::{SinkFormat, SinkSettings};
use crate::formats::changelog::{OP, inserted_rows, rows_with_op, schema_with_op};
use crate::formats::csv::CsvEncoder;
use crate::formats::ndjson::NdjsonEncoder;
use crate::formats::parquet::ParquetWriter;
use crate::formats::value::pairs;
use crate::formats::writable::check_writable;
use crate::formats::{Encoder, Format, Unwritable};
use crate::{BadRow, Sink};

/// Writes one file.
pub(super) struct FileSink {
    target: Target,
    format: SinkFormat,
    io_uring: bool,
    /// Of the file: with `op` if it is a change log.
    schema: SchemaRef,
    changelog: bool,
    writer: Option<Writer>,
    bad_rows: Vec<BadRow>,
}

enum Writer {
    Parquet(ParquetWriter<Buffered>),
    Text { encoder: Box<dyn Encoder>, out: Compressed, text: Vec<u8> },
}

impl FileSink {
    /// Checks everything that can be known before the first row.
    pub(super) fn open(settings: SinkSettings, rows: &Schema) -> Result<Self> {
        let schema = columns_of(&settings, rows)?;
        let target = Target::new(settings.path, settings.publish, settings.overwrite)?;
        let (format, io_uring, changelog) = (settings.format, settings.io_uring, settings.changelog);
        Ok(Self { target, format, io_uring, schema, changelog, writer: None, bad_rows: Vec::new() })
    }

    /// Creates the file unless that has been done.
    fn start(&mut self) -> Result<()> {
        if self.writer.is_none() {
            let file = self.target.create()?;
            let writer =
                Writer::new(file, &self.format, self.io_uring, &self.schema).map_err(|error| self.target.failed(&error))??;
            self.writer = Some(writer);
        }
        Ok(())
    }
}

/// The columns of the file: with `op` if it is a change log. Refuses those that it cannot hold.
pub(super) fn columns_of(settings: &SinkSettings, rows: &Schema) -> Result<SchemaRef> {
    if settings.changelog && rows.field_with_name(OP).is_ok() {
        return Err(Error::new(Code::InvalidOption, format!("changelog adds a column '{OP}', which the rows have already"))
            .with_hint(format!("give the column another name: SELECT {OP} AS operation, …")));
    }
    let schema = if settings.changelog { schema_with_op(rows) } else { std::sync::Arc::new(rows.clone()) };
    check_columns(&settings.format, &schema)?;
    Ok(schema)
}

/// Refuses columns that the file cannot hold.
fn check_columns(format: &SinkFormat, schema: &Schema) -> Result<()> {
    match format {
        SinkFormat::Parquet { .. } => check_writable(schema, Format::Parquet),
        SinkFormat::Ndjson { .. } => check_writable(schema, Format::Ndjson),
        SinkFormat::Csv { dialect, .. } => {
            check_writable(schema, Format::Csv)?;
            CsvEncoder::new(dialect.clone()).check(schema)
        }
    }
}

impl Writer {
    fn new(file: File, format: &SinkFormat, io_uring: bool, schema: &SchemaRef) -> std::io::Result<Result<Self>> {
        Ok(match format {
            SinkFormat::Parquet { compression, row_group_bytes } => {
                let out = Buffered::new(file, io_uring);
                ParquetWriter::new(out, schema.clone(), *compression, *row_group_bytes).map(Writer::Parquet)
            }
            SinkFormat::Csv { dialect, compression } => {
                let (mut encoder, mut text) = (CsvEncoder::new(dialect.clone()), Vec::new());
                let out = Compressed::new(file, WriteOptions { compression: *compression, io_uring })?;
                encoder.header(schema, &mut text).map(|()| Writer::Text { encoder: Box::new(encoder), out, text })
            }
            SinkFormat::Ndjson { compression } => {
                let out = Compressed::new(file, WriteOptions { compression: *compression, io_uring })?;
                Ok(Writer::Text { encoder: Box::<NdjsonEncoder>::default(), out, text: Vec::new() })
            }
        })
    }

    fn write(&mut self, rows: &RecordBatch, failed: impl Fn(&std::io::Error) -> Error) -> Result<Vec<Unwritable>> {
        match self {
            Writer::Parquet(writer) => writer.write(rows),
            Writer::Text { encoder, out, text } => {
                let unwritable = encoder.encode(rows, text)?;
                let written = out.write_all(text);
                text.clear();
                written.map(|()| unwritable).map_err(|error| failed(&error))
            }
        }
    }

    fn finish(self) -> std::io::Result<Result<File>> {
        Ok(match self {
            Writer::Parquet(writer) => match writer.finish() {
                Ok(out) => Ok(out.finish()?),
                Err(error) => Err(error),
            },
            Writer::Text { mut out, text, .. } => {
                out.write_all(&text)?;
                Ok(out.finish()?)
            }
        })
    }
}

impl Sink for FileSink {
    fn write(&mut self, step: StepId, changes: &ChangeBatch) -> Result<()> {
        let rows = if self.changelog { rows_with_op(changes, &self.schema)? } else { inserted_rows(changes)? };
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.start()?;
        let (target, writer) = (&self.target, &mut self.writer);
        let Some(writer) = writer.as_mut() else { return Ok(()) };
        for Unwritable { row, reason } in writer.write(&rows, |error| target.failed(error))? {
            self.bad_rows.push(BadRow { raw: pairs(&rows, row)?, reason, position: format!("step {step}") });
        }
        Ok(())
    }

    fn take_bad_rows(&mut self) -> Vec<BadRow> {
        std::mem::take(&mut self.bad_rows)
    }

    fn can_try_again(&self) -> bool {
        !self.target.is_started()
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.writer {
            Some(Writer::Text { out, .. }) => out.flush().map_err(|error| self.target.failed(&error)),
            // A row group that is cut at every step would make a poor file, and nobody can read it before its end.
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.start()?;
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let file = writer.finish().map_err(|error| self.target.failed(&error))??;
        self.target.publish(file)
    }
}
