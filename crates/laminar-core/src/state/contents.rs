//! What a stored object holds: the rows of a table or a materialized view, as they stand after each step.

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;

use super::Ownership;
use super::image::{Imaged, StateImage};
use super::keyed_rows::KeyedRows;
use super::row_table::{NewEntries, RowTable};
use crate::{ChangeBatch, Result};

/// What the image calls the rows.
const ROWS: &str = "rows";

/// The rows, kept in the cheapest way that serves their changes.
#[derive(Debug)]
pub struct Contents(Kind);

#[derive(Debug)]
enum Kind {
    /// Rows only come.
    Appended(RowTable),
    /// Rows come and go; equal rows are counted.
    Counted(RowTable),
    /// Rows replace each other by key.
    Keyed(KeyedRows),
}

/// What became of a batch of changes.
#[derive(Debug)]
pub struct Outcome {
    /// What readers see of it.
    pub changes: ChangeBatch,
    /// Rows that could not be applied, with the reason. The others were.
    pub refused: Vec<(usize, String)>,
}

impl Contents {
    /// Rows that are never retracted.
    pub fn appended(schema: SchemaRef) -> Self {
        Self(Kind::Appended(RowTable::append_only(schema)))
    }

    /// Any Z-set of rows with positive weights.
    pub fn counted(schema: SchemaRef) -> Self {
        let identity = (0..schema.fields().len()).collect();
        Self(Kind::Counted(RowTable::new(schema, identity)))
    }

    /// One row for each value of the columns `keys`.
    pub fn keyed(schema: SchemaRef, keys: Vec<usize>) -> Self {
        Self(Kind::Keyed(KeyedRows::new(schema, keys)))
    }

    /// Applies changes. For counted rows they must be consolidated: the order of rows within a step means nothing, so
    /// that a retraction may stand before its insertion. For keyed rows the order counts: the last row of a key wins.
    pub fn apply(&mut self, changes: ChangeBatch) -> Result<Outcome> {
        match &mut self.0 {
            Kind::Appended(table) => {
                let (changes, refused) = split(changes, |row, changes| changes.weight(row) <= 0, "it only takes insertions")?;
                table.apply(&changes)?;
                Ok(Outcome { changes, refused })
            }
            Kind::Counted(table) => {
                let refused = table.apply_positive(&changes)?.refused;
                table.compact()?;
                let is_refused = |row: usize, _: &ChangeBatch| refused.binary_search(&(row as u32)).is_ok();
                let (changes, refused) = split(changes, is_refused, "there is no such row to delete")?;
                Ok(Outcome { changes, refused })
            }
            Kind::Keyed(rows) => {
                let (changes, absent) = rows.upsert(&changes)?;
                let reason = || "there is no row with this key to delete".to_owned();
                Ok(Outcome { changes, refused: absent.into_iter().map(|row| (row as usize, reason())).collect() })
            }
        }
    }

    /// All rows with their weights.
    pub fn batches(&self) -> Vec<ChangeBatch> {
        self.table().store().batches()
    }

    /// The rows whose `columns` are equal to one of `keys`, if rows are replaced by these columns.
    pub fn find(&self, columns: &[usize], keys: &[ArrayRef]) -> Result<Option<ChangeBatch>> {
        match &self.0 {
            Kind::Keyed(rows) if rows.keys() == columns => rows.find(keys).map(Some),
            _ => Ok(None),
        }
    }

    /// Different rows.
    pub fn len(&self) -> usize {
        self.table().store().live()
    }

    /// True if there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn table(&self) -> &RowTable {
        match &self.0 {
            Kind::Appended(table) | Kind::Counted(table) => table,
            Kind::Keyed(rows) => rows.table(),
        }
    }

    fn table_mut(&mut self) -> &mut RowTable {
        match &mut self.0 {
            Kind::Appended(table) | Kind::Counted(table) => table,
            Kind::Keyed(rows) => rows.table_mut(),
        }
    }
}

impl Imaged for Contents {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        self.table_mut().add_to_image(&mut image, ROWS);
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        let table = self.table_mut();
        if let ([image], Ownership::All) = (parts, owned) {
            table.reserve(image.all(ROWS).map(|rows| Ok(rows?.num_rows())).sum::<Result<usize>>()?);
        }
        let mut entries = NewEntries::default();
        for image in parts {
            for changes in table.changes_of_image(image, ROWS)? {
                let columns = changes.rows().columns().to_vec();
                let changes = owned.of_changes(changes, &columns)?;
                // The rows of one image are all different; of several, two can have a part of the same row.
                match parts.len() {
                    1 => drop(table.insert_new(&changes, &mut entries)?),
                    _ => drop(table.apply(&changes)?),
                }
            }
        }
        table.index_new(entries);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.len()
    }

    fn bytes(&self) -> usize {
        self.table().bytes()
    }
}

/// The changes without the rows that are `bad`, and those with the reason.
fn split(
    changes: ChangeBatch,
    bad: impl Fn(usize, &ChangeBatch) -> bool,
    reason: &str,
) -> Result<(ChangeBatch, Vec<(usize, String)>)> {
    let refused: Vec<usize> = match changes.is_append() {
        true => Vec::new(),
        false => (0..changes.len()).filter(|row| bad(*row, &changes)).collect(),
    };
    if refused.is_empty() {
        return Ok((changes, Vec::new()));
    }
    let mut keep = vec![true; changes.len()];
    refused.iter().for_each(|row| keep[*row] = false);
    let good = changes.filter(&keep.into())?;
    Ok((good, refused.into_iter().map(|row| (row, reason.to_owned())).collect()))
}
