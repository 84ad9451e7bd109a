//! Left rows that are joined once, with the right rows that are there then.
//!
//! Left rows wait for the right rows of their step. Where right rows stand elsewhere, those whose key is not in the cache wait on
//! ([`Waiting`]). A left row that can be taken back takes back what it was given, which is therefore kept.

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::SchemaRef;

use super::pairs::Pairs;
use super::shown::Shown;
use super::side::{KeyedChanges, Prepared, Side};
use super::tally::{Tally, has_match};
use super::waiting::Waiting;
use crate::changelog::{consolidate_all, hash_rows};
use crate::expr::{Column, ExprRef};
use crate::graph::{ChangeKind, EdgeProperties, JoinSpec, Lookup};
use crate::limits::BATCH_ROWS_MAX;
use crate::operator::OperatorContext;
use crate::state::{Ownership, ProbeCursor, StateImage};
use crate::{ChangeBatch, Port, Result};

/// What images call what rows were given.
const GIVEN: &str = "given";

/// What a lookup join has beside its sides.
#[derive(Debug)]
pub(super) struct LookingUp {
    /// The left input's columns.
    left: SchemaRef,
    /// The join's columns.
    output: SchemaRef,
    /// The left rows of the step.
    arrived: Vec<ChangeBatch>,
    /// The keys of right rows that came in the step.
    answered: Vec<KeyedChanges>,
    /// `None`: a row whose key is not there has no match.
    pub(super) waiting: Option<Waiting>,
    /// The rows that came out, by the left rows that they came out for; `None`: left rows are not taken back.
    given: Option<Side>,
}

/// The parts of the join that look rows up.
pub(super) struct Parts<'a> {
    pub(super) sides: &'a mut [Side; 2],
    pub(super) pairs: &'a Pairs,
    /// How left rows without a match are shown, if they are.
    pub(super) shown: Option<&'a Shown>,
}

impl LookingUp {
    /// What a join of this `spec` needs; `None`: it follows both sides.
    pub(super) fn new(spec: &JoinSpec, left: &EdgeProperties, left_side: &Side, output: &SchemaRef) -> Option<Self> {
        let lookup = spec.lookup?;
        let given = || {
            // The join's keys are the first ones: by them rows belong to workers.
            let columns = (0..left.schema.fields().len()).map(|column| Column::new(&left.schema, column));
            let keys: Vec<ExprRef> = spec.left_keys.iter().cloned().chain(columns).collect();
            Side::new(&keys, true, &EdgeProperties::new(output.clone(), ChangeKind::Retract))
        };
        Some(Self {
            left: left.schema.clone(),
            output: output.clone(),
            arrived: Vec::new(),
            answered: Vec::new(),
            waiting: (lookup == Lookup::Cached).then(|| Waiting::new(left_side, &left.changes)),
            given: (!left.changes.is_append()).then(given),
        })
    }

    /// Takes in left rows of the step.
    pub(super) fn arrive(&mut self, changes: ChangeBatch) {
        self.arrived.push(changes.without_arrivals());
    }

    /// Learns which right rows came in the step.
    pub(super) fn learn(&mut self, right: KeyedChanges) {
        if self.waiting.as_ref().is_some_and(|waiting| !waiting.is_empty()) {
            self.answered.push(right);
        }
    }

    /// Looks up the left rows of the step, behind those that have waited.
    pub(super) fn end_step(&mut self, parts: &mut Parts<'_>, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut arrived = std::mem::take(&mut self.arrived);
        if self.given.is_some() && !arrived.is_empty() {
            arrived = vec![consolidate_all(&self.left, &arrived)?];
        }
        let mut coming = Vec::with_capacity(arrived.len());
        for changes in arrived {
            let Prepared { keyed, keyless } = parts.sides[0].prepare(changes, cx)?;
            if let (Some(shown), Some(keyless)) = (parts.shown, keyless) {
                shown.changed(&keyless, BooleanArray::new(BooleanBuffer::new_unset(keyless.len()), None), cx)?;
            }
            match keyed {
                Some(keyed) if self.given.is_some() => coming.extend(self.without_gone(keyed, cx)?),
                keyed => coming.extend(keyed),
            }
        }
        if let Some(waited) = self.released(parts)? {
            self.meet(&waited, parts, cx)?;
        }
        coming.into_iter().try_for_each(|keyed| self.look_up(&keyed, parts, cx))
    }

    /// The rows that have waited and need not any more.
    fn released(&mut self, parts: &Parts<'_>) -> Result<Option<KeyedChanges>> {
        let Some(waiting) = &mut self.waiting else { return Ok(None) };
        let mut there = Vec::with_capacity(self.answered.len());
        for answered in self.answered.drain(..) {
            // What came may have gone again.
            there.push(answered.only(&is_there(&answered, &parts.sides[1])?)?);
        }
        waiting.take_answered(&there)
    }

    /// Looks up rows that come.
    fn look_up(&mut self, keyed: &KeyedChanges, parts: &mut Parts<'_>, cx: &mut OperatorContext<'_>) -> Result<()> {
        let Some(waiting) = &mut self.waiting else { return self.meet(keyed, parts, cx) };
        let is_there = is_there(keyed, &parts.sides[1])?;
        if is_there.true_count() == is_there.len() {
            waiting.note_hits(keyed);
            return self.meet(keyed, parts, cx);
        }
        waiting.add(&keyed.only(&BooleanArray::new(!is_there.values(), None))?, cx.watermark())?;
        let there = keyed.only(&is_there)?;
        waiting.note_hits(&there);
        if there.changes.is_empty() { Ok(()) } else { self.meet(&there, parts, cx) }
    }

    /// Joins rows with the right rows as they stand, and keeps what that gives if they can be taken back.
    fn meet(&mut self, keyed: &KeyedChanges, parts: &mut Parts<'_>, cx: &mut OperatorContext<'_>) -> Result<()> {
        let Some(given) = &mut self.given else { return parts.meet(keyed, cx) };
        let mut out = Vec::new();
        parts.meet(keyed, &mut cx.inside(&mut out))?;
        for changes in out {
            if let Some(keyed) = given.prepare(changes.clone(), cx)?.keyed {
                given.insert(&keyed, None)?;
            }
            cx.emit(changes);
        }
        Ok(())
    }

    /// Takes back the rows that go; those that come.
    fn without_gone(&mut self, keyed: KeyedChanges, cx: &mut OperatorContext<'_>) -> Result<Option<KeyedChanges>> {
        let comes: BooleanArray = (0..keyed.changes.len()).map(|row| Some(keyed.changes.weight(row) > 0)).collect();
        if comes.true_count() == comes.len() {
            return Ok(Some(keyed));
        }
        let gone = keyed.only(&BooleanArray::new(!comes.values(), None))?;
        // One that waits has given nothing yet.
        let left = match &mut self.waiting {
            Some(waiting) => waiting.take_back(&gone)?,
            None => (0..gone.changes.len()).map(|row| gone.changes.weight(row).saturating_neg()).collect(),
        };
        self.take_back_given(&gone, left, cx)?;
        let coming = keyed.only(&comes)?;
        Ok((!coming.changes.is_empty()).then_some(coming))
    }

    /// Takes back what rows were given, each so often as `left` says.
    fn take_back_given(&mut self, gone: &KeyedChanges, mut left: Vec<i64>, cx: &mut OperatorContext<'_>) -> Result<()> {
        let Some(given) = &mut self.given else { return Ok(()) };
        let columns = &gone.changes.rows().columns()[..self.left.fields().len()];
        let keys: Vec<ArrayRef> = gone.keys.iter().chain(columns).cloned().collect();
        let (hashes, mut cursor) = (hash_rows(&keys, gone.changes.len())?, ProbeCursor::default());
        let (mut row_ids, mut weights) = (Vec::new(), Vec::new());
        while let Some(found) = given.arrangement().probe(&keys, &hashes, &mut cursor, BATCH_ROWS_MAX)? {
            for (row, row_id) in found.rows.iter().zip(found.row_ids) {
                let left = &mut left[*row as usize];
                let taken = given.arrangement().weight(row_id).min(*left);
                if taken > 0 {
                    *left -= taken;
                    row_ids.push(row_id);
                    weights.push(-taken);
                }
            }
        }
        if row_ids.is_empty() {
            return Ok(());
        }
        let columns = given.arrangement().gather(&row_ids, given.width())?;
        let changes = ChangeBatch::new(RecordBatch::try_new(self.output.clone(), columns)?, weights);
        if let Some(keyed) = given.prepare(changes.clone(), cx)?.keyed {
            given.insert(&keyed, None)?;
        }
        cx.emit(changes);
        Ok(())
    }

    pub(super) fn add_to_image(&mut self, image: &mut StateImage) {
        if let Some(waiting) = &mut self.waiting {
            waiting.add_to_image(image);
        }
        if let Some(given) = &mut self.given {
            given.arrangement_mut().add_to_image(image, GIVEN);
        }
    }

    pub(super) fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        if let Some(waiting) = &mut self.waiting {
            waiting.restore(parts, owned)?;
        }
        self.given.as_mut().map_or(Ok(()), |given| given.restore(parts, GIVEN, owned))
    }

    pub(super) fn rows(&self) -> usize {
        self.waiting.as_ref().map_or(0, Waiting::len) + self.given.as_ref().map_or(0, |given| given.arrangement().len())
    }

    pub(super) fn bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, Waiting::bytes) + self.given.as_ref().map_or(0, |given| given.arrangement().bytes())
    }
}

impl Parts<'_> {
    /// Shows left rows with the right rows as they stand.
    fn meet(&mut self, keyed: &KeyedChanges, cx: &mut OperatorContext<'_>) -> Result<()> {
        let mut tally = if self.shown.is_some() { Tally::of_changes(keyed.changes.len()) } else { Tally::default() };
        self.pairs.meet(Port::LEFT, keyed, &[], &mut self.sides[1], &mut tally, cx)?;
        let (Some(shown), Some(counts)) = (self.shown, tally.own()) else { return Ok(()) };
        let matched = BooleanBuffer::collect_bool(counts.len(), |row| has_match(counts[row]));
        shown.changed(&keyed.changes, BooleanArray::new(matched, None), cx)
    }
}

/// For which of these rows the other side has rows with their keys.
fn is_there(keyed: &KeyedChanges, other: &Side) -> Result<BooleanArray> {
    let mut is_there = BooleanBufferBuilder::new(keyed.hashes.len());
    is_there.append_n(keyed.hashes.len(), false);
    let mut cursor = ProbeCursor::default();
    while let Some(found) = other.arrangement().probe(&keyed.keys, &keyed.hashes, &mut cursor, BATCH_ROWS_MAX)? {
        found.rows.iter().for_each(|row| is_there.set_bit(*row as usize, true));
    }
    Ok(BooleanArray::new(is_there.finish(), None))
}
