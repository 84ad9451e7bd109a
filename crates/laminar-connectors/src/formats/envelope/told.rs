//! The changes that records tell, put together from the columns in which their rows stand.

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use laminar_core::{ChangeBatch, Result};

/// Changes and bad records.
#[derive(Debug)]
pub(super) struct Told {
    /// Where rows stand: the columns of all records, as often as a record has places for a row.
    places: Vec<Vec<ArrayRef>>,
    changes: Vec<ToldRow>,
    bad: Vec<(usize, String)>,
}

#[derive(Debug, Clone, Copy)]
struct ToldRow {
    record: usize,
    place: usize,
    weight: i64,
}

/// A row that a record tells.
pub(super) struct RowAt<'a> {
    columns: &'a [ArrayRef],
    record: usize,
    pub(super) weight: i64,
}

impl RowAt<'_> {
    pub(super) fn is_null(&self, column: usize) -> bool {
        self.columns[column].is_null(self.record)
    }
}

impl Told {
    pub(super) fn new(places: Vec<Vec<ArrayRef>>) -> Self {
        Self { places, changes: Vec::new(), bad: Vec::new() }
    }

    /// The row that `record` has at `place` comes (+1) or goes (−1).
    pub(super) fn push(&mut self, record: usize, place: usize, weight: i64) {
        self.changes.push(ToldRow { record, place, weight });
    }

    pub(super) fn push_bad(&mut self, record: usize, reason: String) {
        self.bad.push((record, reason));
    }

    /// Takes out all changes of those records that tell a row for which `reason` has one.
    pub(super) fn refuse(&mut self, reason: impl Fn(&RowAt<'_>) -> Option<String>) {
        let found = self.changes.iter().filter_map(|told| {
            let row = RowAt { columns: &self.places[told.place], record: told.record, weight: told.weight };
            Some((told.record, reason(&row)?))
        });
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            return;
        }
        self.changes.retain(|told| found.binary_search_by_key(&told.record, |(record, _)| *record).is_err());
        self.bad.extend(found);
        self.bad.sort_by_key(|(record, _)| *record);
        self.bad.dedup_by_key(|(record, _)| *record);
    }

    /// The bad records, ascending, each with its reason.
    pub(super) fn bad(&self) -> impl Iterator<Item = (usize, &str)> {
        self.bad.iter().map(|(record, reason)| (*record, reason.as_str()))
    }

    pub(super) fn changes(&self, schema: &SchemaRef) -> Result<ChangeBatch> {
        let positions: Vec<(usize, usize)> = self.changes.iter().map(|told| (told.place, told.record)).collect();
        let column = |index: usize| -> Result<ArrayRef> {
            let places: Vec<&dyn Array> = self.places.iter().map(|columns| columns[index].as_ref()).collect();
            Ok(interleave(&places, &positions)?)
        };
        let columns = (0..schema.fields().len()).map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(positions.len()));
        let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        Ok(ChangeBatch::new(rows, self.changes.iter().map(|told| told.weight).collect::<Vec<_>>()))
    }
}
