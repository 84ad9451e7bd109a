//! The watermark of several sources (or keys, or partitions) together: the least of those that count. How they are combined is decided in
//! one place for these and for the nodes of a graph, see [`promise`](super::promise).

use super::least::Least;
use super::promise::{Holds, Promise, combine};
use crate::time::Watermark;

/// Combines the promises of several sources. Sources that are idle do not hold the others back; when all are idle, the
/// combined watermark stays. It never goes back, and it reaches the end of time when all sources have, the idle ones too.
#[derive(Debug, Clone)]
pub struct WatermarkTracker {
    sources: Vec<Tracked>,
    /// The watermarks of those that are not idle; an idle one has the end of time there.
    active: Least,
    /// Sources that are idle.
    idle: usize,
    /// Idle sources that have not ended.
    idle_open: usize,
    combined: Watermark,
    idle_timeout: Option<i64>,
    /// No source can become idle before this moment.
    look_at: i64,
}

#[derive(Debug, Clone, Copy)]
struct Tracked {
    watermark: Watermark,
    idle: bool,
    active_at: Option<i64>,
}

impl Tracked {
    const FRESH: Tracked = Tracked { watermark: Watermark::START, idle: false, active_at: None };

    fn is_idle_and_open(&self) -> bool {
        self.idle && !self.watermark.is_end()
    }
}

impl WatermarkTracker {
    /// `sources` sources, numbered from 0, of which nothing is known.
    pub fn new(sources: usize) -> Self {
        let mut tracker = Self {
            sources: Vec::new(),
            active: Least::default(),
            idle: 0,
            idle_open: 0,
            combined: Watermark::START,
            idle_timeout: None,
            look_at: i64::MIN,
        };
        (0..sources).for_each(|_| _ = tracker.add_source());
        tracker
    }

    /// The same, where silence of `timeout` nanoseconds makes a source idle.
    pub fn with_idle_timeout(sources: usize, timeout: i64) -> Self {
        Self { idle_timeout: Some(timeout), ..Self::new(sources) }
    }

    /// One source more, of which nothing is known; its number.
    pub fn add_source(&mut self) -> usize {
        self.sources.push(Tracked::FRESH);
        self.active.push(Watermark::START.0);
        self.look_at = i64::MIN;
        self.sources.len() - 1
    }

    /// Source `source` promises `watermark` at `now` (wall-clock nanoseconds) and counts again if it was idle. The answer is
    /// the combined watermark if that moved.
    pub fn update_source(&mut self, source: usize, watermark: Watermark, now: i64) -> Option<Watermark> {
        let watermark = self.sources[source].watermark.max(watermark);
        self.set(source, Tracked { watermark, idle: false, active_at: Some(now) });
        self.look_at = self.look_at.min(now.saturating_add(self.idle_timeout.unwrap_or(i64::MAX)));
        self.combine()
    }

    /// Source `source` does not count until it is heard of again.
    pub fn mark_idle(&mut self, source: usize) -> Option<Watermark> {
        self.set(source, Tracked { idle: true, ..self.sources[source] });
        self.combine()
    }

    /// The same, and what it promised is forgotten: its number can be given to another.
    pub fn forget_source(&mut self, source: usize) -> Option<Watermark> {
        self.set(source, Tracked { idle: true, ..Tracked::FRESH });
        self.combine()
    }

    /// Source `source` has promised `watermark` before a restart: from now on its silence is counted anew.
    pub fn restore_source(&mut self, source: usize, watermark: Watermark) {
        self.set(source, Tracked { watermark, ..Tracked::FRESH });
        self.look_at = i64::MIN;
    }

    /// Marks every source idle that has been silent for the timeout at `now`. Silence is counted from the first look.
    pub fn check_idle_sources(&mut self, now: i64) -> Option<Watermark> {
        let timeout = self.idle_timeout.filter(|_| now >= self.look_at)?;
        self.look_at = i64::MAX;
        for source in 0..self.sources.len() {
            let tracked = &mut self.sources[source];
            if tracked.idle {
                continue;
            }
            let active_at = *tracked.active_at.get_or_insert(now);
            if now.saturating_sub(active_at) >= timeout {
                self.set(source, Tracked { idle: true, ..self.sources[source] });
            } else {
                self.look_at = self.look_at.min(active_at.saturating_add(timeout));
            }
        }
        self.combine()
    }

    /// Silence up to `now` does not count: the sources were not read.
    pub fn excuse_silence(&mut self, now: i64) {
        self.sources.iter_mut().filter(|source| !source.idle).for_each(|source| source.active_at = Some(now));
    }

    /// When to look for idle sources again, in wall-clock nanoseconds.
    pub fn due(&self) -> Option<i64> {
        self.idle_timeout.filter(|_| self.active_sources() > 0).map(|_| self.look_at)
    }

    /// True if the source does not count at the moment.
    pub fn is_idle(&self, source: usize) -> bool {
        self.sources[source].idle
    }

    /// How many sources count at the moment.
    pub fn active_sources(&self) -> usize {
        self.sources.len() - self.idle
    }

    /// What source `source` has promised.
    pub fn source_watermark(&self, source: usize) -> Watermark {
        self.sources[source].watermark
    }

    /// The combined promise.
    pub fn watermark(&self) -> Watermark {
        self.combined
    }

    /// Moves the combined promise forward for a reason outside of the sources; never back.
    pub fn advance_to(&mut self, watermark: Watermark) {
        self.combined = self.combined.max(watermark);
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        self.sources.capacity() * size_of::<Tracked>() + self.active.bytes()
    }

    fn set(&mut self, source: usize, tracked: Tracked) {
        let before = std::mem::replace(&mut self.sources[source], tracked);
        self.idle = self.idle + usize::from(tracked.idle) - usize::from(before.idle);
        self.idle_open = self.idle_open + usize::from(tracked.is_idle_and_open()) - usize::from(before.is_idle_and_open());
        let counts = if tracked.idle { Watermark::END } else { tracked.watermark };
        self.active.set(source, counts.0);
    }

    fn combine(&mut self) -> Option<Watermark> {
        if self.sources.is_empty() {
            return None;
        }
        // Those that count are one promise, those that are idle another; what has ended counts as such in either.
        let active = Promise { watermark: Watermark(self.active.least()), holds: Holds::Time };
        let idle = Promise { watermark: Watermark::START, holds: Holds::End };
        let idle = (self.idle_open > 0).then_some(idle);
        let combined = combine(self.combined, std::iter::once(active).chain(idle)).watermark;
        let moved = combined > self.combined;
        self.combined = combined;
        moved.then_some(combined)
    }
}
