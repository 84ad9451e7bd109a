//! A window's groups put together from those of its panes; the next window differs in a few panes only.

use super::input::GroupInput;
use super::place::Place;
use crate::Result;
use crate::operator::aggregate::{GroupTable, Namespace};

/// The groups of the last window of several panes.
///
/// Where everything can be taken out again without a trace, the next window takes out the panes that it does not have and adds
/// those that the last one did not have; elsewhere it is put together anew.
pub(super) struct Sliding {
    input: GroupInput,
    slides: bool,
    table: GroupTable,
    /// What is in the table, in order.
    places: Vec<(Place, Namespace)>,
}

impl Sliding {
    /// No window yet. `once`: what a place has does not change any more once it was in a window.
    pub(super) fn new(input: &GroupInput, once: bool) -> Result<Self> {
        let mut table = input.table()?;
        let slides = once && !input.retracts() && table.can_take_out();
        Ok(Self { input: input.clone(), slides, table, places: Vec::new() })
    }

    /// All groups of a window of these places, in order, whose namespaces are in `panes`.
    pub(super) fn of_places(
        &mut self,
        places: Vec<(Place, Namespace)>,
        panes: &GroupTable,
    ) -> Result<(&mut GroupTable, Vec<u32>)> {
        let gone = not_in(&self.places, &places);
        if self.slides && groups_in(&gone, panes) <= groups_in(&places, panes) / 2 {
            gone.iter().try_for_each(|(_, namespace)| self.table.take_out(panes, &panes.groups_in(*namespace)))?;
        } else {
            self.table = self.input.table()?;
            self.places.clear();
        }
        for (_, namespace) in not_in(&places, &self.places) {
            self.table.merge_from(panes, &panes.groups_in(namespace))?;
        }
        self.places = places;
        let groups = self.table.groups().collect();
        Ok((&mut self.table, groups))
    }

    /// Takes out a place that is about to be closed.
    pub(super) fn forget(&mut self, place: Place, panes: &GroupTable) -> Result<()> {
        let Ok(at) = self.places.binary_search_by_key(&place, |(place, _)| *place) else { return Ok(()) };
        if !self.slides {
            self.table = self.input.table()?;
            self.places.clear();
            return Ok(());
        }
        let (_, namespace) = self.places.remove(at);
        self.table.take_out(panes, &panes.groups_in(namespace))
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

/// Those of some places that are not among others; both in order.
fn not_in(places: &[(Place, Namespace)], others: &[(Place, Namespace)]) -> Vec<(Place, Namespace)> {
    let is_among = |place: &Place| others.binary_search_by_key(place, |(place, _)| *place).is_ok();
    places.iter().filter(|(place, _)| !is_among(place)).copied().collect()
}

/// How many groups all these places have at most.
fn groups_in(places: &[(Place, Namespace)], panes: &GroupTable) -> usize {
    places.iter().map(|(_, namespace)| panes.count_in(*namespace)).sum()
}
