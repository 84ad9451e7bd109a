//! Which windows a time belongs to: panes, and windows as runs of panes.

/// The shape of tumbling, hopping and cumulating windows.
///
/// Time is cut into panes; a pane has a number, and every window is a run of neighbouring panes. Rows are aggregated into
/// panes once; windows are put together from panes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowShape {
    /// What kind of window.
    pub kind: WindowKind,
    /// How time is cut.
    pub unit: WindowUnit,
}

/// The kind of window, in multiples of [`WindowShape::unit`]'s quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// One after the other.
    Tumbling {
        /// Length.
        size: i64,
    },
    /// A window of `size` starts every `slide`.
    Hopping {
        /// Length.
        size: i64,
        /// Distance between starts; at most `size`.
        slide: i64,
    },
    /// Windows with a common start that grow by `step` up to `size`.
    Cumulating {
        /// Growth.
        step: i64,
        /// Greatest length; a multiple of `step`.
        size: i64,
    },
}

/// In what the lengths of a window are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowUnit {
    /// Nanoseconds; windows are aligned to 1970-01-01T00:00:00 + `offset` nanoseconds in `zone` (UTC if none).
    Nanos {
        /// Shift of the alignment.
        offset: i64,
        /// The time zone of which midnight is midnight.
        zone: Option<chrono_tz::Tz>,
    },
    /// Calendar months (a quarter is 3, a year 12), aligned to January of year 0, in `zone` (UTC if none).
    Months {
        /// The time zone whose calendar counts.
        zone: Option<chrono_tz::Tz>,
    },
}
