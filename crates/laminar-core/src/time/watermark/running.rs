//! The running watermark over rows: what stood before each of them, written down only if one of them was behind.

use arrow_array::Array;
use arrow_buffer::ScalarBuffer;

use super::{ArrivingRows, WatermarkGenerator, saved};
use crate::Result;
use crate::time::{Watermark, ends};

/// What each inserted row promises by itself.
pub trait RowPromise: Send {
    /// `promised(row, time)` for these rows; `None`: nothing.
    fn promised(&self, arriving: &ArrivingRows<'_>) -> Result<impl Fn(usize, i64) -> Option<i64>>;

    /// What a row of this time promises, if that depends on nothing else and grows with the time.
    fn by_time(&self, time: i64) -> Option<i64> {
        let _ = time;
        None
    }
}

/// A generator that goes by rows alone: the watermark is the latest promise of any row so far.
#[derive(Debug, Clone)]
pub struct RunningGenerator<P> {
    promise: P,
    watermark: i64,
    /// The largest time seen, where it was looked for anyway.
    latest: Option<i64>,
}

impl<P> RunningGenerator<P> {
    /// Nothing seen yet.
    pub(super) fn by(promise: P) -> Self {
        Self { promise, watermark: i64::MIN, latest: None }
    }
}

impl<P: RowPromise> WatermarkGenerator for RunningGenerator<P> {
    fn observe(&mut self, arriving: &ArrivingRows<'_>) -> Result<Option<ScalarBuffer<i64>>> {
        let promised = self.promise.promised(arriving)?;
        let mut latest = None;
        let by_time = |time| {
            latest = latest.max(Some(time));
            self.promise.by_time(time)
        };
        let stood = run(&mut self.watermark, arriving, promised, by_time);
        self.latest = latest;
        Ok(stood)
    }

    fn latest_of_last(&self) -> Option<i64> {
        self.latest
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

/// Runs `watermark` over the rows. `promised(row, time)` is what an inserted row promises by itself; `by_time` as in [`RowPromise`].
pub(super) fn run(
    watermark: &mut i64,
    arriving: &ArrivingRows<'_>,
    promised: impl Fn(usize, i64) -> Option<i64>,
    mut by_time: impl FnMut(i64) -> Option<i64>,
) -> Option<ScalarBuffer<i64>> {
    let before = *watermark;
    let behind = if arriving.times.null_count() == 0 && arriving.weights.is_ones() {
        any_behind(watermark, arriving.times.values(), &promised, &mut by_time)
    } else {
        let mut behind = false;
        walk(watermark, arriving, &promised, |time, watermark| behind |= time.is_some_and(|time| time < watermark));
        behind
    };
    behind.then(|| {
        let mut watermark = before;
        let mut stood = Vec::with_capacity(arriving.times.len());
        walk(&mut watermark, arriving, &promised, |_, watermark| stood.push(watermark));
        stood.into()
    })
}

/// Runs `watermark` over insertions that all have a time: whether one of them was behind. The usual case, some rows at a time: where
/// none would be behind even if the latest had come first, their order does not matter.
fn any_behind(
    watermark: &mut i64,
    times: &[i64],
    promised: &impl Fn(usize, i64) -> Option<i64>,
    by_time: &mut impl FnMut(i64) -> Option<i64>,
) -> bool {
    let mut behind = false;
    for (chunk, times) in times.chunks(ROWS_AT_ONCE).enumerate() {
        let Some((earliest, latest)) = ends(times) else { break };
        match by_time(latest).map(|promised| promised.max(*watermark)) {
            Some(after) if earliest >= after => *watermark = after,
            _ => behind |= any_behind_by_row(watermark, chunk * ROWS_AT_ONCE, times, promised),
        }
    }
    behind
}

/// The same row by row, for those from row `first` on.
#[inline]
fn any_behind_by_row(watermark: &mut i64, first: usize, times: &[i64], promised: &impl Fn(usize, i64) -> Option<i64>) -> bool {
    let (mut stands, mut behind) = (*watermark, false);
    for (row, time) in (first..).zip(times) {
        behind |= *time < stands;
        stands = stands.max(promised(row, *time).unwrap_or(stands));
    }
    *watermark = stands;
    behind
}

/// Fewer rows seldom reach from one end of what may be out of order to the other.
const ROWS_AT_ONCE: usize = 64;

/// Shows each row's time and the watermark before it to `see`.
#[inline]
fn walk(
    watermark: &mut i64,
    arriving: &ArrivingRows<'_>,
    promised: &impl Fn(usize, i64) -> Option<i64>,
    mut see: impl FnMut(Option<i64>, i64),
) {
    let values = arriving.times.values();
    for (row, time) in values.iter().enumerate() {
        let time = arriving.times.is_valid(row).then_some(*time);
        see(time, *watermark);
        if let Some(time) = time.filter(|_| arriving.weights.get(row) > 0)
            && let Some(promised) = promised(row, time)
        {
            *watermark = (*watermark).max(promised);
        }
    }
}
