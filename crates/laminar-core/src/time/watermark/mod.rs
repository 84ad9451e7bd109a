//! Promises about event time: how a source makes them and how several are combined.
//!
//! One file a generator: [`bounded`], [`ascending`], [`periodic`], [`punctuated`], [`processing_time`]. `running` is the loop
//! that they share, [`keyed`] keeps a promise for each key or partition, [`in_turn`] waits for the last of several partitions. [`idle`] decides what
//! silence means, [`metered`] counts, [`promise`] combines several promises, [`tracker`] those of sources that may fall silent.

use arrow_array::{Int64Array, RecordBatch};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;

use crate::changelog::Weights;
use crate::expr::ExprRef;
use crate::limits::WATERMARK_KEYS_MAX;
use crate::time::Watermark;
use crate::{Error, Result};

pub mod ascending;
pub mod bounded;
pub mod idle;
pub mod in_turn;
mod key_places;
pub mod keyed;
mod least;
pub mod metered;
pub mod periodic;
pub mod processing_time;
pub mod promise;
pub mod punctuated;
mod running;
pub mod tracker;

use ascending::Ascending;
pub use ascending::AscendingTimestampsGenerator;
use bounded::Bounded;
pub use bounded::BoundedOutOfOrdernessGenerator;
pub use idle::IdleDetector;
pub use in_turn::InTurnGenerator;
use keyed::{KeyOrigin, KeyedSpec};
pub use keyed::{Keyed, KeyedGenerator};
pub use metered::{MeteredGenerator, WatermarkMetrics};
pub use periodic::PeriodicGenerator;
pub use processing_time::ProcessingTimeGenerator;
pub(crate) use promise::combine;
pub use promise::{Holds, Promise};
use punctuated::Punctuated;
pub use punctuated::PunctuatedGenerator;
pub use tracker::WatermarkTracker;

/// How a source makes its watermarks, as data.
#[derive(Debug, Clone)]
pub struct WatermarkSpec {
    /// The event-time column.
    pub column: usize,
    /// By which rule.
    pub rule: WatermarkRule,
    /// What is promised for itself.
    pub per: WatermarkPer,
}

/// What has promises of its own. The source promises the least of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatermarkPer {
    /// The source as a whole.
    Source,
    /// Each key.
    Key {
        /// Its columns.
        columns: Vec<usize>,
        /// Keys that can count at the same time.
        keys_max: usize,
    },
    /// Each partition of the connector.
    Partition(Partitions),
}

/// The partitions that a connector has when reading begins, numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitions {
    /// So many, which are read side by side. More can join them.
    Together(u32),
    /// So many, each of which is read to its end before the next one is begun.
    InTurn(u32),
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
    /// The partition from which they come.
    pub partition: u32,
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

    /// What there is to know of keys, if it has any.
    fn keyed(&self) -> Option<&dyn Keyed> {
        None
    }

    /// The same, to change it.
    fn keyed_mut(&mut self) -> Option<&mut dyn Keyed> {
        None
    }
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

    /// The same for each key or partition that `keys` tells apart.
    fn keyed_generator(&self, keys: &KeyedSpec<'_>) -> Result<Box<dyn WatermarkGenerator>> {
        match self {
            WatermarkRule::BoundedOutOfOrderness { delay } => keys.generator(Bounded { delay: *delay }),
            WatermarkRule::Ascending => keys.generator(Ascending),
            WatermarkRule::Periodic { delay, every } => {
                Ok(Box::new(PeriodicGenerator::new(keys.generator(Bounded { delay: *delay })?, *every)))
            }
            WatermarkRule::Punctuated { marker } => keys.generator(Punctuated { marker: marker.clone() }),
            // The clock is the same for all.
            WatermarkRule::ProcessingTime { .. } => Ok(self.generator()),
        }
    }
}

impl WatermarkSpec {
    /// A source whose rows make one watermark together.
    pub fn new(column: usize, rule: WatermarkRule) -> Self {
        Self { column, rule, per: WatermarkPer::Source }
    }

    /// The generator that follows this specification for rows of `schema`. Silence of `idle_timeout` nanoseconds makes a key or partition idle.
    pub fn generator(&self, schema: &SchemaRef, idle_timeout: Option<i64>) -> Result<Box<dyn WatermarkGenerator>> {
        let keyed = |origin, keys_max, partitions| {
            self.rule.keyed_generator(&KeyedSpec { origin, schema, keys_max, idle_timeout, partitions })
        };
        match &self.per {
            WatermarkPer::Source => Ok(self.rule.generator()),
            WatermarkPer::Key { columns, keys_max } => keyed(KeyOrigin::Columns(columns.clone()), *keys_max, 0),
            WatermarkPer::Partition(Partitions::Together(partitions)) => {
                keyed(KeyOrigin::Partition, WATERMARK_KEYS_MAX.max(*partitions as usize), *partitions)
            }
            WatermarkPer::Partition(Partitions::InTurn(partitions)) => {
                Ok(Box::new(InTurnGenerator::new(self.rule.generator(), *partitions)))
            }
        }
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
mod keyed_tests;
#[cfg(test)]
mod tests;
