//! Promises about event time: how a source makes them and how several are combined.

use crate::expr::ExprRef;

/// How a source makes its watermarks, as data.
#[derive(Debug, Clone)]
pub struct WatermarkSpec {
    /// The event-time column.
    pub column: usize,
    /// By which rule.
    pub rule: WatermarkRule,
}

/// The rule by which watermarks follow from rows.
#[derive(Debug, Clone)]
pub enum WatermarkRule {
    /// The largest time seen minus `delay` nanoseconds: `WATERMARK FOR ts AS ts - INTERVAL …`.
    BoundedOutOfOrderness {
        /// How late a row may be, in nanoseconds.
        delay: i64,
    },
    /// Times never go back.
    Ascending,
    /// As bounded, but told only every `every` nanoseconds of wall-clock time.
    Periodic {
        /// How late a row may be, in nanoseconds.
        delay: i64,
        /// Wall-clock nanoseconds between two watermarks.
        every: i64,
    },
    /// Each row for which `marker` is true says that its own time is reached.
    Punctuated {
        /// A boolean over the row.
        marker: ExprRef,
    },
    /// Event time is the wall clock at arrival, minus `delay` nanoseconds.
    ProcessingTime {
        /// How late a row may be, in nanoseconds.
        delay: i64,
    },
}
