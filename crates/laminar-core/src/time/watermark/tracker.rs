//! The watermark of several sources together: the least of those that count. How they are combined is decided in one place for
//! sources and for the nodes of a graph, see [`promise`](super::promise).

use super::promise::{Holds, Promise, combine};
use crate::time::Watermark;

/// Combines the promises of several sources. Sources that are idle do not hold the others back; when all are idle, the
/// combined watermark stays. It never goes back, and it reaches the end of time when all sources have, the idle ones too.
#[derive(Debug, Clone)]
pub struct WatermarkTracker {
    sources: Vec<Tracked>,
    combined: Watermark,
    idle_timeout: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Tracked {
    watermark: Watermark,
    idle: bool,
    active_at: Option<i64>,
}

impl WatermarkTracker {
    /// `sources` sources, numbered from 0, of which nothing is known.
    pub fn new(sources: usize) -> Self {
        let fresh = Tracked { watermark: Watermark::START, idle: false, active_at: None };
        Self { sources: vec![fresh; sources], combined: Watermark::START, idle_timeout: None }
    }

    /// The same, where silence of `timeout` nanoseconds makes a source idle.
    pub fn with_idle_timeout(sources: usize, timeout: i64) -> Self {
        Self { idle_timeout: Some(timeout), ..Self::new(sources) }
    }

    /// Source `source` promises `watermark` at `now` (wall-clock nanoseconds) and counts again if it was idle. The answer is
    /// the combined watermark if that moved.
    pub fn update_source(&mut self, source: usize, watermark: Watermark, now: i64) -> Option<Watermark> {
        let tracked = &mut self.sources[source];
        *tracked = Tracked { watermark: tracked.watermark.max(watermark), idle: false, active_at: Some(now) };
        self.combine()
    }

    /// Source `source` does not count until it is heard of again.
    pub fn mark_idle(&mut self, source: usize) -> Option<Watermark> {
        self.sources[source].idle = true;
        self.combine()
    }

    /// Marks every source idle that has been silent for the timeout at `now`. Silence is counted from the first look.
    pub fn check_idle_sources(&mut self, now: i64) -> Option<Watermark> {
        let timeout = self.idle_timeout?;
        for source in &mut self.sources {
            source.idle |= now.saturating_sub(*source.active_at.get_or_insert(now)) >= timeout;
        }
        self.combine()
    }

    /// True if the source does not count at the moment.
    pub fn is_idle(&self, source: usize) -> bool {
        self.sources[source].idle
    }

    /// The combined promise.
    pub fn watermark(&self) -> Watermark {
        self.combined
    }

    fn combine(&mut self) -> Option<Watermark> {
        let holds = |source: &Tracked| if source.idle { Holds::End } else { Holds::Time };
        let promises = self.sources.iter().map(|source| Promise { watermark: source.watermark, holds: holds(source) });
        let combined = combine(self.combined, promises).watermark;
        let moved = combined > self.combined;
        self.combined = combined;
        moved.then_some(combined)
    }
}
