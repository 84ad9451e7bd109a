//! How a node is doing: its status and its counters.

use crate::Error;
use crate::operator::DueWindow;
use crate::time::Watermark;
use crate::time::watermark::Holds;

/// Whether a node goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeStatus {
    /// It takes part in steps.
    Running,
    /// All its inputs have ended.
    Ended,
    /// It, or something that it reads from, failed; it takes part in no step any more.
    Failed(Error),
}

/// Counters of one node since it was attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeMetrics {
    /// Rows that came in, whatever their weights.
    pub rows_in: u64,
    /// Rows that went out.
    pub rows_out: u64,
    /// Of these, rows that came in at the second port: of a join, those of its right side.
    pub rows_in_right: u64,
    /// Batches that came in.
    pub batches_in: u64,
    /// Batches that went out.
    pub batches_out: u64,
    /// Rows rejected because they were late or without event time.
    pub late: u64,
    /// Rows rejected because they could not be evaluated.
    pub errors: u64,
    /// Rows, groups or sessions that its operator holds.
    pub state_rows: usize,
    /// Bytes that they take: within a tenth of what the allocator has handed out for them.
    pub state_bytes: usize,
    /// What the node promises its readers.
    pub watermark: Watermark,
    /// When rows came in last, and when the watermark moved last, in wall-clock nanoseconds; `None`: not yet.
    pub rows_at: Option<i64>,
    /// See `rows_at`.
    pub watermark_at: Option<i64>,
    /// How often it has run: at most once in a step on each worker, where it had something to do.
    pub runs: u64,
    /// What those of its runs took that were timed: the first and every 64th.
    pub timed: TimedRuns,
}

/// What some runs of a node took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimedRuns {
    /// How many there were.
    pub runs: u64,
    /// Rows that came in for them.
    pub rows: u64,
    /// Nanoseconds that they took.
    pub nanos: u64,
}

/// What a node waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeWaits {
    /// What its inputs promise together; of a source, what it promises.
    pub watermark: Watermark,
    /// How it holds back its readers.
    pub holds: Holds,
    /// The next of its windows with rows that is to be shown.
    pub window: Option<DueWindow>,
    /// When it wants to run next, in wall-clock nanoseconds.
    pub wake_at: Option<i64>,
}

impl NodeMetrics {
    /// The counters of two workers together. What they promise is the same, where both have a share.
    #[must_use]
    pub fn plus(&self, other: &NodeMetrics) -> NodeMetrics {
        NodeMetrics {
            rows_in: self.rows_in + other.rows_in,
            rows_in_right: self.rows_in_right + other.rows_in_right,
            rows_out: self.rows_out + other.rows_out,
            batches_in: self.batches_in + other.batches_in,
            batches_out: self.batches_out + other.batches_out,
            late: self.late + other.late,
            errors: self.errors + other.errors,
            state_rows: self.state_rows + other.state_rows,
            state_bytes: self.state_bytes + other.state_bytes,
            watermark: self.watermark.max(other.watermark),
            rows_at: self.rows_at.max(other.rows_at),
            watermark_at: self.watermark_at.max(other.watermark_at),
            runs: self.runs + other.runs,
            timed: TimedRuns {
                runs: self.timed.runs + other.timed.runs,
                rows: self.timed.rows + other.timed.rows,
                nanos: self.timed.nanos + other.timed.nanos,
            },
        }
    }
}

impl Default for NodeMetrics {
    fn default() -> Self {
        Self {
            rows_in: 0,
            rows_in_right: 0,
            rows_out: 0,
            batches_in: 0,
            batches_out: 0,
            late: 0,
            errors: 0,
            state_rows: 0,
            state_bytes: 0,
            watermark: Watermark::START,
            rows_at: None,
            watermark_at: None,
            runs: 0,
            timed: TimedRuns::default(),
        }
    }
}
