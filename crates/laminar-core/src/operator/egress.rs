//! The end of a named object: stores its rows if it is a table or a materialized view, and sends its changes to all readers.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::SchemaRef;

use super::{Operator, OperatorContext, RejectReason, RejectedRows};
use crate::changelog::{consolidate, consolidate_all, take_rows};
use crate::graph::{EdgeProperties, OutputSpec};
use crate::state::{Contents, Imaged};
use crate::{ChangeBatch, Error, Port, Result};

/// Sends changes on, and keeps what they add up to.
#[derive(Debug)]
pub struct Egress {
    schema: SchemaRef,
    intake: Intake,
    contents: Option<Contents>,
    pushed: bool,
    /// Columns in which a pushed row must not be NULL.
    required: Vec<usize>,
    /// The columns by which rows replace each other; none if they do not. A row that goes needs no others.
    keys: Vec<usize>,
    /// Changes of this step that wait for its end.
    held: Vec<ChangeBatch>,
}

/// When changes are taken and sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intake {
    /// As they come: rows are only inserted, or replace each other by key in their order.
    AtOnce,
    /// Together at the end of the step: operators retract and insert in any order, and what a step changes and changes back
    /// is no change. Readers see what the step as a whole did.
    AtStepEnd,
}

impl Egress {
    /// The end of an object that is fed by an edge with these properties.
    pub fn new(spec: &OutputSpec, input: &EdgeProperties) -> Result<Self> {
        let width = spec.schema.fields().len();
        if input.schema.fields().len() != width {
            return Err(Error::internal("an output with other columns than its input"));
        }
        let keys = spec.primary_key.clone().unwrap_or_default();
        let is_required = |column: &usize| spec.pushed && (!spec.schema.field(*column).is_nullable() || keys.contains(column));
        let at_once = input.changes.is_append() || (spec.stored && !keys.is_empty());
        // Where names and types are those of the input, its batches need no other schema.
        let schema = if input.schema == spec.schema { input.schema.clone() } else { spec.schema.clone() };
        Ok(Self {
            schema,
            intake: if at_once { Intake::AtOnce } else { Intake::AtStepEnd },
            contents: contents_for(spec, input)?,
            pushed: spec.pushed,
            required: (0..width).filter(is_required).collect(),
            keys,
            held: Vec::new(),
        })
    }

    /// Rejects the rows that are NULL where they must not be.
    fn with_required(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<ChangeBatch> {
        let is_needed =
            |row: usize, column: usize| self.keys.is_empty() || changes.weight(row) > 0 || self.keys.contains(&column);
        let is_missing = |row: usize, column: usize| changes.column(column).is_null(row) && is_needed(row, column);
        let null_in = |row: usize| self.required.iter().find(|column| is_missing(row, **column));
        if self.required.iter().all(|column| changes.column(*column).logical_null_count() == 0) {
            return Ok(changes);
        }
        let reason = |column: &usize| format!("column '{}' is NULL, which it must not be", self.schema.field(*column).name());
        let bad: Vec<(usize, String)> = (0..changes.len()).filter_map(|row| Some((row, reason(null_in(row)?)))).collect();
        let mut keep = vec![true; changes.len()];
        bad.iter().for_each(|(row, _)| keep[*row] = false);
        if bad.is_empty() {
            return Ok(changes);
        }
        reject(&changes, bad, cx)?;
        changes.filter(&keep.into())
    }

    /// Stores the changes and sends on what they changed.
    fn take(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let Some(contents) = &mut self.contents else {
            cx.emit(changes.with_schema(&self.schema)?);
            return Ok(());
        };
        // Equal rows that arrived at different watermarks stand apart; contents want each row once.
        let stands_apart = self.intake == Intake::AtStepEnd && changes.arrivals().is_some();
        let sum = if stands_apart { consolidate(&changes.clone().without_arrivals())? } else { changes.clone() };
        let outcome = contents.apply(sum.clone())?;
        let all_applied = outcome.refused.is_empty();
        self.refuse(&sum, outcome.refused, cx)?;
        let seen = if stands_apart && all_applied { changes } else { outcome.changes };
        cx.emit(seen.with_schema(&self.schema)?);
        Ok(())
    }

    /// Rows that contradict the contents: mistakes of people and of what they read are rejected, and ours stop the object.
    fn refuse(&self, changes: &ChangeBatch, refused: Vec<(usize, String)>, cx: &mut OperatorContext<'_>) -> Result<()> {
        match refused.first() {
            Some((row, reason)) if !self.pushed && self.intake == Intake::AtOnce => {
                let row = changes.slice(*row, 1).print();
                Err(Error::internal(format!("the change '{row}' does not fit to the view's contents: {reason}")))
            }
            _ => reject(changes, refused, cx),
        }
    }
}

fn contents_for(spec: &OutputSpec, input: &EdgeProperties) -> Result<Option<Contents>> {
    let schema = spec.schema.clone();
    Ok(match &spec.primary_key {
        _ if !spec.stored => None,
        Some(keys) if keys.iter().any(|key| *key >= schema.fields().len()) => {
            return Err(Error::internal("a primary key of columns that are not there"));
        }
        Some(keys) if !keys.is_empty() => Some(Contents::keyed(schema, keys.clone())),
        _ if input.changes.is_append() => Some(Contents::appended(schema)),
        _ => Some(Contents::counted(schema)),
    })
}

fn reject(changes: &ChangeBatch, bad: Vec<(usize, String)>, cx: &mut OperatorContext<'_>) -> Result<()> {
    let (rows, reasons): (Vec<u32>, Vec<String>) = bad.into_iter().map(|(row, reason)| (row as u32, reason)).unzip();
    let rows = take_rows(changes.rows(), &UInt32Array::from(rows))?;
    cx.reject(RejectedRows { reason: RejectReason::Error, rows, reasons });
    Ok(())
}

impl Operator for Egress {
    fn on_changes(&mut self, _: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let changes = self.with_required(changes, cx)?;
        match self.intake {
            Intake::AtOnce => self.take(changes, cx),
            Intake::AtStepEnd => {
                self.held.push(changes.with_schema(&self.schema)?);
                Ok(())
            }
        }
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let changes = match self.held.pop() {
            Some(only) if self.held.is_empty() && only.is_consolidated() => only,
            last => {
                self.held.extend(last);
                let sum = consolidate_all(&self.schema, &self.held);
                self.held.clear();
                sum?
            }
        };
        self.take(changes, cx)
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        self.contents.as_mut().map(|contents| contents as &mut dyn Imaged)
    }

    fn contents(&self) -> Option<Vec<ChangeBatch>> {
        self.contents.as_ref().map(Contents::batches)
    }

    fn find(&self, columns: &[usize], keys: &[ArrayRef]) -> Result<Option<Vec<ChangeBatch>>> {
        let Some(contents) = &self.contents else { return Ok(None) };
        Ok(contents.find(columns, keys)?.map(|found| vec![found]))
    }
}
