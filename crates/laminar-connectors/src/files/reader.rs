//! The rows of one file that does not grow, whatever its format.

use std::path::Path;

use arrow_schema::SchemaRef;
use laminar_core::Result;

use super::input::Input;
use super::parquet_file::ParquetFile;
use super::settings::SourceSettings;
use super::text_file::{Rows, TextFile};
use crate::formats::Format;

/// One file.
pub(super) enum FileReader {
    Text(TextFile),
    Parquet(ParquetFile),
}

impl FileReader {
    /// Opens `path` and checks that it has the columns of `schema`.
    pub(super) fn open(path: &Path, schema: SchemaRef, settings: &SourceSettings) -> Result<Self> {
        if settings.format_of(path)? == Format::Parquet {
            return Ok(FileReader::Parquet(ParquetFile::open(path, schema, settings)?));
        }
        let input = Input::open(path, settings.compression)?;
        let mut text = TextFile::new(input, path, schema, settings)?;
        text.check_start(true)?;
        Ok(FileReader::Text(text))
    }

    /// At most about `rows_max` rows; `None` at the end.
    pub(super) fn next(&mut self, rows_max: usize) -> Result<Option<Rows>> {
        match self {
            FileReader::Text(text) if text.at_end() => Ok(None),
            FileReader::Text(text) => text.next(rows_max, true).map(Some),
            FileReader::Parquet(parquet) => parquet.next(rows_max),
        }
    }

    pub(super) fn position(&self) -> String {
        match self {
            FileReader::Text(text) => text.position(),
            FileReader::Parquet(parquet) => parquet.position(),
        }
    }
}
