//! The wall clock as event time: watermarks follow the clock, with or without rows.

use arrow_buffer::ScalarBuffer;

use super::{ArrivingRows, WatermarkGenerator, promise, running, saved};
use crate::time::Watermark;
use crate::{Result, limits};

/// Promises that no row is stamped more than `delay` before now. Rows of a step are judged by the clock of the step before.
#[derive(Debug, Clone)]
pub struct ProcessingTimeGenerator {
    delay: i64,
    watermark: i64,
    told_at: Option<i64>,
}

impl ProcessingTimeGenerator {
    /// Rows may be stamped `delay` nanoseconds before they are seen.
    pub fn new(delay: i64) -> Self {
        Self { delay, watermark: i64::MIN, told_at: None }
    }
}

impl WatermarkGenerator for ProcessingTimeGenerator {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        // From the first row on there is something to close, and the clock matters.
        self.told_at.get_or_insert(arriving.now);
        Ok(running::run(&mut self.watermark, arriving, |_, _| None, |_| Some(i64::MIN)))
    }

    fn on_clock(&mut self, now: i64) {
        if let Some(at) = &mut self.told_at {
            *at = now.max(*at);
            self.watermark = self.watermark.max(promise(at.saturating_sub(self.delay)));
        }
    }

    fn due(&self) -> Option<i64> {
        self.told_at.map(|at| at.saturating_add(limits::WATERMARK_TICK_NS))
    }

    fn watermark(&self) -> Watermark {
        Watermark(self.watermark)
    }

    fn advance_to(&mut self, watermark: Watermark) {
        self.watermark = self.watermark.max(watermark.0);
    }

    fn save(&self) -> Vec<i64> {
        vec![self.watermark, self.told_at.unwrap_or(i64::MIN)]
    }

    fn load(&mut self, numbers: &[i64]) -> Result<()> {
        let [watermark, told_at] = saved(numbers)?;
        self.watermark = watermark;
        self.told_at = (told_at > i64::MIN).then_some(told_at);
        Ok(())
    }
}
