//! Where the sessions of each key are: disjoint stretches of time, more than the gap apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::state::{map_bytes, set_bytes};

/// A key with more sessions has a tree of them.
const LIST_MAX: usize = 64;

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
    by_key: Vec<KeySpans>,
    by_last: BTreeSet<(i64, u32, i64)>,
}

/// The sessions of a key, by start.
#[derive(Debug)]
enum KeySpans {
    List(Vec<Span>),
    Tree(BTreeMap<i64, Span>),
}

impl Default for KeySpans {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl KeySpans {
    fn is_empty(&self) -> bool {
        match self {
            Self::List(spans) => spans.is_empty(),
            Self::Tree(spans) => spans.is_empty(),
        }
    }

    fn get(&self, start: i64) -> Option<Span> {
        match self {
            Self::List(spans) => Some(spans[spans.binary_search_by_key(&start, |span| span.start).ok()?]),
            Self::Tree(spans) => spans.get(&start).copied(),
        }
    }

    /// Those that end at or after `first` and begin at or before `last`.
    fn within(&self, first: i64, last: i64) -> Vec<Span> {
        match self {
            Self::List(spans) => {
                let from = spans.partition_point(|span| span.last < first);
                spans[from..].iter().take_while(|span| span.start <= last).copied().collect()
            }
            Self::Tree(spans) => {
                // They are disjoint: of those that begin earlier, only the last one can reach so far.
                let before = spans.range(..first).next_back().filter(|(_, span)| span.last >= first);
                let behind = spans.range(first..=last);
                before.into_iter().chain(behind).map(|(_, span)| *span).collect()
            }
        }
    }

    /// Puts `new` in the place of `old`, which are neighbours.
    fn replace(&mut self, old: &[Span], new: &[Span]) {
        match self {
            Self::List(spans) => {
                let Some(first) = old.first().or(new.first()).map(|span| span.start) else { return };
                let at = spans.partition_point(|span| span.start < first);
                spans.splice(at..at + old.len(), new.iter().copied());
                if spans.len() > LIST_MAX {
                    *self = Self::Tree(spans.iter().map(|span| (span.start, *span)).collect());
                }
            }
            Self::Tree(spans) => {
                old.iter().for_each(|span| {
                    spans.remove(&span.start);
                });
                spans.extend(new.iter().map(|span| (span.start, *span)));
                if spans.len() < LIST_MAX / 4 {
                    *self = Self::List(spans.values().copied().collect());
                }
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        let (list, tree) = match self {
            Self::List(spans) => (Some(spans), None),
            Self::Tree(spans) => (None, Some(spans)),
        };
        list.into_iter().flatten().chain(tree.into_iter().flat_map(BTreeMap::values)).copied()
    }

    fn bytes(&self) -> usize {
        match self {
            Self::List(spans) => spans.capacity() * size_of::<Span>(),
            Self::Tree(spans) => map_bytes(spans),
        }
    }
}

impl Spans {
    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.by_last.len()
    }

    /// Whether a key has a session.
    pub(super) fn has(&self, key: u32) -> bool {
        self.by_key.get(key as usize).is_some_and(|spans| !spans.is_empty())
    }

    /// The session of a key that starts at `start`.
    pub(super) fn get(&self, key: u32, start: i64) -> Option<Session> {
        let span = self.by_key.get(key as usize)?.get(start)?;
        Some(Session { key, span })
    }

    /// The sessions of a key that rows at `first..=last` belong to or join.
    pub(super) fn near(&self, key: u32, first: i64, last: i64, gap: i64) -> Vec<Span> {
        let spans = self.by_key.get(key as usize);
        spans.map_or(Vec::new(), |spans| spans.within(first.saturating_sub(gap), last.saturating_add(gap)))
    }

    /// Puts `new` in the place of `old`, which are neighbours of a key.
    pub(super) fn replace(&mut self, key: u32, old: &[Span], new: &[Span]) {
        if self.by_key.len() <= key as usize {
            self.by_key.resize_with(key as usize + 1, KeySpans::default);
        }
        for gone in old {
            self.by_last.remove(&(gone.last, key, gone.start));
        }
        self.by_last.extend(new.iter().map(|span| (span.last, key, span.start)));
        self.by_key[key as usize].replace(old, new);
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
        self.replace(key, &[session.span], &[]);
        Some(session)
    }

    /// All sessions, by key and start.
    pub(super) fn iter(&self) -> impl Iterator<Item = Session> + '_ {
        (0u32..).zip(&self.by_key).flat_map(|(key, spans)| spans.iter().map(move |span| Session { key, span }))
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> usize {
        let spans = self.by_key.iter().map(KeySpans::bytes).sum::<usize>();
        self.by_key.capacity() * size_of::<KeySpans>() + spans + set_bytes(&self.by_last)
    }
}
