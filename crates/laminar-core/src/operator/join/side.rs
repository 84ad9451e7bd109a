//! One input of a join: how its keys are computed, and the rows that it has brought so far.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::filter::filter;

use crate::changelog::consolidate;
use crate::expr::{ExprRef, evaluate_all_isolating};
use crate::graph::{ChangeKind, EdgeProperties, TimeBound};
use crate::operator::{OperatorContext, RejectReason, RejectedRows};
use crate::state::{Arrangement, Ownership, StateImage};
use crate::time::Watermark;
use crate::{ChangeBatch, Port, Result};

/// The rows of one input, arranged by key.
#[derive(Debug)]
pub(super) struct Side {
    /// Keys that are no input columns; their values are stored behind those.
    computed: Vec<ExprRef>,
    /// Columns of the input.
    width: usize,
    changes: ChangeKind,
    /// The input's time column, without which a row can match nothing.
    time: Option<usize>,
    /// The input's columns, then the computed keys.
    keyed_schema: SchemaRef,
    /// Which of these are the keys, if nothing else is kept: how often a key is there is all that the join asks for.
    only_keys: Option<Vec<usize>>,
    null_equals_null: bool,
    /// Whether rows that can match nothing are shown by themselves.
    shown_alone: bool,
    arrangement: Arrangement,
}

/// Changes of one input with their keys.
#[derive(Debug)]
pub(super) struct KeyedChanges {
    /// The input's columns, then the computed keys; or the keys alone.
    pub(super) changes: ChangeBatch,
    pub(super) keys: Vec<ArrayRef>,
    pub(super) hashes: Vec<u64>,
}

impl KeyedChanges {
    /// The changes that `keep` keeps.
    pub(super) fn only(&self, keep: &BooleanArray) -> Result<Self> {
        let keys = self.keys.iter().map(|key| Ok(filter(key, keep)?)).collect::<Result<_>>()?;
        let hashes = self.hashes.iter().zip(keep.values()).filter(|(_, keep)| *keep).map(|(hash, _)| *hash).collect();
        Ok(Self { changes: self.changes.filter(keep)?, keys, hashes })
    }
}

/// Changes whose keys could be computed, consolidated where rows can be retracted.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Those that can match something.
    pub(super) keyed: Option<KeyedChanges>,
    /// Those that can match nothing, because a key or the time is NULL; for a side whose rows are shown by themselves.
    pub(super) keyless: Option<ChangeBatch>,
}

impl Side {
    /// All rows of `input`.
    pub(super) fn new(keys: &[ExprRef], null_equals_null: bool, input: &EdgeProperties) -> Self {
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
        let keyed_schema = Arc::new(Schema::new(fields));
        let arrangement = Arrangement::new(keyed_schema.clone(), columns, (0..width).collect(), &input.changes);
        let (changes, time, only_keys, shown_alone) = (input.changes.clone(), None, None, false);
        Self { computed, width, changes, time, keyed_schema, only_keys, null_equals_null, shown_alone, arrangement }
    }

    /// Of the rows of `input` the keys alone, each with how often it is there.
    pub(super) fn of_keys(keys: &[ExprRef], null_equals_null: bool, input: &EdgeProperties) -> Self {
        let side = Self::new(keys, null_equals_null, input);
        let columns = side.arrangement.key_columns().to_vec();
        let fields: Vec<_> = columns.iter().map(|column| side.keyed_schema.field(*column).clone()).collect();
        let all: Vec<usize> = (0..columns.len()).collect();
        let arrangement = Arrangement::new(Arc::new(Schema::new(fields)), all.clone(), all, &ChangeKind::Retract);
        Self { only_keys: Some(columns), arrangement, ..side }
    }

    /// The same, with rows that are shown by themselves.
    pub(super) fn shown_alone(self) -> Self {
        Self { shown_alone: true, ..self }
    }

    /// The same, with the number of matches of each row.
    pub(super) fn with_match_counts(self) -> Self {
        Self { arrangement: self.arrangement.with_match_counts(), ..self }
    }

    /// The same, with rows that can be forgotten by the input's column `time`.
    pub(super) fn with_time(self, time: usize) -> Self {
        let kept = self.only_keys.as_ref().map_or(Some(time), |keys| keys.iter().position(|column| *column == time));
        match kept {
            Some(time) => Self { time: Some(time), arrangement: self.arrangement.with_times(time), ..self },
            None => self,
        }
    }

    /// Forgets the rows that nothing can meet any more.
    pub(super) fn forget(&mut self, port: Port, bound: &TimeBound, watermark: Watermark) -> Result<()> {
        match bound.forgotten_before(port, &self.changes, watermark) {
            Some(before) => self.arrangement.forget_before(before),
            None => Ok(()),
        }
    }

    /// How many columns the input has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The input's columns, then the computed keys.
    pub(super) fn keyed_schema(&self) -> &SchemaRef {
        &self.keyed_schema
    }

    /// Whether nothing but keys is kept.
    pub(super) fn has_only_keys(&self) -> bool {
        self.only_keys.is_some()
    }

    pub(super) fn arrangement(&self) -> &Arrangement {
        &self.arrangement
    }

    pub(super) fn arrangement_mut(&mut self) -> &mut Arrangement {
        &mut self.arrangement
    }

    /// The changes with their keys, without those whose keys cannot be computed.
    pub(super) fn prepare(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<Prepared> {
        let changes = changes.without_arrivals();
        // Equal rows share a row id as soon as they can be retracted, also if this batch only inserts.
        let changes = if self.changes.is_append() { changes } else { consolidate(&changes)? };
        let changes = self.with_computed_keys(changes, cx)?;
        let changes = match &self.only_keys {
            Some(columns) => consolidate(&changes.project(self.arrangement.schema(), columns)?)?,
            None => changes,
        };
        let (changes, keyless) = self.without_null_keys(changes)?;
        if changes.is_empty() {
            return Ok(Prepared { keyed: None, keyless });
        }
        let keys = self.arrangement.keys_of(changes.rows());
        let hashes = self.arrangement.key_hashes(changes.rows())?;
        Ok(Prepared { keyed: Some(KeyedChanges { changes, keys, hashes }), keyless })
    }

    /// The changes that can match something, and those that cannot.
    fn without_null_keys(&self, changes: ChangeBatch) -> Result<(ChangeBatch, Option<ChangeBatch>)> {
        let mut deciding = if self.null_equals_null { Vec::new() } else { self.arrangement.keys_of(changes.rows()) };
        deciding.extend(self.time.map(|time| changes.column(time).clone()));
        let Some(keep) = rows_without_null(&deciding) else { return Ok((changes, None)) };
        let keyless = || changes.filter(&BooleanArray::new(!keep.values(), None));
        let keyless = self.shown_alone.then(keyless).transpose()?;
        Ok((changes.filter(&keep)?, keyless))
    }

    fn with_computed_keys(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        let isolated = evaluate_all_isolating(&self.computed, changes.rows())?;
        let columns = changes.rows().columns().iter().chain(&isolated.columns).cloned().collect();
        let keyed = changes.with_columns(self.keyed_schema.clone(), columns)?;
        let Some(good) = isolated.good_rows(changes.len()) else { return Ok(keyed) };
        let bad = isolated.bad.into_iter().map(|bad| (bad.row, bad.reason));
        reject_errors(&changes, bad, cx)?;
        keyed.filter(&good)
    }

    /// Lets the changes be found by what comes after them. `counts`: how many rows match each of them, if the side counts that.
    pub(super) fn insert(&mut self, keyed: &KeyedChanges, counts: Option<&[i64]>) -> Result<()> {
        self.arrangement.apply_counted(&keyed.changes, &keyed.hashes, counts)
    }

    pub(super) fn restore(&mut self, parts: &[&StateImage], name: &str, owned: &Ownership) -> Result<()> {
        self.arrangement.restore(parts, name, owned)
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

/// True for the rows in which none of these columns is NULL; `None` if those are all rows.
fn rows_without_null(columns: &[ArrayRef]) -> Option<BooleanArray> {
    let union = |nulls: Option<NullBuffer>, column: &ArrayRef| NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref());
    let nulls = columns.iter().fold(None, union);
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0)?;
    Some(BooleanArray::new(nulls.into_inner(), None))
}
