//! The rows of one Parquet file.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{Error, Result};

use super::input::open_file;
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
    /// Rows that were read and not yet asked for.
    waiting: RecordBatch,
    on_bad_row: OnBadRow,
    failed: Option<Error>,
}

impl ParquetFile {
    pub(super) fn open(path: &Path, schema: SchemaRef, settings: &SourceSettings) -> Result<Self> {
        let name = path.display().to_string();
        let reader = ParquetReader::new(open_file(path)?, &format!("'{name}'"), schema.clone(), settings.batch_rows)?;
        let waiting = RecordBatch::new_empty(schema.clone());
        Ok(Self { reader, schema, name, waiting, on_bad_row: settings.on_bad_row, failed: None })
    }

    /// At most `rows_max` good rows; `None` at the end.
    pub(super) fn next(&mut self, rows_max: usize) -> Result<Option<Rows>> {
        let mut bad = Vec::new();
        if self.waiting.num_rows() == 0 {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            let Some((rows, misfits)) = self.reader.next_batch()? else { return Ok(None) };
            self.waiting = rows;
            bad = self.reject(misfits);
        }
        let rows = self.waiting.num_rows().min(rows_max);
        let now = self.waiting.slice(0, rows);
        self.waiting = self.waiting.slice(rows, self.waiting.num_rows() - rows);
        if self.waiting.num_rows() == 0 {
            // The slice would keep the whole batch alive.
            self.waiting = RecordBatch::new_empty(self.schema.clone());
        }
        Ok(Some(Rows { rows: now, bad }))
    }

    fn reject(&mut self, misfits: Vec<Misfit>) -> Vec<BadRow> {
        let position = |row: usize| format!("{}: row {}", self.name, row + 1);
        match (self.on_bad_row, misfits.first()) {
            (OnBadRow::Fail, Some(first)) => {
                self.failed = Some(bad_row_error(&position(first.row), &first.reason));
                // Rows before the first bad one are still delivered, those after it are not.
                let before = first.row - (self.reader.row() as usize - self.waiting.num_rows() - misfits.len());
                self.waiting = self.waiting.slice(0, before);
                Vec::new()
            }
            _ => {
                let bad = |misfit: Misfit| BadRow { position: position(misfit.row), raw: misfit.picture, reason: misfit.reason };
                misfits.into_iter().map(bad).collect()
            }
        }
    }

    /// `flights.parquet: row 8192`.
    pub(super) fn position(&self) -> String {
        format!("{}: row {}", self.name, self.reader.row() - self.waiting.num_rows() as u64)
    }
}

/// Whether a file that may still be being written has its footer.
pub(super) fn is_finished(path: &Path) -> bool {
    File::open(path).is_ok_and(|mut file| is_complete(&mut file))
}
