//! Groups by place: one table with a space for each.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;

use super::input::{Evaluated, GroupInput};
use super::place::{FewPlaces, Place};
use crate::Result;
use crate::operator::aggregate::{GroupTable, RowSpaces, Space};
use crate::time::Window;

/// The groups of several places.
pub(super) struct PlacedGroups {
    table: GroupTable,
    places: BTreeMap<Place, Space>,
}

impl PlacedGroups {
    /// No rows yet.
    pub(super) fn new(input: &GroupInput) -> Result<Self> {
        Ok(Self { table: input.table()?, places: BTreeMap::new() })
    }

    /// Adds rows at `place`. True if it is the first time.
    pub(super) fn add(&mut self, place: Place, rows: &Evaluated) -> Result<bool> {
        let (space, is_new) = self.space(place);
        rows.add_in(RowSpaces::One(space), &mut self.table)?;
        Ok(is_new)
    }

    /// Adds each row at its place. Says at which of them it is the first time.
    pub(super) fn add_each(&mut self, few: &FewPlaces, rows: &Evaluated) -> Result<Vec<Place>> {
        let (mut spaces, mut new): (Vec<Space>, Vec<Place>) = (Vec::with_capacity(few.places.len()), Vec::new());
        for (place, number) in few.places.iter().zip(0u8..) {
            let known = self.places.get(place).copied();
            spaces.push(match known {
                Some(space) => space,
                // Its number does not occur, so any space will do.
                None if !few.of_row.contains(&number) => spaces.last().copied().unwrap_or(Space::FIRST),
                None => {
                    new.push(*place);
                    self.space(*place).0
                }
            });
        }
        rows.add_in(RowSpaces::Each { spaces: &spaces, of_row: &few.of_row }, &mut self.table)?;
        Ok(new)
    }

    /// Adds groups of [`image_at`](Self::image_at) of another table. True if it is the first time at `place`.
    pub(super) fn merge(&mut self, place: Place, image: &RecordBatch, mut fresh: GroupTable) -> Result<bool> {
        let (space, is_new) = self.space(place);
        let groups = self.table.assign_image(space, image, &mut fresh)?;
        self.table.merge_all(&fresh, &groups)?;
        Ok(is_new)
    }

    /// The space of a place, and whether it was opened for that.
    fn space(&mut self, place: Place) -> (Space, bool) {
        if let Some(space) = self.places.get(&place) {
            return (*space, false);
        }
        let space = self.table.open();
        self.places.insert(place, space);
        (space, true)
    }

    /// All groups.
    pub(super) fn table(&self) -> &GroupTable {
        &self.table
    }

    /// All groups.
    pub(super) fn table_mut(&mut self) -> &mut GroupTable {
        &mut self.table
    }

    /// The places with their spaces, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = (Place, Space)> + '_ {
        self.places.iter().map(|(place, space)| (*place, *space))
    }

    /// The first of them.
    pub(super) fn first_place(&self) -> Option<Place> {
        self.places.first_key_value().map(|(place, _)| *place)
    }

    /// Those of which `window` takes the rows, in order.
    pub(super) fn places_of(&self, window: Window) -> Vec<(Place, Space)> {
        let (first, last) = (Place { pane: window.first, from: i64::MIN }, Place { pane: window.end, from: i64::MIN });
        let places = self.places.range(first..last).filter(|(place, _)| place.is_taken_by(window));
        places.map(|(place, space)| (*place, *space)).collect()
    }

    /// Forgets a place.
    pub(super) fn close(&mut self, place: Place) {
        if let Some(space) = self.places.remove(&place) {
            self.table.close(space);
        }
    }

    /// The state of the groups in `space`.
    pub(super) fn image_at(&self, space: Space) -> Result<RecordBatch> {
        self.table.image_of(&self.table.groups_in(space))
    }

    /// All places in their order with the number of their groups, and the state of all these groups.
    pub(super) fn image(&self) -> Result<(Vec<(Place, usize)>, RecordBatch)> {
        let groups: Vec<Vec<u32>> = self.places.values().map(|space| self.table.groups_in(*space)).collect();
        let places = self.places.keys().zip(&groups).map(|(place, groups)| (*place, groups.len())).collect();
        Ok((places, self.table.image_of(&groups.concat())?))
    }

    /// Takes what [`image`](Self::image) gave.
    pub(super) fn restore(&mut self, places: &[(Place, usize)], groups: &RecordBatch) -> Result<()> {
        let spaces: Vec<(Space, usize)> = places.iter().map(|(place, groups)| (self.space(*place).0, *groups)).collect();
        self.table.restore_in(&spaces, groups)
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes()
    }
}
