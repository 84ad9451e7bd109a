//! The first rows of each partition in an order: after each step, what changed among the rows that are shown.
//!
//! What is shown of a partition is a range of its order, and only rows at the ends of that range, between an end as it was and as
//! it is, or that changed themselves can be shown more or less often than before. Where each row has its number, all rows behind the first one that
//! changed may be others.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

use super::absent::reject_absent;
use super::{Operator, OperatorContext};
use crate::changelog::consolidate_all;
use crate::graph::{EdgeProperties, TopNSpec};
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{Changed, Imaged, OrderedArrangement, OrderedView, Ranked, RowId};
use crate::{ChangeBatch, Port, Result};

/// As many shown rows of a partition are looked at rather than found out which can be others.
const SHOWN_AT_ONCE: i64 = 64;

/// Rows in their order, of which the first are shown. Within a step, partitions come in their order, and rows that go before those
/// that come; where rows have numbers, in the order of these.
#[derive(Debug)]
pub struct TopN {
    offset: i64,
    limit: i64,
    with_ties: bool,
    /// Whether the last column is the number of the row in its partition.
    with_number: bool,
    input: SchemaRef,
    output: SchemaRef,
    rows: OrderedArrangement,
    /// Whether rows only come: then one that is behind those that are shown never will be, and is forgotten.
    forgets: bool,
    /// The changes of this step.
    waiting: Vec<ChangeBatch>,
}

/// The positions of a partition that are shown; at its ends the rows need not be shown with all of their copies.
type Shown = Range<i64>;

impl TopN {
    /// The operator of `spec` over `input`.
    pub fn new(spec: &TopNSpec, input: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        let rows = OrderedArrangement::new(input.schema.clone(), &spec.partition, &spec.order)?;
        let TopNSpec { offset, limit, with_ties, .. } = *spec;
        let (with_number, forgets, input) = (spec.row_number.is_some(), input.changes.is_append(), input.schema.clone());
        Ok(Self { offset, limit, with_ties, with_number, input, output, rows, forgets, waiting: Vec::new() })
    }

    /// The rows of a partition that stand behind all that are shown or left out before them.
    fn behind(&self, view: OrderedView<'_>) -> Vec<Ranked> {
        let end = self.shown(view).end.max(self.offset.min(view.total()));
        view.scan(end..view.total())
    }

    /// What is shown of a partition.
    fn shown(&self, view: OrderedView<'_>) -> Shown {
        let start = self.offset.min(view.total());
        let end = start.saturating_add(self.limit).min(view.total());
        match view.at(end - 1) {
            Some(last) if self.with_ties && start < end => start..view.peers(last.row_id).end,
            _ => start..end,
        }
    }

    /// Whether rows that are about to change in a partition, the first of which is this, may be shown or move what is: not if all are behind it, and
    /// stay there.
    fn is_reached(&self, view: OrderedView<'_>, first: &Changed) -> bool {
        let last = view.at(self.offset.saturating_add(self.limit) - 1).filter(|_| self.limit > 0);
        last.is_none_or(|last| view.compare_changed(first, &last, self.with_ties).is_le())
    }

    /// The rows of one partition that may be shown in another number than before, in order. Those that changed are in order too.
    fn candidates(&self, views: [OrderedView<'_>; 2], shown: [&Shown; 2], changed: &[Changed]) -> Vec<RowId> {
        let ends = |index: usize| {
            let (view, shown) = (views[index], shown[index]);
            let row_at = |position| view.at(position).map(|row| row.row_id);
            if shown.is_empty() { None } else { Some([row_at(shown.start)?, row_at(shown.end - 1)?]) }
        };
        let scan = |index: usize, from: RowId, to: RowId| {
            let (view, shown) = (views[index], shown[index]);
            let positions = view.copies(from).start.max(shown.start)..view.copies(to).end.min(shown.end);
            view.scan(positions).into_iter().map(|row| row.row_id)
        };
        let mut rows: Vec<RowId> = Vec::new();
        let [first, last] = match (ends(0), ends(1)) {
            (Some(old), Some(new)) => {
                let [from, to] = [0, 1].map(|end| in_order(views[1], old[end], new[end]));
                for [from, to] in [from, to] {
                    match from == to {
                        true => rows.push(from),
                        false => rows.extend(scan(0, from, to).chain(scan(1, from, to))),
                    }
                }
                [from[0], to[1]]
            }
            (Some(old), None) => {
                rows.extend(scan(0, old[0], old[1]));
                old
            }
            (None, Some(new)) => {
                rows.extend(scan(1, new[0], new[1]));
                new
            }
            (None, None) => return rows,
        };
        // What is outside of both ranges was not shown and is not.
        let from = changed.partition_point(|changed| views[1].compare(changed.row_id, first).is_lt());
        let within = changed[from..].iter().take_while(|changed| views[1].compare(changed.row_id, last).is_le());
        rows.extend(within.map(|changed| changed.row_id));
        rows.sort_by(|a, b| views[1].compare(*a, *b));
        rows.dedup();
        rows
    }

    /// What changed among the shown rows of one partition.
    fn difference(&self, views: [OrderedView<'_>; 2], changed: &[Changed], out: &mut ShownRows) {
        let shown = views.map(|view| self.shown(view));
        if self.with_number {
            return numbered_difference(views, shown, &changed[0], self.offset, out);
        }
        if shown.iter().all(|shown| shown.end - shown.start <= SHOWN_AT_ONCE) {
            return small_difference(views, shown, out);
        }
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for row in self.candidates(views, [&shown[0], &shown[1]], changed) {
            let copies = |index: usize| overlap(&views[index].copies(row), &shown[index]);
            match copies(1) - copies(0) {
                0 => {}
                weight if weight < 0 => gone.push((row, weight)),
                weight => come.push((row, weight)),
            }
        }
        gone.into_iter().chain(come).for_each(|(row, weight)| out.push(row, weight));
    }

    fn emit(&self, changed: &ShownRows, cx: &mut OperatorContext<'_>) -> Result<()> {
        changed.emit(&self.output, |row_ids| self.rows.gather(row_ids), true, cx)
    }
}

/// What changed among the shown rows of a partition, all of which are looked at.
fn small_difference(views: [OrderedView<'_>; 2], shown: [Shown; 2], out: &mut ShownRows) {
    let [before, after] = [0, 1].map(|index| views[index].scan(shown[index].clone()));
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut come = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some(old), Some(new)) if old.row_id == new.row_id => Ordering::Equal,
            (Some(old), Some(new)) => views[1].compare_ranked(old, new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => break,
        };
        let old = before.next_if(|_| order.is_le());
        let new = after.next_if(|_| order.is_ge());
        let copies = |row: Option<&Ranked>| row.map_or(0, |row| row.copies);
        let weight = copies(new) - copies(old);
        match old.or(new) {
            Some(row) if weight > 0 => come.push((row.row_id, weight)),
            Some(row) if weight < 0 => out.push(row.row_id, weight),
            _ => {}
        }
    }
    come.into_iter().for_each(|(row, weight)| out.push(row, weight));
}

/// What changed among the numbered rows of a partition, in which no row changed before `first_changed`; `offset` rows are left out.
fn numbered_difference(
    views: [OrderedView<'_>; 2],
    shown: [Shown; 2],
    first_changed: &Changed,
    offset: i64,
    out: &mut ShownRows,
) {
    // As many rows stand before it as before the step.
    let from = first_changed.start.max(offset);
    let [before, after] = [0, 1].map(|index| {
        let copies = |row: Ranked| std::iter::repeat_n(row.row_id, row.copies as usize);
        views[index].scan(from..shown[index].end).into_iter().flat_map(copies).collect::<Vec<RowId>>()
    });
    out.push_numbered(from + 1, &before, &after, |one, other| one == other);
}

/// Stored rows with the weights that they get, and perhaps numbers.
#[derive(Debug, Default)]
pub(super) struct ShownRows {
    row_ids: Vec<RowId>,
    weights: Vec<i64>,
    /// Of all rows or of none.
    numbers: Vec<i64>,
}

impl ShownRows {
    pub(super) fn push(&mut self, row_id: RowId, weight: i64) {
        self.row_ids.push(row_id);
        self.weights.push(weight);
    }

    /// The rows of a partition from `number` on were `before` and are `after`: rows that are another one than before go and come with their number.
    pub(super) fn push_numbered(
        &mut self,
        number: i64,
        before: &[RowId],
        after: &[RowId],
        is_same: impl Fn(RowId, RowId) -> bool,
    ) {
        for at in 0..before.len().max(after.len()) {
            let (gone, come) = (before.get(at).copied(), after.get(at).copied());
            if gone.zip(come).is_some_and(|(gone, come)| is_same(gone, come)) {
                continue;
            }
            for (row_id, weight) in gone.map(|gone| (gone, -1)).into_iter().chain(come.map(|come| (come, 1))) {
                self.push(row_id, weight);
                self.numbers.push(number + at as i64);
            }
        }
    }

    /// Gives the rows out, which `gather` finds. `consolidated`: no two of them are equal, numbers included.
    pub(super) fn emit(
        &self,
        schema: &SchemaRef,
        gather: impl Fn(&[RowId]) -> Result<RecordBatch>,
        consolidated: bool,
        cx: &mut OperatorContext<'_>,
    ) -> Result<()> {
        for from in (0..self.row_ids.len()).step_by(BATCH_ROWS_MAX) {
            let batch = from..self.row_ids.len().min(from + BATCH_ROWS_MAX);
            let mut columns = gather(&self.row_ids[batch.clone()])?.columns().to_vec();
            if !self.numbers.is_empty() {
                columns.push(Arc::new(Int64Array::from(self.numbers[batch.clone()].to_vec())) as ArrayRef);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
            let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
            let changes = ChangeBatch::new(rows, self.weights[batch].to_vec());
            cx.emit(if consolidated { changes.known_consolidated() } else { changes });
        }
        Ok(())
    }
}

fn in_order(view: OrderedView<'_>, one: RowId, other: RowId) -> [RowId; 2] {
    if view.compare(one, other).is_le() { [one, other] } else { [other, one] }
}

fn overlap(one: &Range<i64>, other: &Range<i64>) -> i64 {
    (one.end.min(other.end) - one.start.max(other.start)).max(0)
}

impl Operator for TopN {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, _cx: &mut OperatorContext<'_>) -> Result<()> {
        self.waiting.push(changes.without_arrivals());
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let changes = consolidate_all(&self.input, &std::mem::take(&mut self.waiting))?;
        if changes.is_empty() {
            return Ok(());
        }
        let mut located = self.rows.locate(&changes)?;
        reject_absent(&changes, std::mem::take(&mut located.absent), cx)?;
        let (mut difference, mut behind) = (ShownRows::default(), Vec::new());
        for partition in 0..located.partitions() {
            let slot = located.slot(partition);
            let is_reached = self.is_reached(self.rows.view(slot), &located.changed(partition)[0]);
            let before = is_reached.then(|| self.rows.tree_of(slot));
            self.rows.change(&changes, &mut located, partition, self.with_number)?;
            let after = self.rows.view(slot);
            if let Some(before) = &before {
                self.difference([self.rows.view_of(before), after], located.changed(partition), &mut difference);
            }
            if self.forgets {
                behind.push((slot, self.behind(after)));
            }
        }
        self.emit(&difference, cx)?;
        behind.into_iter().try_for_each(|(slot, rows)| self.rows.remove(slot, &rows))?;
        self.rows.compact()
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(&mut self.rows)
    }
}
