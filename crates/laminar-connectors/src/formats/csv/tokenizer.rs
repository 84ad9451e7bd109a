//! Finds the fields of one record.

use std::borrow::Cow;

use super::Dialect;
use crate::formats::lines::{LineEnds, line_breaks};
use crate::formats::{Extent, RECORD_BYTES_MAX};

/// Finds the fields of records.
#[derive(Debug, Clone)]
pub(super) struct Tokenizer {
    delimiter: u8,
    quote: Option<u8>,
}

/// Where a field stands in the record's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// First byte, after an opening quote.
    pub(super) start: usize,
    /// One past the last byte, before a closing quote.
    pub(super) end: usize,
    /// Whether it stood in quotes.
    pub(super) quoted: bool,
    /// Whether it holds doubled quotes.
    pub(super) doubled: bool,
}

impl Field {
    /// The field's text within its record.
    pub(super) fn text<'a>(&self, record: &'a str, quote: Option<u8>) -> Cow<'a, str> {
        let raw = &record[self.start..self.end];
        match quote {
            Some(quote) if self.doubled => {
                let quote = char::from(quote).to_string();
                Cow::Owned(raw.replace(&quote.repeat(2), &quote))
            }
            _ => Cow::Borrowed(raw),
        }
    }
}

/// What stands at the start of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// The record's end is not among the bytes.
    Incomplete,
    /// A record; its fields are in the caller's list.
    Record(Extent),
    /// Quotes that do not pair; the extent is the first line only.
    Malformed(Extent, &'static str),
}

enum FieldEnd {
    /// At a delimiter: the next field starts here.
    Delimiter(usize),
    /// At the end of the line; the next record starts here.
    Line(usize),
    /// The bytes end first.
    Bytes,
    Malformed(&'static str),
}

impl Tokenizer {
    /// A tokenizer for `dialect`.
    pub(super) fn new(dialect: &Dialect) -> Self {
        Self { delimiter: dialect.delimiter, quote: dialect.quote }
    }

    /// Finds the fields of the record at the start of `bytes`; `last`: nothing follows these bytes.
    pub(super) fn record(&self, bytes: &[u8], last: bool, fields: &mut Vec<Field>) -> Token {
        fields.clear();
        let mut start = 0;
        loop {
            match self.field(bytes, start, fields) {
                FieldEnd::Delimiter(next) => start = next,
                FieldEnd::Line(next) => return Token::Record(self.extent(bytes, next, fields)),
                FieldEnd::Bytes => return self.at_the_end(bytes, start, last, fields),
                FieldEnd::Malformed(reason) => return malformed(bytes, last, reason),
            }
        }
    }

    fn field(&self, bytes: &[u8], start: usize, fields: &mut Vec<Field>) -> FieldEnd {
        if self.quote.is_some() && bytes.get(start).copied() == self.quote {
            self.quoted_field(bytes, start + 1, fields)
        } else {
            self.plain_field(bytes, start, fields)
        }
    }

    fn plain_field(&self, bytes: &[u8], start: usize, fields: &mut Vec<Field>) -> FieldEnd {
        let mut end = start;
        loop {
            // One comparison finds both line ends, since hardly any other byte is as small.
            let Some(length) = bytes[end..].iter().position(|byte| *byte == self.delimiter || *byte <= b'\r') else {
                return FieldEnd::Bytes;
            };
            end += length;
            let next = match bytes[end] {
                byte if byte == self.delimiter => FieldEnd::Delimiter(end + 1),
                b'\n' => FieldEnd::Line(end + 1),
                b'\r' => match bytes.get(end + 1) {
                    Some(b'\n') => FieldEnd::Line(end + 2),
                    Some(_) => FieldEnd::Line(end + 1),
                    None => return FieldEnd::Bytes,
                },
                _ => {
                    end += 1;
                    continue;
                }
            };
            fields.push(Field { start, end, quoted: false, doubled: false });
            return next;
        }
    }

    fn quoted_field(&self, bytes: &[u8], start: usize, fields: &mut Vec<Field>) -> FieldEnd {
        let Some((end, doubled)) = self.closing_quote(bytes, start) else { return FieldEnd::Bytes };
        let field = Field { start, end, quoted: true, doubled };
        match (bytes.get(end + 1), bytes.get(end + 2)) {
            (Some(byte), _) if *byte == self.delimiter => {
                fields.push(field);
                FieldEnd::Delimiter(end + 2)
            }
            (Some(b'\n'), _) => {
                fields.push(field);
                FieldEnd::Line(end + 2)
            }
            (Some(b'\r'), Some(next)) => {
                fields.push(field);
                FieldEnd::Line(end + if *next == b'\n' { 3 } else { 2 })
            }
            (None, _) | (Some(b'\r'), None) => FieldEnd::Bytes,
            _ => FieldEnd::Malformed("text between a closing quote and the next delimiter"),
        }
    }

    /// Where the quote that closes the field stands, and whether doubled quotes come before it.
    fn closing_quote(&self, bytes: &[u8], start: usize) -> Option<(usize, bool)> {
        let quote = self.quote?;
        let mut doubled = false;
        let mut from = start;
        loop {
            let place = from + bytes[from..].iter().position(|byte| *byte == quote)?;
            if bytes.get(place + 1) != Some(&quote) {
                return Some((place, doubled));
            }
            doubled = true;
            from = place + 2;
        }
    }

    /// The bytes end within the field at `start`.
    fn at_the_end(&self, bytes: &[u8], start: usize, last: bool, fields: &mut Vec<Field>) -> Token {
        if !last && bytes.len() <= RECORD_BYTES_MAX {
            return Token::Incomplete;
        }
        if bytes.is_empty() {
            return Token::Incomplete;
        }
        let quoted = self.quote.is_some() && bytes.get(start).copied() == self.quote;
        if !quoted {
            let end = if bytes.ends_with(b"\r") && bytes.len() > start { bytes.len() - 1 } else { bytes.len() };
            fields.push(Field { start, end, quoted: false, doubled: false });
            return Token::Record(self.extent(bytes, bytes.len(), fields));
        }
        let after = |end: usize| matches!(&bytes[end + 1..], b"" | b"\r");
        match self.closing_quote(bytes, start + 1) {
            Some((end, doubled)) if after(end) => {
                fields.push(Field { start: start + 1, end, quoted: true, doubled });
                Token::Record(self.extent(bytes, bytes.len(), fields))
            }
            _ => malformed(bytes, true, "a quote that is never closed"),
        }
    }

    /// Lines are counted only where quoted fields may hold line ends.
    fn extent(&self, bytes: &[u8], end: usize, fields: &[Field]) -> Extent {
        let inner = fields.iter().filter(|field| field.quoted);
        let breaks: usize = inner.map(|field| line_breaks(&bytes[field.start..field.end])).sum();
        Extent { bytes: end, lines: 1 + breaks }
    }
}

/// Gives up the first line, once all of it is there: its rest must not be taken for a record of its own.
fn malformed(bytes: &[u8], last: bool, reason: &'static str) -> Token {
    match LineEnds::Any.end_of_line(bytes, last) {
        Some(bytes) => Token::Malformed(Extent { bytes, lines: 1 }, reason),
        None if last || bytes.len() > RECORD_BYTES_MAX => Token::Malformed(Extent { bytes: bytes.len(), lines: 1 }, reason),
        None => Token::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits `text` and shows the records with `|` between fields, malformed ones as `!`.
    fn check(text: &str, expected: &[&str]) {
        let tokenizer = Tokenizer::new(&Dialect::default());
        let (mut rest, mut fields, mut shown) = (text, Vec::new(), Vec::new());
        while !rest.is_empty() {
            let (extent, row) = match tokenizer.record(rest.as_bytes(), true, &mut fields) {
                Token::Record(extent) => {
                    let texts: Vec<_> = fields.iter().map(|field| field.text(rest, Some(b'"'))).collect();
                    (extent, texts.join("|"))
                }
                Token::Malformed(extent, _) => (extent, "!".to_owned()),
                Token::Incomplete => panic!("incomplete at the end of {text:?}"),
            };
            shown.push(row);
            rest = &rest[extent.bytes..];
        }
        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn records_are_split_as_rfc_4180_says() {
        check("a,b\nc,d\n", &["a|b", "c|d"]);
        check("a,b\r\nc,d", &["a|b", "c|d"]);
        check("\"a,1\",\"b\"\"q\"\n", &["a,1|b\"q"]);
        check("\"two\nlines\",x\n", &["two\nlines|x"]);
        check("a,\n,\n", &["a|", "|"]);
        check("a,", &["a|"]);
        check("5\" pipe,x\n", &["5\" pipe|x"]);
        check("\"\",x\r", &["|x"]);
    }

    #[test]
    fn a_record_ends_at_a_feed_a_return_or_both() {
        check("a,b\rc,d\r", &["a|b", "c|d"]);
        check("a,b\rc,d\ne,f\r\ng,h", &["a|b", "c|d", "e|f", "g|h"]);
        check("\"a\"\r\"b\rc\"\r\n\"d\"", &["a", "b\rc", "d"]);
        check("a\r\rb\r", &["a", "", "b"]);
        check("\"a,b\rc,d\re,f\r", &["!", "c|d", "e|f"]);
        check("a\u{1}\u{b}b,c\r\n", &["a\u{1}\u{b}b|c"]);
    }

    #[test]
    fn a_stray_quote_costs_only_its_own_line() {
        check("\"a,b\nc,d\ne,f\n", &["!", "c|d", "e|f"]);
        check("\"a\"b,c\nd,e\n", &["!", "d|e"]);
        check("a,\"b\nc,\"d\"\n", &["!", "c|d"]);
    }

    /// Else the rest of its line, shown later, would be read as a record of its own.
    #[test]
    fn a_malformed_record_is_told_when_its_line_is_whole() {
        let tokenizer = Tokenizer::new(&Dialect::default());
        let record = |text: &str, last| tokenizer.record(text.as_bytes(), last, &mut Vec::new());
        assert_eq!(record("\"a\"b", false), Token::Incomplete);
        assert!(matches!(record("\"a\"b", true), Token::Malformed(Extent { bytes: 4, lines: 1 }, _)));
        assert!(matches!(record("\"a\"b,c\nd", false), Token::Malformed(Extent { bytes: 7, lines: 1 }, _)));
    }

    #[test]
    fn a_record_that_may_go_on_is_incomplete() {
        let tokenizer = Tokenizer::new(&Dialect::default());
        for text in ["a,b", "\"a", "\"a\"", "\"a\"\r", "a,b\r", "\r", ""] {
            assert_eq!(tokenizer.record(text.as_bytes(), false, &mut Vec::new()), Token::Incomplete, "{text:?}");
        }
    }
}
