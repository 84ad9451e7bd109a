//! Windows that are not shown yet: the panes that they will be put together from, and when they are due.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;

use super::input::{Evaluated, GroupInput};
use super::place::Place;
use super::sliding::Sliding;
use crate::Result;
use crate::operator::aggregate::{GroupTable, RowSpaces, Space};
use crate::time::{Panes, Window};

/// A table with a space for each place, and the windows with rows that are still to be shown.
pub(super) struct PaneTables {
    panes: Panes,
    table: GroupTable,
    places: BTreeMap<Place, Space>,
    due: BTreeSet<Window>,
    sliding: Sliding,
}

impl PaneTables {
    /// No rows yet. `once`: rows for a place stop coming before the first window that takes them is shown.
    pub(super) fn new(panes: Panes, input: &GroupInput, once: bool) -> Result<Self> {
        let sliding = Sliding::new(input, once)?;
        Ok(Self { panes, table: input.table()?, places: BTreeMap::new(), due: BTreeSet::new(), sliding })
    }

    /// Adds rows at `place` for `windows`.
    pub(super) fn add(&mut self, place: Place, windows: &[Window], rows: &Evaluated) -> Result<()> {
        let space = match self.places.get(&place) {
            Some(space) => *space,
            None => {
                self.expect(windows.iter().copied());
                self.open(place)
            }
        };
        rows.add_in(RowSpaces::One(space), &mut self.table)
    }

    /// Adds each row at the one of `places` that `of_row` says, for all windows that take it.
    pub(super) fn add_each(&mut self, places: &[Place], of_row: &[u8], rows: &Evaluated) -> Result<()> {
        let mut spaces: Vec<Space> = Vec::with_capacity(places.len());
        for (place, number) in places.iter().zip(0u8..) {
            spaces.push(match self.places.get(place) {
                Some(space) => *space,
                // Its number does not occur, so any space will do.
                None if !of_row.contains(&number) => spaces.last().copied().unwrap_or(Space::FIRST),
                None => {
                    let windows = self.panes.windows_of(place.pane).filter(|window| place.is_taken_by(*window));
                    self.expect(windows);
                    self.open(*place)
                }
            });
        }
        rows.add_in(RowSpaces::Each { spaces: &spaces, of_row }, &mut self.table)
    }

    fn open(&mut self, place: Place) -> Space {
        let space = self.table.open();
        self.places.insert(place, space);
        space
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
        let (first, last) = (Place { pane: window.first, from: i64::MIN }, Place { pane: window.end, from: i64::MIN });
        let places = self.places.range(first..last).filter(|(place, _)| place.is_taken_by(window));
        let places: Vec<(Place, Space)> = places.map(|(place, space)| (*place, *space)).collect();
        if let [(_, only)] = places.as_slice() {
            let groups = self.table.groups_in(*only);
            return Ok((&mut self.table, groups));
        }
        self.sliding.of_places(places, &self.table)
    }

    /// Forgets the panes of which no window is left to be shown.
    pub(super) fn drop_panes(&mut self, is_done: impl Fn(Window) -> bool) -> Result<()> {
        while let Some(entry) = self.places.first_entry() {
            if !self.panes.windows_of(entry.key().pane).last().is_some_and(&is_done) {
                break;
            }
            let (place, space) = entry.remove_entry();
            self.sliding.forget(place, &self.table)?;
            self.table.close(space);
        }
        Ok(())
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + self.sliding.bytes()
    }

    /// All places in their order with the number of their groups, and the state of all these groups.
    pub(super) fn image(&self) -> Result<(Vec<(Place, usize)>, RecordBatch)> {
        let groups: Vec<Vec<u32>> = self.places.values().map(|space| self.table.groups_in(*space)).collect();
        let places = self.places.keys().zip(&groups).map(|(place, groups)| (*place, groups.len())).collect();
        Ok((places, self.table.image_of(&groups.concat())?))
    }

    /// Takes what [`image`](Self::image) gave.
    pub(super) fn restore(&mut self, places: &[(Place, usize)], groups: &RecordBatch) -> Result<()> {
        let spaces: Vec<(Space, usize)> = places.iter().map(|(place, groups)| (self.open(*place), *groups)).collect();
        self.table.restore_in(&spaces, groups)
    }
}
