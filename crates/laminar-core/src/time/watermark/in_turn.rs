//! Partitions that are read one after the other: what stands in the first says nothing of the times in those that are still to come.

use arrow_buffer::ScalarBuffer;

use super::{ArrivingRows, Keyed, WatermarkGenerator, running};
use crate::Result;
use crate::time::Watermark;

/// Promises nothing before the last partition is read, and from then on what another generator makes of its rows.
pub struct InTurnGenerator {
    inner: Box<dyn WatermarkGenerator>,
    last: u32,
}

impl InTurnGenerator {
    /// `partitions` are read one after the other; `inner` gets the rows of the last.
    pub fn new(inner: Box<dyn WatermarkGenerator>, partitions: u32) -> Self {
        Self { inner, last: partitions.saturating_sub(1) }
    }
}

impl WatermarkGenerator for InTurnGenerator {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        if arriving.partition >= self.last {
            return self.inner.observe(arriving);
        }
        let mut watermark = self.inner.watermark().0;
        Ok(running::run(&mut watermark, arriving, |_, _| None, |_| Some(i64::MIN)))
    }

    fn on_clock(&mut self, now: i64) {
        self.inner.on_clock(now);
    }

    fn due(&self) -> Option<i64> {
        self.inner.due()
    }

    fn watermark(&self) -> Watermark {
        self.inner.watermark()
    }

    fn advance_to(&mut self, watermark: Watermark) {
        self.inner.advance_to(watermark);
    }

    fn save(&self) -> Vec<i64> {
        self.inner.save()
    }

    fn load(&mut self, numbers: &[i64]) -> Result<()> {
        self.inner.load(numbers)
    }

    fn keyed(&self) -> Option<&dyn Keyed> {
        self.inner.keyed()
    }

    fn keyed_mut(&mut self) -> Option<&mut dyn Keyed> {
        self.inner.keyed_mut()
    }
}
