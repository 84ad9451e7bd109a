//! Groups by session and key.

use super::WindowEmission;
use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;

/// `GROUP BY session, keys`. Output columns as for [`WindowSpec`].
#[derive(Debug, Clone)]
pub struct SessionSpec {
    /// Rows of a key at most this far apart belong together, in nanoseconds.
    pub gap: i64,
    /// The time column of the input.
    pub time: usize,
    /// How far that column may stay behind the input's watermark, in nanoseconds.
    pub time_lag: i64,
    /// Group keys over the input.
    pub keys: Vec<ExprRef>,
    /// How many of them, from the first on, keep sessions apart; the others make groups within a session.
    pub partition: usize,
    /// What is computed for each session.
    pub aggregates: Vec<AggregateCall>,
    /// When results are shown.
    pub emission: WindowEmission,
    /// How long after its end a session still takes rows, in nanoseconds.
    pub lateness: i64,
}
