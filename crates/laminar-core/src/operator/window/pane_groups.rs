//! Groups by pane ref: one table with a namespace for each.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;

use super::input::{Evaluated, GroupInput};
use super::pane_ref::{FewPanes, PaneRef};
use crate::Result;
use crate::operator::aggregate::{GroupTable, Namespace, RowNamespaces};
use crate::state::map_bytes;
use crate::time::Window;

/// The groups of several pane refs.
pub(super) struct PaneGroups {
    table: GroupTable,
    pane_refs: BTreeMap<PaneRef, Namespace>,
}

impl PaneGroups {
    /// No rows yet.
    pub(super) fn new(input: &GroupInput) -> Result<Self> {
        Ok(Self { table: input.table()?, pane_refs: BTreeMap::new() })
    }

    /// Adds rows at `pane_ref`. True if it is the first time.
    pub(super) fn add(&mut self, pane_ref: PaneRef, rows: &Evaluated) -> Result<bool> {
        let (namespace, is_new) = self.namespace(pane_ref);
        rows.add_in(RowNamespaces::One(namespace), &mut self.table)?;
        Ok(is_new)
    }

    /// Adds each row at its pane ref. Says at which of them it is the first time.
    pub(super) fn add_each(&mut self, few: &FewPanes, rows: &Evaluated) -> Result<Vec<PaneRef>> {
        let (mut namespaces, mut new): (Vec<Namespace>, Vec<PaneRef>) = (Vec::with_capacity(few.pane_refs.len()), Vec::new());
        for (pane_ref, number) in few.pane_refs.iter().zip(0u8..) {
            let known = self.pane_refs.get(pane_ref).copied();
            namespaces.push(match known {
                Some(namespace) => namespace,
                // Its number does not occur, so any namespace will do.
                None if !few.of_row.contains(&number) => namespaces.last().copied().unwrap_or(Namespace::FIRST),
                None => {
                    new.push(*pane_ref);
                    self.namespace(*pane_ref).0
                }
            });
        }
        rows.add_in(RowNamespaces::Each { namespaces: &namespaces, of_row: &few.of_row }, &mut self.table)?;
        Ok(new)
    }

    /// Adds groups of [`image_at`](Self::image_at) of another table. True if it is the first time at `pane_ref`.
    pub(super) fn merge(&mut self, pane_ref: PaneRef, image: &RecordBatch, mut fresh: GroupTable) -> Result<bool> {
        let (namespace, is_new) = self.namespace(pane_ref);
        let groups = self.table.assign_image(namespace, image, &mut fresh)?;
        self.table.merge_all(&fresh, &groups)?;
        Ok(is_new)
    }

    /// The namespace of a pane ref, and whether it was opened for that.
    fn namespace(&mut self, pane_ref: PaneRef) -> (Namespace, bool) {
        if let Some(namespace) = self.pane_refs.get(&pane_ref) {
            return (*namespace, false);
        }
        let namespace = self.table.open();
        self.pane_refs.insert(pane_ref, namespace);
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

    /// The pane refs with their namespaces, in order.
    pub(super) fn pane_refs(&self) -> impl Iterator<Item = (PaneRef, Namespace)> + '_ {
        self.pane_refs.iter().map(|(pane_ref, namespace)| (*pane_ref, *namespace))
    }

    /// The first of them.
    pub(super) fn first_pane_ref(&self) -> Option<PaneRef> {
        self.pane_refs.first_key_value().map(|(pane_ref, _)| *pane_ref)
    }

    /// Those of which `window` takes the rows, in order.
    pub(super) fn places_of(&self, window: Window) -> Vec<(PaneRef, Namespace)> {
        let (first, last) = (PaneRef { pane: window.first, from: i64::MIN }, PaneRef { pane: window.end, from: i64::MIN });
        let pane_refs = self.pane_refs.range(first..last).filter(|(pane_ref, _)| pane_ref.is_taken_by(window));
        pane_refs.map(|(pane_ref, namespace)| (*pane_ref, *namespace)).collect()
    }

    /// Forgets a pane ref.
    pub(super) fn close(&mut self, pane_ref: PaneRef) {
        if let Some(namespace) = self.pane_refs.remove(&pane_ref) {
            self.table.close(namespace);
        }
    }

    /// The state of the groups in `namespace`.
    pub(super) fn image_at(&self, namespace: Namespace) -> Result<RecordBatch> {
        self.table.image_of(&self.table.groups_in(namespace))
    }

    /// All pane refs in their order with the number of their groups, and the state of all these groups.
    pub(super) fn image(&self) -> Result<(Vec<(PaneRef, usize)>, RecordBatch)> {
        let groups: Vec<Vec<u32>> = self.pane_refs.values().map(|namespace| self.table.groups_in(*namespace)).collect();
        let pane_refs = self.pane_refs.keys().zip(&groups).map(|(pane_ref, groups)| (*pane_ref, groups.len())).collect();
        Ok((pane_refs, self.table.image_of(&groups.concat())?))
    }

    /// Takes what [`image`](Self::image) gave.
    pub(super) fn restore(&mut self, pane_refs: &[(PaneRef, usize)], groups: &RecordBatch) -> Result<()> {
        let namespaces: Vec<(Namespace, usize)> =
            pane_refs.iter().map(|(pane_ref, groups)| (self.namespace(*pane_ref).0, *groups)).collect();
        self.table.restore_in(&namespaces, groups)
    }

    /// How many groups there are in all panes.
    pub(super) fn len(&self) -> usize {
        self.pane_refs.values().map(|namespace| self.table.groups_in(*namespace).len()).sum()
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + map_bytes(&self.pane_refs)
    }
}
