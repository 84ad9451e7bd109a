//! The sink whose rows are each there once, whatever crashes in between.

use std::fs;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use laminar_core::{ChangeBatch, Error, Result, StepId};

use super::super::output::{WriteOptions, check_target};
use super::super::settings::{Publish, SinkFormat, SinkSettings};
use super::super::sink::columns_of;
use super::segments::Segments;
use super::spool::{ParquetPlan, SpoolEncoder};
use super::token::Prepared;
use super::whole::WholeFile;
use crate::formats::changelog::{inserted_rows, rows_with_op};
use crate::formats::csv::{CsvEncoder, Dialect};
use crate::formats::ndjson::NdjsonEncoder;
use crate::formats::value::pairs;
use crate::formats::{Encoder, Unwritable};
use crate::{BadRow, Guarantee, Sink, SinkToken};

/// Writes one file in epochs.
pub(in super::super) struct EpochSink {
    /// Of the file: with `op` if it is a change log.
    schema: SchemaRef,
    changelog: bool,
    encoder: RowEncoder,
    output: Output,
    /// Bytes on their way to the output.
    bytes: Vec<u8>,
    bad_rows: Vec<BadRow>,
    /// Epochs that were prepared and not committed, ascending.
    prepared: Vec<(u64, Prepared)>,
    /// What was prepared last.
    last: Prepared,
    is_finished: bool,
}

/// Where the bytes go.
enum Output {
    /// Text that is seen while it grows.
    AtOnce(Segments),
    /// A file that is seen when it is complete.
    AtEnd(WholeFile),
}

/// How rows become bytes.
enum RowEncoder {
    Csv(CsvEncoder),
    Json(NdjsonEncoder),
    Spool(SpoolEncoder),
}

/// Whether epochs can be taken back at `path`: not in a device or pipe, where what is written is gone.
pub(in super::super) fn can_hold_epochs(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |metadata| metadata.is_file())
}

impl EpochSink {
    /// Checks everything that can be known before the first row, and puts the files into the state that the token tells.
    pub(in super::super) fn open(settings: SinkSettings, rows: &Schema, resume: Option<&SinkToken>) -> Result<Self> {
        let schema = columns_of(&settings, rows)?;
        let what = format!("the token of the sink into '{}'", settings.path.display());
        let last = resume.map_or_else(|| Ok(Prepared::default()), |token| Prepared::read(token, &what))?;
        // The output takes the place of the file that a link names, not of the link.
        let path = fs::canonicalize(&settings.path).unwrap_or_else(|_| settings.path.clone());
        check_target(&path, settings.overwrite || resume.is_some())?;
        let mut output = Output::new(&settings, path, &schema);
        if resume.is_some() {
            output.resume(&last)?;
        }
        Ok(Self {
            encoder: RowEncoder::new(&settings.format, last.output.bytes > 0),
            schema,
            changelog: settings.changelog,
            output,
            bytes: Vec::new(),
            bad_rows: Vec::new(),
            prepared: Vec::new(),
            is_finished: last.is_complete,
            last,
        })
    }

    fn send(&mut self) -> Result<()> {
        let sent = self.output.write(&self.bytes);
        self.bytes.clear();
        sent
    }
}

impl Output {
    fn new(settings: &SinkSettings, path: PathBuf, schema: &SchemaRef) -> Self {
        let (overwrite, io_uring) = (settings.overwrite, settings.io_uring);
        match &settings.format {
            SinkFormat::Parquet { compression, row_group_bytes } => {
                let plan = ParquetPlan {
                    schema: schema.clone(),
                    compression: *compression,
                    row_group_bytes: *row_group_bytes,
                    io_uring,
                };
                Output::AtEnd(WholeFile::parquet(path, plan, overwrite))
            }
            SinkFormat::Csv { compression, .. } | SinkFormat::Ndjson { compression } => {
                let options = WriteOptions { compression: *compression, io_uring };
                match settings.publish {
                    Publish::AtOnce => Output::AtOnce(Segments::new(path, options, overwrite)),
                    Publish::AtEnd => Output::AtEnd(WholeFile::text(path, options, overwrite)),
                }
            }
        }
    }

    fn resume(&mut self, prepared: &Prepared) -> Result<()> {
        match self {
            Output::AtOnce(segments) => segments.resume(prepared),
            Output::AtEnd(file) => file.resume(prepared),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Output::AtOnce(segments) => segments.is_empty(),
            Output::AtEnd(file) => file.is_empty(),
        }
    }

    /// Creates the file of the current epoch, unless that has been done. Nothing has come of it if it fails.
    fn begin(&mut self) -> Result<()> {
        match self {
            Output::AtOnce(segments) => segments.begin().map(|_| ()),
            Output::AtEnd(file) => file.begin().map(|_| ()),
        }
    }

    fn has_begun(&self) -> bool {
        match self {
            Output::AtOnce(segments) => segments.has_begun(),
            Output::AtEnd(file) => file.has_begun(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Output::AtOnce(segments) => segments.write(bytes),
            Output::AtEnd(file) => file.write(bytes),
        }
    }

    fn prepare(&mut self, is_complete: bool) -> Result<Prepared> {
        Ok(match self {
            Output::AtOnce(segments) => {
                let (output, segments) = segments.end_epoch()?;
                Prepared { output, segments, is_complete, parquet: None }
            }
            Output::AtEnd(file) => {
                let output = file.end_epoch()?;
                let parquet = if is_complete { file.complete()? } else { None };
                Prepared { output, segments: Vec::new(), is_complete, parquet }
            }
        })
    }

    fn show(&mut self, prepared: &Prepared) -> Result<()> {
        match self {
            Output::AtOnce(segments) => segments.show(prepared.output.bytes),
            Output::AtEnd(file) if prepared.is_complete => file.show(),
            Output::AtEnd(_) => Ok(()),
        }
    }
}

impl RowEncoder {
    fn new(format: &SinkFormat, goes_on: bool) -> Self {
        match format {
            SinkFormat::Parquet { .. } => RowEncoder::Spool(SpoolEncoder::default()),
            SinkFormat::Csv { dialect, .. } => {
                let header = dialect.header && !goes_on;
                RowEncoder::Csv(CsvEncoder::new(Dialect { header, ..dialect.clone() }))
            }
            SinkFormat::Ndjson { .. } => RowEncoder::Json(NdjsonEncoder::default()),
        }
    }

    fn encode(&mut self, rows: &RecordBatch, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<Vec<Unwritable>> {
        match self {
            RowEncoder::Csv(encoder) => {
                encoder.header(schema, out)?;
                encoder.encode(rows, out)
            }
            RowEncoder::Json(encoder) => encoder.encode(rows, out),
            RowEncoder::Spool(encoder) => encoder.encode(rows, schema, out),
        }
    }

    /// What a file without rows begins with.
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        if let RowEncoder::Csv(encoder) = self { encoder.header(schema, out) } else { Ok(()) }
    }

    fn end_epoch(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if let RowEncoder::Spool(encoder) = self { encoder.end_epoch(out) } else { Ok(()) }
    }
}

impl Sink for EpochSink {
    fn write(&mut self, step: StepId, changes: &ChangeBatch) -> Result<()> {
        if self.is_finished {
            return Err(Error::internal("rows come into a file that is complete"));
        }
        let rows = if self.changelog { rows_with_op(changes, &self.schema)? } else { inserted_rows(changes)? };
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.output.begin()?;
        for Unwritable { row, reason } in self.encoder.encode(&rows, &self.schema, &mut self.bytes)? {
            self.bad_rows.push(BadRow { raw: pairs(&rows, row)?, reason, position: format!("step {step}") });
        }
        if self.bytes.is_empty() { Ok(()) } else { self.send() }
    }

    fn take_bad_rows(&mut self) -> Vec<BadRow> {
        std::mem::take(&mut self.bad_rows)
    }

    fn can_try_again(&self) -> bool {
        !self.output.has_begun()
    }

    fn flush(&mut self) -> Result<()> {
        // Readers see what is committed.
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if !self.is_finished && self.output.is_empty() {
            self.output.begin()?;
            self.encoder.begin(&self.schema, &mut self.bytes)?;
            self.send()?;
        }
        self.is_finished = true;
        Ok(())
    }

    fn prepare(&mut self, epoch: u64) -> Result<SinkToken> {
        if !self.last.is_complete {
            self.encoder.end_epoch(&mut self.bytes)?;
            if !self.bytes.is_empty() {
                self.send()?;
            }
            self.last = self.output.prepare(self.is_finished)?;
        }
        self.prepared.push((epoch, self.last.clone()));
        Ok(self.last.token())
    }

    fn commit(&mut self, epoch: u64) -> Result<()> {
        let Some(at) = self.prepared.iter().rposition(|(prepared, _)| *prepared <= epoch) else { return Ok(()) };
        self.output.show(&self.prepared[at].1)?;
        self.prepared.drain(..=at);
        Ok(())
    }

    fn abort(&mut self, epoch: u64) -> Result<()> {
        self.prepared.retain(|(prepared, _)| *prepared != epoch);
        Ok(())
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }
}
