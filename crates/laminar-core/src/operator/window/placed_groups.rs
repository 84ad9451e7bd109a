//! Groups by place: one table with a namespace for each.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;

use super::input::{Evaluated, GroupInput};
use super::place::{FewPlaces, Place};
use crate::Result;
use crate::operator::aggregate::{GroupTable, Namespace, RowNamespaces};
use crate::time::Window;

/// The groups of several places.
pub(super) struct PlacedGroups {
    table: GroupTable,
    places: BTreeMap<Place, Namespace>,
}

impl PlacedGroups {
    /// No rows yet.
    pub(super) fn new(input: &GroupInput) -> Result<Self> {
        Ok(Self { table: input.table()?, places: BTreeMap::new() })
    }

    /// Adds rows at `place`. True if it is the first time.
    pub(super) fn add(&mut self, place: Place, rows: &Evaluated) -> Result<bool> {
        let (namespace, is_new) = self.namespace(place);
        rows.add_in(RowNamespaces::One(namespace), &mut self.table)?;
        Ok(is_new)
    }

    /// Adds each row at its place. Says at which of them it is the first time.
    pub(super) fn add_each(&mut self, few: &FewPlaces, rows: &Evaluated) -> Result<Vec<Place>> {
        let (mut namespaces, mut new): (Vec<Namespace>, Vec<Place>) = (Vec::with_capacity(few.places.len()), Vec::new());
        for (place, number) in few.places.iter().zip(0u8..) {
            let known = self.places.get(place).copied();
            namespaces.push(match known {
                Some(namespace) => namespace,
                // Its number does not occur, so any namespace will do.
                None if !few.of_row.contains(&number) => namespaces.last().copied().unwrap_or(Namespace::FIRST),
                None => {
                    new.push(*place);
                    self.namespace(*place).0
                }
            });
        }
        rows.add_in(RowNamespaces::Each { namespaces: &namespaces, of_row: &few.of_row }, &mut self.table)?;
        Ok(new)
    }

    /// Adds groups of [`image_at`](Self::image_at) of another table. True if it is the first time at `place`.
    pub(super) fn merge(&mut self, place: Place, image: &RecordBatch, mut fresh: GroupTable) -> Result<bool> {
        let (namespace, is_new) = self.namespace(place);
        let groups = self.table.assign_image(namespace, image, &mut fresh)?;
        self.table.merge_all(&fresh, &groups)?;
        Ok(is_new)
    }

    /// The namespace of a place, and whether it was opened for that.
    fn namespace(&mut self, place: Place) -> (Namespace, bool) {
        if let Some(namespace) = self.places.get(&place) {
            return (*namespace, false);
        }
        let namespace = self.table.open();
        self.places.insert(place, namespace);
        (namespace, true)
    }

    /// All groups.
    pub(super) fn table(&self) -> &GroupTable {
        &self.table
    }

    /// All groups.
    pub(super) fn table_mut(&mut self) -> &mut GroupTable {
        &mut self.table
    }

    /// The places with their namespaces, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = (Place, Namespace)> + '_ {
        self.places.iter().map(|(place, namespace)| (*place, *namespace))
    }

    /// The first of them.
    pub(super) fn first_place(&self) -> Option<Place> {
        self.places.first_key_value().map(|(place, _)| *place)
    }

    /// Those of which `window` takes the rows, in order.
    pub(super) fn places_of(&self, window: Window) -> Vec<(Place, Namespace)> {
        let (first, last) = (Place { pane: window.first, from: i64::MIN }, Place { pane: window.end, from: i64::MIN });
        let places = self.places.range(first..last).filter(|(place, _)| place.is_taken_by(window));
        places.map(|(place, namespace)| (*place, *namespace)).collect()
    }

    /// Forgets a place.
    pub(super) fn close(&mut self, place: Place) {
        if let Some(namespace) = self.places.remove(&place) {
            self.table.close(namespace);
        }
    }

    /// The state of the groups in `namespace`.
    pub(super) fn image_at(&self, namespace: Namespace) -> Result<RecordBatch> {
        self.table.image_of(&self.table.groups_in(namespace))
    }

    /// All places in their order with the number of their groups, and the state of all these groups.
    pub(super) fn image(&self) -> Result<(Vec<(Place, usize)>, RecordBatch)> {
        let groups: Vec<Vec<u32>> = self.places.values().map(|namespace| self.table.groups_in(*namespace)).collect();
        let places = self.places.keys().zip(&groups).map(|(place, groups)| (*place, groups.len())).collect();
        Ok((places, self.table.image_of(&groups.concat())?))
    }

    /// Takes what [`image`](Self::image) gave.
    pub(super) fn restore(&mut self, places: &[(Place, usize)], groups: &RecordBatch) -> Result<()> {
        let namespaces: Vec<(Namespace, usize)> =
            places.iter().map(|(place, groups)| (self.namespace(*place).0, *groups)).collect();
        self.table.restore_in(&namespaces, groups)
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes()
    }
}
