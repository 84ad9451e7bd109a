//! Partial aggregation of windows: rows wait in groups on the worker where they are, until a window is due that needs them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema};

use super::input::GroupInput;
use super::pane_groups::PaneGroups;
use super::pane_ref::{PaneRef, Taken, Whereabouts};
use crate::limits::PARTIAL_GROUPS_MAX;
use crate::operator::SentGroups;
use crate::operator::aggregate::{GroupTable, Namespace};
use crate::operator::partial_aggregation::Payoff;
use crate::{Error, Result};

/// Groups by pane ref that were not sent yet.
pub(super) struct PartialPanes {
    assigned: PaneGroups,
    payoff: Payoff,
    /// Rows since it was asked last whether they are worth it.
    rows: u64,
    /// Groups from which on that is asked again.
    groups_max: usize,
    /// They were not: all are to be sent.
    gives_up: bool,
}

impl PartialPanes {
    /// No rows yet.
    pub(super) fn new(input: &GroupInput) -> Result<Self> {
        let assigned = PaneGroups::new(input)?;
        Ok(Self { assigned, payoff: Payoff::default(), rows: 0, groups_max: PARTIAL_GROUPS_MAX, gives_up: false })
    }

    /// Whether it takes so many rows.
    pub(super) fn takes(&mut self, rows: usize) -> bool {
        self.payoff.takes(rows)
    }

    /// Adds rows.
    pub(super) fn add(&mut self, taken: &Taken) -> Result<()> {
        let rows = &taken.rows;
        self.rows += rows.inputs.rows() as u64;
        match &taken.whereabouts {
            Whereabouts::One(pane_ref) => self.assigned.add(*pane_ref, rows).map(|_| ())?,
            Whereabouts::Few(few) => self.assigned.add_each(few, rows).map(|_| ())?,
            Whereabouts::Apart(apart) => {
                for (pane_ref, at) in apart {
                    self.assigned.add(*pane_ref, &rows.take(at)?)?;
                }
            }
        }
        self.look_at_groups();
        Ok(())
    }

    /// Many groups with few rows each are not worth the memory: they are sent before they are due.
    fn look_at_groups(&mut self) {
        let groups: usize = self.assigned.pane_refs().map(|(_, namespace)| self.assigned.table().count_in(namespace)).sum();
        if groups > self.groups_max {
            self.gives_up = !Payoff::is_worth(self.rows, groups);
            self.groups_max = groups * 2;
        }
    }

    /// Takes out the groups at the pane refs of which `is_due` says so.
    pub(super) fn leave(&mut self, is_due: impl Fn(PaneRef) -> bool) -> Result<Vec<SentGroups>> {
        let all = std::mem::take(&mut self.gives_up);
        let due: Vec<(PaneRef, Namespace)> = self.assigned.pane_refs().filter(|(pane_ref, _)| all || is_due(*pane_ref)).collect();
        let (mut sent, mut rows) = (Vec::with_capacity(due.len()), 0);
        for (pane_ref, namespace) in due {
            let groups = self.assigned.image_at(namespace)?;
            rows += GroupTable::image_weight(&groups).unsigned_abs();
            sent.push(labelled(pane_ref, &groups, self.assigned.table())?);
            self.assigned.close(pane_ref);
        }
        let groups = sent.iter().map(|sent| sent.rows.num_rows()).sum();
        self.payoff.learn(rows, groups);
        if groups > 0 && self.assigned.first_pane_ref().is_none() {
            (self.rows, self.groups_max) = (0, PARTIAL_GROUPS_MAX);
        }
        Ok(sent)
    }

    /// All groups, which stay.
    pub(super) fn on_the_way(&self) -> Result<Vec<SentGroups>> {
        let groups = self.assigned.pane_refs();
        groups.map(|(at, namespace)| labelled(at, &self.assigned.image_at(namespace)?, self.assigned.table())).collect()
    }

    /// Where groups are.
    pub(super) fn pane_refs(&self) -> impl Iterator<Item = PaneRef> {
        self.assigned.pane_refs().map(|(pane_ref, _)| pane_ref)
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.assigned.len()
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.assigned.bytes()
    }
}

/// The groups at a pane ref with two columns in front that say where it is.
fn labelled(pane_ref: PaneRef, groups: &RecordBatch, table: &GroupTable) -> Result<SentGroups> {
    let label = |value: i64| Arc::new(Int64Array::from_value(value, groups.num_rows())) as ArrayRef;
    let mut columns = vec![label(pane_ref.pane), label(pane_ref.from)];
    columns.extend(groups.columns().iter().cloned());
    let mut fields =
        vec![Arc::new(Field::new("pane", DataType::Int64, false)), Arc::new(Field::new("from", DataType::Int64, false))];
    fields.extend(groups.schema_ref().fields().iter().cloned());
    let options = RecordBatchOptions::new().with_row_count(Some(groups.num_rows()));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
    Ok(SentGroups { rows, keys: sent_keys(table) })
}

/// Which columns of sent groups are their keys.
pub(super) fn sent_keys(table: &GroupTable) -> Range<usize> {
    let keys = table.image_keys();
    keys.start + LABELS..keys.end + LABELS
}

const LABELS: usize = 2;

/// The pane ref of groups that came from another worker, and the groups. All rows of a batch have one pane ref.
pub(super) fn arrived(rows: &RecordBatch) -> Result<Option<(PaneRef, RecordBatch)>> {
    if rows.num_rows() == 0 {
        return Ok(None);
    }
    let label = |column: usize| {
        let labels = rows.columns().get(column).and_then(|column| column.as_primitive_opt::<Int64Type>());
        labels.map(|labels| labels.value(0)).ok_or_else(|| Error::internal("groups without a pane"))
    };
    let pane_ref = PaneRef { pane: label(0)?, from: label(1)? };
    let columns: Vec<usize> = (LABELS..rows.num_columns()).collect();
    Ok(Some((pane_ref, rows.project(&columns)?)))
}
