//! Reads the rows of one Parquet file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use laminar_core::panics::panic_message;
use laminar_core::{Code, Error, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::columns::Meaning;
use super::failure::{Failure, unpanicked};
use super::footer::FILE_BYTES_MIN;
use super::footer::{Footer, MAGIC, MAGIC_ENCRYPTED, not_supported};
use super::layout::decoded_fields;
use super::pages::Stretch;
use super::weight::{is_of_unknown_size, longest_text, row_bytes, rows_within};
use crate::formats::conform::{Conform, Misfit};
use crate::formats::packed::int96_nanos;

/// Bytes that a batch has at most, unless it is a single row.
const BATCH_BYTES_MAX: usize = 32 << 20;
/// Bytes that a row may have on average in a row group: it has to be held whole, and more than once.
const ROW_BYTES_MAX: u64 = 256 << 20;
/// Rows that are looked at to find the unit of times of twelve bytes.
const SAMPLE_ROWS: usize = 8192;

/// Reads the rows of one file as a declared schema wants them; only the needed columns are read.
pub struct ParquetReader {
    file: Arc<File>,
    footer: Footer,
    conform: Conform,
    name: String,
    /// The leaves of the needed columns.
    leaves: Vec<usize>,
    /// The leaves that are decoded as views.
    as_views: Vec<bool>,
    /// Whether something could not be decoded otherwise than as views.
    damage_seen: bool,
    batch_rows: usize,
    decoder: Option<Decoder>,
    /// Rows that are decoded and wait to be made fit.
    waiting: Option<RecordBatch>,
    /// Rows read so far, good and bad.
    row: u64,
    rows: u64,
}

/// A decoder within a stretch of row groups.
struct Decoder {
    rows: ParquetRecordBatchReader,
    batch_rows: usize,
    /// Rows that the stretch still has.
    left: u64,
}

impl ParquetReader {
    /// Opens `file`; `name` is what messages call it.
    pub fn new(mut file: File, name: &str, wanted: SchemaRef, batch_rows: usize) -> Result<Self> {
        let footer = Footer::read(&mut file, name)?;
        let conform = Conform::new(&footer.schema, wanted, name)?;
        let leaves = footer.leaves_of(conform.projection());
        footer.check(&leaves, name)?;
        let as_views = vec![false; footer.leaves.len()];
        let rows = footer.metadata.row_groups().iter().map(|group| group.num_rows() as u64).sum();
        let reader = Self {
            file: Arc::new(file),
            footer,
            conform,
            name: name.to_owned(),
            leaves,
            as_views,
            damage_seen: false,
            batch_rows,
            decoder: None,
            waiting: None,
            row: 0,
            rows,
        };
        reader.check_weights()?;
        Ok(reader)
    }

    /// Refuses rows that would take all memory.
    fn check_weights(&self) -> Result<()> {
        for group in self.footer.metadata.row_groups() {
            for leaf in &self.leaves {
                let bytes = row_bytes(group, &[*leaf]);
                if bytes > ROW_BYTES_MAX {
                    let (path, most) = (&self.footer.leaves[*leaf].path, ROW_BYTES_MAX >> 20);
                    let what =
                        format!("column '{path}' of {} has {} MiB a row, and {most} MiB are the most", self.name, bytes >> 20);
                    return Err(not_supported(what).with_hint("declare the other columns to read these"));
                }
            }
        }
        Ok(())
    }

    /// The next rows and those that do not fit (with their number in the file, from 0); `None` at the end.
    pub fn next_batch(&mut self) -> Result<Option<(RecordBatch, Vec<Misfit>)>> {
        loop {
            if let Some(batch) = self.waiting.take() {
                return self.fit(&batch).map(Some);
            }
            if self.row == self.rows {
                return Ok(None);
            }
            self.decode()?;
        }
    }

    /// Rows read so far.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// Goes on with this row; false if there are not so many. Called before the first batch.
    pub fn seek(&mut self, row: u64) -> bool {
        self.row = row.min(self.rows);
        row <= self.rows
    }

    /// Makes as many rows of `batch` fit as have no more than [`BATCH_BYTES_MAX`]; the others wait.
    fn fit(&mut self, batch: &RecordBatch) -> Result<(RecordBatch, Vec<Misfit>)> {
        let rows = rows_within(batch, BATCH_BYTES_MAX);
        if rows < batch.num_rows() {
            self.waiting = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        let fitted = panic_message(|| self.conform.apply(&batch.slice(0, rows)));
        let fitted = fitted.map_err(|_| Failure::Damaged("its values cannot be converted").error(&self.name, self.row, None))?;
        let after = |error: Error| match error.code() {
            Code::LimitReached => error.within(format_args!("{}: row {}", self.name, self.row + 1)),
            _ => error,
        };
        let (fitted, mut misfits) = fitted.map_err(after)?;
        for misfit in &mut misfits {
            misfit.row += self.row as usize;
        }
        self.row += rows as u64;
        Ok((fitted, misfits))
    }

    /// Decodes the next batch. What cannot be decoded is tried again in smaller pieces, so that the rows before a damage are
    /// delivered, and with texts as views, so that bytes which are no text cost only their own row.
    fn decode(&mut self) -> Result<()> {
        let mut batch_rows = None;
        loop {
            let failure = match self.decode_once(batch_rows) {
                Ok(()) => return Ok(()),
                Err(Failure::Io(text)) => return Err(Failure::Io(text).error(&self.name, self.row, None)),
                Err(failure) => failure,
            };
            let tried = self.decoder.take().map(|decoder| decoder.batch_rows);
            batch_rows = match tried {
                _ if self.read_as_views() => tried,
                Some(rows) if rows > 1 => Some(rows / 2),
                _ => return Err(failure.error(&self.name, self.row, self.column_at_fault())),
            };
        }
    }

    fn decode_once(&mut self, batch_rows: Option<usize>) -> Result<(), Failure> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            None => {
                let decoder = self.open(batch_rows)?;
                self.decoder.insert(decoder)
            }
        };
        let rows = &mut decoder.rows;
        let batch = unpanicked(|| rows.next().transpose())?;
        let rows = batch.as_ref().map_or(0, RecordBatch::num_rows) as u64;
        if rows == 0 || rows > decoder.left {
            return Err(Failure::Damaged("it has fewer rows than the file says"));
        }
        decoder.left -= rows;
        if decoder.left == 0 {
            self.decoder = None;
        }
        self.waiting = batch;
        Ok(())
    }

    /// Opens the stretch of row groups that begins with the next row and whose rows weigh about the same.
    fn open(&mut self, batch_rows: Option<usize>) -> Result<Decoder, Failure> {
        let (first, skipped) = self.next_group();
        if !self.damage_seen {
            self.choose_views(first);
        }
        let groups = self.footer.metadata.row_groups();
        let rows_of = |group: usize| self.batch_rows_of(group);
        let ends_before =
            |group: &usize| rows_of(*group) != rows_of(first) || self.has_unknown_sizes(*group) || self.has_unknown_sizes(first);
        let end = (first + 1..groups.len()).find(ends_before).unwrap_or(groups.len());
        let rows: u64 = groups[first..end].iter().map(|group| group.num_rows() as u64).sum();
        let batch_rows = batch_rows.unwrap_or_else(|| rows_of(first));
        let columns = self.footer.metadata.file_metadata().schema_descr();
        let mask = ProjectionMask::leaves(columns, self.leaves.iter().copied());
        let rows_reader = self.stretch(first..end, skipped as usize, mask, batch_rows)?;
        Ok(Decoder { rows: rows_reader, batch_rows, left: rows - skipped })
    }

    /// The row group of the next row, and how many of its rows are read.
    fn next_group(&self) -> (usize, u64) {
        let (mut group, mut read) = (0, self.row);
        for rows in self.footer.metadata.row_groups().iter().map(|group| group.num_rows() as u64) {
            if read < rows {
                break;
            }
            read -= rows;
            group += 1;
        }
        (group, read)
    }

    /// Whether a text of the row group may be longer than what the footer says of all of them.
    fn has_unknown_sizes(&self, group: usize) -> bool {
        let group = &self.footer.metadata.row_groups()[group];
        self.leaves.iter().any(|leaf| is_of_unknown_size(group.column(*leaf), BATCH_BYTES_MAX / self.batch_rows))
    }

    /// Texts of a row group are decoded as views if a batch of them may be too large. That takes a look at dictionaries that
    /// no size is known of.
    fn choose_views(&mut self, group: usize) {
        let group = &self.footer.metadata.row_groups()[group];
        let bytes_max = BATCH_BYTES_MAX / self.batch_rows;
        for leaf in &self.leaves {
            let chunk = group.column(*leaf);
            self.as_views[*leaf] = is_of_unknown_size(chunk, bytes_max) && longest_text(&self.file, chunk) > bytes_max;
        }
    }

    fn stretch(
        &self,
        groups: std::ops::Range<usize>,
        skipped: usize,
        mask: ProjectionMask,
        batch_rows: usize,
    ) -> Result<ParquetRecordBatchReader, Failure> {
        let fields = decoded_fields(&self.footer.shape, &self.footer.leaves, &self.as_views);
        let (metadata, is_padded) = (&self.footer.metadata, self.footer.is_padded);
        let stretch = Stretch { metadata, groups, skipped, mask, fields: &fields, batch_rows, is_padded };
        unpanicked(|| stretch.open(&self.file))
    }

    /// Rows of a batch of this row group: a power of two below the usual number, so that groups of about the same weight are
    /// one stretch.
    fn batch_rows_of(&self, group: usize) -> usize {
        let bytes = row_bytes(&self.footer.metadata.row_groups()[group], &self.leaves).max(1);
        match BATCH_BYTES_MAX as u64 / bytes {
            0 => 1,
            rows if rows >= self.batch_rows as u64 => self.batch_rows,
            rows => 1 << rows.ilog2(),
        }
    }

    /// Reads texts and bytes as views from now on; false if they are.
    fn read_as_views(&mut self) -> bool {
        self.damage_seen = true;
        let needed = |leaf: &usize| self.footer.leaves[*leaf].is_of_bytes() && !self.as_views[*leaf];
        let leaves: Vec<usize> = self.leaves.iter().copied().filter(needed).collect();
        leaves.iter().for_each(|leaf| self.as_views[*leaf] = true);
        !leaves.is_empty()
    }

    /// The column whose next value cannot be decoded.
    fn column_at_fault(&self) -> Option<&str> {
        let columns = self.footer.metadata.file_metadata().schema_descr();
        let (group, skipped) = self.next_group();
        let is_at_fault = |leaf: &usize| {
            let mask = ProjectionMask::leaves(columns, [*leaf]);
            let rows = self.stretch(group..group + 1, skipped as usize, mask, 1);
            let batch = rows.and_then(|mut rows| unpanicked(|| rows.next().transpose()));
            !matches!(batch, Ok(Some(batch)) if batch.num_rows() == 1)
        };
        self.leaves.iter().find(|leaf| is_at_fault(leaf)).map(|leaf| self.footer.leaves[*leaf].path.as_str())
    }
}

/// The columns of a Parquet file, in plain types.
pub fn parquet_schema(mut file: File, name: &str) -> Result<SchemaRef> {
    let footer = Footer::read(&mut file, name)?;
    let schema = footer.schema.clone();
    let times: Vec<usize> = (0..schema.fields().len()).filter(|root| is_int96(&footer, *root)).collect();
    if times.is_empty() || footer.check(&footer.leaves_of(&times), name).is_err() {
        return Ok(schema);
    }
    let finer = of_nanoseconds(Arc::new(file), &footer, &times);
    let field = |(index, field): (usize, &Arc<Field>)| match finer.contains(&index) {
        true => field.as_ref().clone().with_data_type(in_nanoseconds(field.data_type())),
        false => field.as_ref().clone(),
    };
    Ok(Arc::new(Schema::new(schema.fields().iter().enumerate().map(field).collect::<Vec<_>>())))
}

fn in_nanoseconds(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Nanosecond, zone.clone()),
        other => other.clone(),
    }
}

fn is_int96(footer: &Footer, root: usize) -> bool {
    let is_time = matches!(footer.schema.field(root).data_type(), DataType::Timestamp(..));
    is_time && footer.leaves_of(&[root]).iter().all(|leaf| footer.leaves[*leaf].meaning == Meaning::Int96)
}

/// Which of these columns of times hold nanoseconds by their first rows. The unit of such times is written down nowhere;
/// microseconds hold all years, nanoseconds only those from 1678 to 2262.
fn of_nanoseconds(file: Arc<File>, footer: &Footer, roots: &[usize]) -> Vec<usize> {
    let as_views = vec![false; footer.leaves.len()];
    let fields = decoded_fields(&footer.shape, &footer.leaves, &as_views);
    let metadata = &footer.metadata;
    let mask = ProjectionMask::roots(metadata.file_metadata().schema_descr(), roots.iter().copied());
    let stretch = Stretch {
        metadata,
        groups: 0..metadata.num_row_groups(),
        skipped: 0,
        mask,
        fields: &fields,
        batch_rows: SAMPLE_ROWS,
        is_padded: footer.is_padded,
    };
    let batch = unpanicked(|| stretch.open(&file)).and_then(|mut rows| unpanicked(|| rows.next().transpose()));
    // What is damaged is told when it is read.
    let Ok(Some(batch)) = batch else { return Vec::new() };
    let needs_nanoseconds = |column: &arrow_array::ArrayRef| {
        let Some(times) = column.as_fixed_size_binary_opt() else { return false };
        let nanos = || times.iter().flatten().map(int96_nanos);
        nanos().any(|nanos| nanos % 1000 != 0) && nanos().all(|nanos| i64::try_from(nanos).is_ok())
    };
    roots.iter().zip(batch.columns()).filter(|(_, column)| needs_nanoseconds(column)).map(|(root, _)| *root).collect()
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
