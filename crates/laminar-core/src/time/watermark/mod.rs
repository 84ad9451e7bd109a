//! Promises about event time: how a source makes them and how several are combined.
//!
//! One file a generator: [`bounded`], [`ascending`], [`periodic`], [`punctuated`], [`processing_time`]. `running` is the loop
//! that they share, [`idle`] decides what silence means, [`metered`] counts, [`promise`] combines several promises, [`tracker`] those of sources that may fall silent.

use arrow_array::{Int64Array, RecordBatch};
use arrow_buffer::ScalarBuffer;

use crate::changelog::Weights;
use crate::expr::ExprRef;
use crate::time::Watermark;
use crate::{Error, Result};

pub mod ascending;
pub mod bounded;
pub mod idle;
pub mod metered;
pub mod periodic;
pub mod processing_time;
pub mod promise;
pub mod punctuated;
mod running;
pub mod tracker;

pub use ascending::AscendingTimestampsGenerator;
pub use bounded::BoundedOutOfOrdernessGenerator;
pub use idle::IdleDetector;
pub use metered::{MeteredGenerator, WatermarkMetrics};
pub use periodic::PeriodicGenerator;
pub use processing_time::ProcessingTimeGenerator;
pub(crate) use promise::combine;
pub use promise::{Holds, Promise};
pub use punctuated::PunctuatedGenerator;
pub use tracker::WatermarkTracker;

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

/// Rows as they arrive at a source, in their order.
#[derive(Debug, Clone, Copy)]
pub struct ArrivingRows<'a> {
    /// Their event times in nanoseconds; NULL: none.
    pub times: &'a Int64Array,
    /// Their weights. Only rows that are inserted move a watermark.
    pub weights: &'a Weights,
    /// All their columns.
    pub rows: &'a RecordBatch,
    /// Wall-clock nanoseconds.
    pub now: i64,
}

/// Makes the watermarks of one source (or of one partition of it). They never go back.
pub trait WatermarkGenerator: Send {
    /// Takes rows in their order. If one of them is behind the watermark as it stood before that row, the answer is that
    /// watermark for each row (nanoseconds); `None`: no row is behind.
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>>;

    /// The largest time among the rows that were observed last, if the generator has looked for it; `None` says nothing.
    fn latest_of_last(&self) -> Option<i64> {
        None
    }

    /// Learns the wall-clock time (nanoseconds), at the end of every step.
    fn on_clock(&mut self, now: i64) {
        let _ = now;
    }

    /// When [`on_clock`](Self::on_clock) will next have an effect even without rows, in wall-clock nanoseconds.
    fn due(&self) -> Option<i64> {
        None
    }

    /// The promise as it stands.
    fn watermark(&self) -> Watermark;

    /// Moves the promise forward for a reason outside of the rows; never back.
    fn advance_to(&mut self, watermark: Watermark);

    /// What must be remembered, in numbers.
    fn save(&self) -> Vec<i64>;

    /// Takes what [`save`](Self::save) gave.
    fn load(&mut self, saved: &[i64]) -> Result<()>;
}

impl WatermarkRule {
    /// The generator that follows this rule.
    pub fn generator(&self) -> Box<dyn WatermarkGenerator> {
        match self {
            WatermarkRule::BoundedOutOfOrderness { delay } => Box::new(BoundedOutOfOrdernessGenerator::new(*delay)),
            WatermarkRule::Ascending => Box::new(AscendingTimestampsGenerator::new()),
            WatermarkRule::Periodic { delay, every } => {
                Box::new(PeriodicGenerator::new(Box::new(BoundedOutOfOrdernessGenerator::new(*delay)), *every))
            }
            WatermarkRule::Punctuated { marker } => Box::new(PunctuatedGenerator::new(marker.clone())),
            WatermarkRule::ProcessingTime { delay } => Box::new(ProcessingTimeGenerator::new(*delay)),
        }
    }
}

impl WatermarkSpec {
    /// The generator that follows this specification.
    pub fn generator(&self) -> Box<dyn WatermarkGenerator> {
        self.rule.generator()
    }
}

/// The numbers of a saved generator, if there are as many as it has.
fn saved<const N: usize>(numbers: &[i64]) -> Result<[i64; N]> {
    numbers.try_into().map_err(|_| Error::internal("image of another watermark generator"))
}

/// A time as a promise: never one of the two ends, which mean something else.
fn promise(time: i64) -> i64 {
    time.clamp(i64::MIN + 1, i64::MAX - 1)
}

#[cfg(test)]
mod tests;
