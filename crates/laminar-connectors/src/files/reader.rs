//! The rows of one file that does not grow, whatever its format.

use std::path::Path;

use arrow_array::ArrayRef;
use laminar_core::Result;

use super::input::{Input, check_parquet};
use super::parquet_file::ParquetFile;
use super::partitions::Columns;
use super::place::{FilePlace, replaced};
use super::settings::SourceSettings;
use super::text_file::{Rows, TextFile};
use crate::formats::Format;

/// One file.
pub(super) struct FileReader {
    kind: Kind,
    /// The values of the columns that its path tells.
    told: Vec<ArrayRef>,
}

enum Kind {
    Text(TextFile),
    Parquet(ParquetFile),
}

impl FileReader {
    /// Opens `path` and checks that it has the columns that are wanted.
    pub(super) fn open(path: &Path, columns: &Columns, settings: &SourceSettings) -> Result<Self> {
        let told = columns.told_by(path)?;
        if settings.format_of(path)? == Format::Parquet {
            check_parquet(path)?;
            let parquet = ParquetFile::open(path, columns.in_files().clone(), settings)?;
            return Ok(Self { kind: Kind::Parquet(parquet), told });
        }
        let input = Input::open(path, settings)?;
        let mut text = TextFile::new(input, path, columns.in_files().clone(), settings)?;
        text.check_start()?;
        Ok(Self { kind: Kind::Text(text), told })
    }

    /// At most about `rows_max` rows; `None` at the end.
    pub(super) fn next(&mut self, rows_max: usize, columns: &Columns) -> Result<Option<Rows>> {
        let rows = match &mut self.kind {
            Kind::Text(text) if text.at_end() => None,
            Kind::Text(text) => Some(text.next(rows_max)?),
            Kind::Parquet(parquet) => parquet.next(rows_max)?,
        };
        rows.map(|rows| columns.complete(rows, &self.told)).transpose()
    }

    /// Whether nothing is there now and more can come.
    pub(super) fn waits(&self) -> bool {
        matches!(&self.kind, Kind::Text(text) if text.waits())
    }

    /// What has come and is not a whole record, if reading stops here.
    pub(super) fn give_up(&mut self) -> Vec<crate::BadRow> {
        match &mut self.kind {
            Kind::Text(text) => text.give_up(),
            Kind::Parquet(_) => Vec::new(),
        }
    }

    /// Whether all of it has been read.
    pub(super) fn at_end(&self) -> bool {
        matches!(&self.kind, Kind::Text(text) if text.at_end())
    }

    /// Where it stands.
    pub(super) fn place(&self) -> FilePlace {
        match &self.kind {
            Kind::Text(text) => FilePlace::Text(text.place()),
            Kind::Parquet(parquet) => FilePlace::Parquet(parquet.place()),
        }
    }

    /// Goes on where an earlier reader of the same file stood. Called before the first row is read.
    pub(super) fn seek(&mut self, path: &Path, place: &FilePlace) -> Result<()> {
        match (&mut self.kind, place) {
            (Kind::Text(text), FilePlace::Text(place)) => text.seek(place),
            (Kind::Parquet(parquet), FilePlace::Parquet(place)) => parquet.seek(place),
            _ => Err(replaced(&path.display().to_string(), place)),
        }
    }

    pub(super) fn describe_position(&self) -> String {
        match &self.kind {
            Kind::Text(text) => text.describe_position(),
            Kind::Parquet(parquet) => parquet.describe_position(),
        }
    }
}
