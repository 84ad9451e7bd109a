//! Which rows are late for sessions.
//!
//! A session is open for a row unless the watermark that the row arrived at had passed the session's end + lateness. A row is late
//! iff a session of its own would not be open for it, and no open session takes it. To say that row by row, whatever a batch or a
//! step holds, sessions that had closed for a row count as gone before it is looked at.
//!
//! That asks for rows in the order of their source. Where several sources are mixed, what is there when a row comes depends on their
//! turns; where rows are taken back, a row that was late could be taken back from a session that opened later. There only the row
//! itself counts: it is late iff its time + lateness is behind the watermark, since no session that has closed is near any row that this takes.

use std::collections::{BTreeMap, BTreeSet};

use super::spans::Spans;
use crate::time::Watermark;

/// A row with event time.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimedRow {
    /// Its position in the batch.
    pub(super) row: u32,
    pub(super) key: u32,
    pub(super) time: i64,
    /// The watermark that it is judged by.
    pub(super) seen: Watermark,
}

/// What becomes of the rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Rows to be added, part by part.
    pub(super) parts: Vec<Part>,
    pub(super) late: Vec<TimedRow>,
}

/// Rows that can be added together, after the sessions `closed` (key, start) have been closed.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) closed: Vec<(u32, i64)>,
    pub(super) rows: Vec<TimedRow>,
}

/// The lengths that decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge {
    pub(super) gap: i64,
    pub(super) lateness: i64,
    pub(super) time_lag: i64,
}

impl Judge {
    /// Each row by itself.
    pub(super) fn alone(self, rows: Vec<TimedRow>) -> Verdict {
        let (late, rows) = rows.into_iter().partition(|row| self.is_behind(row));
        Verdict { parts: vec![Part { closed: Vec::new(), rows }], late }
    }

    /// Rows of one source, in its order, with the sessions that are there.
    pub(super) fn in_order(self, rows: Vec<TimedRow>, spans: &Spans) -> Verdict {
        let keys: BTreeSet<u32> = rows.iter().filter(|row| self.is_behind(row)).map(|row| row.key).collect();
        if keys.is_empty() {
            return Verdict { parts: vec![Part { closed: Vec::new(), rows }], late: Vec::new() };
        }
        // A row decides by the sessions that it is near to, and joins no others.
        let mut sessions: BTreeMap<u32, Vec<(i64, i64)>> = keys.into_iter().map(|key| (key, Vec::new())).collect();
        for row in &rows {
            if let Some(sessions) = sessions.get_mut(&row.key) {
                let near = spans.near(row.key, row.time, row.time, self.gap);
                sessions.extend(near.into_iter().map(|span| (span.start, span.last)));
            }
        }
        for sessions in sessions.values_mut() {
            sessions.sort_unstable();
            sessions.dedup();
        }
        let mut verdict = Verdict { parts: vec![Part::default()], late: Vec::new() };
        for row in rows {
            match sessions.get_mut(&row.key) {
                Some(sessions) => self.decide(row, sessions, &mut verdict),
                None => verdict.take(row, Vec::new()),
            }
        }
        verdict
    }

    /// Decides about a row, with the sessions of its key as they are when it comes.
    fn decide(self, row: TimedRow, sessions: &mut Vec<(i64, i64)>, verdict: &mut Verdict) {
        let from = sessions.partition_point(|(_, last)| last.saturating_add(self.gap) < row.time);
        let to = sessions.partition_point(|(start, _)| *start <= row.time.saturating_add(self.gap)).max(from);
        let near = &sessions[from..to];
        let (open, closed): (Vec<_>, Vec<_>) = near.iter().partition(|(_, last)| self.is_open(*last, &row));
        if open.is_empty() && !self.is_open(row.time, &row) {
            verdict.late.push(row);
            return;
        }
        let start = open.iter().map(|(start, _)| *start).fold(row.time, i64::min);
        let last = open.iter().map(|(_, last)| *last).fold(row.time, i64::max);
        sessions.splice(from..to, [(start, last)]);
        verdict.take(row, closed.into_iter().map(|(start, _)| (row.key, start)).collect());
    }

    /// Whether a session with its last row at `last` is open for `row`. One at whose end the watermark stands can still get a row.
    fn is_open(self, last: i64, row: &TimedRow) -> bool {
        last.saturating_add(self.gap).saturating_add(self.lateness) >= self.reached(row)
    }

    /// Whether the watermark had passed the row. Other rows are near no session that had closed for them.
    fn is_behind(self, row: &TimedRow) -> bool {
        row.time.saturating_add(self.lateness) < self.reached(row)
    }

    fn reached(self, row: &TimedRow) -> i64 {
        row.seen.held_back(self.time_lag).0
    }
}

impl Verdict {
    fn take(&mut self, row: TimedRow, closed: Vec<(u32, i64)>) {
        match self.parts.last_mut() {
            Some(part) if closed.is_empty() => part.rows.push(row),
            _ => self.parts.push(Part { closed, rows: vec![row] }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::spans::Span;
    use super::*;

    /// Rows as (time, watermark) with a gap of 5, the sessions as (start, last); what is late, and what is closed before a part.
    fn check(lateness: i64, sessions: &[(i64, i64)], rows: &[(i64, i64)], late: &[i64], closed: &[i64]) {
        let mut spans = Spans::default();
        for (start, last) in sessions {
            spans.replace(0, &[], &[Span { start: *start, last: *last, number: 0 }]);
        }
        let rows = (0u32..).zip(rows).map(|(row, (time, seen))| TimedRow { row, key: 0, time: *time, seen: Watermark(*seen) });
        let verdict = Judge { gap: 5, lateness, time_lag: 0 }.in_order(rows.collect(), &spans);
        assert_eq!(verdict.late.iter().map(|row| row.time).collect::<Vec<_>>(), late);
        let starts = verdict.parts.iter().flat_map(|part| &part.closed).map(|(_, start)| *start);
        assert_eq!(starts.collect::<Vec<_>>(), closed);
    }

    #[test]
    fn a_row_that_an_open_session_takes_is_not_late() {
        // Rows at 1, 4 and 8; the watermark is 7: the session [1, 13] takes a row at 4.
        check(0, &[], &[(1, i64::MIN), (4, 1), (8, 4), (4, 7)], &[], &[]);
        // One at -5 is too far from it, one at 2 would have a session of its own until 7.
        check(0, &[(1, 8)], &[(-5, 7), (2, 7)], &[-5], &[]);
        check(0, &[], &[(1, 7), (2, 7)], &[1], &[]);
        check(1, &[], &[(1, 7)], &[], &[]);
    }

    #[test]
    fn a_session_that_had_closed_is_gone_for_a_row() {
        check(0, &[(1, 1)], &[(5, 7)], &[], &[1]);
        check(0, &[(1, 2)], &[(5, 7)], &[], &[]);
        check(0, &[(1, 1)], &[(1, 7)], &[1], &[]);
        // What an earlier row of the same batch did to a session counts.
        check(0, &[(1, 1)], &[(4, 4), (3, 9)], &[], &[]);
    }
}
