//! A window's groups put together from those of its panes; the next window differs in a few panes only.

use super::input::GroupInput;
use super::pane_ref::PaneRef;
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
    pane_refs: Vec<(PaneRef, Namespace)>,
}

impl Sliding {
    /// No window yet. `once`: what a pane ref has does not change any more once it was in a window.
    pub(super) fn new(input: &GroupInput, once: bool) -> Result<Self> {
        let mut table = input.table()?;
        let slides = once && !input.retracts() && table.can_take_out();
        Ok(Self { input: input.clone(), slides, table, pane_refs: Vec::new() })
    }

    /// All groups of a window of these pane refs, in order, whose namespaces are in `panes`.
    pub(super) fn of_places(
        &mut self,
        pane_refs: Vec<(PaneRef, Namespace)>,
        panes: &GroupTable,
    ) -> Result<(&mut GroupTable, Vec<u32>)> {
        let gone = not_in(&self.pane_refs, &pane_refs);
        if self.slides && groups_in(&gone, panes) <= groups_in(&pane_refs, panes) / 2 {
            gone.iter().try_for_each(|(_, namespace)| self.table.take_out(panes, &panes.groups_in(*namespace)))?;
        } else {
            self.table = self.input.table()?;
            self.pane_refs.clear();
        }
        for (_, namespace) in not_in(&pane_refs, &self.pane_refs) {
            self.table.merge_from(panes, &panes.groups_in(namespace))?;
        }
        self.pane_refs = pane_refs;
        let groups = self.table.groups().collect();
        Ok((&mut self.table, groups))
    }

    /// Takes out a pane ref that is about to be closed.
    pub(super) fn forget(&mut self, pane_ref: PaneRef, panes: &GroupTable) -> Result<()> {
        let Ok(at) = self.pane_refs.binary_search_by_key(&pane_ref, |(pane_ref, _)| *pane_ref) else { return Ok(()) };
        if !self.slides {
            self.table = self.input.table()?;
            self.pane_refs.clear();
            return Ok(());
        }
        let (_, namespace) = self.pane_refs.remove(at);
        self.table.take_out(panes, &panes.groups_in(namespace))
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

/// Those of some pane refs that are not among others; both in order.
fn not_in(pane_refs: &[(PaneRef, Namespace)], others: &[(PaneRef, Namespace)]) -> Vec<(PaneRef, Namespace)> {
    let is_among = |pane_ref: &PaneRef| others.binary_search_by_key(pane_ref, |(pane_ref, _)| *pane_ref).is_ok();
    pane_refs.iter().filter(|(pane_ref, _)| !is_among(pane_ref)).copied().collect()
}

/// How many groups all these pane refs have at most.
fn groups_in(pane_refs: &[(PaneRef, Namespace)], panes: &GroupTable) -> usize {
    pane_refs.iter().map(|(_, namespace)| panes.count_in(*namespace)).sum()
}
