//! A table of groups whose results readers have: it remembers what they were before a step and tells the difference after it.

use arrow_array::{Array, ArrayRef, new_empty_array};
use arrow_ord::ord::make_comparator;
use arrow_schema::SortOptions;
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;

use super::input::Evaluated;
use crate::Result;
use crate::operator::aggregate::{Fault, GroupTable};

/// Groups whose results are known to readers. A group without rows (weight 0 or less) has no result.
pub(super) struct Shown {
    table: GroupTable,
    /// The groups touched in this step, each once.
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    /// Whether each touched group had a result; those results, in that order, in chunks.
    had_result: Vec<bool>,
    old: Vec<Vec<ArrayRef>>,
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

impl Shown {
    /// A table whose groups' results have all been shown.
    pub(super) fn new(table: GroupTable) -> Self {
        Self { table, touched: Vec::new(), is_touched: Vec::new(), had_result: Vec::new(), old: Vec::new() }
    }

    /// The table.
    pub(super) fn table(&self) -> &GroupTable {
        &self.table
    }

    /// True if no group has rows.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Adds rows. True if this is the first change of the step.
    pub(super) fn add(&mut self, rows: &Evaluated) -> Result<bool> {
        let groups = self.table.assign(&rows.keys, rows.inputs.rows())?;
        let first = self.remember(&groups)?;
        self.table.update(&rows.inputs, &rows.weights, &groups)?;
        Ok(first)
    }

    /// Adds all groups of another table. True if this is the first change of the step.
    pub(super) fn merge(&mut self, other: &GroupTable) -> Result<bool> {
        let theirs: Vec<u32> = other.groups().collect();
        let groups = self.table.assign(&other.keys(&theirs)?, theirs.len())?;
        let first = self.remember(&groups)?;
        self.table.merge_from(other, &theirs)?;
        Ok(first)
    }

    /// Keeps the results of those of `groups` that have not been touched in this step.
    fn remember(&mut self, groups: &[u32]) -> Result<bool> {
        let first = self.touched.is_empty();
        self.is_touched.resize(self.table.end(), false);
        let (mut with_result, before) = (Vec::new(), self.touched.len());
        for group in groups {
            if !std::mem::replace(&mut self.is_touched[*group as usize], true) {
                self.touched.push(*group);
                let has_result = self.table.weight(*group) > 0;
                self.had_result.push(has_result);
                if has_result {
                    with_result.push(*group);
                }
            }
        }
        if !with_result.is_empty() {
            // What could not be computed was reported when it was shown.
            self.old.push(self.table.results(&with_result, &mut Vec::new())?);
        }
        Ok(first && self.touched.len() > before)
    }

    /// What the step changed. Groups without rows are gone after [`forget`](Self::forget).
    pub(super) fn difference(&mut self) -> Result<Difference> {
        let alive: Vec<u32> = self.touched.iter().copied().filter(|group| self.table.weight(*group) > 0).collect();
        let mut faults = Vec::new();
        let new = self.table.results(&alive, &mut faults)?;
        let old = std::mem::take(&mut self.old);
        let old: Vec<ArrayRef> = new.iter().enumerate().map(|(call, new)| joined(&old, call, new)).collect::<Result<_>>()?;
        let comparators = comparators(&old, &new);
        let (groups, weights, picks) = self.pair(|old_row, new_row| comparators.iter().all(|same| same(old_row, new_row)));
        let pick = |(old, new): (&ArrayRef, &ArrayRef)| interleave(&[old, new], &picks);
        let results = old.iter().zip(&new).map(pick).collect::<Result<Vec<_>, _>>()?;
        let at_row = |fault: Fault| {
            let position = picks.iter().position(|pick| *pick == (1, fault.position))?;
            Some(Fault { position, ..fault })
        };
        Ok(Difference { groups, weights, results, faults: faults.into_iter().filter_map(at_row).collect() })
    }

    /// For each row of the difference its group, its weight, and where its result is: `(0, old)` or `(1, new)`.
    fn pair(&self, same: impl Fn(usize, usize) -> bool) -> (Vec<u32>, Vec<i64>, Vec<(usize, usize)>) {
        let (mut groups, mut weights, mut picks) = (Vec::new(), Vec::new(), Vec::new());
        let (mut old_row, mut new_row) = (0, 0);
        for (group, had_result) in self.touched.iter().zip(&self.had_result) {
            let has_result = self.table.weight(*group) > 0;
            if !(*had_result && has_result && same(old_row, new_row)) {
                for (show, weight, pick) in [(*had_result, -1, (0, old_row)), (has_result, 1, (1, new_row))] {
                    if show {
                        groups.push(*group);
                        weights.push(weight);
                        picks.push(pick);
                    }
                }
            }
            old_row += usize::from(*had_result);
            new_row += usize::from(has_result);
        }
        (groups, weights, picks)
    }

    /// Ends the step: groups without rows are forgotten.
    pub(super) fn forget(&mut self) {
        let gone: Vec<u32> = self.touched.iter().copied().filter(|group| self.table.weight(*group) == 0).collect();
        self.table.release(&gone);
        self.touched.drain(..).for_each(|group| self.is_touched[group as usize] = false);
        self.had_result.clear();
    }
}

/// All chunks of the results of one call.
fn joined(chunks: &[Vec<ArrayRef>], call: usize, like: &ArrayRef) -> Result<ArrayRef> {
    let columns: Vec<&dyn Array> = chunks.iter().map(|chunk| chunk[call].as_ref()).collect();
    Ok(if columns.is_empty() { new_empty_array(like.data_type()) } else { concat(&columns)? })
}

/// For each call, whether an old and a new result are the same to the bit. Values that cannot be compared count as
/// different: −old +new is then longer than it need be, and still right.
pub(in crate::operator) fn comparators(old: &[ArrayRef], new: &[ArrayRef]) -> Vec<Box<dyn Fn(usize, usize) -> bool>> {
    let comparator = |(old, new): (&ArrayRef, &ArrayRef)| -> Box<dyn Fn(usize, usize) -> bool> {
        match make_comparator(old, new, SortOptions::default()) {
            Ok(compare) => Box::new(move |old, new| compare(old, new).is_eq()),
            Err(_) => Box::new(|_, _| false),
        }
    };
    old.iter().zip(new).map(comparator).collect()
}
