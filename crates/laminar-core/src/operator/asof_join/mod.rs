//! ASOF join: each left row beside the right row with equal keys that is nearest to it in one direction of time.
//!
//! In a step the right rows change first, under the left rows that are there: a change at some time can only reach the left rows between
//! it and the next right row, and of those the ones that find another row now are shown anew. Then the left rows change, each beside what
//! it finds. Nothing but rows is kept: what a left row was joined with is found again.
//!
//! Where both times follow watermarks, late rows are rejected and rows are forgotten: left rows that can find no other row, right rows
//! that no left row can find.

mod forget;
mod output;
mod search;

use std::collections::BTreeMap;

use arrow_array::BooleanArray;
use arrow_schema::SchemaRef;

use self::forget::Horizon;
use self::output::{Output, Shown};
use self::search::Search;
use super::absent::without_absent;
use super::late::LateRows;
use super::{Operator, OperatorContext};
use crate::changelog::{RowKeys, consolidate_all, equal_rows};
use crate::graph::{AsofJoinSpec, EdgeProperties, JoinType};
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{Imaged, Ownership, RowId, StateImage, TimedArrangement, TimedChanges, Timeline};
use crate::time::Watermark;
use crate::time::event_time::nanos_per_unit;
use crate::{ChangeBatch, Port, Result};

/// What the images call the rows, by port.
const SIDES: [&str; 2] = ["left", "right"];

/// Keeps the rows of both inputs by key and time.
#[derive(Debug)]
pub struct AsofJoin {
    search: Search,
    sides: [TimedArrangement; 2],
    /// Which of several right rows at one time counts.
    ties: RowKeys,
    /// Whether equal right rows have one row id.
    has_equal_rows: bool,
    output: Output,
    late: Option<LateRows>,
    horizon: Option<Horizon>,
    /// The changes of this step, by port.
    waiting: [Vec<ChangeBatch>; 2],
}

impl AsofJoin {
    /// The operator of `spec` over inputs with these properties.
    pub fn new(spec: &AsofJoinSpec, left: &EdgeProperties, right: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        let unit = nanos_per_unit(left.schema.field(spec.left_time).data_type()).unwrap_or(1);
        let tolerance = spec.tolerance.map(|tolerance| tolerance / unit);
        let mut sides = [
            TimedArrangement::new(left.schema.clone(), &spec.left_keys, spec.left_time, &left.changes)?,
            TimedArrangement::new(right.schema.clone(), &spec.right_keys, spec.right_time, &right.changes)?,
        ];
        if spec.times.is_some() {
            sides = sides.map(TimedArrangement::with_forgetting);
        }
        Ok(Self {
            search: Search { direction: spec.direction, strict: spec.strict, tolerance },
            sides,
            ties: RowKeys::of_schema(&right.schema)?,
            has_equal_rows: right.changes.is_append(),
            output: Output { schema: output, is_outer: spec.join_type == JoinType::Left },
            late: spec.times.map(|times| LateRows::new(times, &left.schema, &right.schema)),
            horizon: spec.times.map(|times| Horizon::new(times, unit, left.changes.is_append())),
            waiting: Default::default(),
        })
    }

    /// The right row of a key that a left row at `time` is joined with.
    fn found(&self, right: Option<&Timeline>, time: i64) -> Result<Option<RowId>> {
        let Some(right) = right else { return Ok(None) };
        let Some(at) = self.search.find(right, time) else { return Ok(None) };
        let mut rows = right.range((at, RowId::MIN)..=(at, RowId::MAX)).map(|(_, row_id)| *row_id);
        match (rows.next(), rows.next()) {
            (Some(first), Some(second)) => self.greatest([first, second].into_iter().chain(rows).collect()).map(Some),
            (only, _) => Ok(only),
        }
    }

    fn greatest(&self, row_ids: Vec<RowId>) -> Result<RowId> {
        let rows = self.sides[1].gather(&row_ids)?;
        let keys = self.ties.encode(rows.columns(), rows.num_rows())?;
        let (_, greatest) = keys.iter().zip(&row_ids).max().unwrap_or_else(|| unreachable!("there are several rows"));
        Ok(*greatest)
    }

    /// The changes of this step at `port`: those of rows with a key and a time, and the others.
    fn take_waiting(&mut self, port: Port, cx: &mut OperatorContext<'_>) -> Result<(TimedChanges, Option<ChangeBatch>)> {
        let (side, waiting) = (&self.sides[port.index()], std::mem::take(&mut self.waiting[port.index()]));
        let changes = consolidate_all(side.schema(), &waiting)?;
        let (changes, others) = match side.placed(changes.rows()) {
            None => (changes, None),
            Some(placed) => {
                let others = changes.filter(&BooleanArray::new(!placed.values(), None))?;
                (changes.filter(&placed)?, Some(others))
            }
        };
        let absent = side.absent(&changes)?;
        Ok((side.timed(without_absent(changes, absent, cx)?)?, others))
    }

    /// Changes the right rows; left rows that find others are shown anew.
    fn right_changed(&mut self, changed: &TimedChanges, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut touched: BTreeMap<&[u8], Vec<i64>> = BTreeMap::new();
        (0..changed.times.len()).for_each(|row| touched.entry(changed.key(row)).or_default().push(changed.times[row]));
        let mut reached: Vec<(&[u8], i64, RowId, Option<RowId>)> = Vec::new();
        for (key, times) in &mut touched {
            let (Some(left), right) = (self.sides[0].timeline(key), self.sides[1].timeline(key)) else { continue };
            times.sort_unstable();
            times.dedup();
            for (from, to) in self.search.reached(right.unwrap_or(&Timeline::new()), times) {
                for (time, left) in left.range((from, RowId::MIN)..=(to, RowId::MAX)) {
                    reached.push((key, *time, *left, self.found(right, *time)?));
                }
            }
        }
        self.sides[1].apply(changed)?;
        let mut turned = Vec::new();
        for (key, time, left, before) in reached {
            let after = self.found(self.sides[1].timeline(key), time)?;
            if before != after {
                turned.push((left, before, after));
            }
        }
        for turned in turned.chunks(BATCH_ROWS_MAX / 2) {
            self.show_anew(turned, cx)?;
        }
        Ok(())
    }

    /// Shows stored left rows beside other right rows than before.
    fn show_anew(&self, turned: &[(RowId, Option<RowId>, Option<RowId>)], cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut shown = Shown::default();
        let same = self.are_same(turned)?;
        for (left, before, after) in turned.iter().zip(same).filter(|(_, same)| !same).map(|(turned, _)| *turned) {
            let weight = self.sides[0].weight(left);
            shown.push(left, before, -weight);
            shown.push(left, after, weight);
        }
        let left = self.sides[0].gather(&shown.left)?;
        self.output.emit(left.columns(), &shown.right, &shown.weights, &self.sides[1], cx)
    }

    /// Whether a row is replaced by its like.
    fn are_same(&self, turned: &[(RowId, Option<RowId>, Option<RowId>)]) -> Result<Vec<bool>> {
        let mut same = vec![false; turned.len()];
        if !self.has_equal_rows {
            return Ok(same);
        }
        let both: Vec<(usize, RowId, RowId)> =
            turned.iter().enumerate().filter_map(|(at, (_, before, after))| Some((at, (*before)?, (*after)?))).collect();
        let before = self.sides[1].gather(&both.iter().map(|(_, before, _)| *before).collect::<Vec<_>>())?;
        let after = self.sides[1].gather(&both.iter().map(|(_, _, after)| *after).collect::<Vec<_>>())?;
        let equal = equal_rows(before.columns(), after.columns(), both.len())?;
        both.iter().enumerate().for_each(|(pair, (at, ..))| same[*at] = equal.value(pair));
        Ok(same)
    }

    /// Changes the left rows, each beside the right row that it finds.
    fn left_changed(&mut self, changed: &TimedChanges, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut shown = Shown::default();
        for (row, time) in changed.times.iter().enumerate() {
            let right = self.found(self.sides[1].timeline(changed.key(row)), *time)?;
            shown.push(row as u32, right, changed.changes.weight(row));
        }
        self.output.of_changes(&changed.changes, &shown, &self.sides[1], cx)?;
        self.sides[0].apply(changed)
    }
}

impl Operator for AsofJoin {
    fn on_changes(&mut self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let changes = match &self.late {
            Some(late) => late.leave_out(port, changes, cx)?,
            None => changes,
        };
        self.waiting[port.index()].push(changes.without_arrivals());
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Watermark, _cx: &mut OperatorContext<'_>) -> Result<()> {
        self.horizon.iter_mut().for_each(|horizon| horizon.reached = watermark);
        Ok(())
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (right, _) = self.take_waiting(Port::RIGHT, cx)?;
        let (left, alone) = self.take_waiting(Port::LEFT, cx)?;
        self.right_changed(&right, cx)?;
        self.left_changed(&left, cx)?;
        if let Some(alone) = alone {
            self.output.of_changes(&alone, &Shown::alone(&alone), &self.sides[1], cx)?;
        }
        if let Some(horizon) = &mut self.horizon {
            horizon.forget(self.search, &mut self.sides)?;
        }
        self.sides.iter_mut().try_for_each(TimedArrangement::compact)
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl Imaged for AsofJoin {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        self.sides.iter_mut().zip(SIDES).for_each(|(side, name)| side.add_to_image(&mut image, name));
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        for (side, name) in self.sides.iter_mut().zip(SIDES) {
            parts.iter().try_for_each(|image| side.restore(image, name, owned))?;
        }
        self.horizon.iter_mut().for_each(Horizon::start_again);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.sides.iter().map(TimedArrangement::len).sum()
    }

    fn bytes(&self) -> usize {
        self.sides.iter().map(TimedArrangement::bytes).sum()
    }
}
