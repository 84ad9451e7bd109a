//! Windows that are not shown yet: the panes that they will be put together from, and when they are due.

use std::collections::{BTreeMap, BTreeSet};

use super::input::{Evaluated, GroupInput};
use super::place::Place;
use crate::Result;
use crate::operator::aggregate::GroupTable;
use crate::time::{Panes, Window};

/// One table a place, and the windows with rows that are still to be shown.
pub(super) struct PaneTables {
    panes: Panes,
    tables: BTreeMap<Place, GroupTable>,
    due: BTreeSet<Window>,
}

impl PaneTables {
    /// No rows yet.
    pub(super) fn new(panes: Panes) -> Self {
        Self { panes, tables: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Adds rows at `place` for `windows`.
    pub(super) fn add(&mut self, place: Place, windows: &[Window], rows: &Evaluated, input: &GroupInput) -> Result<()> {
        if let Some(table) = self.tables.get_mut(&place) {
            return rows.add_to(table);
        }
        let mut table = input.table()?;
        rows.add_to(&mut table)?;
        self.put(place, windows.iter().copied(), table);
        Ok(())
    }

    /// Puts a table into its empty place; `windows` will take its rows.
    pub(super) fn put(&mut self, place: Place, windows: impl IntoIterator<Item = Window>, table: GroupTable) {
        self.tables.insert(place, table);
        self.due.extend(windows);
    }

    /// The first window by end, if `is_due` says so of it; then it is shown and no longer waits here.
    pub(super) fn take_due(&mut self, is_due: impl Fn(Window) -> bool) -> Option<Window> {
        let first = self.due.first().copied().filter(|window| is_due(*window))?;
        self.due.remove(&first);
        Some(first)
    }

    /// All groups of a window. Its panes stay for other windows, unless each window is a pane.
    pub(super) fn of_window(&mut self, window: Window, input: &GroupInput) -> Result<GroupTable> {
        if self.panes.windows_are_panes() {
            let place = Place { pane: window.first, from: Place::ALL_WINDOWS };
            return self.tables.remove(&place).map_or_else(|| input.table(), Ok);
        }
        let mut merged = input.table()?;
        let (first, last) = (Place { pane: window.first, from: i64::MIN }, Place { pane: window.end, from: i64::MIN });
        for (place, table) in self.tables.range(first..last).filter(|(place, _)| place.is_taken_by(window)) {
            debug_assert!(place.pane < window.end, "a pane of the window");
            merged.merge_from(table, &table.groups().collect::<Vec<_>>())?;
        }
        Ok(merged)
    }

    /// Forgets the panes of which no window is left to be shown.
    pub(super) fn drop_panes(&mut self, is_done: impl Fn(Window) -> bool) {
        while let Some(entry) = self.tables.first_entry() {
            if !self.panes.windows_of(entry.key().pane).last().is_some_and(&is_done) {
                break;
            }
            entry.remove();
        }
    }

    /// All places with their tables, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Place, &GroupTable)> {
        self.tables.iter()
    }
}
