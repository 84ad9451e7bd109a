//! Lines and columns, in which sqlparser counts, as byte offsets.

use datafusion::sql::sqlparser::tokenizer;
use laminar_core::Span;

/// Where the lines of a text begin.
#[derive(Debug, Clone)]
pub struct LineIndex<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    /// Finds the lines of `text`.
    pub fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// The byte range of a range of lines and columns; none for a range that means "nowhere" or lies outside of the text.
    pub fn span(&self, span: tokenizer::Span) -> Option<Span> {
        let start = self.offset(span.start)?;
        let end = self.offset(span.end)?;
        Some(Span { start, end: end.max(start) })
    }

    /// The byte of a line and column, both counted from 1, the column in characters.
    pub fn offset(&self, location: tokenizer::Location) -> Option<usize> {
        let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
        let rest = &self.text[*self.starts.get(line)?..];
        let within = rest.char_indices().map(|(at, _)| at).chain([rest.len()]).nth(column)?;
        Some(self.starts[line] + within)
    }
}

/// Follows locations that only grow, in time linear in the text.
#[derive(Debug)]
pub(crate) struct Follower<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    column: u64,
}

impl<'a> Follower<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, column: 1 }
    }

    /// The byte of a location that is not before the last one asked for.
    pub(crate) fn offset(&mut self, location: tokenizer::Location) -> usize {
        while (self.line, self.column) < (location.line, location.column) {
            let Some(c) = self.text[self.at..].chars().next() else { break };
            self.at += c.len_utf8();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "aü\nü日x";
        let index = LineIndex::new(text);
        let at = |line, column| index.offset(tokenizer::Location { line, column });
        assert_eq!(at(1, 3), Some(3));
        assert_eq!(at(2, 3), text.find('x'));
        assert_eq!(at(2, 4), Some(text.len()));
        assert_eq!([at(0, 0), at(3, 1), at(2, 9)], [None, None, None]);
        let mut follower = Follower::new(text);
        assert_eq!(follower.offset(tokenizer::Location { line: 1, column: 3 }), 3);
        assert_eq!(follower.offset(tokenizer::Location { line: 2, column: 3 }), text.find('x').unwrap_or_default());
        assert_eq!(follower.offset(tokenizer::Location { line: 9, column: 9 }), text.len());
    }
}
