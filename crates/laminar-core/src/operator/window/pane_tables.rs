//! Windows that are not shown yet: the panes that they will be put together from, and when they are due.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;

use super::input::{Evaluated, GroupInput};
use super::place::{FewPlaces, Place};
use super::placed_groups::PlacedGroups;
use super::sliding::Sliding;
use crate::Result;
use crate::operator::aggregate::GroupTable;
use crate::time::{Panes, Window};

/// The groups of all panes, and the windows with rows that are still to be shown.
pub(super) struct PaneTables {
    panes: Panes,
    placed: PlacedGroups,
    due: BTreeSet<Window>,
    sliding: Sliding,
}

impl PaneTables {
    /// No rows yet. `once`: rows for a place stop coming before the first window that takes them is shown.
    pub(super) fn new(panes: Panes, input: &GroupInput, once: bool) -> Result<Self> {
        Ok(Self { panes, placed: PlacedGroups::new(input)?, due: BTreeSet::new(), sliding: Sliding::new(input, once)? })
    }

    /// Adds rows at `place` for `windows`.
    pub(super) fn add(&mut self, place: Place, windows: &[Window], rows: &Evaluated) -> Result<()> {
        if self.placed.add(place, rows)? {
            self.expect(windows.iter().copied());
        }
        Ok(())
    }

    /// Adds each row at its place, for all windows that take it.
    pub(super) fn add_each(&mut self, few: &FewPlaces, rows: &Evaluated) -> Result<()> {
        for place in self.placed.add_each(few, rows)? {
            let windows = self.panes.windows_of(place.pane).filter(|window| place.is_taken_by(*window));
            self.due.extend(windows);
        }
        Ok(())
    }

    /// Adds groups of another worker at `place`, for `windows`.
    pub(super) fn merge(&mut self, place: Place, windows: &[Window], groups: &RecordBatch, fresh: GroupTable) -> Result<()> {
        if self.placed.merge(place, groups, fresh)? {
            self.expect(windows.iter().copied());
        }
        Ok(())
    }

    /// Windows that have rows now.
    pub(super) fn expect(&mut self, windows: impl IntoIterator<Item = Window>) {
        self.due.extend(windows);
    }

    /// The first window by end, if `is_due` says so of it; then it is shown and no longer waits here.
    pub(super) fn take_due(&mut self, is_due: impl Fn(Window) -> bool) -> Option<Window> {
        let first = self.due.first().copied().filter(|window| is_due(*window))?;
        self.due.remove(&first);
        Some(first)
    }

    /// All groups of a window, and the table that they are in.
    pub(super) fn of_window(&mut self, window: Window) -> Result<(&mut GroupTable, Vec<u32>)> {
        let places = self.placed.places_of(window);
        if let [(_, only)] = places.as_slice() {
            let groups = self.placed.table().groups_in(*only);
            return Ok((self.placed.table_mut(), groups));
        }
        self.sliding.of_places(places, self.placed.table())
    }

    /// Forgets the panes of which no window is left to be shown.
    pub(super) fn drop_panes(&mut self, is_done: impl Fn(Window) -> bool) -> Result<()> {
        while let Some(place) = self.placed.first_place() {
            if !self.panes.windows_of(place.pane).last().is_some_and(&is_done) {
                break;
            }
            self.sliding.forget(place, self.placed.table())?;
            self.placed.close(place);
        }
        Ok(())
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.placed.bytes() + self.sliding.bytes()
    }

    /// The groups by place.
    pub(super) fn placed(&self) -> &PlacedGroups {
        &self.placed
    }

    /// Takes what [`PlacedGroups::image`] gave.
    pub(super) fn restore(&mut self, places: &[(Place, usize)], groups: &RecordBatch) -> Result<()> {
        self.placed.restore(places, groups)
    }
}
