//! What late rows change in results that were shown: the old result to take back, and the new one.

use std::collections::BTreeMap;

/// Remembers the last result shown of each window, so that a result that late rows change can be taken back.
///
/// For those who aggregate windows themselves; [`WindowOperator`](crate::operator::window::WindowOperator) keeps the groups
/// themselves and needs no such memory. `W` names a window (or a window and a key), `T` is a result.
///
/// ```
/// use laminar_core::operator::changelog::LateDataRetractionGenerator;
///
/// let mut shown = LateDataRetractionGenerator::new();
/// assert_eq!(shown.check_retraction(&"09:00", 3, 10), None); // shown for the first time
/// assert_eq!(shown.check_retraction(&"09:00", 4, 10), Some((3, 4))); // a late row: -3 +4
/// assert_eq!(shown.check_retraction(&"09:00", 4, 10), None); // nothing has changed
/// shown.forget_before(11); // no more late rows for windows before 11
/// assert!(shown.is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct LateDataRetractionGenerator<W, T> {
    shown: BTreeMap<W, Shown<T>>,
}

#[derive(Debug, Clone)]
struct Shown<T> {
    result: T,
    timestamp: i64,
}

impl<W, T> Default for LateDataRetractionGenerator<W, T> {
    fn default() -> Self {
        Self { shown: BTreeMap::new() }
    }
}

impl<W: Ord + Clone, T: PartialEq + Clone> LateDataRetractionGenerator<W, T> {
    /// Nothing has been shown yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `new_data` is shown as the result of the window: gives the result to take back and the one that replaces it, or
    /// nothing if the window is shown for the first time or its result is the same.
    ///
    /// `timestamp` is the window's event time in nanoseconds, usually its end; [`forget_before`](Self::forget_before) goes by
    /// it, and of several the latest counts.
    pub fn check_retraction(&mut self, window_id: &W, new_data: T, timestamp: i64) -> Option<(T, T)> {
        let Some(shown) = self.shown.get_mut(window_id) else {
            self.shown.insert(window_id.clone(), Shown { result: new_data, timestamp });
            return None;
        };
        shown.timestamp = shown.timestamp.max(timestamp);
        if shown.result == new_data {
            return None;
        }
        let old = std::mem::replace(&mut shown.result, new_data.clone());
        Some((old, new_data))
    }

    /// Forgets windows with a timestamp before `timestamp`: the watermark minus the lateness, as no more rows come for them.
    pub fn forget_before(&mut self, timestamp: i64) {
        self.shown.retain(|_, shown| shown.timestamp >= timestamp);
    }

    /// How many windows are remembered.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// True if no window is remembered.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_result_that_was_shown_and_has_changed_is_taken_back() {
        let mut shown = LateDataRetractionGenerator::new();
        let cases = [
            (("w1", "a"), 1, None),
            (("w1", "b"), 1, None),
            (("w1", "a"), 1, None),
            (("w1", "a"), 2, Some((1, 2))),
            (("w2", "a"), 2, None),
            (("w1", "a"), 5, Some((2, 5))),
            (("w1", "b"), 0, Some((1, 0))),
        ];
        for (window, result, expected) in cases {
            assert_eq!(shown.check_retraction(&window, result, 0), expected, "{window:?} shows {result}");
        }
        assert_eq!(shown.len(), 3);
    }

    #[test]
    fn a_forgotten_window_is_shown_as_if_for_the_first_time() {
        let mut shown = LateDataRetractionGenerator::new();
        shown.check_retraction(&1, "a", 10);
        shown.check_retraction(&2, "b", 20);
        shown.check_retraction(&3, "c", 5);
        shown.check_retraction(&3, "d", 20);
        shown.forget_before(20);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown.check_retraction(&1, "z", 10), None);
        assert_eq!(shown.check_retraction(&2, "z", 10), Some(("b", "z")));
        assert_eq!(shown.check_retraction(&3, "z", 10), Some(("d", "z")));
    }
}
