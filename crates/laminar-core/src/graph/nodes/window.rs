//! Groups by tumbling, hopping or cumulating window and key.

use crate::expr::ExprRef;
use crate::expr::aggregate::AggregateCall;
use crate::time::windows::WindowShape;

/// `GROUP BY window, keys`. Output columns: `window_start`, `window_end`, keys, aggregates.
#[derive(Debug, Clone)]
pub struct WindowSpec {
    /// Which windows; not sessions.
    pub shape: WindowShape,
    /// The time column of the input.
    pub time: usize,
    /// How far that column may stay behind the input's watermark, in nanoseconds.
    pub time_lag: i64,
    /// Group keys over the input.
    pub keys: Vec<ExprRef>,
    /// What is computed for each window and group.
    pub aggregates: Vec<AggregateCall>,
    /// When results are shown.
    pub emission: WindowEmission,
    /// How long after its end a window still takes rows, in nanoseconds.
    pub lateness: i64,
}

impl WindowSpec {
    /// Whether a window's results are shown once: it takes no more rows after that.
    pub fn shows_once(&self) -> bool {
        match self.emission {
            WindowEmission::Changes => false,
            WindowEmission::OnWatermark => self.lateness == 0,
            WindowEmission::OnClose => true,
        }
    }
}

/// When a window's result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowEmission {
    /// After every step that changed it: −1 old, +1 new.
    Changes,
    /// When the watermark passes the end; again, −1 old +1 new, when a row within the lateness changes it.
    OnWatermark,
    /// Once, when the watermark passes end + lateness.
    OnClose,
}
