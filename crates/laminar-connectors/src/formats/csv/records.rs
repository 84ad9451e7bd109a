//! The records of a file, past the lines that are none.

use super::Dialect;
use super::tokenizer::{Field, Token, Tokenizer};
use crate::formats::lines::{LineEnds, LineSkipper};
use crate::formats::{Extent, RECORD_BYTES_MAX, Taken};

/// Finds one record after the other.
pub(super) struct Records {
    tokenizer: Tokenizer,
    /// Those of the record found last.
    fields: Vec<Field>,
    /// Lines at the start that are still to be passed over.
    skip: usize,
    comment: Option<Vec<u8>>,
    skipper: LineSkipper,
}

impl Records {
    /// The records of a file in `dialect`.
    pub(super) fn new(dialect: &Dialect) -> Self {
        Self {
            tokenizer: Tokenizer::new(dialect),
            fields: Vec::new(),
            skip: dialect.skip,
            comment: dialect.comment.as_ref().map(|prefix| prefix.clone().into_bytes()),
            skipper: LineSkipper::new(LineEnds::Any),
        }
    }

    /// Where the fields of the record found last stand.
    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Finds the record at the start of `bytes`; what is none is told in place of it.
    pub(super) fn next(&mut self, bytes: &[u8], last: bool) -> Result<Extent, Taken> {
        if let Some(skipped) = self.skipper.skip(bytes, last) {
            return Err(skipped);
        }
        if self.skip > 0 || self.comment.is_some() {
            self.pass_lines(bytes, last)?;
        }
        match self.tokenizer.record(bytes, last, &mut self.fields) {
            Token::Incomplete => Err(Taken::Incomplete),
            Token::Record(extent) | Token::Malformed(extent, _) if extent.bytes > RECORD_BYTES_MAX => {
                Err(self.skipper.too_long(bytes, last))
            }
            Token::Record(extent) => Ok(extent),
            Token::Malformed(extent, reason) => Err(Taken::Bad(extent, reason.to_owned())),
        }
    }

    /// Passes over the line at the start of `bytes` if it is one of those before the header, or a comment.
    fn pass_lines(&mut self, bytes: &[u8], last: bool) -> Result<(), Taken> {
        if self.skip > 0 {
            let taken = self.skipper.pass(bytes, last);
            self.skip -= usize::from(taken != Taken::Incomplete);
            return Err(taken);
        }
        match &self.comment {
            Some(prefix) if bytes.starts_with(prefix) => Err(self.skipper.pass(bytes, last)),
            Some(prefix) if !last && prefix.starts_with(bytes) => Err(Taken::Incomplete),
            _ => Ok(()),
        }
    }

    /// Whether a record comes next, or a line that is none.
    pub(super) fn is_between(&self) -> bool {
        self.skip == 0 && !self.skipper.is_within_line()
    }

    /// Says that the lines at the start have been passed over.
    pub(super) fn pass_start(&mut self) {
        self.skip = 0;
    }

    /// Whether the record found last is a blank line.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.fields.as_slice(), [field] if !field.quoted && field.start == field.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first bytes of what is found, `-` before what is passed over, however the text is cut.
    fn check(text: &str, skip: usize, comment: &str, expected: &[&str]) {
        let comment = (!comment.is_empty()).then(|| comment.to_owned());
        for piece in [1, 3, 100] {
            let mut records = Records::new(&Dialect { skip, comment: comment.clone(), ..Dialect::default() });
            let (mut at, mut shown, mut found) = (0, piece.min(text.len()), Vec::new());
            while at < text.len() {
                let bytes = &text.as_bytes()[at..shown];
                let (mark, extent) = match records.next(bytes, shown == text.len()) {
                    Ok(extent) => ("", extent),
                    Err(Taken::Skipped(extent)) => ("-", extent),
                    Err(Taken::Incomplete) => {
                        assert!(shown < text.len(), "{text:?} never ends");
                        shown = (shown + piece).min(text.len());
                        continue;
                    }
                    Err(other) => panic!("{text:?}: {other:?}"),
                };
                found.push(format!("{mark}{}", text[at..at + extent.bytes].trim_end()));
                at += extent.bytes;
            }
            assert_eq!(found, expected, "{text:?} in pieces of {piece}");
        }
    }

    #[test]
    fn lines_before_the_header_and_comments_are_passed_over() {
        check("x \"y\nid\n1\n", 1, "", &["-x \"y", "id", "1"]);
        check("x\r\ry\rid\r1", 3, "", &["-x", "-", "-y", "id", "1"]);
        check("# a\nid\n#\n1\n## b", 0, "#", &["-# a", "id", "-#", "1", "-## b"]);
        check("-- a\r\n-1\r\n-", 0, "--", &["--- a", "-1", "-"]);
        check("\"a\n#b\"\n#c\n", 0, "#", &["\"a\n#b\"", "-#c"]);
        check("x\n#c\nid\n", 1, "#", &["-x", "-#c", "id"]);
        check("x", 3, "", &["-x"]);
    }
}
