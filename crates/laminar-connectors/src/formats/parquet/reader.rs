//! Reads the rows of one Parquet file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::panic::AssertUnwindSafe;

use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use crate::formats::conform::{Conform, Misfit, plain_schema};

/// What a Parquet file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";
/// The same if its footer is encrypted.
const MAGIC_ENCRYPTED: &[u8; 4] = b"PARE";
/// Magic, footer length, magic: no file is shorter.
const FILE_BYTES_MIN: u64 = 12;

/// Reads the rows of one file as a declared schema wants them; only the needed columns are read.
pub struct ParquetReader {
    rows: ParquetRecordBatchReader,
    conform: Conform,
    name: String,
    /// Rows read so far, good and bad.
    row: u64,
}

impl ParquetReader {
    /// Opens `file`; `name` is what messages call it.
    pub fn new(mut file: File, name: &str, wanted: SchemaRef, batch_rows: usize) -> Result<Self> {
        let metadata = metadata_of(&mut file, name)?;
        let conform = Conform::new(metadata.schema(), wanted, name)?;
        let mask = ProjectionMask::roots(metadata.parquet_schema(), conform.projection().iter().copied());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let build = || builder.with_projection(mask).with_batch_size(batch_rows).build().map_err(|error| error.to_string());
        let rows = unpanicked(build).map_err(|reason| damaged(name, 0, reason))?;
        Ok(Self { rows, conform, name: name.to_owned(), row: 0 })
    }

    /// The next rows and those that do not fit (with their number in the file, from 0); `None` at the end.
    pub fn next_batch(&mut self) -> Result<Option<(arrow_array::RecordBatch, Vec<Misfit>)>> {
        let rows = &mut self.rows;
        let batch = unpanicked(|| rows.next().transpose().map_err(|error| error.to_string()));
        let Some(batch) = batch.map_err(|reason| damaged(&self.name, self.row, reason))? else { return Ok(None) };
        let (rows, mut misfits) = self.conform.apply(&batch)?;
        for misfit in &mut misfits {
            misfit.row += self.row as usize;
        }
        self.row += batch.num_rows() as u64;
        Ok(Some((rows, misfits)))
    }

    /// Rows read so far.
    pub fn row(&self) -> u64 {
        self.row
    }
}

/// The columns of a Parquet file, in plain types.
pub fn parquet_schema(mut file: File, name: &str) -> Result<SchemaRef> {
    Ok(plain_schema(metadata_of(&mut file, name)?.schema()))
}

fn metadata_of(file: &mut File, name: &str) -> Result<ArrowReaderMetadata> {
    check_ends(file, name)?;
    unpanicked(|| ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(|error| error.to_string()))
        .map_err(|reason| Error::new(Code::BadData, format!("the footer of {name} is damaged")).with_detail(reason))
}

/// Runs a part of the decoder, which panics on some damaged files, and makes the panic a reason like any other. What
/// was borrowed is not used again: the source fails.
fn unpanicked<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(text.unwrap_or("the decoder gave up").to_owned())
    })
}

/// Tells a file that is not Parquet from one that is cut off, before a decoder says something that helps nobody.
fn check_ends(file: &mut File, name: &str) -> Result<()> {
    let unreadable = |error: std::io::Error| Error::from(error).within(format_args!("reading {name}"));
    let bytes = file.metadata().map_err(unreadable)?.len();
    let (mut first, mut last) = ([0; 4], [0; 4]);
    if bytes == 0 {
        return Err(Error::new(Code::BadData, format!("{name} is empty"))
            .with_hint("a Parquet file without rows still has a header and a footer; write or copy it again"));
    }
    if bytes >= 4 {
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut first)).map_err(unreadable)?;
        file.seek(SeekFrom::End(-4)).and_then(|_| file.read_exact(&mut last)).map_err(unreadable)?;
    }
    if &last == MAGIC_ENCRYPTED {
        return Err(Error::new(Code::NotSupported, format!("{name} is an encrypted Parquet file")));
    }
    if &first != MAGIC {
        return Err(Error::new(Code::BadData, format!("{name} is not a Parquet file"))
            .with_hint("set format = 'csv' or 'ndjson' if it is text"));
    }
    if &last != MAGIC || bytes < FILE_BYTES_MIN {
        return Err(Error::new(Code::BadData, format!("{name} is cut off: it has no Parquet footer"))
            .with_detail(format!("it ends after {bytes} bytes"))
            .with_hint("it is still being written, or was copied in part; copy it again"));
    }
    Ok(())
}

fn damaged(name: &str, row: u64, reason: String) -> Error {
    Error::new(Code::BadData, format!("{name} is damaged after row {row}")).with_detail(reason)
}

/// Whether a file has all of its footer: one that is still being written has not.
pub fn is_complete(file: &mut File) -> bool {
    let mut end = [0; 8];
    let read = file.seek(SeekFrom::End(0)).and_then(|bytes| {
        // The magic that a file begins with is not the one that it ends with.
        let from = bytes.checked_sub(8).filter(|_| bytes >= FILE_BYTES_MIN).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        file.seek(SeekFrom::Start(from)).and_then(|_| file.read_exact(&mut end)).map(|()| bytes)
    });
    let [a, b, c, d, magic @ ..] = end;
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    read.is_ok_and(|bytes| footer <= bytes - FILE_BYTES_MIN) && (&magic == MAGIC || &magic == MAGIC_ENCRYPTED)
}
