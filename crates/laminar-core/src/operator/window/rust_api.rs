//! Windows for Rust users, without SQL: how results come out and what happens to late rows. Thin, over the same operators.

use std::time::Duration;

use arrow_array::RecordBatch;

use crate::changelog::RowKeys;
use crate::operator::aggregate::{AggregateCall, native};
use crate::{ChangeBatch, Error, Result};

/// When a window's results are shown, as a Rust user says it.
///
/// ```
/// use std::time::Duration;
/// use laminar_core::operator::sliding_window::{SlidingWindowAssigner, SlidingWindowOperator};
/// use laminar_core::operator::window::{CountAggregator, EmitStrategy};
///
/// let hourly = SlidingWindowAssigner::new(Duration::from_secs(3600), Duration::from_secs(3600));
/// let every_five_seconds = SlidingWindowOperator::new(hourly, CountAggregator::new(), Duration::from_secs(0))
///     .with_emit_strategy(EmitStrategy::Periodic(Duration::from_secs(5)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitStrategy {
    /// When the watermark passes the window's end; a row within the lateness shows it anew, −old +new.
    OnWatermark,
    /// What has changed since the last time, so often (wall clock): −old +new.
    Periodic(Duration),
    /// The new result after every step that changed it; a retraction only when nothing takes its place.
    OnUpdate,
    /// Once, when the watermark passes end + lateness; rows are only ever inserted.
    OnWindowClose,
    /// After every step that changed it: −old +new.
    Changelog,
    /// Once, when the watermark passes the window's end; later rows are dropped and counted.
    Final,
}

/// What can be computed for each window.
pub trait WindowAggregator {
    /// The call over the operator's input.
    fn call(&self) -> Result<AggregateCall>;
}

/// Counts the rows of each window, in a column `count`.
#[derive(Debug, Clone, Copy)]
pub struct CountAggregator;

impl CountAggregator {
    /// Counts rows.
    #[expect(clippy::new_without_default, reason = "users know it by `new`")]
    pub fn new() -> Self {
        Self
    }
}

impl WindowAggregator for CountAggregator {
    fn call(&self) -> Result<AggregateCall> {
        let function = native("count", &[], &[], false)?.ok_or_else(|| Error::internal("count is one of our functions"))?;
        Ok(AggregateCall { function, args: Vec::new(), filter: None, name: "count".to_owned() })
    }
}

impl WindowAggregator for AggregateCall {
    fn call(&self) -> Result<AggregateCall> {
        Ok(self.clone())
    }
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CdcOperation {
    /// It is new: +1.
    Insert,
    /// It is gone: −1.
    Delete,
    /// What it was before a change: −1.
    UpdateBefore,
    /// What it is after a change: +1.
    UpdateAfter,
}

impl CdcOperation {
    /// +1 or −1.
    pub fn weight(self) -> i32 {
        match self {
            CdcOperation::Insert | CdcOperation::UpdateAfter => 1,
            CdcOperation::Delete | CdcOperation::UpdateBefore => -1,
        }
    }
}

/// One changed row.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_schema::{DataType, Field, Schema};
/// use laminar_core::ChangeBatch;
/// use laminar_core::operator::window::{CdcOperation, ChangelogRecord};
///
/// # fn main() -> laminar_core::Result<()> {
/// # let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("n", DataType::Int64, true)]));
/// let changes = ChangeBatch::parse(&schema, "-1 | a | 1 ; +1 | a | 2 ; +1 | b | 7")?;
/// let records = ChangelogRecord::of_changes(&changes, &[0], 1_735_689_600_000_000_000)?;
/// let said: Vec<_> = records.iter().map(|record| (record.operation, record.weight)).collect();
/// assert_eq!(said, [(CdcOperation::UpdateBefore, -1), (CdcOperation::UpdateAfter, 1), (CdcOperation::Insert, 1)]);
/// assert_eq!(records[1].event.num_rows(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ChangelogRecord {
    /// What happened.
    pub operation: CdcOperation,
    /// How often: +1 or −1.
    pub weight: i32,
    /// When it was shown, in wall-clock nanoseconds.
    pub emit_timestamp: i64,
    /// The row: a batch of one.
    pub event: RecordBatch,
}

impl ChangelogRecord {
    /// A changed row.
    pub fn new(operation: CdcOperation, emit_timestamp: i64, event: RecordBatch) -> Self {
        Self { operation, weight: operation.weight(), emit_timestamp, event }
    }

    /// One record for each row of `changes`, as often as its weight says. A retraction directly before an insertion with
    /// the same values in the columns `key` is an update.
    pub fn of_changes(changes: &ChangeBatch, key: &[usize], emit_timestamp: i64) -> Result<Vec<Self>> {
        let columns: Vec<_> = key.iter().map(|column| changes.column(*column).clone()).collect();
        let types: Vec<_> = columns.iter().map(|column| column.data_type().clone()).collect();
        let keys = RowKeys::new(&types)?.encode(&columns, changes.len())?;
        let updates = |before: usize| {
            before + 1 < changes.len()
                && (changes.weight(before), changes.weight(before + 1)) == (-1, 1)
                && keys.row(before) == keys.row(before + 1)
        };
        let mut records = Vec::with_capacity(changes.len());
        for row in 0..changes.len() {
            let operation = match changes.weight(row) {
                1.. if row > 0 && updates(row - 1) => CdcOperation::UpdateAfter,
                1.. => CdcOperation::Insert,
                _ if updates(row) => CdcOperation::UpdateBefore,
                _ => CdcOperation::Delete,
            };
            let record = Self::new(operation, emit_timestamp, changes.rows().slice(row, 1));
            let times = usize::try_from(changes.weight(row).unsigned_abs()).unwrap_or(usize::MAX);
            records.extend(std::iter::repeat_n(record, times));
        }
        Ok(records)
    }
}

/// What happens to rows that come after their windows' end.
///
/// ```
/// use std::time::Duration;
/// use laminar_core::operator::window::LateDataConfig;
///
/// let late = LateDataConfig::allow(Duration::from_secs(60)).with_side_output();
/// assert!(late.has_side_output());
/// assert_eq!(LateDataConfig::drop().allowed_lateness(), Duration::ZERO);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateDataConfig {
    allowed: Duration,
    side_output: bool,
}

impl LateDataConfig {
    /// They are dropped and counted.
    pub fn drop() -> Self {
        Self { allowed: Duration::ZERO, side_output: false }
    }

    /// Windows take them for so long; later ones are dropped and counted.
    pub fn allow(lateness: Duration) -> Self {
        Self { allowed: lateness, side_output: false }
    }

    /// What is not taken is rejected, each row with its reason, and counted.
    #[must_use]
    pub fn with_side_output(self) -> Self {
        Self { side_output: true, ..self }
    }

    /// For how long windows take rows after their end.
    pub fn allowed_lateness(&self) -> Duration {
        self.allowed
    }

    /// Whether rows are rejected.
    pub fn has_side_output(&self) -> bool {
        self.side_output
    }
}

/// What happened to rows that no window took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LateDataMetrics {
    /// Rows that were dropped.
    pub dropped: u64,
    /// Rows that were rejected.
    pub side_output: u64,
}

impl LateDataMetrics {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.dropped + self.side_output
    }
}
