//! Where lines end, and how one is passed over that is too long to be held.

use super::{Extent, RECORD_BYTES_MAX, Taken};

/// What ends a line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// A line feed, also behind a carriage return.
    #[default]
    Feed,
    /// A carriage return alone too.
    Any,
}

impl LineEnds {
    /// The byte after the first line. `None`: its end is not among the bytes; a carriage return at their end may still get its feed,
    /// unless they are the `last`.
    pub(super) fn end_of_line(self, bytes: &[u8], last: bool) -> Option<usize> {
        match self {
            LineEnds::Feed => bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1),
            LineEnds::Any => {
                let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
                match (bytes[end], bytes.get(end + 1)) {
                    (b'\r', Some(b'\n')) => Some(end + 2),
                    (b'\r', None) if !last => None,
                    _ => Some(end + 1),
                }
            }
        }
    }

    /// All of the bytes but a carriage return at their end, which belongs to the end of the line.
    fn without_open_end(self, bytes: &[u8], last: bool) -> usize {
        let open = self == LineEnds::Any && !last && bytes.ends_with(b"\r");
        bytes.len() - usize::from(open)
    }
}

/// How many lines end in the bytes, whatever ends them.
pub(super) fn line_breaks(bytes: &[u8]) -> usize {
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    if !bytes.contains(&b'\r') {
        return feeds;
    }
    let returns = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\r');
    feeds + returns.filter(|(index, _)| bytes.get(index + 1) != Some(&b'\n')).count()
}

/// Passes over lines, also those that are too long to be held at once.
#[derive(Debug, Default)]
pub(super) struct LineSkipper {
    ends: LineEnds,
    skipping: bool,
}

impl LineSkipper {
    /// A skipper of lines that end like this.
    pub(super) fn new(ends: LineEnds) -> Self {
        Self { ends, skipping: false }
    }

    /// Whether a line has been passed over in part.
    pub(super) fn is_within_line(&self) -> bool {
        self.skipping
    }

    /// The record at the start of `bytes` is too long: everything up to the next line goes.
    pub(super) fn too_long(&mut self, bytes: &[u8], last: bool) -> Taken {
        Taken::Bad(self.rest_of_line(bytes, last), too_long())
    }

    /// Passes over the line at the start of `bytes`.
    pub(super) fn pass(&mut self, bytes: &[u8], last: bool) -> Taken {
        let waits = !last && bytes.len() <= RECORD_BYTES_MAX && self.ends.end_of_line(bytes, last).is_none();
        if bytes.is_empty() || waits { Taken::Incomplete } else { Taken::Skipped(self.rest_of_line(bytes, last)) }
    }

    /// What is left of a line that was too long, if there is something.
    pub(super) fn skip(&mut self, bytes: &[u8], last: bool) -> Option<Taken> {
        if !self.skipping {
            return None;
        }
        let nothing = self.ends.end_of_line(bytes, last).is_none() && self.ends.without_open_end(bytes, last) == 0;
        Some(if nothing { Taken::Incomplete } else { Taken::Skipped(self.rest_of_line(bytes, last)) })
    }

    /// Up to the end of the line. Without an end among the bytes they count as no line yet, since the rest is still to come.
    fn rest_of_line(&mut self, bytes: &[u8], last: bool) -> Extent {
        let end = self.ends.end_of_line(bytes, last);
        self.skipping = end.is_none();
        match end {
            Some(end) => Extent { bytes: end, lines: 1 },
            None => Extent { bytes: self.ends.without_open_end(bytes, last), lines: usize::from(last) },
        }
    }
}

/// Why a record that does not fit into memory is bad.
pub(super) fn too_long() -> String {
    format!("a record of more than {} MiB", RECORD_BYTES_MAX >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_its_end_is_whole() {
        let cases = [
            ("a\nb", LineEnds::Feed, Some(2)),
            ("a\rb\nc", LineEnds::Feed, Some(4)),
            ("a\rb", LineEnds::Feed, None),
            ("a\rb", LineEnds::Any, Some(2)),
            ("a\r\nb", LineEnds::Any, Some(3)),
            ("a\r", LineEnds::Any, None),
            ("a\n\r", LineEnds::Any, Some(2)),
            ("a", LineEnds::Any, None),
        ];
        for (text, ends, end) in cases {
            assert_eq!(ends.end_of_line(text.as_bytes(), false), end, "{text:?}");
        }
        assert_eq!(LineEnds::Any.end_of_line(b"a\r", true), Some(2));
        assert_eq!(line_breaks(b"a\rb\r\nc\n\r"), 4);
    }

    #[test]
    fn a_carriage_return_at_the_edge_belongs_to_its_line() {
        let mut skipper = LineSkipper { ends: LineEnds::Any, skipping: true };
        assert_eq!(skipper.skip(b"abc\r", false), Some(Taken::Skipped(Extent { bytes: 3, lines: 0 })));
        assert_eq!(skipper.skip(b"\r", false), Some(Taken::Incomplete));
        assert_eq!(skipper.skip(b"\r\nx", false), Some(Taken::Skipped(Extent { bytes: 2, lines: 1 })));
        assert_eq!(skipper.skip(b"x", false), None);
    }
}
