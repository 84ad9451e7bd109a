//! A table of groups whose results readers have: it remembers what they were before a step and tells the difference after it.

use super::input::Evaluated;
use crate::Result;
use crate::operator::aggregate::GroupTable;
use crate::operator::difference::{Difference, TouchedGroups};

/// Groups whose results are known to readers. A group without rows (weight 0 or less) has no result.
pub(super) struct Shown {
    table: GroupTable,
    touched: TouchedGroups,
}

impl Shown {
    /// A table whose groups' results have all been shown.
    pub(super) fn new(table: GroupTable) -> Self {
        Self { table, touched: TouchedGroups::default() }
    }

    /// The table.
    pub(super) fn table(&self) -> &GroupTable {
        &self.table
    }

    /// True if no group has rows.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.touched.bytes()
    }

    /// Adds rows. True if this is the first change of the step.
    pub(super) fn add(&mut self, rows: &Evaluated) -> Result<bool> {
        let groups = self.table.assign(&rows.keys, rows.inputs.rows())?;
        let first = self.touched.remember(&mut self.table, &groups, has_result)?;
        self.table.update(&rows.inputs, &rows.weights, &groups)?;
        Ok(first)
    }

    /// Adds all groups of another table. True if this is the first change of the step.
    pub(super) fn merge(&mut self, other: &GroupTable) -> Result<bool> {
        let theirs: Vec<u32> = other.groups().collect();
        let groups = self.table.assign(&other.keys(&theirs)?, theirs.len())?;
        let first = self.touched.remember(&mut self.table, &groups, has_result)?;
        self.table.merge_from(other, &theirs)?;
        Ok(first)
    }

    /// What the step changed. Groups without rows are gone after [`forget`](Self::forget).
    pub(super) fn difference(&mut self) -> Result<Difference> {
        let mut faults = Vec::new();
        let after = self.touched.after(&mut self.table, has_result, &mut faults)?;
        self.touched.difference(&after, faults)
    }

    /// Ends the step: groups without rows are forgotten.
    pub(super) fn forget(&mut self) {
        self.touched.release_empty(&mut self.table);
    }
}

fn has_result(table: &GroupTable, group: u32) -> bool {
    table.weight(group) > 0
}
