//! Sessions of rows that can be retracted, which may split them: one group for each time of a key, merged when asked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::DataType;

use super::answers::Answers;
use super::spans::{Session, Span, Spans};
use crate::operator::aggregate::{Fault, GroupTable};
use crate::operator::window::{Evaluated, GroupInput};
use crate::state::{Ownership, map_bytes, set_bytes};
use crate::{Error, Result};

/// Groups by key number, time and key within the session, and the times of each key in order.
pub(super) struct Ordered {
    table: GroupTable,
    times: BTreeMap<u32, BTreeMap<i64, BTreeSet<u32>>>,
    /// What this step touched.
    touched: BTreeMap<u32, BTreeSet<i64>>,
    /// The types of the keys within a session.
    within: Vec<DataType>,
}

impl Ordered {
    pub(super) fn new(input: &GroupInput, within: Vec<DataType>) -> Result<Self> {
        let by: Vec<DataType> = [DataType::Int64, DataType::Int64].into_iter().chain(within.iter().cloned()).collect();
        Ok(Self { table: input.table_by(&by)?, times: BTreeMap::new(), touched: BTreeMap::new(), within })
    }

    /// The sessions that rows at these times of these keys will touch, as they stand, each once.
    pub(super) fn touches(&self, spans: &Spans, keys: &[u32], times: &[i64], gap: i64) -> Vec<Session> {
        let mut touched: Vec<Session> = Vec::new();
        for (key, time) in keys.iter().zip(times) {
            for span in spans.near(*key, *time, *time, gap) {
                let session = Session { key: *key, span };
                // Rows come sorted: a session that is known was seen just now.
                if !touched.iter().rev().take(2).any(|known| *known == session) {
                    touched.push(session);
                }
            }
        }
        touched
    }

    /// Adds rows of these keys and times. Sessions move with [`settle`](Self::settle) only.
    pub(super) fn apply(&mut self, keys: &[u32], times: &[i64], rows: &Evaluated, within: &[ArrayRef]) -> Result<()> {
        let key_column: ArrayRef = Arc::new(keys.iter().map(|key| Some(i64::from(*key))).collect::<Int64Array>());
        let time_column: ArrayRef = Arc::new(Int64Array::from(times.to_vec()));
        let by: Vec<ArrayRef> = [key_column, time_column].into_iter().chain(within.iter().cloned()).collect();
        let groups = self.table.assign(&by, keys.len())?;
        self.table.update(&rows.inputs, &rows.weights, &groups)?;
        for ((key, time), group) in keys.iter().zip(times).zip(groups) {
            self.times.entry(*key).or_default().entry(*time).or_default().insert(group);
            self.touched.entry(*key).or_default().insert(*time);
        }
        Ok(())
    }

    /// Moves the spans to where the step's rows have put them. Tells the sessions that came out of it, and the keys.
    pub(super) fn settle(&mut self, spans: &mut Spans, gap: i64) -> (Vec<Session>, Vec<u32>) {
        let (mut changed, mut keys) = (Vec::new(), Vec::new());
        for (key, touched) in std::mem::take(&mut self.touched) {
            self.drop_empty(key, &touched);
            let is_touched =
                |span: &Span| touched.range(span.start.saturating_sub(gap)..=span.last.saturating_add(gap)).next().is_some();
            for Moved { old, first, last } in moved(spans, key, &touched, gap) {
                let new = self.spans_of(key, first..=last, gap);
                changed.extend(new.iter().filter(|span| is_touched(span)).map(|span| Session { key, span: *span }));
                spans.replace(key, &old, &new);
            }
            keys.push(key);
        }
        (changed, keys)
    }

    /// Forgets the times of a key at which no row is left.
    fn drop_empty(&mut self, key: u32, touched: &BTreeSet<i64>) {
        let Some(times) = self.times.get_mut(&key) else { return };
        let mut empty = Vec::new();
        for time in touched {
            let Some(groups) = times.get_mut(time) else { continue };
            empty.extend(groups.iter().filter(|group| self.table.weight(**group) == 0));
            groups.retain(|group| self.table.weight(*group) != 0);
            if groups.is_empty() {
                times.remove(time);
            }
        }
        if times.is_empty() {
            self.times.remove(&key);
        }
        self.table.release(&empty);
    }

    /// The sessions of the rows of a key at these times.
    fn spans_of(&self, key: u32, times: RangeInclusive<i64>, gap: i64) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for (time, groups) in self.times.get(&key).into_iter().flat_map(|own| own.range(times.clone())) {
            if groups.iter().all(|group| self.table.weight(*group) <= 0) {
                continue;
            }
            match spans.last_mut() {
                Some(span) if time.saturating_sub(span.last) <= gap => span.last = *time,
                _ => spans.push(Span { start: *time, last: *time, number: 0 }),
            }
        }
        spans
    }

    /// Sessions, from the rows as they stand.
    pub(super) fn answers(&self, sessions: &[Session], input: &GroupInput, faults: &mut Vec<Fault>) -> Result<Answers> {
        let by: Vec<DataType> = std::iter::once(DataType::Int64).chain(self.within.iter().cloned()).collect();
        let mut merged = input.table_by(&by)?;
        let (mut from, mut number) = (Vec::new(), Vec::new());
        for (at, session) in (0i64..).zip(sessions) {
            from.extend(self.groups_of(session));
            number.resize(from.len(), at);
        }
        let mut keys = self.table.keys(&from)?.split_off(1);
        keys[0] = Arc::new(Int64Array::from(number));
        let into = merged.assign(&keys, from.len())?;
        merged.merge_into(&self.table, &from, &into)?;
        let groups: Vec<u32> = merged.groups().filter(|group| merged.weight(*group) > 0).collect();
        let mut columns = merged.keys(&groups)?;
        let numbers = columns.remove(0);
        columns.extend(merged.results(&groups, faults)?);
        let session = |number: &i64| usize::try_from(*number).ok().and_then(|number| sessions.get(number)).copied();
        let of_groups = numbers.as_primitive::<Int64Type>().values().iter().filter_map(session).collect();
        Ok(Answers { sessions: of_groups, columns })
    }

    fn groups_of(&self, session: &Session) -> impl Iterator<Item = u32> + '_ {
        let times = self.times.get(&session.key).map(|times| times.range(session.span.start..=session.span.last));
        times.into_iter().flatten().flat_map(|(_, groups)| groups.iter().copied())
    }

    /// Forgets the rows of sessions.
    pub(super) fn forget(&mut self, sessions: &[Session]) {
        for session in sessions {
            let groups: Vec<u32> = self.groups_of(session).collect();
            self.table.release(&groups);
            if let Some(times) = self.times.get_mut(&session.key) {
                let gone: Vec<i64> = times.range(session.span.start..=session.span.last).map(|(time, _)| *time).collect();
                gone.iter().for_each(|time| _ = times.remove(time));
                if times.is_empty() {
                    self.times.remove(&session.key);
                }
            }
        }
    }

    /// True if a key has rows.
    pub(super) fn has_rows(&self, key: u32) -> bool {
        self.times.contains_key(&key)
    }

    pub(super) fn table(&self) -> &GroupTable {
        &self.table
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        let of_key = |times: &BTreeMap<i64, BTreeSet<u32>>| map_bytes(times) + times.values().map(set_bytes).sum::<usize>();
        self.table.bytes() + map_bytes(&self.times) + self.times.values().map(of_key).sum::<usize>()
    }

    /// Takes the tables of images.
    pub(super) fn restore(&mut self, rows: &[&RecordBatch]) -> Result<()> {
        self.table.restore_parts(rows, &Ownership::All)?;
        let groups: Vec<u32> = self.table.groups().collect();
        let columns = self.table.keys(&groups)?;
        let [keys, times, ..] = columns.as_slice() else {
            return Err(Error::internal(format!("image of groups by {} columns instead of 2 or more", columns.len())));
        };
        let (keys, times) = (keys.as_primitive::<Int64Type>(), times.as_primitive::<Int64Type>());
        for ((key, time), group) in keys.values().iter().zip(times.values()).zip(groups) {
            let key = u32::try_from(*key).map_err(|_| Error::internal("image with a key number out of range"))?;
            self.times.entry(key).or_default().entry(*time).or_default().insert(group);
        }
        Ok(())
    }
}

/// Neighbouring sessions of a key that a step's rows may join, part or end, and the times of all rows that are or were in them.
struct Moved {
    old: Vec<Span>,
    first: i64,
    last: i64,
}

/// What rows that came or went at the times `touched` move: no session of one part can meet one of another.
fn moved(spans: &Spans, key: u32, touched: &BTreeSet<i64>, gap: i64) -> Vec<Moved> {
    let mut parts: Vec<Moved> = Vec::new();
    for time in touched {
        let met = spans.near(key, *time, *time, gap);
        let last = met.last().map_or(*time, |span| span.last.max(*time));
        match parts.last_mut().filter(|part| part.last.saturating_add(gap) >= *time) {
            Some(part) => {
                let known = part.old.last().map(|span| span.start);
                part.old.extend(met.into_iter().filter(|span| known.is_none_or(|known| span.start > known)));
                part.last = part.last.max(last);
            }
            None => {
                let first = met.first().map_or(*time, |span| span.start.min(*time));
                parts.push(Moved { old: met, first, last });
            }
        }
    }
    parts
}
