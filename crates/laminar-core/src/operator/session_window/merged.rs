//! Sessions of rows that are never retracted: one group a session, or one for each key within it; sessions that meet are merged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::DataType;

use super::answers::Answers;
use super::spans::{Session, Span, Spans};
use crate::Result;
use crate::operator::aggregate::{Fault, GroupTable};
use crate::operator::window::{Evaluated, GroupInput};
use crate::state::{Ownership, map_bytes, set_bytes};

/// Groups by the number of their session, and by the keys within it.
pub(super) struct Merged {
    table: GroupTable,
    /// The number, and the keys within.
    types: Vec<DataType>,
    /// The groups of each number; nothing where a session has one group.
    of_number: BTreeMap<i64, BTreeSet<u32>>,
    next: i64,
}

/// What a batch does to sessions.
#[derive(Default)]
pub(super) struct Plan {
    /// The sessions that were there and are touched, as they were.
    pub(super) before: Vec<Session>,
    /// The sessions that came out of it.
    pub(super) after: Vec<Session>,
    /// The number of each row's session.
    numbers: Vec<i64>,
    /// Which numbers become part of which.
    merges: Vec<(i64, i64)>,
}

impl Merged {
    /// `within`: the types of the keys within a session.
    pub(super) fn new(input: &GroupInput, within: Vec<DataType>) -> Result<Self> {
        let types: Vec<DataType> = std::iter::once(DataType::Int64).chain(within).collect();
        Ok(Self { table: input.table_by(&types)?, types, of_number: BTreeMap::new(), next: 0 })
    }

    /// Moves the spans for rows of these keys and times, which are sorted by both.
    pub(super) fn plan(&mut self, spans: &mut Spans, keys: &[u32], times: &[i64], gap: i64) -> Plan {
        let mut plan = Plan::default();
        let mut row = 0;
        while row < keys.len() {
            let (key, first) = (keys[row], times[row]);
            let begin = row;
            row += 1;
            while row < keys.len() && keys[row] == key && times[row].saturating_sub(times[row - 1]) <= gap {
                row += 1;
            }
            let number = self.join(spans, key, first, times[row - 1], gap, &mut plan);
            plan.numbers.resize(plan.numbers.len() + row - begin, number);
        }
        plan
    }

    /// A number for another session.
    pub(super) fn next_number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }

    /// Joins a run of rows with the sessions that it meets; the first of them lends its number.
    fn join(&mut self, spans: &mut Spans, key: u32, first: i64, last: i64, gap: i64, plan: &mut Plan) -> i64 {
        let met = spans.near(key, first, last, gap);
        let joined = match (met.first(), met.last()) {
            (Some(a), Some(z)) => Span { start: a.start.min(first), last: z.last.max(last), number: a.number },
            _ => Span { start: first, last, number: self.next_number() },
        };
        spans.replace(key, &met, &[joined]);
        plan.merges.extend(met.iter().skip(1).map(|span| (span.number, joined.number)));
        let mut met = met.into_iter().map(|span| Session { key, span }).peekable();
        // The run before, of the same key, may have ended in the first session that this one meets.
        if let Some(again) = plan.after.pop_if(|last| met.peek() == Some(last)) {
            met.next_if_eq(&again);
        }
        plan.before.extend(met);
        plan.after.push(Session { key, span: joined });
        joined.number
    }

    /// Does what was planned; `rows` are those that it was planned for, `within` their keys within the session.
    pub(super) fn apply(&mut self, plan: &Plan, rows: &Evaluated, within: &[ArrayRef], input: &GroupInput) -> Result<()> {
        if !plan.merges.is_empty() {
            self.merge(&plan.merges, input)?;
        }
        let groups = self.groups(plan.numbers.clone(), within)?;
        self.table.update(&rows.inputs, &rows.weights, &groups)
    }

    /// Makes the groups of one number groups of another.
    fn merge(&mut self, merges: &[(i64, i64)], input: &GroupInput) -> Result<()> {
        let (mut from, mut numbers) = (Vec::new(), Vec::new());
        for (old, new) in merges {
            from.extend(self.groups_of(*old)?);
            numbers.resize(from.len(), *new);
            self.of_number.remove(old);
        }
        let within = self.table.keys(&from)?.split_off(1);
        let into = self.groups(numbers, &within)?;
        let mut moved = input.table_by(&self.types)?;
        let between = moved.merge_from(&self.table, &from)?;
        self.table.merge_into(&moved, &between, &into)?;
        self.table.release(&from);
        Ok(())
    }

    /// The group of each number and key within.
    fn groups(&mut self, numbers: Vec<i64>, within: &[ArrayRef]) -> Result<Vec<u32>> {
        let numbers = Int64Array::from(numbers);
        let column: ArrayRef = Arc::new(numbers.clone());
        let keys: Vec<ArrayRef> = std::iter::once(column).chain(within.iter().cloned()).collect();
        let groups = self.table.assign(&keys, numbers.len())?;
        if !within.is_empty() {
            for (number, group) in numbers.values().iter().zip(&groups) {
                self.of_number.entry(*number).or_default().insert(*group);
            }
        }
        Ok(groups)
    }

    /// All groups of a number.
    fn groups_of(&mut self, number: i64) -> Result<Vec<u32>> {
        match self.types.len() {
            1 => self.groups(vec![number], &[]),
            _ => Ok(self.of_number.get(&number).into_iter().flatten().copied().collect()),
        }
    }

    /// Sessions as they stand.
    pub(super) fn answers(&mut self, sessions: &[Session], faults: &mut Vec<Fault>) -> Result<Answers> {
        let numbers = || sessions.iter().map(|session| session.span.number);
        if self.types.len() == 1 {
            let groups = self.groups(numbers().collect(), &[])?;
            return Ok(Answers { sessions: sessions.to_vec(), columns: self.table.results(&groups, faults)? });
        }
        let (mut groups, mut of_groups) = (Vec::new(), Vec::new());
        for session in sessions {
            groups.extend(self.groups_of(session.span.number)?);
            of_groups.resize(groups.len(), *session);
        }
        let mut columns = self.table.keys(&groups)?.split_off(1);
        columns.extend(self.table.results(&groups, faults)?);
        Ok(Answers { sessions: of_groups, columns })
    }

    /// Forgets sessions.
    pub(super) fn forget(&mut self, sessions: &[Session]) -> Result<()> {
        let mut groups = Vec::with_capacity(sessions.len());
        for session in sessions {
            groups.extend(self.groups_of(session.span.number)?);
            self.of_number.remove(&session.span.number);
        }
        self.table.release(&groups);
        Ok(())
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        let groups = self.of_number.values().map(set_bytes).sum::<usize>();
        self.table.bytes() + map_bytes(&self.of_number) + groups
    }

    pub(super) fn table(&self) -> &GroupTable {
        &self.table
    }

    /// Takes the tables of images, with the sessions that they are about.
    pub(super) fn restore(&mut self, rows: &[&RecordBatch], spans: &Spans) -> Result<()> {
        self.next = spans.iter().map(|session| session.span.number).max().unwrap_or(0);
        self.table.restore_parts(rows, &Ownership::All)?;
        if self.types.len() > 1 {
            let groups: Vec<u32> = self.table.groups().collect();
            let keys = self.table.keys(&groups)?;
            for (number, group) in keys[0].as_primitive::<Int64Type>().values().iter().zip(groups) {
                self.of_number.entry(*number).or_default().insert(group);
            }
        }
        Ok(())
    }
}
