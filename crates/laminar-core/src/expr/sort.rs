//! In which order ORDER BY puts rows.

/// How one ORDER BY key sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortDirection {
    /// Greatest first.
    pub descending: bool,
    /// NULLs before all values; after them otherwise.
    pub nulls_first: bool,
}

impl SortDirection {
    /// Least first, NULLs last: what ORDER BY does unless told otherwise.
    pub const ASCENDING: SortDirection = SortDirection { descending: false, nulls_first: false };
}

/// A column by which rows are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// Which column.
    pub column: usize,
    /// Which way.
    pub direction: SortDirection,
}
