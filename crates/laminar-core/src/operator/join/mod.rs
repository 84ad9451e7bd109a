//! Equi-join of two Z-sets: the pairs of rows with equal keys that also meet a residual condition, and rows by themselves because
//! they are in such a pair or in none.
//!
//! Pairs are bilinear, and one input's changes are taken at a time: they meet all that the other input has brought so
//! far (weights multiply), and only then join their own side's arrangement. So every pair is made exactly once, whichever
//! of the two came first, within a step and across steps. A retraction finds the same pairs and takes them back.
//!
//! A side whose rows are shown by themselves keeps with each of them how many rows match it, added up by weight. What is shown
//! changes when that number leaves 0 or comes back to it. Where nothing but that is asked for and there is no residual condition,
//! the other side keeps its keys alone, each with how often it is there: then a key that is there once more costs nothing, however
//! many rows it matches, and their numbers need not be kept.
//!
//! What some changes show of rows by themselves others may take back within the step: so it goes out at its end, added up. A row that has come
//! together with its partner was never without one, and what is computed over it does not fail for NULLs that are not there.
//!
//! A row with a NULL key can match nothing. It is shown at once and not kept: its own retraction takes it back.
//!
//! Without keys every pair is looked at, by the same way: all rows have the same empty key.
//!
//! Where conditions bound how far apart the times of two rows can be ([`TimeBound`]), a row is forgotten as soon as the watermark says
//! that no row to come can meet it. A late row could have met rows that are forgotten, so what it would show could be wrong: it meets
//! none and is not shown. It is late if it was behind its own source's watermark when it came.
//!
//! A lookup join ([`Lookup`](crate::graph::Lookup)) does not follow its right side: [`looking_up`] joins each left row once.

mod looking_up;
mod pairs;
mod shown;
mod side;
mod tally;
mod waiting;

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow_array::{Array, BooleanArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{Schema, SchemaRef};

use self::looking_up::{LookingUp, Parts};
use self::pairs::Pairs;
use self::shown::Shown;
use self::side::{KeyedChanges, Prepared, Side};
use self::tally::{Tally, has_match};
use super::late::LateRows;
use super::lookup_keys::LookupKeys;
use super::{Operator, OperatorContext};
use crate::changelog::{add_weights, consolidate_all};
use crate::expr::ExprRef;
use crate::graph::{EdgeProperties, JoinSpec, TimeBound};
use crate::limits::BATCH_ROWS_MAX;
use crate::state::{Imaged, Ownership, ProbeCursor, StateImage};
use crate::time::Watermark;
use crate::time::event_time::to_nanos;
use crate::{ChangeBatch, Code, Error, Port, Result};

/// What the images call the two arrangements, by port.
const SIDES: [&str; 2] = ["left", "right"];

const PORTS: [Port; 2] = [Port::LEFT, Port::RIGHT];

/// Keeps the rows of both inputs, arranged by key.
#[derive(Debug)]
pub struct JoinOperator {
    sides: [Side; 2],
    /// What is shown of each side's rows by themselves.
    shown: [Option<Shown>; 2],
    /// What is shown of rows by themselves in this step, until its end.
    alone: Vec<ChangeBatch>,
    pairs: Pairs,
    /// By which rows are forgotten, and those that come too late for it.
    time_bound: Option<(TimeBound, LateRows)>,
    /// What looks left rows up; `None`: the result follows both sides.
    looking_up: Option<LookingUp>,
}

impl JoinOperator {
    /// A join of edges with these properties. Refused if the keys' types differ: the planner casts them before.
    pub fn new(spec: &JoinSpec, left: &EdgeProperties, right: &EdgeProperties, output: SchemaRef) -> Result<Self> {
        check_keys(spec)?;
        let expected = spec.join_type.output_schema(&left.schema, &right.schema);
        if expected.fields().len() != output.fields().len() {
            return Err(Error::internal("a join's output has other columns than its inputs"));
        }
        let shows_pairs = spec.join_type.shows_pairs();
        let fields = left.schema.fields().iter().chain(right.schema.fields()).cloned();
        let pair_schema = if shows_pairs { output.clone() } else { Arc::new(Schema::new(fields.collect::<Vec<_>>())) };
        let shown = PORTS.map(|port| {
            let width = if port == Port::LEFT { left } else { right }.schema.fields().len();
            Shown::new(spec.join_type, port, width, &output)
        });
        let sides = [side(spec, Port::LEFT, left), side(spec, Port::RIGHT, right)];
        let looking_up = LookingUp::new(spec, left, &sides[0], &output);
        let time_bound =
            spec.time_bound.map(|bound| (bound, LateRows::new([bound.left, bound.right], &left.schema, &right.schema)));
        let pairs = Pairs::new(pair_schema, spec.residual.clone(), shows_pairs);
        Ok(Self { sides, shown, alone: Vec::new(), pairs, time_bound, looking_up })
    }

    /// The times of the rows that each of the changes on `port` can meet; nothing if that is not bound, or one of them has no usable time.
    fn partners(&self, port: Port, keyed: &KeyedChanges) -> Result<Vec<RangeInclusive<i64>>> {
        let Some((bound, _)) = &self.time_bound else { return Ok(Vec::new()) };
        let times = to_nanos(keyed.changes.column(bound.time(port).column))?;
        if times.null_count() > 0 {
            return Ok(Vec::new());
        }
        Ok(times.values().iter().map(|time| bound.partners(port, *time)).collect())
    }

    /// Right rows are there at once, left rows wait for those of the step.
    fn take_in(&mut self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let Some(looking_up) = &mut self.looking_up else { return Ok(()) };
        if port == Port::LEFT {
            looking_up.arrive(changes);
            return Ok(());
        }
        if let Some(keyed) = self.sides[1].prepare(changes, cx)?.keyed {
            self.sides[1].insert(&keyed, None)?;
            looking_up.learn(keyed);
        }
        Ok(())
    }

    /// Shows the rows of a side whose keys match nothing.
    fn show_keyless(&mut self, own: usize, keyless: Option<ChangeBatch>, cx: &mut OperatorContext<'_>) -> Result<()> {
        let (Some(shown), Some(keyless)) = (&self.shown[own], keyless) else { return Ok(()) };
        let unmatched = BooleanArray::new(BooleanBuffer::new_unset(keyless.len()), None);
        shown.changed(&keyless, unmatched, &mut cx.inside(&mut self.alone))
    }

    /// Sends out what the step has changed in what is shown of rows by themselves. Where rows only come, or only go, nothing of it is taken back.
    fn show_alone(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let takes_back = self.shown.iter().flatten().any(Shown::takes_back) && come_and_go(&self.alone);
        match self.alone.as_slice() {
            [first, _, ..] if takes_back => cx.emit(consolidate_all(&first.rows().schema(), &self.alone)?),
            _ => self.alone.drain(..).for_each(|changes| cx.emit(changes)),
        }
        self.alone.clear();
        Ok(())
    }

    /// Rows of a side of which the keys alone are kept: the other side's rows are shown anew whose key is there now and was not, or
    /// is not there any more.
    fn keys_changed(&mut self, own: usize, keyed: &KeyedChanges, cx: &mut OperatorContext<'_>) -> Result<()> {
        let other = 1 - own;
        let turned = turned_keys(&self.sides[own], keyed)?;
        let (arrangement, mut cursor) = (self.sides[other].arrangement(), ProbeCursor::default());
        let Some(shown) = self.shown[other].as_ref().filter(|_| turned.iter().any(Option::is_some)) else {
            return self.sides[own].insert(keyed, None);
        };
        let asking = keyed.only(&turned.iter().map(|turned| Some(turned.is_some())).collect())?;
        let turned: Vec<bool> = turned.into_iter().flatten().collect();
        let mut alone = cx.inside(&mut self.alone);
        while let Some(found) = arrangement.probe(&asking.keys, &asking.hashes, &mut cursor, BATCH_ROWS_MAX)? {
            let rows = found.rows.iter().zip(found.row_ids).map(|(row, row_id)| (row_id, turned[*row as usize]));
            shown.turned(arrangement, &rows.collect::<Vec<_>>(), &mut alone)?;
        }
        self.sides[own].insert(keyed, None)
    }
}

/// Whether weights of both signs are among these.
fn come_and_go(changes: &[ChangeBatch]) -> bool {
    let has = |sign: i64| changes.iter().any(|changes| (0..changes.len()).any(|row| changes.weight(row).signum() == sign));
    has(1) && has(-1)
}

/// The side at `port`, with as much as the join must know of it.
fn side(spec: &JoinSpec, port: Port, input: &EdgeProperties) -> Side {
    let keys = if port == Port::LEFT { &spec.left_keys } else { &spec.right_keys };
    let side = match (spec.join_type.depends_on_matches(port), asks_for_keys_alone(spec)) {
        (false, true) => Side::of_keys(keys, spec.null_equals_null, input),
        (false, false) => Side::new(keys, spec.null_equals_null, input),
        (true, true) => Side::new(keys, spec.null_equals_null, input).shown_alone(),
        (true, false) => Side::new(keys, spec.null_equals_null, input).shown_alone().with_match_counts(),
    };
    match &spec.time_bound {
        Some(bound) => side.with_time(bound.time(port).column),
        None => side,
    }
}

/// Whether a row need not know which rows match it, only whether its key is there.
fn asks_for_keys_alone(spec: &JoinSpec) -> bool {
    let has_key = |keys: &[ExprRef], time: usize| keys.iter().any(|key| key.as_column() == Some(time));
    let has_times =
        |bound: &TimeBound| has_key(&spec.left_keys, bound.left.column) && has_key(&spec.right_keys, bound.right.column);
    !spec.join_type.shows_pairs() && spec.residual.is_none() && spec.time_bound.as_ref().is_none_or(has_times)
}

/// For each of the changes of keys whether its key is there now, if that is not as it was before.
fn turned_keys(side: &Side, keyed: &KeyedChanges) -> Result<Vec<Option<bool>>> {
    let (arrangement, mut cursor) = (side.arrangement(), ProbeCursor::default());
    let mut before = vec![0; keyed.changes.len()];
    while let Some(found) = arrangement.probe(&keyed.keys, &keyed.hashes, &mut cursor, BATCH_ROWS_MAX)? {
        found.rows.iter().zip(&found.row_ids).for_each(|(row, row_id)| before[*row as usize] = arrangement.weight(*row_id));
    }
    let turned = |(row, before): (usize, i64)| {
        let after = has_match(add_weights(before, keyed.changes.weight(row))?);
        Ok((after != has_match(before)).then_some(after))
    };
    before.into_iter().enumerate().map(turned).collect()
}

fn check_keys(spec: &JoinSpec) -> Result<()> {
    if spec.left_keys.len() != spec.right_keys.len() {
        return Err(Error::internal("a join with more keys on one side"));
    }
    let mut pairs = spec.left_keys.iter().zip(&spec.right_keys);
    match pairs.find(|(left, right)| left.data_type() != right.data_type()) {
        None => Ok(()),
        Some((left, right)) => Err(Error::new(
            Code::TypeMismatch,
            format!(
                "cannot join {} of type {} with {} of type {}",
                left.display(),
                left.data_type(),
                right.display(),
                right.data_type()
            ),
        )
        .with_hint("cast one of them to the other's type")),
    }
}

impl Operator for JoinOperator {
    fn on_changes(&mut self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        if self.looking_up.is_some() {
            return self.take_in(port, changes, cx);
        }
        let (own, other) = (port.index(), 1 - port.index());
        let changes = match &self.time_bound {
            Some((_, late)) => late.leave_out(port, changes, cx)?,
            None => changes,
        };
        let Prepared { keyed, keyless } = self.sides[own].prepare(changes, cx)?;
        self.show_keyless(own, keyless, cx)?;
        let Some(keyed) = keyed else { return Ok(()) };
        if self.sides[own].has_only_keys() {
            return self.keys_changed(own, &keyed, cx);
        }
        let asked = self.shown[own].is_some();
        let mut tally = if asked { Tally::of_changes(keyed.changes.len()) } else { Tally::default() };
        let within = self.partners(port, &keyed)?;
        self.pairs.meet(port, &keyed, &within, &mut self.sides[other], &mut tally, cx)?;
        if let (Some(shown), Some(counts)) = (&self.shown[own], tally.own()) {
            let matched = BooleanBuffer::collect_bool(counts.len(), |row| has_match(counts[row]));
            shown.changed(&keyed.changes, BooleanArray::new(matched, None), &mut cx.inside(&mut self.alone))?;
        }
        self.sides[own].insert(&keyed, tally.own())?;
        let Some(shown) = &self.shown[other] else { return Ok(()) };
        let arrangement = self.sides[other].arrangement();
        shown.turned(arrangement, &tally.turned(arrangement), &mut cx.inside(&mut self.alone))
    }

    fn on_watermark(&mut self, watermark: Watermark, _cx: &mut OperatorContext<'_>) -> Result<()> {
        let Some((bound, _)) = &self.time_bound else { return Ok(()) };
        self.sides.iter_mut().zip(PORTS).try_for_each(|(side, port)| side.forget(port, bound, watermark))
    }

    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        self.show_alone(cx)?;
        let Some(looking_up) = &mut self.looking_up else { return Ok(()) };
        let mut parts = Parts { sides: &mut self.sides, pairs: &self.pairs, shown: self.shown[0].as_ref() };
        looking_up.end_step(&mut parts, cx)
    }

    /// What waits holds the watermark back to where it stood when it came.
    fn output_watermark(&self, input: Watermark) -> Watermark {
        let held = self.looking_up.as_ref().and_then(|looking_up| looking_up.waiting.as_ref()?.held());
        held.map_or(input, |held| held.min(input))
    }

    fn lookup_keys(&mut self) -> Option<&mut dyn LookupKeys> {
        let waiting = self.looking_up.as_mut()?.waiting.as_mut()?;
        Some(waiting)
    }

    fn state(&mut self) -> Option<&mut dyn Imaged> {
        Some(self)
    }
}

impl Imaged for JoinOperator {
    fn image(&mut self) -> Result<StateImage> {
        let mut image = StateImage::default();
        for (side, name) in self.sides.iter_mut().zip(SIDES) {
            side.arrangement_mut().add_to_image(&mut image, name);
        }
        if let Some(looking_up) = &mut self.looking_up {
            looking_up.add_to_image(&mut image);
        }
        Ok(image)
    }

    fn restore(&mut self, parts: &[&StateImage], owned: &Ownership) -> Result<()> {
        for (side, name) in self.sides.iter_mut().zip(SIDES) {
            side.restore(parts, name, owned)?;
        }
        self.looking_up.as_mut().map_or(Ok(()), |looking_up| looking_up.restore(parts, owned))
    }

    fn rows(&self) -> usize {
        let beside = self.looking_up.as_ref().map_or(0, LookingUp::rows);
        self.sides.iter().map(|side| side.arrangement().len()).sum::<usize>() + beside
    }

    fn bytes(&self) -> usize {
        let beside = self.looking_up.as_ref().map_or(0, LookingUp::bytes);
        self.sides.iter().map(|side| side.arrangement().bytes()).sum::<usize>() + beside
    }
}
