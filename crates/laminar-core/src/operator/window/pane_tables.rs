//! Windows that are not shown yet: the panes that they will be put together from, and when they are due.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;

use super::input::{Evaluated, GroupInput};
use super::pane_groups::PaneGroups;
use super::pane_ref::{FewPanes, PaneRef};
use super::sliding::Sliding;
use crate::Result;
use crate::operator::aggregate::GroupTable;
use crate::state::set_bytes;
use crate::time::{Panes, Window};

/// The groups of all panes, and the windows with rows that are still to be shown.
pub(super) struct PaneTables {
    panes: Panes,
    assigned: PaneGroups,
    due: BTreeSet<Window>,
    sliding: Sliding,
}

impl PaneTables {
    /// No rows yet. `once`: rows for a pane ref stop coming before the first window that takes them is shown.
    pub(super) fn new(panes: Panes, input: &GroupInput, once: bool) -> Result<Self> {
        Ok(Self { panes, assigned: PaneGroups::new(input)?, due: BTreeSet::new(), sliding: Sliding::new(input, once)? })
    }

    /// Adds rows at `pane_ref` for `windows`.
    pub(super) fn add(&mut self, pane_ref: PaneRef, windows: &[Window], rows: &Evaluated) -> Result<()> {
        if self.assigned.add(pane_ref, rows)? {
            self.expect(windows.iter().copied());
        }
        Ok(())
    }

    /// Adds each row at its pane ref, for all windows that take it.
    pub(super) fn add_each(&mut self, few: &FewPanes, rows: &Evaluated) -> Result<()> {
        for pane_ref in self.assigned.add_each(few, rows)? {
            let windows = self.panes.windows_of(pane_ref.pane).filter(|window| pane_ref.is_taken_by(*window));
            self.due.extend(windows);
        }
        Ok(())
    }

    /// Adds groups of another worker at `pane_ref`, for `windows`.
    pub(super) fn merge(&mut self, pane_ref: PaneRef, windows: &[Window], groups: &RecordBatch, fresh: GroupTable) -> Result<()> {
        if self.assigned.merge(pane_ref, groups, fresh)? {
            self.expect(windows.iter().copied());
        }
        Ok(())
    }

    /// Windows that have rows now.
    pub(super) fn expect(&mut self, windows: impl IntoIterator<Item = Window>) {
        self.due.extend(windows);
    }

    /// The window that is shown next.
    pub(super) fn next_due(&self) -> Option<Window> {
        self.due.first().copied()
    }

    /// The first window by end, if `is_due` says so of it; then it is shown and no longer waits here.
    pub(super) fn take_due(&mut self, is_due: impl Fn(Window) -> bool) -> Option<Window> {
        let first = self.due.first().copied().filter(|window| is_due(*window))?;
        self.due.remove(&first);
        Some(first)
    }

    /// All groups of a window, and the table that they are in.
    pub(super) fn of_window(&mut self, window: Window) -> Result<(&mut GroupTable, Vec<u32>)> {
        let pane_refs = self.assigned.places_of(window);
        if let [(_, only)] = pane_refs.as_slice() {
            let groups = self.assigned.table().groups_in(*only);
            return Ok((self.assigned.table_mut(), groups));
        }
        self.sliding.of_places(pane_refs, self.assigned.table())
    }

    /// Forgets the panes of which no window is left to be shown.
    pub(super) fn drop_panes(&mut self, is_done: impl Fn(Window) -> bool) -> Result<()> {
        while let Some(pane_ref) = self.assigned.first_pane_ref() {
            if !self.panes.windows_of(pane_ref.pane).next_back().is_some_and(&is_done) {
                break;
            }
            self.sliding.forget(pane_ref, self.assigned.table())?;
            self.assigned.close(pane_ref);
        }
        Ok(())
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.assigned.bytes() + self.sliding.bytes() + set_bytes(&self.due)
    }

    /// The groups by pane ref.
    pub(super) fn assigned(&self) -> &PaneGroups {
        &self.assigned
    }

    /// Takes what [`PaneGroups::image`] gave.
    pub(super) fn restore(&mut self, pane_refs: &[(PaneRef, usize)], groups: &RecordBatch) -> Result<()> {
        self.assigned.restore(pane_refs, groups)
    }
}
