//! What a step changes for readers: the results of the groups that it touches, before and after, and −old +new where they differ.

use arrow_array::ArrayRef;
use arrow_ord::ord::make_comparator;
use arrow_schema::SortOptions;

use super::aggregate::{Fault, GroupTable, ResultColumn, RowRef};
use crate::Result;
use crate::state::prefetch_groups;

/// Groups whose state is looked at together: that of so many stays in the second cache.
pub(super) const GROUPS_AT_ONCE: usize = 1024;

/// The groups that a step touches, in the order of the first touch, and the results that they had before it.
#[derive(Default)]
pub(super) struct TouchedGroups {
    groups: Vec<u32>,
    is_touched: Vec<bool>,
    /// Whether each of the groups had a row; the results of those that had, in their order, one column a call.
    had_row: Vec<bool>,
    old: Vec<ResultColumn>,
    /// Those without rows, after [`after`](Self::after).
    empty: Vec<u32>,
    /// What changed, after [`compare`](Self::compare).
    changed: ChangedRows,
    /// Memory for the next step.
    asked: Vec<u32>,
    after: After,
}

/// The results of those touched groups that have a row now, in the order of the touched ones.
#[derive(Default)]
pub(super) struct After {
    pub(super) groups: Vec<u32>,
    /// One column a call.
    pub(super) columns: Vec<ResultColumn>,
}

/// The rows of a difference.
#[derive(Default)]
pub(super) struct ChangedRows {
    /// The group of each row.
    pub(super) groups: Vec<u32>,
    /// −1 or +1.
    weights: Vec<i64>,
    places: Vec<RowRef>,
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
        let known = self.groups.len();
        self.asked.clear();
        prefetch_groups(&self.is_touched, groups);
        for group in groups {
            let is_touched = &mut self.is_touched[*group as usize];
            if !*is_touched {
                *is_touched = true;
                self.groups.push(*group);
                let has_row = has_row(table, *group);
                self.had_row.push(has_row);
                self.asked.extend(has_row.then_some(*group));
            }
        }
        if !self.asked.is_empty() {
            // What could not be computed was reported when it was shown.
            table.append_results(&self.asked, &mut self.old, &mut Vec::new())?;
        }
        Ok(known == 0 && !self.groups.is_empty())
    }

    /// Bytes held: memory that is kept from step to step.
    pub(super) fn bytes(&self) -> usize {
        let numbers = [&self.groups, &self.empty, &self.asked, &self.after.groups, &self.changed.groups];
        let numbers = numbers.iter().map(|numbers| numbers.capacity() * size_of::<u32>()).sum::<usize>();
        let flags = self.is_touched.capacity() + self.had_row.capacity();
        let changed = self.changed.weights.capacity() * size_of::<i64>() + self.changed.places.capacity() * size_of::<RowRef>();
        numbers + flags + changed + columns_bytes(&self.old) + columns_bytes(&self.after.columns)
    }

    /// The groups.
    pub(super) fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// The results as they are now; faults by their place among them. Some groups at once, so that what a group needs is fetched
    /// into the cache once.
    pub(super) fn after(
        &mut self,
        table: &mut GroupTable,
        has_row: impl Fn(&GroupTable, u32) -> bool,
        faults: &mut Vec<Fault>,
    ) -> Result<After> {
        let mut after = std::mem::take(&mut self.after);
        self.empty.clear();
        for groups in self.groups.chunks(GROUPS_AT_ONCE) {
            table.prefetch(groups);
            let (known, known_faults) = (after.groups.len(), faults.len());
            after.groups.extend(groups.iter().filter(|group| has_row(table, **group)));
            self.empty.extend(groups.iter().filter(|group| table.weight(**group) == 0));
            table.append_results(&after.groups[known..], &mut after.columns, faults)?;
            faults[known_faults..].iter_mut().for_each(|fault| fault.position += known);
        }
        Ok(after)
    }

    /// Takes back what [`after`](Self::after) gave, for its memory.
    pub(super) fn reuse(&mut self, mut after: After) {
        after.clear();
        self.after = after;
    }

    /// −old +new of the groups whose results differ; `faults` are those of `after`.
    pub(super) fn difference(&mut self, after: &After, faults: Vec<Fault>) -> Result<Difference> {
        self.compare(after)?;
        let mut columns = Vec::new();
        self.gather(after, &mut columns, 0)?;
        let results = columns.iter().map(ResultColumn::column).collect::<Result<_>>()?;
        let faults = faults.into_iter().filter_map(|fault| self.changed.fault(fault)).collect();
        let ChangedRows { groups, weights, .. } = &self.changed;
        Ok(Difference { groups: groups.clone(), weights: weights.clone(), results, faults })
    }

    /// Finds out which results differ.
    pub(super) fn compare(&mut self, after: &After) -> Result<&ChangedRows> {
        let equal = self.equal_columns(after)?;
        let mut changed = std::mem::take(&mut self.changed);
        changed.clear();
        let mut both = 0;
        for pair in self.pairs(after) {
            let is_same = pair.old.zip(pair.new).is_some_and(|(old, new)| {
                both += 1;
                let columns_are = equal.get(both - 1).is_none_or(|equal| *equal);
                columns_are && self.old.iter().zip(&after.columns).all(|(before, now)| before.is_same(old, now, new))
            });
            if !is_same {
                changed.push(pair);
            }
        }
        self.changed = changed;
        Ok(&self.changed)
    }

    /// The weights of the changed rows.
    pub(super) fn weights(&self) -> &[i64] {
        &self.changed.weights
    }

    /// Puts the results of the changed rows into `columns`, from the one number `first` on.
    pub(super) fn gather(&mut self, after: &After, columns: &mut Vec<ResultColumn>, first: usize) -> Result<()> {
        columns.resize_with(first + after.columns.len(), ResultColumn::default);
        self.old.resize_with(after.columns.len(), ResultColumn::default);
        let sides = self.old.iter().zip(&after.columns);
        sides.zip(&mut columns[first..]).try_for_each(|((old, new), column)| column.gather(old, new, &self.changed.places))
    }

    /// Where the results of each group are.
    fn pairs<'a>(&'a self, after: &'a After) -> impl Iterator<Item = Pair> + 'a {
        let (mut old, mut new) = (0.., 0..);
        let mut with_row = after.groups.iter().peekable();
        self.groups.iter().zip(&self.had_row).map(move |(group, had_row)| Pair {
            group: *group,
            old: had_row.then(|| old.next()).flatten(),
            new: with_row.next_if_eq(&group).and_then(|_| new.next()),
        })
    }

    /// For each pair that has both rows, whether they are equal as far as columns are concerned that are not of words; empty if
    /// there are none of these.
    fn equal_columns(&self, after: &After) -> Result<Vec<bool>> {
        if after.columns.iter().all(ResultColumn::is_wide) {
            return Ok(Vec::new());
        }
        let both = self.pairs(after).filter_map(|pair| Some((pair.old? as u32, pair.new? as u32)));
        let (old_rows, new_rows): (Vec<u32>, Vec<u32>) = both.unzip();
        let mut equal = vec![true; old_rows.len()];
        if !equal.is_empty() {
            for (old, new) in self.old.iter().zip(&after.columns).filter(|(_, new)| !new.is_wide()) {
                old.and_equal(&old_rows, new, &new_rows, &mut equal)?;
            }
        }
        Ok(equal)
    }

    /// Ends the step, [`after`](Self::after) it: groups whose weight is 0 are forgotten by the table. Says which they were.
    pub(super) fn release_empty(&mut self, table: &mut GroupTable) -> &[u32] {
        if !self.empty.is_empty() {
            table.release(&self.empty);
        }
        self.clear();
        &self.empty
    }

    /// Ends the step.
    pub(super) fn clear(&mut self) {
        self.groups.drain(..).for_each(|group| self.is_touched[group as usize] = false);
        self.had_row.clear();
        self.old.iter_mut().for_each(ResultColumn::clear);
    }
}

impl After {
    fn clear(&mut self) {
        self.groups.clear();
        self.columns.iter_mut().for_each(ResultColumn::clear);
    }
}

/// Bytes held by columns.
pub(super) fn columns_bytes(columns: &[ResultColumn]) -> usize {
    size_of_val(columns) + columns.iter().map(ResultColumn::bytes).sum::<usize>()
}

/// Where a touched group's row is among the old and the new results.
#[derive(Clone, Copy)]
struct Pair {
    group: u32,
    old: Option<usize>,
    new: Option<usize>,
}

impl ChangedRows {
    fn clear(&mut self) {
        self.groups.clear();
        self.weights.clear();
        self.places.clear();
    }

    fn push(&mut self, pair: Pair) {
        for (side, place, weight) in [(0, pair.old, -1), (1, pair.new, 1)] {
            if let Some(place) = place {
                self.groups.push(pair.group);
                self.places.push((side, place));
                self.weights.push(weight);
            }
        }
    }

    /// A fault among the new results as one of these rows.
    fn fault(&self, fault: Fault) -> Option<Fault> {
        let position = self.places.iter().position(|place| *place == (1, fault.position))?;
        Some(Fault { position, ..fault })
    }
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
