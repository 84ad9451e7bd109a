//! The first phase of groups without windows: what the rows of a step add up to on the worker where they are.

use super::SentGroups;
use super::aggregate::{GroupTable, Grouped, Namespace, RowNamespaces};
use super::partial_aggregation::Payoff;
use crate::Result;

/// The groups of the step that runs. They are sent in the same step, for readers see its result after it.
pub(super) struct PartialGroups {
    table: GroupTable,
    /// Closed with each step, so that the next one can reserve the groups of the same keys.
    namespace: Namespace,
    payoff: Payoff,
}

impl PartialGroups {
    /// With an empty table of the same kind as that of the second phase.
    pub(super) fn new(mut table: GroupTable) -> Self {
        Self { namespace: table.open(), table, payoff: Payoff::default() }
    }

    /// Whether it takes so many rows.
    pub(super) fn takes(&mut self, rows: usize) -> bool {
        self.payoff.takes(rows)
    }

    /// Adds rows, all of them insertions.
    pub(super) fn add(&mut self, rows: &Grouped) -> Result<()> {
        let groups = self.table.assign_in(RowNamespaces::One(self.namespace), &rows.keys, rows.changes.len())?;
        self.table.update(&rows.inputs, rows.changes.weights(), &groups)
    }

    /// Whether there is no group.
    pub(super) fn is_empty(&self) -> bool {
        self.table.groups_in(self.namespace).is_empty()
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.table.groups_in(self.namespace).len()
    }

    /// Takes all groups out.
    pub(super) fn leave(&mut self) -> Result<Vec<SentGroups>> {
        let groups = self.table.groups_in(self.namespace);
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.table.image_of(&groups)?;
        self.payoff.learn(GroupTable::image_weight(&rows).unsigned_abs(), groups.len());
        self.table.close(self.namespace);
        self.namespace = self.table.open();
        Ok(vec![SentGroups { rows, keys: self.table.image_keys() }])
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes()
    }
}
