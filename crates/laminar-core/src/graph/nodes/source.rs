//! Rows from outside: where a graph begins.

use crate::time::watermark::WatermarkSpec;

/// Rows from outside.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// How watermarks come about; `None`: the source has no event time.
    pub watermark: Option<WatermarkSpec>,
    /// Wall-clock silence after which the source counts as idle, in nanoseconds; `None`: never.
    pub idle_timeout: Option<i64>,
}

impl SourceSpec {
    /// A table: it has no event time and is always idle, so that nobody waits for its end.
    pub const TABLE: SourceSpec = SourceSpec { watermark: None, idle_timeout: Some(0) };
    /// Rows without event time, whose end is waited for.
    pub const TIMELESS: SourceSpec = SourceSpec { watermark: None, idle_timeout: None };

    /// True for [`TABLE`](Self::TABLE).
    pub fn is_table(&self) -> bool {
        self.watermark.is_none() && self.idle_timeout == Some(0)
    }
}
