//! What a step changes for readers: the results of the groups that it touches, before and after, and −old +new where they differ.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, PrimitiveArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_ord::cmp::not_distinct;
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, SortOptions};
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use super::aggregate::{Fault, GroupTable, with_word_type};
use crate::{Error, Result};

/// The groups that a step touches, in the order of the first touch, and the results that they had before it.
#[derive(Default)]
pub(super) struct TouchedGroups {
    groups: Vec<u32>,
    is_touched: Vec<bool>,
    /// Whether each of the groups had a row; the results of those that had, in their order, in chunks.
    had_row: Vec<bool>,
    old: Vec<Vec<ArrayRef>>,
}

/// The results of those touched groups that have a row now, in the order of the touched ones.
pub(super) struct After {
    pub(super) groups: Vec<u32>,
    /// One column a call.
    pub(super) columns: Vec<ArrayRef>,
}

/// What changed for readers: −old and +new rows.
pub(super) struct Difference {
    /// The group of each row.
    pub(super) groups: Vec<u32>,
    /// −1 or +1.
    pub(super) weights: Vec<i64>,
    /// One column a call.
    pub(super) results: Vec<ArrayRef>,
    /// Results that could not be computed, by row.
    pub(super) faults: Vec<Fault>,
}

impl TouchedGroups {
    /// Marks `groups` and keeps the results of those that are touched for the first time and have a row. True if one of them
    /// is the first of the step.
    pub(super) fn remember(
        &mut self,
        table: &mut GroupTable,
        groups: &[u32],
        has_row: impl Fn(&GroupTable, u32) -> bool,
    ) -> Result<bool> {
        self.is_touched.resize(table.end().max(self.is_touched.len()), false);
        let (mut with_row, known) = (Vec::new(), self.groups.len());
        for group in groups {
            let is_touched = &mut self.is_touched[*group as usize];
            if !*is_touched {
                *is_touched = true;
                self.groups.push(*group);
                let has_row = has_row(table, *group);
                self.had_row.push(has_row);
                with_row.extend(has_row.then_some(*group));
            }
        }
        if !with_row.is_empty() {
            // What could not be computed was reported when it was shown.
            self.old.push(table.results(&with_row, &mut Vec::new())?);
        }
        Ok(known == 0 && !self.groups.is_empty())
    }

    /// The groups.
    pub(super) fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// The results as they are now; faults by their place among them.
    pub(super) fn after(
        &self,
        table: &mut GroupTable,
        has_row: impl Fn(&GroupTable, u32) -> bool,
        faults: &mut Vec<Fault>,
    ) -> Result<After> {
        let groups: Vec<u32> = self.groups.iter().copied().filter(|group| has_row(table, *group)).collect();
        let columns = table.results(&groups, faults)?;
        Ok(After { groups, columns })
    }

    /// −old +new of the groups whose results differ; `faults` are those of `after`.
    pub(super) fn difference(&mut self, after: &After, faults: Vec<Fault>) -> Result<Difference> {
        let Some(old) = joined(std::mem::take(&mut self.old))? else {
            let (groups, weights) = (after.groups.clone(), vec![1; after.groups.len()]);
            return Ok(Difference { groups, weights, results: after.columns.clone(), faults });
        };
        let pairs = self.pairs(after);
        let mut same = equal_rows(&old, &after.columns, &pairs)?.into_iter();
        let mut rows = Rows::default();
        for pair in pairs {
            if !(pair.is_both() && same.next() == Some(true)) {
                rows.push(pair);
            }
        }
        let faults = faults.into_iter().filter_map(|fault| rows.fault(fault)).collect();
        let results = rows.results(&old, &after.columns)?;
        Ok(Difference { groups: rows.groups, weights: rows.weights, results, faults })
    }

    /// Where the results of each group are.
    fn pairs(&self, after: &After) -> Vec<Pair> {
        let (mut old, mut new) = (0u32.., 0u32..);
        let mut with_row = after.groups.iter().peekable();
        let mut pair = |(group, had_row): (&u32, &bool)| Pair {
            group: *group,
            old: had_row.then(|| old.next()).flatten(),
            new: with_row.next_if_eq(&group).and_then(|_| new.next()),
        };
        self.groups.iter().zip(&self.had_row).map(|touched| pair(touched)).collect()
    }

    /// Ends the step: groups whose weight is 0 are forgotten by the table. Says which they were.
    pub(super) fn release_empty(&mut self, table: &mut GroupTable) -> Vec<u32> {
        let empty: Vec<u32> = self.groups.iter().copied().filter(|group| table.weight(*group) == 0).collect();
        table.release(&empty);
        self.clear();
        empty
    }

    /// Ends the step.
    pub(super) fn clear(&mut self) {
        self.groups.drain(..).for_each(|group| self.is_touched[group as usize] = false);
        self.had_row.clear();
    }
}

/// The chunks as one, column by column; `None` if there is no chunk.
fn joined(mut chunks: Vec<Vec<ArrayRef>>) -> Result<Option<Vec<ArrayRef>>> {
    if chunks.len() <= 1 {
        return Ok(chunks.pop());
    }
    let column = |call: usize| {
        let columns: Vec<&dyn Array> = chunks.iter().map(|chunk| chunk[call].as_ref()).collect();
        Ok(concat(&columns)?)
    };
    (0..chunks[0].len()).map(column).collect::<Result<_>>().map(Some)
}

/// Where a touched group's row is among the old and the new results.
#[derive(Clone, Copy)]
struct Pair {
    group: u32,
    old: Option<u32>,
    new: Option<u32>,
}

impl Pair {
    fn is_both(self) -> bool {
        self.old.is_some() && self.new.is_some()
    }
}

/// For each pair that has both rows, whether they are equal to the bit.
fn equal_rows(old: &[ArrayRef], new: &[ArrayRef], pairs: &[Pair]) -> Result<Vec<bool>> {
    let (old_rows, new_rows): (Vec<u32>, Vec<u32>) = pairs.iter().filter_map(|pair| pair.old.zip(pair.new)).unzip();
    let mut equal = vec![true; old_rows.len()];
    if equal.is_empty() {
        return Ok(equal);
    }
    // Mostly all groups have both rows, and then both sides are in the same order already.
    if old_rows.len() == pairs.len() {
        old.iter().zip(new).for_each(|(old, new)| and_equal(old, new, &mut equal));
        return Ok(equal);
    }
    let (old_rows, new_rows) = (UInt32Array::from(old_rows), UInt32Array::from(new_rows));
    for (old, new) in old.iter().zip(new) {
        and_equal(&take(old, &old_rows, None)?, &take(new, &new_rows, None)?, &mut equal);
    }
    Ok(equal)
}

/// Turns off `equal` where two columns differ. NULL equals NULL, NaN equals NaN. Values that cannot be compared count as
/// different: −old +new is then longer than it need be, and still right.
fn and_equal(old: &ArrayRef, new: &ArrayRef, equal: &mut [bool]) {
    if let Some((old, new)) = words(old).zip(words(new)) {
        equal.iter_mut().zip(old.iter().zip(new.iter())).for_each(|(equal, (old, new))| *equal &= old == new);
        return;
    }
    if !old.data_type().is_nested()
        && let Ok(same) = not_distinct(old, new)
    {
        equal.iter_mut().zip(same.values()).for_each(|(equal, same)| *equal &= same);
        return;
    }
    let order = make_comparator(old, new, SortOptions::default());
    let is_same = |row| order.as_ref().is_ok_and(|order| order(row, row).is_eq());
    equal.iter_mut().enumerate().for_each(|(row, equal)| *equal = *equal && is_same(row));
}

/// The values of a column of whole numbers of 64 bits without NULLs, which most results are: nothing has to be prepared for them.
fn words(column: &ArrayRef) -> Option<ScalarBuffer<i64>> {
    macro_rules! values {
        ($t:ty) => {{
            let is_wide = size_of::<<$t as ArrowPrimitiveType>::Native>() == 8;
            let column = column.as_primitive_opt::<$t>().filter(|column| is_wide && column.null_count() == 0)?;
            Some(ScalarBuffer::new(column.values().inner().clone(), 0, column.len()))
        }};
    }
    with_word_type!(column.data_type(), values, None)
}

/// For each call, whether an old and a new result are the same to the bit, by the same rule.
pub(super) fn comparators(old: &[ArrayRef], new: &[ArrayRef]) -> Vec<Box<dyn Fn(usize, usize) -> bool>> {
    let comparator = |(old, new): (&ArrayRef, &ArrayRef)| -> Box<dyn Fn(usize, usize) -> bool> {
        match make_comparator(old, new, SortOptions::default()) {
            Ok(compare) => Box::new(move |old, new| compare(old, new).is_eq()),
            Err(_) => Box::new(|_, _| false),
        }
    };
    old.iter().zip(new).map(comparator).collect()
}

/// The rows of a difference.
#[derive(Default)]
struct Rows {
    groups: Vec<u32>,
    weights: Vec<i64>,
    /// 0 and a place among the old results, or 1 and one among the new.
    places: Vec<(usize, usize)>,
}

impl Rows {
    fn push(&mut self, pair: Pair) {
        for (side, place, weight) in [(0, pair.old, -1), (1, pair.new, 1)] {
            if let Some(place) = place {
                self.groups.push(pair.group);
                self.places.push((side, place as usize));
                self.weights.push(weight);
            }
        }
    }

    /// A fault among the new results as one of these rows.
    fn fault(&self, fault: Fault) -> Option<Fault> {
        let position = self.places.iter().position(|place| *place == (1, fault.position))?;
        Some(Fault { position, ..fault })
    }

    fn results(&self, old: &[ArrayRef], new: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let pick = |(old, new): (&ArrayRef, &ArrayRef)| match words(old).zip(words(new)) {
            Some((old_words, new_words)) => {
                let sides = [old_words.as_ref(), new_words.as_ref()];
                let words: ScalarBuffer<i64> = self.places.iter().map(|(side, place)| sides[*side][*place]).collect();
                of_words(words, old.data_type())
            }
            None => Ok(interleave(&[old.as_ref(), new.as_ref()], &self.places)?),
        };
        old.iter().zip(new).map(pick).collect()
    }
}

/// The opposite of [`words`].
fn of_words(words: ScalarBuffer<i64>, data_type: &DataType) -> Result<ArrayRef> {
    macro_rules! column {
        ($t:ty) => {{
            let rows = words.len();
            let values = ScalarBuffer::<<$t as ArrowPrimitiveType>::Native>::new(words.into_inner(), 0, rows);
            Ok(Arc::new(PrimitiveArray::<$t>::try_new(values, None)?.with_data_type(data_type.clone())))
        }};
    }
    with_word_type!(data_type, column, Err(Error::internal("not a type of 64-bit numbers")))
}
