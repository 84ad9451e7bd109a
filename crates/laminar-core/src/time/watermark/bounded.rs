//! The largest time seen, minus a delay: rows may be out of order by so much.

use arrow_buffer::ScalarBuffer;

use super::{ArrivingRows, WatermarkGenerator, promise, running, saved};
use crate::Result;
use crate::time::Watermark;

/// Promises that no row is more than `delay` behind the latest one.
#[derive(Debug, Clone)]
pub struct BoundedOutOfOrdernessGenerator {
    delay: i64,
    watermark: i64,
}

impl BoundedOutOfOrdernessGenerator {
    /// Rows may be `delay` nanoseconds behind the latest.
    pub fn new(delay: i64) -> Self {
        Self { delay, watermark: i64::MIN }
    }
}

impl WatermarkGenerator for BoundedOutOfOrdernessGenerator {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        let delay = self.delay;
        Ok(running::run(&mut self.watermark, arriving, |_, time| Some(promise(time.saturating_sub(delay)))))
    }

    fn watermark(&self) -> Watermark {
        Watermark(self.watermark)
    }

    fn advance_to(&mut self, watermark: Watermark) {
        self.watermark = self.watermark.max(watermark.0);
    }

    fn save(&self) -> Vec<i64> {
        vec![self.watermark]
    }

    fn load(&mut self, numbers: &[i64]) -> Result<()> {
        [self.watermark] = saved(numbers)?;
        Ok(())
    }
}
