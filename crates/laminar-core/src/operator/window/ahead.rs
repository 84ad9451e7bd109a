//! The first phase of windows: rows wait in groups on the worker where they are, until a window is due that needs them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema};

use super::input::GroupInput;
use super::place::{Place, Taken, Whereabouts};
use super::placed_groups::PlacedGroups;
use crate::limits::AHEAD_GROUPS_MAX;
use crate::operator::SentGroups;
use crate::operator::aggregate::{GroupTable, Namespace};
use crate::operator::first_phase::Payoff;
use crate::{Error, Result};

/// Groups by place that were not sent yet.
pub(super) struct Ahead {
    placed: PlacedGroups,
    payoff: Payoff,
    /// Rows since it was asked last whether they are worth it.
    rows: u64,
    /// Groups from which on that is asked again.
    groups_max: usize,
    /// They were not: all are to be sent.
    gives_up: bool,
}

impl Ahead {
    /// No rows yet.
    pub(super) fn new(input: &GroupInput) -> Result<Self> {
        let placed = PlacedGroups::new(input)?;
        Ok(Self { placed, payoff: Payoff::default(), rows: 0, groups_max: AHEAD_GROUPS_MAX, gives_up: false })
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
            Whereabouts::One(place) => self.placed.add(*place, rows).map(|_| ())?,
            Whereabouts::Few(few) => self.placed.add_each(few, rows).map(|_| ())?,
            Whereabouts::Apart(apart) => {
                for (place, at) in apart {
                    self.placed.add(*place, &rows.take(at)?)?;
                }
            }
        }
        self.look_at_groups();
        Ok(())
    }

    /// Many groups with few rows each are not worth the memory: they are sent before they are due.
    fn look_at_groups(&mut self) {
        let groups: usize = self.placed.places().map(|(_, namespace)| self.placed.table().count_in(namespace)).sum();
        if groups > self.groups_max {
            self.gives_up = !Payoff::is_worth(self.rows, groups);
            self.groups_max = groups * 2;
        }
    }

    /// Takes out the groups at the places of which `is_due` says so.
    pub(super) fn leave(&mut self, is_due: impl Fn(Place) -> bool) -> Result<Vec<SentGroups>> {
        let all = std::mem::take(&mut self.gives_up);
        let due: Vec<(Place, Namespace)> = self.placed.places().filter(|(place, _)| all || is_due(*place)).collect();
        let (mut sent, mut rows) = (Vec::with_capacity(due.len()), 0);
        for (place, namespace) in due {
            let groups = self.placed.image_at(namespace)?;
            rows += GroupTable::image_weight(&groups).unsigned_abs();
            sent.push(labelled(place, &groups, self.placed.table())?);
            self.placed.close(place);
        }
        let groups = sent.iter().map(|sent| sent.rows.num_rows()).sum();
        self.payoff.learn(rows, groups);
        if groups > 0 && self.placed.first_place().is_none() {
            (self.rows, self.groups_max) = (0, AHEAD_GROUPS_MAX);
        }
        Ok(sent)
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

/// The groups at a place with two columns in front that say where it is.
fn labelled(place: Place, groups: &RecordBatch, table: &GroupTable) -> Result<SentGroups> {
    let label = |value: i64| Arc::new(Int64Array::from_value(value, groups.num_rows())) as ArrayRef;
    let mut columns = vec![label(place.pane), label(place.from)];
    columns.extend(groups.columns().iter().cloned());
    let mut fields =
        vec![Arc::new(Field::new("pane", DataType::Int64, false)), Arc::new(Field::new("from", DataType::Int64, false))];
    fields.extend(groups.schema_ref().fields().iter().cloned());
    let options = RecordBatchOptions::new().with_row_count(Some(groups.num_rows()));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
    let keys = table.image_keys();
    Ok(SentGroups { rows, keys: keys.start + LABELS..keys.end + LABELS })
}

const LABELS: usize = 2;

/// The place of groups that came from another worker, and the groups. All rows of a batch have one place.
pub(super) fn arrived(rows: &RecordBatch) -> Result<Option<(Place, RecordBatch)>> {
    if rows.num_rows() == 0 {
        return Ok(None);
    }
    let label = |column: usize| {
        let labels = rows.columns().get(column).and_then(|column| column.as_primitive_opt::<Int64Type>());
        labels.map(|labels| labels.value(0)).ok_or_else(|| Error::internal("groups without a place"))
    };
    let place = Place { pane: label(0)?, from: label(1)? };
    let columns: Vec<usize> = (LABELS..rows.num_columns()).collect();
    Ok(Some((place, rows.project(&columns)?)))
}
