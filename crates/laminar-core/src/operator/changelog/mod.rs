//! Changes for Rust users who aggregate, retract and tell changes themselves. Thin, and typed.
//!
//! * [`accumulators`](RetractableAccumulator): aggregates of values that come and go, one value at a time;
//! * [`buffer`](ChangelogBuffer): the changes of a step as places in batches; [`late_retraction`](LateDataRetractionGenerator):
//!   what late rows change in results that were shown; [`cdc_envelope`](CdcEnvelope): changes as Debezium tells them.

mod accumulators;
mod buffer;
mod cdc_envelope;
mod late_retraction;

pub use accumulators::{
    RetractableAccumulator, RetractableAvg, RetractableCount, RetractableFirst, RetractableLast, RetractableMax, RetractableMin,
    RetractableSum,
};
pub use buffer::{ChangelogBuffer, ChangelogRef};
pub use cdc_envelope::{CdcEnvelope, CdcSource, EnvelopeOperation};
pub use late_retraction::LateDataRetractionGenerator;
