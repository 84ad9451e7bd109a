//! How far apart the times of two rows of a join can be, and what follows from it.

use std::ops::RangeInclusive;

use arrow_schema::Schema;

use super::JoinType;
use crate::graph::edge::{ChangeKind, EdgeProperties, TimeColumn};
use crate::graph::explain::{column_name, interval};
use crate::graph::validate::expect_time;
use crate::time::Watermark;
use crate::{Error, Port, Result};

/// A bound that the join's conditions put on `left - right` of two time columns. It says nothing that the conditions do not say: they
/// decide which rows meet, it decides how long rows are kept. Two rows of which one has no time do not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeBound {
    /// The time column of the left input.
    pub left: TimeColumn,
    /// The time column of the right input.
    pub right: TimeColumn,
    /// The least difference, in nanoseconds; `None`: the left time can be any length before the right one.
    pub least: Option<i64>,
    /// The greatest difference, in nanoseconds; `None`: the left time can be any length after the right one.
    pub most: Option<i64>,
}

impl TimeBound {
    /// The time column of one side.
    pub fn time(&self, port: Port) -> TimeColumn {
        if port == Port::LEFT { self.left } else { self.right }
    }

    /// Whether rows of this side are forgotten at some time.
    pub fn forgets(&self, port: Port) -> bool {
        if port == Port::LEFT { self.least.is_some() } else { self.most.is_some() }
    }

    /// The times of the rows that a row of this side with this time can meet, in nanoseconds.
    pub fn partners(&self, port: Port, time: i64) -> RangeInclusive<i64> {
        let [least, most] = match port {
            Port::LEFT => [self.most.map(|most| time.saturating_sub(most)), self.least.map(|least| time.saturating_sub(least))],
            _ => [self.least.map(|least| time.saturating_add(least)), self.most.map(|most| time.saturating_add(most))],
        };
        least.unwrap_or(i64::MIN)..=most.unwrap_or(i64::MAX)
    }

    /// Rows of this side before the result (nanoseconds) meet no row that is still to come; `None`: any row can. Where rows of the side
    /// itself can be retracted (`changes`), they stay until those are late.
    pub fn forgotten_before(&self, port: Port, changes: &ChangeKind, watermark: Watermark) -> Option<i64> {
        // How far behind the watermark a row is that the oldest row of the other side still meets.
        let behind = match port {
            Port::LEFT => self.right.lag.saturating_sub(self.least?),
            _ => self.left.lag.saturating_add(self.most?),
        };
        let behind = if changes.is_append() { behind } else { behind.max(self.time(port).lag) };
        Some(watermark.held_back(behind).0)
    }

    /// The time columns of pairs, or of the side that is shown: how far they can be behind the watermark of both inputs.
    pub(super) fn times(&self, join_type: JoinType, left_width: usize) -> Vec<TimeColumn> {
        use JoinType as J;
        // A pair comes with its later row, however old the other one is by then.
        let lag = |own: i64, other: i64, back: Option<i64>| Some(own.max(other.saturating_add(back?)).max(0));
        let left = lag(self.left.lag, self.right.lag, self.least.map(i64::saturating_neg));
        let right = lag(self.right.lag, self.left.lag, self.most);
        let column = |column: usize, lag: Option<i64>| lag.map(|lag| TimeColumn { mixed: true, ..TimeColumn::new(column, lag) });
        let (left_column, first) = (self.left.column, if join_type.shows_pairs() { left_width } else { 0 });
        let times = match join_type {
            J::LeftSemi | J::LeftAnti | J::LeftMark => [column(left_column, left), None],
            J::RightSemi | J::RightAnti => [None, column(self.right.column, right)],
            // A time that is NULL beside a row without a match follows no watermark.
            _ => [
                column(left_column, left).filter(|_| !join_type.pads(Port::LEFT)),
                column(first + self.right.column, right).filter(|_| !join_type.pads(Port::RIGHT)),
            ],
        };
        times.into_iter().flatten().collect()
    }

    pub(super) fn validate(&self, left: &EdgeProperties, right: &EdgeProperties) -> Result<()> {
        for (ours, input) in [(self.left, left), (self.right, right)] {
            expect_time(&input.schema, ours.column)?;
            match input.time_column(ours.column) {
                Some(time) if time.lag <= ours.lag => {}
                _ => {
                    let name = column_name(&input.schema, ours.column);
                    return Err(Error::internal(format!(
                        "a join forgets rows by {name}, which does not follow the watermark so closely"
                    )));
                }
            }
        }
        Ok(())
    }

    /// ` within left time - right time from -1h to 1h`.
    pub(super) fn explain(&self) -> String {
        let least = self.least.map(|least| format!(" from {}", interval(least))).unwrap_or_default();
        let most = self.most.map(|most| format!(" to {}", interval(most))).unwrap_or_default();
        format!(" within left time - right time{least}{most}")
    }
}

/// The columns in which late rows of both sides stand, each beside NULLs for the other side.
pub fn late_schema(left: &Schema, right: &Schema) -> Schema {
    let fields = left.fields().iter().chain(right.fields());
    Schema::new(fields.map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>())
}
