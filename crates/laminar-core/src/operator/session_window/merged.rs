//! Sessions of rows that are never retracted: one group a session; sessions that meet are merged.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::DataType;

use super::spans::{Session, Span, Spans};
use crate::Result;
use crate::operator::aggregate::{Fault, GroupTable};
use crate::operator::window::{Evaluated, GroupInput};

/// Groups by the number of their session.
pub(super) struct Merged {
    table: GroupTable,
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
    pub(super) fn new(input: &GroupInput) -> Result<Self> {
        Ok(Self { table: input.table_by(&[DataType::Int64])?, next: 0 })
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

    /// Joins a run of rows with the sessions that it meets; the first of them lends its number.
    fn join(&mut self, spans: &mut Spans, key: u32, first: i64, last: i64, gap: i64, plan: &mut Plan) -> i64 {
        let places = spans.near(key, first, last, gap);
        let met: Vec<Span> = spans.of(key)[places.clone()].to_vec();
        let joined = match (met.first(), met.last()) {
            (Some(a), Some(z)) => Span { start: a.start.min(first), last: z.last.max(last), number: a.number },
            _ => {
                self.next += 1;
                Span { start: first, last, number: self.next }
            }
        };
        spans.replace(key, places, [joined]);
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

    /// Does what was planned; `rows` are those that it was planned for.
    pub(super) fn apply(&mut self, plan: &Plan, rows: &Evaluated, input: &GroupInput) -> Result<()> {
        if !plan.merges.is_empty() {
            let (from, into): (Vec<i64>, Vec<i64>) = plan.merges.iter().copied().unzip();
            let (from, into) = (self.groups(from)?, self.groups(into)?);
            let mut moved = input.table_by(&[DataType::Int64])?;
            let between = moved.merge_from(&self.table, &from)?;
            self.table.merge_into(&moved, &between, &into)?;
            self.table.release(&from);
        }
        let groups = self.groups(plan.numbers.clone())?;
        self.table.update(&rows.inputs, &rows.weights, &groups)
    }

    fn groups(&mut self, numbers: Vec<i64>) -> Result<Vec<u32>> {
        let rows = numbers.len();
        let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
        self.table.assign(&[numbers], rows)
    }

    /// The results of sessions as they stand.
    pub(super) fn results(&mut self, sessions: &[Session], faults: &mut Vec<Fault>) -> Result<Vec<ArrayRef>> {
        let groups = self.groups(sessions.iter().map(|session| session.span.number).collect())?;
        self.table.results(&groups, faults)
    }

    /// Forgets sessions.
    pub(super) fn forget(&mut self, sessions: &[Session]) -> Result<()> {
        let groups = self.groups(sessions.iter().map(|session| session.span.number).collect())?;
        self.table.release(&groups);
        Ok(())
    }

    pub(super) fn table(&self) -> &GroupTable {
        &self.table
    }

    /// Takes the table of an image, with the sessions that it is about.
    pub(super) fn restore(&mut self, rows: &arrow_array::RecordBatch, spans: &Spans) -> Result<()> {
        self.next = spans.iter().map(|session| session.span.number).max().unwrap_or(0);
        self.table.restore(rows)
    }
}
