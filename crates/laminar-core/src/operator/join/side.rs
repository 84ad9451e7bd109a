//! One input of a join: how its keys are computed, and the rows that it has brought so far.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{Field, Schema};

use crate::changelog::consolidate;
use crate::expr::{ExprRef, evaluate_all_isolating};
use crate::graph::EdgeProperties;
use crate::operator::{OperatorContext, RejectReason, RejectedRows};
use crate::state::{Arrangement, Ownership, StateImage};
use crate::{ChangeBatch, Result};

/// The rows of one input, arranged by key.
#[derive(Debug)]
pub(super) struct Side {
    /// Keys that are no input columns; their values are stored behind those.
    computed: Vec<ExprRef>,
    /// Columns of the input.
    width: usize,
    appends_only: bool,
    arrangement: Arrangement,
}

/// Changes of one input with their keys, none of which is NULL.
#[derive(Debug)]
pub(super) struct KeyedChanges {
    /// The input's columns, then the computed keys.
    pub(super) changes: ChangeBatch,
    pub(super) keys: Vec<ArrayRef>,
    pub(super) hashes: Vec<u64>,
}

impl Side {
    pub(super) fn new(keys: &[ExprRef], input: &EdgeProperties) -> Self {
        let width = input.schema.fields().len();
        let mut fields: Vec<Arc<Field>> = input.schema.fields().iter().cloned().collect();
        let (mut computed, mut columns) = (Vec::new(), Vec::new());
        for key in keys {
            columns.push(key.as_column().unwrap_or(fields.len()));
            if key.as_column().is_none() {
                fields.push(Arc::new(Field::new(key.display(), key.data_type().clone(), true)));
                computed.push(key.clone());
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let arrangement = Arrangement::new(schema, columns, (0..width).collect(), &input.changes);
        Self { computed, width, appends_only: input.changes.is_append(), arrangement }
    }

    /// How many columns the input has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn arrangement(&self) -> &Arrangement {
        &self.arrangement
    }

    /// The changes that can match anything: consolidated, with keys that could be computed and are not NULL.
    pub(super) fn prepare(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Option<KeyedChanges>> {
        let changes = changes.without_arrivals();
        // Equal rows share a row id as soon as they can be retracted, also if this batch only inserts.
        let changes = if self.appends_only { changes } else { consolidate(&changes)? };
        let changes = self.with_computed_keys(changes, cx)?;
        let keys = self.arrangement.keys_of(changes.rows());
        let changes = match rows_without_null(&keys) {
            Some(keep) => changes.filter(&keep)?,
            None => changes,
        };
        if changes.is_empty() {
            return Ok(None);
        }
        let keys = self.arrangement.keys_of(changes.rows());
        let hashes = self.arrangement.key_hashes(changes.rows())?;
        Ok(Some(KeyedChanges { changes, keys, hashes }))
    }

    fn with_computed_keys(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        let isolated = evaluate_all_isolating(&self.computed, changes.rows())?;
        let columns = changes.rows().columns().iter().chain(&isolated.columns).cloned().collect();
        let keyed = changes.with_columns(self.arrangement.schema().clone(), columns)?;
        let Some(good) = isolated.good_rows(changes.len()) else { return Ok(keyed) };
        let bad = isolated.bad.into_iter().map(|bad| (bad.row, bad.reason));
        reject_errors(&changes, bad, cx)?;
        keyed.filter(&good)
    }

    /// Lets the changes be found by what comes after them.
    pub(super) fn insert(&mut self, keyed: &KeyedChanges) -> Result<()> {
        self.arrangement.apply(&keyed.changes, &keyed.hashes)
    }

    pub(super) fn restore(&mut self, image: &StateImage, name: &str, owned: &Ownership) -> Result<()> {
        self.arrangement.restore(image, name, owned)
    }
}

/// Rejects the rows `bad` with their reasons. A retraction is not rejected: the row that it takes back has been.
pub(super) fn reject_errors(
    changes: &ChangeBatch,
    bad: impl Iterator<Item = (usize, String)>,
    cx: &mut OperatorContext<'_>,
) -> Result<()> {
    let (rows, reasons): (Vec<u32>, Vec<String>) =
        bad.filter(|(row, _)| changes.weight(*row) > 0).map(|(row, reason)| (row as u32, reason)).unzip();
    let rows = changes.take(&rows.into())?.rows().clone();
    cx.reject(RejectedRows { reason: RejectReason::Error, rows, reasons });
    Ok(())
}

/// True for the rows in which no key is NULL; `None` if those are all rows.
fn rows_without_null(keys: &[ArrayRef]) -> Option<BooleanArray> {
    let nulls = keys.iter().fold(None, |nulls, key| NullBuffer::union(nulls.as_ref(), key.logical_nulls().as_ref()));
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0)?;
    Some(BooleanArray::new(nulls.into_inner(), None))
}
