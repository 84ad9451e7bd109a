//! Windows as columns: each row once for each of its windows.

use crate::time::windows::WindowShape;

/// Windows without aggregation. Output columns: input, `window_start`, `window_end` (both of the time column's type).
#[derive(Debug, Clone)]
pub struct AssignSpec {
    /// Which windows; not sessions.
    pub shape: WindowShape,
    /// The time column of the input.
    pub time: usize,
}
