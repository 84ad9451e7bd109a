//! Keeps the rows of a stored object so that they are found by the values of some columns.

use arrow_array::ArrayRef;

use super::{Operator, OperatorContext};
use crate::changelog::{consolidate, hash_rows};
use crate::graph::{ChangeKind, EdgeProperties, IndexSpec};
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{Arrangement, Imaged, Ownership, ProbeCursor, StateImage};
use crate::{ChangeBatch, Port, Result};

/// What the image calls the rows.
const ROWS: &str = "rows";

/// Finds rows by key. Nothing comes out of it: who asks gets them between two steps.
#[derive(Debug)]
pub struct Index {
    arrangement: Arrangement,
    changes: ChangeKind,
}

impl Index {
    /// The operator for `spec` over `input`.
    pub fn new(spec: &IndexSpec, input: &EdgeProperties) -> Self {
        let schema = input.schema.clone();
        let identity = (0..schema.fields().len()).collect();
        let arrangement = Arrangement::new(schema, spec.columns.clone(), identity, &input.changes);
        Self { arrangement, changes: input.changes.clone() }
    }
}

impl Operator for Index {
    fn on_changes(&mut self, _: Port, changes: ChangeBatch, _: &mut OperatorContext<'_>) -> Result<()> {
        let changes = changes.without_arrivals();
        let changes = if self.changes.is_append() { changes } else { consolidate(&changes)? };
        let hashes = self.arrangement.key_hashes(changes.rows())?;
        self.arrangement.apply(&changes, &hashes)
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }

    fn find(&self, columns: &[usize], keys: &[ArrayRef]) -> Result<Option<Vec<ChangeBatch>>> {
        if columns != self.arrangement.key_columns() {
            return Ok(None);
        }
        let hashes = hash_rows(keys, keys.first().map_or(0, |key| key.len()))?;
        let (mut cursor, mut found) = (ProbeCursor::default(), Vec::new());
        while let Some(matches) = self.arrangement.probe(keys, &hashes, &mut cursor, BATCH_ROWS_MAX)? {
            found.push(self.arrangement.stored(&matches.row_ids)?);
        }
        Ok(Some(found))
    }
}

impl Imaged for Index {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        self.arrangement.add_to_image(&mut image, ROWS);
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        self.arrangement.restore(parts, ROWS, owned)
    }

    fn rows(&self) -> usize {
        self.arrangement.len()
    }

    fn bytes(&self) -> usize {
        self.arrangement.bytes()
    }
}
