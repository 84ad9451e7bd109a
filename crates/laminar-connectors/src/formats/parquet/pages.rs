//! The pages of a file's column chunks, without those that hold nothing.

use std::fs::File;
use std::sync::Arc;

use arrow_schema::Fields;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups, RowSelection, RowSelector};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::Result;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

/// Which rows of a file are decoded, and how.
#[derive(Debug)]
pub(super) struct Stretch<'a> {
    pub(super) metadata: &'a Arc<ParquetMetaData>,
    /// Row groups that follow each other.
    pub(super) groups: std::ops::Range<usize>,
    /// Rows of the first of them that are passed over.
    pub(super) skipped: usize,
    pub(super) mask: ProjectionMask,
    /// The Arrow layouts of all columns.
    pub(super) fields: &'a Fields,
    pub(super) batch_rows: usize,
    /// Whether column chunks may be followed by other bytes.
    pub(super) is_padded: bool,
}

impl Stretch<'_> {
    /// A decoder of those rows. It is told how many there are: it would look for more behind the last one otherwise, and
    /// some files have an empty page or other bytes there.
    pub(super) fn open(&self, file: &Arc<File>) -> Result<ParquetRecordBatchReader> {
        let groups = Groups {
            file: file.clone(),
            metadata: self.metadata.clone(),
            groups: self.groups.clone(),
            is_padded: self.is_padded,
        };
        let rows = groups.num_rows().saturating_sub(self.skipped);
        let selection = RowSelection::from(vec![RowSelector::skip(self.skipped), RowSelector::select(rows)]);
        let levels =
            parquet_to_arrow_field_levels(self.metadata.file_metadata().schema_descr(), self.mask.clone(), Some(self.fields))?;
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, &groups, self.batch_rows, Some(selection))
    }
}

/// Some row groups of a file.
struct Groups {
    file: Arc<File>,
    metadata: Arc<ParquetMetaData>,
    groups: std::ops::Range<usize>,
    is_padded: bool,
}

impl RowGroups for Groups {
    fn num_rows(&self) -> usize {
        self.row_groups().map(|group| group.num_rows() as usize).sum()
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let (file, metadata, groups) = (self.file.clone(), self.metadata.clone(), self.groups.clone());
        Ok(Box::new(Chunks { file, metadata, column, groups, is_padded: self.is_padded }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.groups.clone().map(|group| self.metadata.row_group(group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The chunks of one column.
struct Chunks {
    file: Arc<File>,
    metadata: Arc<ParquetMetaData>,
    column: usize,
    groups: std::ops::Range<usize>,
    is_padded: bool,
}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_group(self.groups.next()?);
        let chunk = group.column(self.column);
        let values_left = self.is_padded.then(|| chunk.num_values().max(0) as u64);
        let pages = SerializedPageReader::new(self.file.clone(), chunk, group.num_rows() as usize, None);
        Some(pages.map(|pages| Box::new(Pages { pages, values_left }) as Box<dyn PageReader>))
    }
}

impl PageIterator for Chunks {}

/// The pages of one chunk.
struct Pages {
    pages: SerializedPageReader<File>,
    /// Values that are still to come, where bytes alone do not tell the end.
    values_left: Option<u64>,
}

impl Pages {
    fn is_at_end(&self) -> bool {
        self.values_left == Some(0)
    }

    fn took(&mut self, values: usize) {
        if let Some(left) = &mut self.values_left {
            *left = left.saturating_sub(values as u64);
        }
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        loop {
            if self.is_at_end() {
                return Ok(None);
            }
            match self.pages.get_next_page()? {
                Some(page) if page.is_data_page() && page.num_values() == 0 => {}
                Some(page) if page.is_data_page() => {
                    self.took(page.num_values() as usize);
                    return Ok(Some(page));
                }
                other => return Ok(other),
            }
        }
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        loop {
            if self.is_at_end() {
                return Ok(None);
            }
            match self.pages.peek_next_page()? {
                Some(page) if !page.is_dict && page.num_levels == Some(0) => self.pages.skip_next_page()?,
                other => return Ok(other),
            }
        }
    }

    fn skip_next_page(&mut self) -> Result<()> {
        if let Some(page) = self.peek_next_page()?
            && !page.is_dict
        {
            self.took(page.num_levels.unwrap_or(0));
        }
        self.pages.skip_next_page()
    }
}
