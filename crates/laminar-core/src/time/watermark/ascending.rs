//! Times that never go back: the largest time seen is the promise. Equal times are in order.

use arrow_buffer::ScalarBuffer;

use super::{ArrivingRows, BoundedOutOfOrdernessGenerator, WatermarkGenerator};
use crate::Result;
use crate::time::Watermark;

/// Promises that no row is before the latest one.
#[derive(Debug, Clone)]
pub struct AscendingTimestampsGenerator(BoundedOutOfOrdernessGenerator);

impl AscendingTimestampsGenerator {
    /// Nothing seen yet.
    #[expect(clippy::new_without_default, reason = "no default that hides a decision")]
    pub fn new() -> Self {
        Self(BoundedOutOfOrdernessGenerator::new(0))
    }
}

impl WatermarkGenerator for AscendingTimestampsGenerator {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        self.0.observe(arriving)
    }

    fn watermark(&self) -> Watermark {
        self.0.watermark()
    }

    fn advance_to(&mut self, watermark: Watermark) {
        self.0.advance_to(watermark);
    }

    fn save(&self) -> Vec<i64> {
        self.0.save()
    }

    fn load(&mut self, numbers: &[i64]) -> Result<()> {
        self.0.load(numbers)
    }
}
