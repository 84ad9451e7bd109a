//! Shows rows while conditions about the wall clock hold: each comes and goes by itself when its moment has come.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow_schema::SchemaRef;

use super::bad_rows::{all_but, reject_bad};
use super::{Operator, OperatorContext};
use crate::changelog::consolidate_all;
use crate::expr::{ExprRef, evaluate_all_isolating};
use crate::graph::{EdgeProperties, TemporalFilterSpec};
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{Imaged, NEVER, Ownership, ScheduledRows, StateImage};
use crate::time::Watermark;
use crate::{ChangeBatch, Port, Result};

/// The rows of a temporal filter that will still come or go.
///
/// A row whose time is over when it comes is dropped, and so is its retraction: both follow from the row alone. One that is shown for ever
/// passes by. The rows of a step are looked at when it ends, after all that was due by then has come and gone.
#[derive(Debug)]
pub struct TemporalFilter {
    /// The moments from which a row is shown, of which there are `from`, and those until which it is.
    moments: Vec<ExprRef>,
    from: usize,
    schema: SchemaRef,
    /// The input only inserts: then equal rows stay rows of their own.
    append: bool,
    /// The clock of the last step. It does not go back, even if the machine's does: what is over stays over.
    now: i64,
    /// The last watermark of the input before its end.
    promised: Watermark,
    rows: ScheduledRows,
    /// The changes of this step.
    arrived: Vec<ChangeBatch>,
}

impl TemporalFilter {
    /// The operator for `spec` over `input`.
    pub fn new(spec: &TemporalFilterSpec, input: &EdgeProperties, output: SchemaRef) -> Self {
        let append = input.changes.is_append();
        let rows = ScheduledRows::new(output.clone(), append);
        let (moments, from) = (spec.moments().cloned().collect(), spec.from.len());
        let (now, promised) = (i64::MIN, Watermark::START);
        Self { moments, from, schema: output, append, now, promised, rows, arrived: Vec::new() }
    }

    /// Lets all rows come and go that are due.
    fn advance(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.now = self.now.max(cx.now());
        while let Some(changes) = self.rows.begin(self.now, BATCH_ROWS_MAX)? {
            cx.emit(changes);
        }
        while let Some(changes) = self.rows.end(self.now, BATCH_ROWS_MAX)? {
            cx.emit(changes);
        }
        Ok(())
    }

    /// Shows the changes whose time has come, and keeps those that will still come or go.
    fn take_in(&mut self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (changes, [from, until]) = self.timed(changes.with_schema(&self.schema)?, cx)?;
        let now = self.now;
        let rows = || from.values().iter().copied().zip(until.values().iter().copied());
        let is_shown: BooleanArray = rows().map(|(from, until)| Some(from <= now && now < until)).collect();
        let is_kept: BooleanArray =
            rows().map(|(from, until)| Some(now < until && from < until && (now < from || until < NEVER))).collect();
        if is_kept.true_count() > 0 {
            let [from, until] = [&from, &until].map(|column| filtered(column, &is_kept));
            self.rows.apply(&changes.filter(&is_kept)?, [from?, until?], now)?;
        }
        cx.emit(changes.filter(&is_shown)?);
        Ok(())
    }

    /// The changes with the moments at which each begins and ceases to be shown, without those for which these cannot be told.
    fn timed(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<(ChangeBatch, [Int64Array; 2])> {
        let isolated = evaluate_all_isolating(&self.moments, changes.rows())?;
        let (from, until) = isolated.columns.split_at(self.from);
        // A row of which one condition is never true is never shown.
        let from = picked(from, changes.len(), i64::max, [i64::MIN, NEVER]);
        let until = picked(until, changes.len(), i64::min, [NEVER, i64::MIN]);
        if isolated.bad.is_empty() {
            return Ok((changes, [from, until]));
        }
        let keep = all_but(&isolated.bad, changes.len());
        reject_bad(&changes, isolated.bad, cx)?;
        let [from, until] = [&from, &until].map(|column| filtered(column, &keep));
        Ok((changes.filter(&keep)?, [from?, until?]))
    }
}

/// Of each row's moments the one that `pick` picks: `none` if there are none, `unknown` where one is NULL.
fn picked(moments: &[ArrayRef], rows: usize, pick: fn(i64, i64) -> i64, [none, unknown]: [i64; 2]) -> Int64Array {
    let mut picked = vec![none; rows];
    for column in moments {
        for (moment, value) in picked.iter_mut().zip(column.as_primitive::<Int64Type>()) {
            *moment = pick(*moment, value.unwrap_or(unknown));
        }
    }
    picked.into()
}

fn filtered(column: &Int64Array, keep: &BooleanArray) -> Result<Int64Array> {
    Ok(arrow_select::filter::filter(column, keep)?.as_primitive::<Int64Type>().clone())
}

impl Operator for TemporalFilter {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, _cx: &mut OperatorContext<'_>) -> Result<()> {
        self.arrived.push(changes.without_arrivals());
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, _cx: &mut OperatorContext<'_>) -> Result<()> {
        if !watermark.is_end() {
            self.promised = watermark;
        }
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.advance(cx)?;
        let arrived = std::mem::take(&mut self.arrived);
        if self.append {
            arrived.into_iter().try_for_each(|changes| self.take_in(changes, cx))?;
        } else if !arrived.is_empty() {
            self.take_in(consolidate_all(&self.schema, &arrived)?, cx)?;
        }
        self.rows.compact()?;
        if let Some(at) = self.rows.next() {
            cx.wake_at(at);
        }
        Ok(())
    }

    /// The end comes when no row will come or go any more.
    fn output_watermark(&self, input: Watermark) -> Watermark {
        if input.is_end() && !self.rows.is_empty() { self.promised } else { input }
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl Imaged for TemporalFilter {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        let [now, promised] = [self.now, self.promised.0].map(|time| Arc::new(Int64Array::from(vec![time])) as ArrayRef);
        image.push("clock", RecordBatch::try_from_iter([("now", now), ("promised", promised)])?);
        self.rows.add_to_image(&mut image, "rows");
        Ok(image)
    }

    /// Which rows are shown follows from the clock of the worker that had them.
    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        self.promised = Watermark::END;
        for image in parts {
            let clock = image.get("clock")?;
            let [now, promised] = [0, 1].map(|column| clock.column(column).as_primitive::<Int64Type>().value(0));
            self.rows.restore(image, "rows", owned, now)?;
            (self.now, self.promised) = (self.now.max(now), self.promised.min(Watermark(promised)));
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn bytes(&self) -> usize {
        self.rows.bytes()
    }
}
