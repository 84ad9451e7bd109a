//! The rows of a Parquet file until it is complete: its footer stands at its end, so that nothing can be appended to it.
//!
//! A spool holds them as Arrow streams one after the other, a stream an epoch. The file is made from it in batches of a fixed
//! number of rows, so that it does not depend on how the rows were cut into steps and epochs.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use laminar_core::{Error, Result};

use super::super::output::{Buffered, cannot_write};
use super::super::paths::cannot_read;
use crate::formats::Unwritable;
use crate::formats::parquet::{ParquetCompression, ParquetWriter, writable_rows};

/// Rows of a batch that the Parquet writer is given.
const BATCH_ROWS: usize = 8192;

/// What the file will be.
#[derive(Debug, Clone)]
pub(super) struct ParquetPlan {
    pub(super) schema: SchemaRef,
    pub(super) compression: ParquetCompression,
    pub(super) row_group_bytes: usize,
    pub(super) io_uring: bool,
}

/// Makes the bytes of a spool.
#[derive(Default)]
pub(super) struct SpoolEncoder {
    /// The stream of the current epoch, once it has begun.
    stream: Option<StreamWriter<Vec<u8>>>,
}

impl SpoolEncoder {
    /// Appends the rows to `out`, but not those that Parquet cannot hold: these come back.
    pub(super) fn encode(&mut self, rows: &RecordBatch, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<Vec<Unwritable>> {
        let (rows, unwritable) = writable_rows(rows, schema)?;
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(StreamWriter::try_new(Vec::new(), rows.schema_ref())?),
        };
        stream.write(&rows)?;
        out.append(stream.get_mut());
        Ok(unwritable)
    }

    /// Appends the end of the stream.
    pub(super) fn end_epoch(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if let Some(mut stream) = self.stream.take() {
            stream.finish()?;
            out.append(stream.get_mut());
        }
        Ok(())
    }
}

/// Writes a Parquet file from the first `bytes` of a spool.
pub(super) fn write_parquet(spool: &Path, bytes: u64, file: File, path: &Path, plan: &ParquetPlan) -> Result<File> {
    let out = Buffered::new(file, plan.io_uring);
    let mut writer = ParquetWriter::new(out, plan.schema.clone(), plan.compression, plan.row_group_bytes)?;
    let unreadable = |error: std::io::Error| cannot_read(spool, &error);
    let mut from = BufReader::new(File::open(spool).map_err(unreadable)?.take(bytes));
    let mut waiting = Waiting::default();
    while !from.fill_buf().map_err(unreadable)?.is_empty() {
        for rows in StreamReader::try_new(&mut from, None)? {
            waiting.add(rows?);
            while let Some(rows) = waiting.take(BATCH_ROWS)? {
                write(&mut writer, &rows)?;
            }
        }
    }
    if let Some(rows) = waiting.take(1)? {
        write(&mut writer, &rows)?;
    }
    writer.finish()?.finish().map_err(|error| cannot_write(path, &error))
}

fn write(writer: &mut ParquetWriter<Buffered>, rows: &RecordBatch) -> Result<()> {
    match writer.write(rows)?.is_empty() {
        true => Ok(()),
        false => Err(Error::internal("a spool holds a row that cannot be written")),
    }
}

/// Rows that are not written yet.
#[derive(Default)]
struct Waiting {
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl Waiting {
    fn add(&mut self, rows: RecordBatch) {
        self.rows += rows.num_rows();
        self.batches.push(rows);
    }

    /// The first rows, at most [`BATCH_ROWS`], if there are at least so many.
    fn take(&mut self, rows_min: usize) -> Result<Option<RecordBatch>> {
        if self.rows < rows_min {
            return Ok(None);
        }
        let Some(first) = self.batches.first() else { return Ok(None) };
        let all = concat_batches(&first.schema(), &self.batches)?;
        let rows = all.num_rows().min(BATCH_ROWS);
        self.batches = vec![all.slice(rows, all.num_rows() - rows)];
        self.rows = all.num_rows() - rows;
        Ok(Some(all.slice(0, rows)))
    }
}
