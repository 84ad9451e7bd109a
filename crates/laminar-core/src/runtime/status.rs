//! How a node is doing: its status and its counters.

use crate::Error;
use crate::time::Watermark;

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
}

impl NodeMetrics {
    /// The counters of two workers together. What they promise is the same, where both have a share.
    #[must_use]
    pub fn plus(&self, other: &NodeMetrics) -> NodeMetrics {
        NodeMetrics {
            rows_in: self.rows_in + other.rows_in,
            rows_out: self.rows_out + other.rows_out,
            batches_in: self.batches_in + other.batches_in,
            batches_out: self.batches_out + other.batches_out,
            late: self.late + other.late,
            errors: self.errors + other.errors,
            state_rows: self.state_rows + other.state_rows,
            state_bytes: self.state_bytes + other.state_bytes,
            watermark: self.watermark.max(other.watermark),
        }
    }
}

impl Default for NodeMetrics {
    fn default() -> Self {
        Self {
            rows_in: 0,
            rows_out: 0,
            batches_in: 0,
            batches_out: 0,
            late: 0,
            errors: 0,
            state_rows: 0,
            state_bytes: 0,
            watermark: Watermark::START,
        }
    }
}
