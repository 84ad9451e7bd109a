//! Takes lists apart. Linear: each element has the weight and the arrival of its row.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Schema, SchemaRef};
use arrow_select::nullif::nullif;
use arrow_select::take::take;

use super::{Operator, OperatorContext};
use crate::graph::{MissingElements, UnnestColumn, UnnestSpec};
use crate::{ChangeBatch, Error, Port, Result, limits};

/// A row for each element of its lists.
#[derive(Debug)]
pub struct Unnest {
    columns: Vec<UnnestColumn>,
    lists: Lists,
    output: SchemaRef,
    weights_only: SchemaRef,
}

impl Unnest {
    /// The operator for `spec`, with the output columns `output`.
    pub fn new(spec: &UnnestSpec, output: SchemaRef) -> Self {
        let lists = Lists::of(spec);
        Self { columns: spec.columns.clone(), lists, output, weights_only: Arc::new(Schema::empty()) }
    }

    fn emit(&self, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let Expanded { rows, elements } = self.lists.expand(&changes)?;
        let mut elements = elements.into_iter();
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            columns.push(match *column {
                UnnestColumn::Repeated(column) => take(changes.column(column), &rows, None)?,
                UnnestColumn::Elements { .. } => elements.next().ok_or_else(|| Error::internal("a list was not taken apart"))?,
                UnnestColumn::Field { column, field } => take(&field_of(changes.column(column), field)?, &rows, None)?,
            });
        }
        let weights = changes.project(&self.weights_only, &[])?.take(&rows)?;
        let emitted = weights.with_columns(self.output.clone(), columns)?;
        for start in (0..emitted.len()).step_by(limits::BATCH_ROWS_MAX) {
            cx.emit(emitted.slice(start, limits::BATCH_ROWS_MAX.min(emitted.len() - start)));
        }
        Ok(())
    }
}

impl Operator for Unnest {
    /// Batches that grow too much are worked on in halves.
    fn on_changes(&mut self, _: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut waiting = vec![changes];
        while let Some(changes) = waiting.pop() {
            if changes.len() > 1 && self.lists.rows_of(&changes)? > limits::BATCH_ROWS_MAX {
                let half = changes.len() / 2;
                waiting.push(changes.slice(half, changes.len() - half));
                waiting.push(changes.slice(0, half));
            } else if !changes.is_empty() {
                self.emit(changes, cx)?;
            }
        }
        Ok(())
    }
}

/// A field of structs; NULL where the struct is.
fn field_of(structs: &ArrayRef, field: usize) -> Result<ArrayRef> {
    let structs = structs.as_struct();
    let values = structs.column(field);
    match structs.nulls() {
        Some(nulls) => Ok(nullif(values, &BooleanArray::new(!nulls.inner(), None))?),
        None => Ok(values.clone()),
    }
}

/// The lists to take apart side by side.
#[derive(Debug)]
struct Lists {
    /// Each one's column and depth, in the order of the output.
    of: Vec<(usize, usize)>,
    missing: MissingElements,
}

/// What rows become.
struct Expanded {
    /// By output row, the input row.
    rows: UInt32Array,
    /// By list, its elements.
    elements: Vec<ArrayRef>,
}

impl Lists {
    fn of(spec: &UnnestSpec) -> Self {
        let lists = spec.columns.iter().filter_map(|column| match *column {
            UnnestColumn::Elements { column, depth } => Some((column, depth)),
            _ => None,
        });
        Self { of: lists.collect(), missing: spec.missing }
    }

    fn depth(&self) -> usize {
        self.of.iter().map(|(_, depth)| *depth).max().unwrap_or_default()
    }

    /// How many rows come of `changes` at the outermost level.
    fn rows_of(&self, changes: &ChangeBatch) -> Result<usize> {
        let outermost = self.of.iter().filter(|(_, depth)| *depth == self.depth());
        let spans = outermost.map(|(column, _)| Spans::of(changes.column(*column))).collect::<Result<Vec<_>>>()?;
        Ok(if spans.is_empty() { changes.len() } else { (0..changes.len()).map(|row| self.longest(&spans, row)).sum() })
    }

    /// The deepest lists first, until all are at their last level; those that are less deep are repeated until their turn comes.
    fn expand(&self, changes: &ChangeBatch) -> Result<Expanded> {
        let mut rows: UInt32Array = (0..changes.len() as u32).collect::<Vec<_>>().into();
        let mut elements: Vec<Option<ArrayRef>> = vec![None; self.of.len()];
        for level in (1..=self.depth()).rev() {
            let active: Vec<usize> = (0..self.of.len()).filter(|list| self.of[*list].1 >= level).collect();
            let mut lists = Vec::with_capacity(active.len());
            for list in &active {
                lists.push(match elements[*list].take() {
                    Some(inner) => inner,
                    None => take(changes.column(self.of[*list].0), &rows, None)?,
                });
            }
            let spans = lists.iter().map(Spans::of).collect::<Result<Vec<_>>>()?;
            let lengths: Vec<usize> = (0..rows.len()).map(|row| self.longest(&spans, row)).collect();
            for (list, spans) in active.iter().zip(&spans) {
                elements[*list] = Some(spans.elements(&lengths)?);
            }
            let repeated = rows.values().iter().zip(&lengths);
            rows = repeated.flat_map(|(row, length)| std::iter::repeat_n(*row, *length)).collect::<Vec<_>>().into();
        }
        Ok(Expanded { rows, elements: elements.into_iter().flatten().collect() })
    }

    /// How many rows come of row `row`, of which `spans` are the lists.
    fn longest(&self, spans: &[Spans<'_>], row: usize) -> usize {
        let length = |spans: &Spans<'_>| match (spans.length(row), self.missing) {
            (None, MissingElements::Dropped) => 0,
            (None, _) => 1,
            (Some(0), MissingElements::AllKept) => 1,
            (Some(length), _) => length,
        };
        spans.iter().map(length).max().unwrap_or_default()
    }
}

/// Where each list's elements are.
struct Spans<'a> {
    lists: &'a ArrayRef,
    values: &'a ArrayRef,
    offsets: Cow<'a, [i64]>,
}

impl<'a> Spans<'a> {
    fn of(lists: &'a ArrayRef) -> Result<Self> {
        let (values, offsets) = match lists.data_type() {
            DataType::List(_) => {
                let list = lists.as_list::<i32>();
                (list.values(), list.value_offsets().iter().map(|offset| i64::from(*offset)).collect())
            }
            DataType::LargeList(_) => {
                let list = lists.as_list::<i64>();
                (list.values(), Cow::Borrowed(list.value_offsets()))
            }
            DataType::FixedSizeList(_, size) => {
                let list = lists.as_fixed_size_list();
                (list.values(), (0..=list.len() as i64).map(|row| row * i64::from(*size)).collect())
            }
            other => return Err(Error::internal(format!("{other} is no list"))),
        };
        Ok(Self { lists, values, offsets })
    }

    /// `None`: it is NULL.
    fn length(&self, row: usize) -> Option<usize> {
        self.lists.is_valid(row).then(|| (self.offsets[row + 1] - self.offsets[row]) as usize)
    }

    /// The elements of all lists, each filled up with NULL to the length that is given for it.
    fn elements(&self, lengths: &[usize]) -> Result<ArrayRef> {
        let mut places = Vec::with_capacity(lengths.iter().sum());
        for (row, length) in lengths.iter().enumerate() {
            let (first, own) = (self.offsets[row] as u64, self.length(row).unwrap_or_default());
            places.extend((0..*length).map(|at| (at < own).then(|| first + at as u64)));
        }
        Ok(take(self.values, &UInt64Array::from(places), None)?)
    }
}
