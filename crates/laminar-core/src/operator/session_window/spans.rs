//! Where the sessions of each key are: disjoint stretches of time, more than the gap apart.

use std::collections::BTreeSet;

use crate::state::set_bytes;

/// The stretch of a session: the times of its first and last row, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) last: i64,
    /// A number of its own, if rows are aggregated by session.
    pub(super) number: i64,
}

/// A session of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) key: u32,
    pub(super) span: Span,
}

/// All sessions, by key and start, and by their last row.
#[derive(Debug, Default)]
pub(super) struct Spans {
    by_key: Vec<Vec<Span>>,
    by_last: BTreeSet<(i64, u32, i64)>,
}

impl Spans {
    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.by_last.len()
    }

    /// The sessions of a key, by start.
    pub(super) fn of(&self, key: u32) -> &[Span] {
        self.by_key.get(key as usize).map_or(&[], Vec::as_slice)
    }

    /// The session of a key that starts at `start`.
    pub(super) fn get(&self, key: u32, start: i64) -> Option<Session> {
        let spans = self.of(key);
        let at = spans.binary_search_by_key(&start, |span| span.start).ok()?;
        Some(Session { key, span: spans[at] })
    }

    /// The sessions of a key that rows at `first..=last` belong to or join.
    pub(super) fn near(&self, key: u32, first: i64, last: i64, gap: i64) -> std::ops::Range<usize> {
        let spans = self.of(key);
        let from = spans.partition_point(|span| span.last.saturating_add(gap) < first);
        let to = spans.partition_point(|span| span.start <= last.saturating_add(gap));
        from..to.max(from)
    }

    /// Puts `spans` in the place of those at `places` of a key.
    pub(super) fn replace(&mut self, key: u32, places: std::ops::Range<usize>, spans: impl IntoIterator<Item = Span>) {
        if self.by_key.len() <= key as usize {
            self.by_key.resize_with(key as usize + 1, Vec::new);
        }
        let spans: Vec<Span> = spans.into_iter().collect();
        let new = spans.iter().map(|span| (span.last, key, span.start));
        let old = self.by_key[key as usize][places.clone()].iter().map(|span| (span.last, key, span.start));
        old.for_each(|gone| {
            self.by_last.remove(&gone);
        });
        self.by_last.extend(new);
        self.by_key[key as usize].splice(places, spans);
    }

    /// All sessions whose last row is at or after `first` and before `end`, by their last row.
    pub(super) fn with_last_in(&self, first: i64, end: i64) -> impl Iterator<Item = Session> + '_ {
        let range = (first, 0, i64::MIN)..(end.max(first), 0, i64::MIN);
        self.by_last.range(range).filter_map(|(_, key, start)| self.get(*key, *start))
    }

    /// Takes the first session by last row out, if that is before `end`.
    pub(super) fn take_before(&mut self, end: i64) -> Option<Session> {
        let (last, key, start) = *self.by_last.first()?;
        if last < end { self.take(key, start) } else { None }
    }

    /// Takes the session of a key out that starts at `start`.
    pub(super) fn take(&mut self, key: u32, start: i64) -> Option<Session> {
        let session = self.get(key, start)?;
        let at = self.of(key).partition_point(|span| span.start < start);
        self.replace(key, at..at + 1, []);
        Some(session)
    }

    /// All sessions, by key and start.
    pub(super) fn iter(&self) -> impl Iterator<Item = Session> + '_ {
        (0u32..).zip(&self.by_key).flat_map(|(key, spans)| spans.iter().map(move |span| Session { key, span: *span }))
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        let spans = self.by_key.iter().map(|spans| spans.capacity() * size_of::<Span>()).sum::<usize>();
        self.by_key.capacity() * size_of::<Vec<Span>>() + spans + set_bytes(&self.by_last)
    }
}
