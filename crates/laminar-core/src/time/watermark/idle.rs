//! What the silence of a source means: it decides, and reads no clock.

use crate::limits;
use crate::time::Watermark;

/// Watches how long a source has been silent (wall clock).
///
/// After the timeout, a source that has sent rows moves its watermark on with the wall clock: silence of 5 s moves it by 5 s.
/// One that has never sent a row does not hold others back.
#[derive(Debug, Clone)]
pub struct IdleDetector {
    timeout: i64,
    silent_since: Option<i64>,
    stood_at: Option<Watermark>,
}

impl IdleDetector {
    /// Silence of `timeout` nanoseconds makes a source idle; 0: at once.
    pub fn new(timeout: i64) -> Self {
        Self { timeout: timeout.max(0), silent_since: None, stood_at: None }
    }

    /// Rows came at `now`, after which the source's watermark stands at `watermark`.
    pub fn rows(&mut self, now: i64, watermark: Watermark) {
        self.silent_since = Some(now);
        self.stood_at = Some(watermark);
    }

    /// The watermark has moved to `watermark` by `now` without rows: from there on it goes with the clock.
    pub fn moved(&mut self, now: i64, watermark: Watermark) {
        let silence = self.silent_since.map_or(0, |since| now.saturating_sub(since));
        let stood = Watermark(watermark.0.saturating_sub(silence));
        self.stood_at = self.stood_at.map(|before| before.max(stood));
    }

    /// Silence up to `now` does not count: the source was not read.
    pub fn excuse_silence(&mut self, now: i64) {
        self.silent_since = Some(now);
    }

    /// Looks at the clock: where the watermark of an idle source that has sent rows should be by now.
    pub fn on_clock(&mut self, now: i64) -> Option<Watermark> {
        let since = *self.silent_since.get_or_insert(now);
        let silence = now.saturating_sub(since);
        let stood_at = self.stood_at.filter(|stood| *stood != Watermark::START && silence >= self.timeout.max(1))?;
        Some(Watermark(stood_at.0.saturating_add(silence).min(i64::MAX - 1)))
    }

    /// True if the source never sent a row and has been silent for the timeout.
    pub fn holds_nobody_back(&self, now: i64) -> bool {
        let silence = self.silent_since.map_or(0, |since| now.saturating_sub(since));
        self.stood_at.is_none() && silence >= self.timeout
    }

    /// When to look at the clock again, at `now`.
    pub fn due(&self, now: i64) -> Option<i64> {
        let idle_at = self.silent_since?.saturating_add(self.timeout.max(1));
        match idle_at > now {
            true => Some(idle_at),
            // A source that never sent a row has nothing to move.
            false => self.stood_at.map(|_| now.saturating_add(limits::IDLE_TICK_NS)),
        }
    }

    /// What must be remembered: where the watermark stood after the last row. Silence is counted anew after a restart.
    pub fn save(&self) -> Option<i64> {
        self.stood_at.map(|watermark| watermark.0)
    }

    /// Takes what [`save`](Self::save) gave.
    pub fn load(&mut self, stood_at: Option<i64>) {
        self.stood_at = stood_at.map(Watermark);
    }
}
