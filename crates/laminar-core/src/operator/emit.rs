//! Holds changes back until they are due: every so often, or at the end of time.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{Operator, OperatorContext, RejectReason, RejectedRows};
use crate::changelog::consolidate_all;
use crate::graph::{EdgeProperties, EmitSpec, EmitWhen};
use crate::state::{Imaged, Ownership, StateImage};
use crate::time::Watermark;
use crate::{ChangeBatch, Port, Result};

/// `EMIT EVERY` and `EMIT FINAL` of queries without windows.
///
/// What is held is let go as one consolidated change. As long as anything is held, the promise to readers stays what it
/// was before the first held row, because that row may be behind any later one.
#[derive(Debug)]
pub struct Emit {
    when: EmitWhen,
    schema: SchemaRef,
    /// The input only inserts: then equal rows stay rows of their own.
    append: bool,
    held: Vec<ChangeBatch>,
    /// When the held rows are due, in wall-clock nanoseconds.
    due: Option<i64>,
    input: Watermark,
    promised: Watermark,
}

impl Emit {
    /// The operator for `spec` over `input`.
    pub fn new(spec: &EmitSpec, input: &EdgeProperties, output: SchemaRef) -> Self {
        let (append, start) = (input.changes.is_append(), Watermark::START);
        Self { when: spec.when, schema: output, append, held: Vec::new(), due: None, input: start, promised: start }
    }

    /// Rows that come after the only result was shown can no longer be part of it.
    fn reject(&self, changes: &ChangeBatch, cx: &mut OperatorContext<'_>) {
        let reasons = vec!["came after the final result had been emitted".to_owned(); changes.len()];
        cx.reject(RejectedRows { reason: RejectReason::Late, rows: changes.rows().clone(), reasons });
    }

    fn hold(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) {
        if let (EmitWhen::Every(interval), None) = (self.when, self.due) {
            let due = cx.now().saturating_add(interval);
            self.due = Some(due);
            cx.wake_at(due);
        }
        self.held.push(changes);
    }

    fn is_due(&self, now: i64) -> bool {
        self.input.is_end() || self.due.is_some_and(|due| due <= now)
    }

    fn release(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.due = None;
        let held = std::mem::take(&mut self.held);
        if self.append {
            held.into_iter().for_each(|changes| cx.emit(changes));
            return Ok(());
        }
        let sum = consolidate_all(&self.schema, &held)?;
        cx.emit(if self.when == EmitWhen::AtEnd { one_by_one(sum)? } else { sum });
        Ok(())
    }
}

/// A row of weight 3 as three rows: readers that can only append do not know weights.
fn one_by_one(changes: ChangeBatch) -> Result<ChangeBatch> {
    if changes.is_append() {
        return Ok(changes);
    }
    let times = |row: u32| usize::try_from(changes.weight(row as usize)).unwrap_or(0);
    let rows: Vec<u32> = (0..changes.len() as u32).flat_map(|row| std::iter::repeat_n(row, times(row))).collect();
    Ok(ChangeBatch::append(changes.take(&UInt32Array::from(rows))?.rows().clone()))
}

impl Operator for Emit {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.when == EmitWhen::AtEnd && self.input.is_end() {
            self.reject(&changes, cx);
        } else {
            self.hold(changes, cx);
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, _cx: &mut OperatorContext<'_>) -> Result<()> {
        self.input = watermark;
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if !self.held.is_empty() && self.is_due(cx.now()) {
            self.release(cx)?;
        }
        if self.held.is_empty() {
            self.promised = self.input;
        }
        Ok(())
    }

    fn output_watermark(&self, _input: Watermark) -> Watermark {
        self.promised
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl Imaged for Emit {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        let columns: [Int64Array; 3] = [vec![self.due].into(), vec![self.input.0].into(), vec![self.promised.0].into()];
        let [due, input, promised] = columns.map(|column| Arc::new(column) as _);
        image.push("progress", RecordBatch::try_from_iter([("due", due), ("input", input), ("promised", promised)])?);
        for changes in &self.held {
            image.push("held", with_weights(changes)?);
        }
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        let progress = parts.iter().map(|image| Progress::of_image(image)).collect::<Result<Vec<_>>>()?;
        self.input = progress.iter().map(|progress| progress.input).min().unwrap_or(Watermark::START);
        for rows in parts.iter().flat_map(|image| image.all("held")) {
            let changes = without_weights(rows?, &self.schema)?;
            let columns = changes.rows().columns().to_vec();
            let changes = owned.of_changes(changes, &columns)?;
            if !changes.is_empty() {
                self.held.push(changes);
            }
        }
        // What is held may be behind any later row, on whichever worker it was held before.
        let holds = !self.held.is_empty();
        self.due = progress.iter().filter_map(|progress| progress.due).min().filter(|_| holds);
        self.promised = progress.iter().map(|progress| progress.promised).min().filter(|_| holds).unwrap_or(self.input);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.held.iter().map(ChangeBatch::len).sum()
    }

    fn bytes(&self) -> usize {
        self.held.iter().map(|changes| changes.rows().get_array_memory_size()).sum()
    }
}

/// How far an image's operator had come.
struct Progress {
    due: Option<i64>,
    input: Watermark,
    promised: Watermark,
}

impl Progress {
    fn of_image(image: &StateImage) -> Result<Self> {
        let progress = image.get("progress")?;
        let column = |index: usize| progress.column(index).as_primitive::<Int64Type>();
        let due = column(0).is_valid(0).then(|| column(0).value(0));
        Ok(Self { due, input: Watermark(column(1).value(0)), promised: Watermark(column(2).value(0)) })
    }
}

/// The rows with two more columns: weights, and arrivals, which may be NULL.
fn with_weights(changes: &ChangeBatch) -> Result<RecordBatch> {
    let mut fields: Vec<_> = changes.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("__weight", DataType::Int64, false)));
    fields.push(Arc::new(Field::new("__arrival", DataType::Int64, true)));
    let mut columns = changes.rows().columns().to_vec();
    columns.push(Arc::new(Int64Array::from(changes.weights().to_vec(changes.len()))));
    columns.push(Arc::new(match changes.arrivals() {
        Some(arrivals) => Int64Array::new(arrivals.clone(), None),
        None => Int64Array::new_null(changes.len()),
    }));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn without_weights(rows: &RecordBatch, schema: &SchemaRef) -> Result<ChangeBatch> {
    let count = schema.fields().len();
    let (weights, arrivals) =
        (rows.column(count).as_primitive::<Int64Type>(), rows.column(count + 1).as_primitive::<Int64Type>());
    let changes = ChangeBatch::new(rows.clone(), weights.values().clone());
    let changes = changes.with_columns(schema.clone(), rows.columns()[..count].to_vec())?;
    Ok(if arrivals.null_count() == 0 { changes.with_arrivals(arrivals.values().clone()) } else { changes })
}
