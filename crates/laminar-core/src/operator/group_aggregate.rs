//! `GROUP BY` without windows: after each step, −1 the old row and +1 the new row of every group that changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_ord::cmp::not_distinct;
use arrow_ord::ord::make_comparator;
use arrow_schema::{SchemaRef, SortOptions};
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use super::aggregate::{AggregateCall, Fault, GroupTable, Grouped};
use super::{Aside, AsideRows, Operator, OperatorContext};
use crate::dag::{AggregateSpec, EdgeProperties};
use crate::expr::ExprRef;
use crate::state::{Imaged, StateImage};
use crate::{ChangeBatch, Error, Port, Result};

/// Groups and their aggregates. Output rows come in the order in which the step first touched their groups.
pub struct GroupAggregate {
    keys: Vec<ExprRef>,
    calls: Vec<AggregateCall>,
    output: SchemaRef,
    table: GroupTable,
    /// Without keys there is one row, whether there is input or not; this is whether it has been shown.
    shown: bool,
    touched: Touched,
    before: Results,
    /// Groups whose fault is reported already.
    faulty: BTreeSet<u32>,
}

impl GroupAggregate {
    /// The operator of `spec` over this input.
    pub fn new(spec: &AggregateSpec, input: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        let types: Vec<_> = spec.keys.iter().map(|key| key.data_type().clone()).collect();
        let mut operator = Self {
            table: GroupTable::new(&types, &spec.aggregates, !input.changes.is_append())?,
            before: Results::new(spec.aggregates.len()),
            keys: spec.keys.clone(),
            calls: spec.aggregates.clone(),
            output,
            shown: false,
            touched: Touched::default(),
            faulty: BTreeSet::new(),
        };
        if operator.keys.is_empty() {
            operator.table.assign(&[], 1)?;
        }
        Ok(operator)
    }

    /// Whether the group has a row in the result as it stands: before the step's changes that is the row shown.
    fn has_row(&self, group: u32) -> bool {
        if self.keys.is_empty() { self.shown } else { self.table.weight(group) > 0 }
    }

    /// Remembers the results of groups that the step touches for the first time.
    fn remember(&mut self, groups: &[u32]) -> Result<()> {
        let first = self.touched.mark(groups, self.table.end());
        let shown: Vec<u32> = first.into_iter().filter(|group| self.has_row(*group)).collect();
        if shown.is_empty() {
            return Ok(());
        }
        // Faults of the old results were reported when those were shown.
        let results = self.table.results(&shown, &mut Vec::new())?;
        self.before.append(shown, results)
    }

    /// The groups among `touched` that have a row now.
    fn with_rows(&self, touched: &[u32]) -> Result<Vec<u32>> {
        if let Some(group) = touched.iter().find(|group| self.table.weight(**group) < 0) {
            let weight = self.table.weight(*group);
            return Err(Error::internal(format!("a group was left with the weight {weight}")));
        }
        Ok(touched.iter().copied().filter(|group| self.keys.is_empty() || self.table.weight(*group) > 0).collect())
    }

    fn row_batch(&self, groups: &[u32], results: Vec<ArrayRef>) -> Result<RecordBatch> {
        let mut columns = self.table.keys(groups)?;
        columns.extend(results);
        let options = RecordBatchOptions::new().with_row_count(Some(groups.len()));
        Ok(RecordBatch::try_new_with_options(self.output.clone(), columns, &options)?)
    }

    /// Puts aside the rows whose results became faulty in this step.
    fn report(&mut self, after: &Results, mut faults: Vec<Fault>, cx: &mut OperatorContext<'_>) -> Result<()> {
        if faults.is_empty() && self.faulty.is_empty() {
            return Ok(());
        }
        faults.sort_by_key(|fault| fault.position);
        let (mut rows, mut reasons) = (Vec::new(), Vec::<String>::new());
        let mut healthy: BTreeSet<u32> = after.groups.iter().copied().collect();
        for same in faults.chunk_by(|a, b| a.position == b.position) {
            let group = after.groups[same[0].position];
            healthy.remove(&group);
            if self.faulty.insert(group) {
                rows.push(same[0].position as u32);
                reasons.push(same.iter().map(|fault| fault.reason.as_str()).collect::<Vec<_>>().join("; "));
            }
        }
        self.faulty.retain(|group| !healthy.contains(group));
        let groups: Vec<u32> = rows.iter().map(|row| after.groups[*row as usize]).collect();
        let rows = UInt32Array::from(rows);
        let results = after.columns.iter().map(|column| Ok(take(column, &rows, None)?)).collect::<Result<_>>()?;
        cx.put_aside(AsideRows { kind: Aside::Error, rows: self.row_batch(&groups, results)?, reasons });
        Ok(())
    }

    fn emit_difference(&self, touched: &[u32], before: &Results, after: &Results, cx: &mut OperatorContext<'_>) -> Result<()> {
        let pairs = pair_up(touched, before, after);
        let same = before.equal_rows(after, &pairs)?;
        let mut difference = Difference::default();
        for ((pair, group), same) in pairs.iter().zip(touched).zip(same) {
            if !same {
                difference.push(*group, *pair);
            }
        }
        if difference.groups.is_empty() {
            return Ok(());
        }
        let column = |(old, new): (&ArrayRef, &ArrayRef)| Ok(interleave(&[old.as_ref(), new.as_ref()], &difference.rows)?);
        let results = match (before.groups.is_empty(), after.groups.is_empty()) {
            // Nothing to interleave with: only new rows, all of them, or only old ones.
            (true, _) => difference.take(after)?,
            (_, true) => difference.take(before)?,
            _ => before.columns.iter().zip(&after.columns).map(column).collect::<Result<_>>()?,
        };
        let rows = self.row_batch(&difference.groups, results)?;
        cx.emit(ChangeBatch::new(rows, difference.weights));
        Ok(())
    }

    fn release_empty(&mut self, touched: &[u32]) {
        if self.keys.is_empty() {
            return;
        }
        let empty: Vec<u32> = touched.iter().copied().filter(|group| self.table.weight(*group) == 0).collect();
        self.table.release(&empty);
        empty.iter().for_each(|group| {
            self.faulty.remove(group);
        });
    }
}

impl Operator for GroupAggregate {
    fn on_changes(&mut self, _port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let grouped = Grouped::evaluate(&self.keys, &self.calls, changes, cx)?;
        let groups = self.table.assign(&grouped.keys, grouped.changes.len())?;
        self.remember(&groups)?;
        self.table.update(&grouped.inputs, grouped.changes.weights(), &groups)
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.keys.is_empty() && !self.shown {
            self.remember(&[0])?;
        }
        let touched = self.touched.take();
        let before = std::mem::replace(&mut self.before, Results::new(self.calls.len()));
        if touched.is_empty() {
            return Ok(());
        }
        let groups = self.with_rows(&touched)?;
        let mut faults = Vec::new();
        let columns = self.table.results(&groups, &mut faults)?;
        let after = Results { groups, columns };
        self.report(&after, faults, cx)?;
        self.emit_difference(&touched, &before, &after, cx)?;
        self.shown = true;
        self.release_empty(&touched);
        Ok(())
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl Imaged for GroupAggregate {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        image.push("groups", self.table.image()?);
        let shown: ArrayRef = Arc::new(BooleanArray::from(vec![self.shown]));
        image.push("shown", RecordBatch::try_from_iter([("shown", shown)])?);
        Ok(image)
    }

    fn restore(&mut self, image: &StateImage) -> Result<()> {
        self.table.restore(image.get("groups")?)?;
        let shown = image.get("shown")?;
        self.shown = shown.num_rows() == 1 && shown.column(0).as_boolean_opt().is_some_and(|shown| shown.value(0));
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

/// The groups that a step touched, in the order of the first touch.
#[derive(Default)]
struct Touched {
    marked: Vec<bool>,
    groups: Vec<u32>,
}

impl Touched {
    /// Marks `groups` (all below `end`) and returns those that were not marked yet.
    fn mark(&mut self, groups: &[u32], end: usize) -> Vec<u32> {
        self.marked.resize(end.max(self.marked.len()), false);
        let known = self.groups.len();
        for group in groups {
            if !std::mem::replace(&mut self.marked[*group as usize], true) {
                self.groups.push(*group);
            }
        }
        self.groups[known..].to_vec()
    }

    fn take(&mut self) -> Vec<u32> {
        self.groups.iter().for_each(|group| self.marked[*group as usize] = false);
        std::mem::take(&mut self.groups)
    }
}

/// Results of some groups, one row a group.
struct Results {
    groups: Vec<u32>,
    columns: Vec<ArrayRef>,
}

impl Results {
    fn new(columns: usize) -> Self {
        Self { groups: Vec::new(), columns: Vec::with_capacity(columns) }
    }

    fn append(&mut self, groups: Vec<u32>, columns: Vec<ArrayRef>) -> Result<()> {
        if self.groups.is_empty() {
            *self = Self { groups, columns };
            return Ok(());
        }
        self.groups.extend(groups);
        for (ours, more) in self.columns.iter_mut().zip(columns) {
            *ours = concat(&[ours.as_ref(), more.as_ref()])?;
        }
        Ok(())
    }

    fn take(&self, rows: &[u32]) -> Result<Vec<ArrayRef>> {
        let rows = UInt32Array::from(rows.to_vec());
        self.columns.iter().map(|column| Ok(take(column, &rows, None)?)).collect()
    }

    /// For each pair whether it has both rows and they are equal.
    fn equal_rows(&self, after: &Self, pairs: &[Pair]) -> Result<Vec<bool>> {
        let both: Vec<(u32, u32)> = pairs.iter().filter_map(|pair| pair.old.zip(pair.new)).collect();
        let (old, new): (Vec<u32>, Vec<u32>) = both.into_iter().unzip();
        let mut equal = vec![true; old.len()];
        if !old.is_empty() {
            for (old, new) in self.take(&old)?.iter().zip(after.take(&new)?) {
                and_equal(old, &new, &mut equal)?;
            }
        }
        let mut equal = equal.into_iter();
        Ok(pairs.iter().map(|pair| pair.old.is_some() && pair.new.is_some() && equal.next() == Some(true)).collect())
    }
}

/// Turns off `equal` where two columns differ. NULL equals NULL, NaN equals NaN.
fn and_equal(old: &ArrayRef, new: &ArrayRef, equal: &mut [bool]) -> Result<()> {
    if old.data_type().is_nested() {
        let order = make_comparator(old, new, SortOptions::default())?;
        equal.iter_mut().enumerate().for_each(|(row, equal)| *equal &= order(row, row).is_eq());
        return Ok(());
    }
    let same = not_distinct(old, new)?;
    equal.iter_mut().zip(same.values()).for_each(|(equal, same)| *equal &= same);
    Ok(())
}

/// Where a touched group's row is among the old and the new results.
#[derive(Clone, Copy)]
struct Pair {
    old: Option<u32>,
    new: Option<u32>,
}

/// One pair for each of `touched`, of which the groups on both sides are parts in the same order.
fn pair_up(touched: &[u32], before: &Results, after: &Results) -> Vec<Pair> {
    let (mut old, mut new) = (0, 0);
    let next = |groups: &[u32], place: &mut usize, group: u32| {
        let here = groups.get(*place) == Some(&group);
        *place += usize::from(here);
        here.then(|| (*place - 1) as u32)
    };
    let pair = |group: &u32| Pair { old: next(&before.groups, &mut old, *group), new: next(&after.groups, &mut new, *group) };
    touched.iter().map(pair).collect()
}

/// The rows to emit.
#[derive(Default)]
struct Difference {
    groups: Vec<u32>,
    /// 0 and a place among the old results, or 1 and one among the new.
    rows: Vec<(usize, usize)>,
    weights: Vec<i64>,
}

impl Difference {
    fn push(&mut self, group: u32, pair: Pair) {
        for (side, place, weight) in [(0, pair.old, -1), (1, pair.new, 1)] {
            if let Some(place) = place {
                self.groups.push(group);
                self.rows.push((side, place as usize));
                self.weights.push(weight);
            }
        }
    }

    /// The rows, all of which are of one side.
    fn take(&self, side: &Results) -> Result<Vec<ArrayRef>> {
        side.take(&self.rows.iter().map(|(_, place)| *place as u32).collect::<Vec<_>>())
    }
}
