//! Writes rows as a Parquet file.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::seconds::{file_schema, fit};
use crate::formats::Unwritable;

/// Rows that one row group holds at most.
const ROW_GROUP_ROWS_MAX: usize = 1 << 20;

/// How pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetCompression {
    /// Not at all.
    None,
    /// Fast, known everywhere.
    Snappy,
    /// Smaller and still fast.
    Zstd,
    /// Slow; for old readers.
    Gzip,
}

/// Writes one file. A row group goes out when it reaches its size, so memory is bounded by that.
pub struct ParquetWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    /// Of the file.
    schema: SchemaRef,
    row_group_bytes: usize,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// A file for rows of `schema` on `out`; `row_group_bytes` is the memory that a row group may take before it is written.
    pub fn new(out: W, schema: SchemaRef, compression: ParquetCompression, row_group_bytes: usize) -> Result<Self> {
        let compression = match compression {
            ParquetCompression::None => Compression::UNCOMPRESSED,
            ParquetCompression::Snappy => Compression::SNAPPY,
            ParquetCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
            ParquetCompression::Gzip => Compression::GZIP(GzipLevel::default()),
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
            .set_created_by(concat!("laminardb ", env!("CARGO_PKG_VERSION")).to_owned());
        let schema = file_schema(&schema);
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties.build())).map_err(failed)?;
        Ok(Self { writer, schema, row_group_bytes })
    }

    /// Adds rows, but not those that the format cannot hold: these come back.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<Vec<Unwritable>> {
        let (rows, unwritable) = fit(rows, &self.schema)?;
        self.writer.write(&rows).map_err(failed)?;
        if self.writer.in_progress_size() >= self.row_group_bytes {
            self.writer.flush().map_err(failed)?;
        }
        Ok(unwritable)
    }

    /// Completes the file and gives back what it was written to.
    pub fn finish(self) -> Result<W> {
        self.writer.into_inner().map_err(failed)
    }
}

/// The rows as a file for `schema` holds them, and those that it cannot hold.
pub fn writable_rows(rows: &RecordBatch, schema: &SchemaRef) -> Result<(RecordBatch, Vec<Unwritable>)> {
    fit(rows, &file_schema(schema))
}

fn failed(error: ParquetError) -> Error {
    let code = match &error {
        ParquetError::NYI(_) => Code::NotSupported,
        ParquetError::External(_) => Code::Io,
        _ => Code::BadData,
    };
    Error::new(code, format!("writing Parquet: {error}"))
}
