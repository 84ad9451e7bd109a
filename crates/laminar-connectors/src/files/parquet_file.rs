//! The rows of one Parquet file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{Error, Result};

use super::input::open_file;
use super::paths::cannot_read;
use super::place::{FilePlace, ParquetPlace, SAMPLE_BYTES, Sample, replaced, shorter};
use super::settings::{OnBadRow, SourceSettings};
use super::text_file::{Rows, bad_row_error};
use crate::BadRow;
use crate::formats::conform::Misfit;
use crate::formats::parquet::{ParquetReader, is_complete};

/// A Parquet file with its place.
pub(super) struct ParquetFile {
    reader: ParquetReader,
    schema: SchemaRef,
    name: String,
    /// Rows that were read and not yet asked for, and bad ones that were found with them.
    waiting: RecordBatch,
    rejected: Vec<BadRow>,
    /// Where the batch of these began, how many of its good rows have been asked for, and which bad ones have been told.
    place: ParquetPlace,
    on_bad_row: OnBadRow,
    failed: Option<Error>,
}

impl ParquetFile {
    pub(super) fn open(path: &Path, schema: SchemaRef, settings: &SourceSettings) -> Result<Self> {
        let name = path.display().to_string();
        let mut file = open_file(path)?;
        let (file_bytes, end) = end_of(&mut file).map_err(|error| cannot_read(path, &error))?;
        let reader = ParquetReader::new(file, &format!("'{name}'"), schema.clone(), settings.batch_rows)?;
        let waiting = RecordBatch::new_empty(schema.clone());
        let place = ParquetPlace { file_bytes, end, ..ParquetPlace::default() };
        Ok(Self { reader, schema, name, waiting, rejected: Vec::new(), place, on_bad_row: settings.on_bad_row, failed: None })
    }

    /// At most `rows_max` good rows; `None` at the end.
    pub(super) fn next(&mut self, rows_max: usize) -> Result<Option<Rows>> {
        if self.waiting.num_rows() == 0 {
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            if !self.start_batch()? {
                return Ok(None);
            }
        }
        if self.on_bad_row == OnBadRow::Skip {
            self.place.told = self.place.told.max(self.reader.row());
        }
        let bad = std::mem::take(&mut self.rejected);
        Ok(Some(Rows { rows: self.take_rows(rows_max), bad }))
    }

    /// Decodes the next batch; false at the end.
    fn start_batch(&mut self) -> Result<bool> {
        let row = self.reader.row();
        let Some((rows, misfits)) = self.reader.next_batch()? else { return Ok(false) };
        (self.place.row, self.place.given, self.waiting) = (row, 0, rows);
        self.reject(misfits);
        Ok(true)
    }

    fn take_rows(&mut self, rows_max: usize) -> RecordBatch {
        let rows = self.waiting.num_rows().min(rows_max);
        let now = self.waiting.slice(0, rows);
        self.waiting = self.waiting.slice(rows, self.waiting.num_rows() - rows);
        if self.waiting.num_rows() == 0 {
            // The slice would keep the whole batch alive.
            self.waiting = RecordBatch::new_empty(self.schema.clone());
        }
        self.place.given += rows;
        now
    }

    fn reject(&mut self, misfits: Vec<Misfit>) {
        let position = |row: usize| format!("{}: row {}", self.name, row + 1);
        match (self.on_bad_row, misfits.first()) {
            (OnBadRow::Fail, Some(first)) => {
                self.failed = Some(bad_row_error(&position(first.row), &first.reason));
                // Rows before the first bad one are still delivered, those after it are not.
                self.waiting = self.waiting.slice(0, first.row - self.place.row as usize);
            }
            _ => {
                let bad = |misfit: Misfit| BadRow { position: position(misfit.row), raw: misfit.picture, reason: misfit.reason };
                let untold = misfits.into_iter().filter(|misfit| misfit.row as u64 >= self.place.told);
                self.rejected = untold.map(bad).collect();
            }
        }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> ParquetPlace {
        match self.waiting.num_rows() == 0 && self.rejected.is_empty() && self.failed.is_none() {
            true => ParquetPlace { row: self.reader.row(), given: 0, ..self.place },
            false => self.place,
        }
    }

    /// Goes on where an earlier reader of the same file stood. Called before the first row is read.
    pub(super) fn seek(&mut self, place: &ParquetPlace) -> Result<()> {
        let replaced = || replaced(&self.name, &FilePlace::Parquet(*place));
        if (self.place.file_bytes, self.place.end) != (place.file_bytes, place.end) || !self.reader.seek(place.row) {
            return Err(replaced());
        }
        self.place.told = place.told;
        let mut given = place.given;
        while given > 0 {
            if !self.start_batch()? {
                return Err(shorter(&self.name, &FilePlace::Parquet(*place)));
            }
            given -= self.take_rows(given).num_rows();
        }
        Ok(())
    }

    /// `flights.parquet: row 8192`.
    pub(super) fn describe_position(&self) -> String {
        format!("{}: row {}", self.name, self.reader.row() - self.waiting.num_rows() as u64)
    }
}

/// The length of a file and its last bytes, which stand for its footer.
fn end_of(file: &mut File) -> std::io::Result<(u64, Sample)> {
    let bytes = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(bytes.saturating_sub(SAMPLE_BYTES as u64)))?;
    let mut end = Vec::with_capacity(SAMPLE_BYTES);
    file.take(SAMPLE_BYTES as u64).read_to_end(&mut end)?;
    Ok((bytes, Sample::of(&end)))
}

/// Whether a file that may still be being written has its footer.
pub(super) fn is_finished(path: &Path) -> bool {
    File::open(path).is_ok_and(|mut file| is_complete(&mut file))
}
