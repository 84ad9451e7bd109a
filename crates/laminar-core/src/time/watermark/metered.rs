//! A generator that also counts what it sees.

use arrow_array::Array;
use arrow_buffer::ScalarBuffer;

use super::{ArrivingRows, Keyed, WatermarkGenerator};
use crate::Result;
use crate::time::{Watermark, ends};

/// What a source's event times look like. Counters start at zero with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatermarkMetrics {
    /// Rows seen.
    pub rows: u64,
    /// Rows without usable event time.
    pub rows_without_time: u64,
    /// Rows that were behind the watermark when they arrived. Windows may still have taken them.
    pub rows_behind: u64,
    /// The largest distance of a row behind the watermark, in nanoseconds.
    pub behind_max: i64,
    /// The largest event time seen.
    pub latest: Option<i64>,
    /// How often the watermark moved.
    pub advances: u64,
}

impl WatermarkMetrics {
    /// How far the watermark is behind the latest row, in nanoseconds.
    pub fn lag(&self, watermark: Watermark) -> Option<i64> {
        self.latest.filter(|_| watermark != Watermark::START).map(|latest| latest.saturating_sub(watermark.0).max(0))
    }
}

/// Wraps any generator and counts.
pub struct MeteredGenerator<G> {
    inner: G,
    metrics: WatermarkMetrics,
}

impl<G: WatermarkGenerator> MeteredGenerator<G> {
    /// Counts what `inner` sees.
    pub fn new(inner: G) -> Self {
        Self { inner, metrics: WatermarkMetrics::default() }
    }

    /// What has been counted.
    pub fn metrics(&self) -> WatermarkMetrics {
        self.metrics
    }

    fn count(&mut self, times: &arrow_array::Int64Array, stood: Option<&ScalarBuffer<i64>>) {
        self.metrics.rows += times.len() as u64;
        self.metrics.rows_without_time += times.null_count() as u64;
        let latest = self.inner.latest_of_last().or_else(|| match times.null_count() {
            0 => ends(times.values()).map(|(_, latest)| latest),
            _ => times.iter().flatten().max(),
        });
        self.metrics.latest = self.metrics.latest.max(latest);
        for (time, watermark) in times.iter().zip(stood.into_iter().flatten()).filter_map(|(time, w)| Some((time?, *w))) {
            if time < watermark {
                self.metrics.rows_behind += 1;
                self.metrics.behind_max = self.metrics.behind_max.max(watermark.saturating_sub(time));
            }
        }
    }

    fn moving<T>(&mut self, act: impl FnOnce(&mut G) -> T) -> T {
        let before = self.inner.watermark();
        let done = act(&mut self.inner);
        self.metrics.advances += u64::from(self.inner.watermark() > before);
        done
    }
}

impl<G: WatermarkGenerator> WatermarkGenerator for MeteredGenerator<G> {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        let stood = self.moving(|inner| inner.observe(arriving))?;
        self.count(arriving.times, stood.as_ref());
        Ok(stood)
    }

    fn on_clock(&mut self, now: i64) {
        self.moving(|inner| inner.on_clock(now));
    }

    fn due(&self) -> Option<i64> {
        self.inner.due()
    }

    fn watermark(&self) -> Watermark {
        self.inner.watermark()
    }

    fn advance_to(&mut self, watermark: Watermark) {
        self.moving(|inner| inner.advance_to(watermark));
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

impl WatermarkGenerator for Box<dyn WatermarkGenerator> {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        (**self).observe(arriving)
    }

    fn latest_of_last(&self) -> Option<i64> {
        (**self).latest_of_last()
    }

    fn on_clock(&mut self, now: i64) {
        (**self).on_clock(now);
    }

    fn due(&self) -> Option<i64> {
        (**self).due()
    }

    fn watermark(&self) -> Watermark {
        (**self).watermark()
    }

    fn advance_to(&mut self, watermark: Watermark) {
        (**self).advance_to(watermark);
    }

    fn save(&self) -> Vec<i64> {
        (**self).save()
    }

    fn load(&mut self, numbers: &[i64]) -> Result<()> {
        (**self).load(numbers)
    }

    fn keyed(&self) -> Option<&dyn Keyed> {
        (**self).keyed()
    }

    fn keyed_mut(&mut self) -> Option<&mut dyn Keyed> {
        (**self).keyed_mut()
    }
}
