//! Another generator's watermarks, told only from time to time: fewer, larger steps for the readers of the source.

use arrow_buffer::ScalarBuffer;

use super::{ArrivingRows, Keyed, WatermarkGenerator, running};
use crate::time::Watermark;
use crate::{Error, Result};

/// Tells what another generator has found out every so often (wall clock). Rows are judged by what was told.
pub struct PeriodicGenerator {
    inner: Box<dyn WatermarkGenerator>,
    every: i64,
    told: i64,
    told_at: Option<i64>,
}

impl PeriodicGenerator {
    /// Tells `inner`'s watermark every `every` wall-clock nanoseconds.
    pub fn new(inner: Box<dyn WatermarkGenerator>, every: i64) -> Self {
        Self { inner, every: every.max(0), told: i64::MIN, told_at: None }
    }

    fn next_at(&self) -> Option<i64> {
        self.told_at.map(|at| at.saturating_add(self.every))
    }
}

impl WatermarkGenerator for PeriodicGenerator {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        self.inner.observe(arriving)?;
        Ok(running::run(&mut self.told, arriving, |_, _| None, |_| Some(i64::MIN)))
    }

    fn on_clock(&mut self, now: i64) {
        self.inner.on_clock(now);
        if self.next_at().is_none_or(|at| at <= now) && self.inner.watermark().0 > self.told {
            self.told = self.inner.watermark().0;
            self.told_at = Some(now);
        }
    }

    fn due(&self) -> Option<i64> {
        let tell = self.next_at().filter(|_| self.inner.watermark().0 > self.told);
        [tell, self.inner.due()].into_iter().flatten().min()
    }

    fn watermark(&self) -> Watermark {
        Watermark(self.told)
    }

    fn advance_to(&mut self, watermark: Watermark) {
        self.inner.advance_to(watermark);
        self.told = self.told.max(watermark.0);
    }

    fn save(&self) -> Vec<i64> {
        // The time of the last telling is not kept: after a restart the first step tells.
        [vec![self.told], self.inner.save()].concat()
    }

    fn load(&mut self, numbers: &[i64]) -> Result<()> {
        let (told, rest) = numbers.split_first().ok_or_else(|| Error::internal("image of another watermark generator"))?;
        self.told = *told;
        self.inner.load(rest)
    }

    fn keyed(&self) -> Option<&dyn Keyed> {
        self.inner.keyed()
    }

    fn keyed_mut(&mut self) -> Option<&mut dyn Keyed> {
        self.inner.keyed_mut()
    }
}
