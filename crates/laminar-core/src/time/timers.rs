//! Which key wants to be woken when, by wall-clock time.

use std::collections::BTreeSet;

/// Wishes to be woken, at most one for each key. Equal times come due in the order of the keys.
#[derive(Debug, Clone)]
pub struct Timers<K> {
    wishes: BTreeSet<(i64, K)>,
}

impl<K: Ord + Copy> Timers<K> {
    /// No wishes.
    pub const fn new() -> Self {
        Self { wishes: BTreeSet::new() }
    }

    /// Puts the wish `new` of `key` in the place of its wish `old`. Costs nothing if they are equal.
    pub fn replace(&mut self, key: K, old: Option<i64>, new: Option<i64>) {
        if old == new {
            return;
        }
        if let Some(at) = old {
            self.wishes.remove(&(at, key));
        }
        if let Some(at) = new {
            self.wishes.insert((at, key));
        }
    }

    /// The earliest time that anyone asked for, in nanoseconds.
    pub fn next(&self) -> Option<i64> {
        self.wishes.first().map(|(at, _)| *at)
    }

    /// Takes out one wish that is due at `now`, the earliest first.
    pub fn take_due(&mut self, now: i64) -> Option<K> {
        let (at, _) = *self.wishes.first()?;
        if at > now {
            return None;
        }
        self.wishes.pop_first().map(|(_, key)| key)
    }
}

impl<K: Ord + Copy> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_come_due_by_time_then_key() {
        let mut timers = Timers::new();
        timers.replace(2, None, Some(10));
        timers.replace(1, None, Some(10));
        timers.replace(3, None, Some(5));
        assert_eq!(timers.next(), Some(5));
        assert_eq!(timers.take_due(4), None);
        let due: Vec<_> = std::iter::from_fn(|| timers.take_due(10)).collect();
        assert_eq!(due, [3, 1, 2]);
    }

    #[test]
    fn a_new_wish_replaces_the_old_one() {
        let mut timers = Timers::new();
        timers.replace("a", None, Some(10));
        timers.replace("a", Some(10), Some(20));
        assert_eq!(timers.take_due(15), None);
        timers.replace("a", Some(20), None);
        assert_eq!(timers.next(), None);
    }
}
