//! What a source or node promises its readers about time, and how several promises are combined: the one place where that is decided.

use crate::time::Watermark;

/// In which way an input that has not ended holds its readers back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// In no way: a table, for whose end its readers do not wait.
    Nothing,
    /// Only the end of time: an input without event time, or an idle one.
    End,
    /// At its watermark.
    Time,
}

/// A watermark, and how much it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// No row before it will come.
    pub watermark: Watermark,
    /// How it holds others back.
    pub holds: Holds,
}

impl Promise {
    /// What is promised before the first step.
    pub const START: Promise = Promise { watermark: Watermark::START, holds: Holds::Nothing };
}

/// What all inputs together promise, given what they promised before; a promise never goes back.
///
/// The lowest watermark counts among those that hold time back. The end of time is reached once something has ended
/// and nothing that could hold the end back has not.
pub(crate) fn combine(before: Watermark, inputs: impl Iterator<Item = Promise>) -> Promise {
    let (mut lowest, mut holds) = (Watermark::END, Holds::Nothing);
    let (mut some_ended, mut end_waits) = (false, false);
    for input in inputs {
        holds = holds.max(input.holds);
        match input.holds {
            _ if input.watermark.is_end() => some_ended = true,
            Holds::Time => lowest = lowest.min(input.watermark),
            Holds::End => end_waits = true,
            Holds::Nothing => {}
        }
    }
    let reached = if lowest.is_end() && (end_waits || !some_ended) { before } else { lowest };
    Promise { watermark: reached.max(before), holds }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: Watermark, inputs: &[(Holds, Watermark)], expected: Watermark) {
        let promises = inputs.iter().map(|&(holds, watermark)| Promise { watermark, holds });
        assert_eq!(combine(before, promises).watermark, expected, "{inputs:?} after {before}");
    }

    #[test]
    fn promises_are_combined() {
        use Holds::{End, Nothing, Time};
        let (start, end) = (Watermark::START, Watermark::END);
        let at = Watermark;
        check(start, &[(Time, at(5)), (Time, at(3))], at(3));
        check(at(4), &[(Time, at(5)), (Time, at(3))], at(4));
        check(start, &[(Time, at(5)), (Time, start)], start);
        check(start, &[(Time, at(5)), (Time, end)], at(5));
        check(at(7), &[(Time, end), (Time, end)], end);
        // An idle input or one without event time does not hold time back, but the end waits for it.
        check(start, &[(Time, at(5)), (End, start)], at(5));
        check(at(5), &[(Time, end), (End, start)], at(5));
        check(at(5), &[(Time, end), (End, end)], end);
        // The readers of a table do not wait for its end.
        check(at(5), &[(Time, end), (Nothing, start)], end);
        check(start, &[(Nothing, start)], start);
        check(start, &[(Nothing, start), (End, start)], start);
    }
}
