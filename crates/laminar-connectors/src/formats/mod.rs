//! How bytes become rows and rows become bytes, whatever carries them.
//!
//! * [`Decoder`]: text, record by record, into columns; a record that cannot be read costs only itself.
//! * [`Encoder`]: columns into text.
//! * [`csv`], [`ndjson`]: the text formats. [`json`]: where the objects of JSON stand. [`parquet`]: files of columns.
//! * [`cell`], [`column`], [`nested`], [`row_builder`]: one value, one column, one row at a time, with exact reasons.
//! * [`conform`]: columns that are typed already, made to fit a declared schema.
//! * [`value`]: the text of values, the other way round. [`distinct`]: names that must differ.
//! * [`writable`]: which columns a format can hold.
//! * [`infer`]: which types a sample of values has. [`Sampler`]: takes it. [`names`]: which column is where.
//! * [`changelog`]: weights written out as rows with `op`. [`debezium`]: changes as Debezium tells them. [`envelope`]: both, read as changes.

pub mod cell;
pub mod changelog;
pub mod column;
pub mod conform;
pub mod csv;
pub mod debezium;
pub mod distinct;
pub mod envelope;
mod exact;
mod far_years;
pub mod infer;
pub mod json;
mod lines;
pub mod names;
pub mod ndjson;
mod ndjson_encoder;
mod nested;
mod number;
mod packed;
pub mod parquet;
pub mod row_builder;
mod temporal;
pub mod type_name;
pub(crate) mod value;
pub mod writable;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use laminar_core::Result;

/// Bytes that one record of text may have at most: longer ones are rejected, so that memory stays bounded.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Why a record is bad whose bytes are no text.
pub(crate) const NOT_UTF_8: &str = "not valid UTF-8";

/// Which format a file or message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns in row groups.
    Parquet,
    /// Separated values, with or without a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    /// All names that users may write.
    pub const CHOICES: &'static [(&'static str, Format)] = &[
        ("parquet", Format::Parquet),
        ("csv", Format::Csv),
        ("ndjson", Format::Ndjson),
        ("json", Format::Ndjson),
        ("jsonl", Format::Ndjson),
    ];

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        }
    }
}

/// Reads records of text into columns. Framing and decoding are one pass, since only the format knows where a record ends.
pub trait Decoder: Send {
    /// Reads the record at the start of `bytes`; `last`: nothing will follow these bytes. An error means that nothing
    /// of this input can be read (a header without a declared column).
    fn take(&mut self, bytes: &[u8], last: bool) -> Result<Taken>;

    /// Whether the start has not been read yet that decides where columns or records are (a header).
    fn wants_header(&self) -> bool {
        false
    }

    /// Reads what [`wants_header`](Self::wants_header), and no record.
    fn take_header(&mut self, bytes: &[u8], last: bool) -> Result<Taken> {
        self.take(bytes, last)
    }

    /// Whether the next record could be read by another decoder that has read the header alone. It could not within an array,
    /// or within a record that is too long to be held.
    fn is_between_records(&self) -> bool;

    /// Says that records behind the header have been passed over, so that what stands at the start of an input comes no more.
    fn pass_start(&mut self) {}

    /// Fails if the input ends where it cannot end (in an array that is not closed).
    fn end(&self) -> Result<()> {
        Ok(())
    }

    /// Good rows since the last [`finish`](Self::finish).
    fn rows(&self) -> usize;

    /// The good rows since the last call; the decoder then starts anew.
    fn finish(&mut self) -> Result<RecordBatch>;
}

/// What became of the bytes at the start of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The record does not end within these bytes: show more.
    Incomplete,
    /// One good row.
    Row(Extent),
    /// Nothing to keep: a blank line, a header.
    Skipped(Extent),
    /// A record that cannot be read, and why.
    Bad(Extent, String),
}

/// How far a record reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Bytes, with the end of the line.
    pub bytes: usize,
    /// Lines.
    pub lines: usize,
}

/// Looks at the first records of a text to find out which columns there are.
pub trait Sampler {
    /// Looks at the record at the start of `bytes` and returns how many bytes it has; `None`: it does not end within them. An error
    /// means that nothing of this input can be read.
    fn take(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>>;

    /// Records that were of use so far, and all that were looked at.
    fn seen(&self) -> (usize, usize);

    /// The columns; `None`: there is nothing to tell them by.
    fn schema(&self) -> Result<Option<SchemaRef>>;
}

/// Writes columns as text.
pub trait Encoder: Send {
    /// Appends the rows to `out`, but not those that the format cannot hold: these come back.
    fn encode(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<Vec<Unwritable>>;
}

/// A row with a value that cannot be written such that it is read back as the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable {
    /// Its index in the rows that were to be written.
    pub row: usize,
    /// The column and why.
    pub reason: String,
}

/// The rows without those that cannot be written.
fn without(rows: &RecordBatch, unwritable: &[Unwritable]) -> Result<RecordBatch> {
    if unwritable.is_empty() {
        return Ok(rows.clone());
    }
    let mut keep = vec![true; rows.num_rows()];
    unwritable.iter().for_each(|unwritable| keep[unwritable.row] = false);
    Ok(filter_record_batch(rows, &keep.into())?)
}
