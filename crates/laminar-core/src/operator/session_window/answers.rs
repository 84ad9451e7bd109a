//! What readers see of sessions, and how that differs from what they have been shown.

use std::cmp::Ordering;

use arrow_array::{Array, ArrayRef};
use arrow_row::Rows;
use arrow_schema::DataType;
use arrow_select::interleave::interleave;

use super::spans::{Session, Span};
use crate::Result;
use crate::changelog::RowKeys;
use crate::operator::aggregate::Fault;
use crate::operator::difference::comparators;

/// Rows about sessions: of each session one, or one for each group in it.
pub(super) struct Answers {
    /// The session of each row.
    pub(super) sessions: Vec<Session>,
    /// The keys within the session, then the results.
    pub(super) columns: Vec<ArrayRef>,
}

impl Answers {
    /// No rows, of the same columns.
    pub(super) fn none(&self) -> Answers {
        Answers { sessions: Vec::new(), columns: self.columns.iter().map(|column| column.slice(0, 0)).collect() }
    }
}

/// Which rows of which answers to emit, by key, start, key within the session (of the types `within`) and age: positions in `answers`,
/// of which the last is what is shown now. Pairs that are the same are left out.
pub(super) fn difference(answers: &[Answers], within: &[DataType]) -> Result<Vec<(usize, usize)>> {
    let Some((after, before)) = answers.split_last() else { return Ok(Vec::new()) };
    let same: Vec<_> = before.iter().map(|before| comparators(&before.columns, &after.columns)).collect();
    let session = |(answer, row): (usize, usize)| answers[answer].sessions[row];
    let is_unchanged = |old: (usize, usize), new: (usize, usize)| {
        let (Session { key, span }, Session { key: new_key, span: new_span }) = (session(old), session(new));
        let stretch = |span: Span| (span.start, span.last);
        old.0 < new.0
            && new.0 == before.len()
            && (key, stretch(span)) == (new_key, stretch(new_span))
            && same[old.0].iter().all(|same| same(old.1, new.1))
    };
    let positions = answers.iter().enumerate().flat_map(|(answer, of)| (0..of.sessions.len()).map(move |row| (answer, row)));
    let mut positions: Vec<(usize, usize)> = positions.collect();
    let order = Order::of(answers, within)?;
    let start = |position: (usize, usize)| (session(position).key, session(position).span.start);
    positions.sort_by(|a, b| start(*a).cmp(&start(*b)).then_with(|| order.compare(*a, *b)).then(a.0.cmp(&b.0)));
    let mut rows: Vec<(usize, usize)> = Vec::with_capacity(positions.len());
    for position in positions {
        match rows.last() {
            Some(before) if is_unchanged(*before, position) => {
                rows.pop();
            }
            _ => rows.push(position),
        }
    }
    Ok(rows)
}

/// The order of the keys within sessions.
struct Order(Vec<Rows>);

impl Order {
    fn of(answers: &[Answers], within: &[DataType]) -> Result<Self> {
        if within.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let keys = RowKeys::new(within)?;
        let encode = |answers: &Answers| keys.encode(&answers.columns[..within.len()], answers.sessions.len());
        Ok(Self(answers.iter().map(encode).collect::<Result<_>>()?))
    }

    fn compare(&self, a: (usize, usize), b: (usize, usize)) -> Ordering {
        match (self.0.get(a.0), self.0.get(b.0)) {
            (Some(of_a), Some(of_b)) => of_a.row(a.1).cmp(&of_b.row(b.1)),
            _ => Ordering::Equal,
        }
    }
}

/// The faults of the answer `after`, by their positions among `rows`.
pub(super) fn moved(faults: Vec<Fault>, rows: &[(usize, usize)], after: usize) -> Vec<Fault> {
    let position = |fault: Fault| {
        let position = rows.iter().position(|row| *row == (after, fault.position))?;
        Some(Fault { position, ..fault })
    };
    faults.into_iter().filter_map(position).collect()
}

/// The columns of some rows.
pub(super) fn gather(answers: &[Answers], rows: &[(usize, usize)]) -> Result<Vec<ArrayRef>> {
    let columns = answers.first().map_or(0, |answers| answers.columns.len());
    let column = |number: usize| {
        let columns: Vec<&dyn Array> = answers.iter().map(|answers| answers.columns[number].as_ref()).collect();
        Ok(interleave(&columns, rows)?)
    };
    (0..columns).map(column).collect()
}
