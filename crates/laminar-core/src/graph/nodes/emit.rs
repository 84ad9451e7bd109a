//! Changes that are held back until they are due.

/// Holds changes back.
#[derive(Debug, Clone)]
pub struct EmitSpec {
    /// Until when.
    pub when: EmitWhen,
}

/// When held changes are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitWhen {
    /// Every so many nanoseconds of wall-clock time: the consolidated change since the last time.
    Every(i64),
    /// Once, at the end of time.
    AtEnd,
}
