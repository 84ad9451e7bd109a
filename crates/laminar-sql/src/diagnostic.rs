//! Shows an error with the line of SQL that it is about, and finds the name that was meant.

use std::fmt::Write;

use laminar_core::{Error, Span};

/// Columns that a tab takes when a line is shown.
const TAB_WIDTH: usize = 4;
/// Lines of a long span that are shown before the rest is left out.
const LINES_MAX: usize = 5;

/// How a message is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Characters only.
    Plain,
    /// Terminal escape codes.
    Ansi,
}

/// The error with its line and a caret, without colours.
///
/// The error's span is a byte range of `text`; without one only the message is shown. `file` is the name before line and column.
pub fn render(error: &Error, text: &str, file: Option<&str>) -> String {
    render_styled(error, text, file, Style::Plain)
}

/// As [`render`], with a choice of colours.
pub fn render_styled(error: &Error, text: &str, file: Option<&str>, style: Style) -> String {
    let paint = Paint(style);
    let mut out = paint.red(&format!("error[{}]", error.code().as_str()));
    out.push_str(": ");
    out.push_str(error.message());
    let mut hint = error.hint();
    let mut width = 1;
    if let Some(span) = error.span() {
        let lines = Lines::around(text, span);
        width = lines.gutter();
        let label = hint.take_if(|hint| is_label(hint) && !lines.is_long());
        lines.write(&mut out, file, label, paint);
    }
    for (kind, note) in [("detail", error.detail()), ("hint", hint)] {
        let Some(note) = note else { continue };
        // Writing to a String cannot fail.
        let _ = write!(out, "\n{:width$} {} {kind}: {note}", "", paint.blue("="));
    }
    out
}

/// The candidate that looks most like `name`, if one looks alike enough to have been meant. Letter case does not count.
pub fn nearest<'a, S: AsRef<str> + ?Sized + 'a>(name: &str, candidates: impl IntoIterator<Item = &'a S>) -> Option<&'a str> {
    let asked = name;
    let name = name.to_lowercase();
    let distance_max = name.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .map(|candidate| {
            let candidate = candidate.as_ref();
            (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= distance_max && *distance < candidate.chars().count() && *candidate != asked)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A short question stands beside the caret; anything longer stands below as a hint.
fn is_label(hint: &str) -> bool {
    hint.starts_with("did you mean") && hint.len() <= 60
}

/// A part of the text as lines.
struct Lines<'a> {
    text: &'a str,
    span: Span,
    /// Byte ranges without line ends, of the lines that the span touches.
    ranges: Vec<(usize, usize)>,
    first_number: usize,
}

impl<'a> Lines<'a> {
    fn around(text: &'a str, span: Span) -> Self {
        let start = floor_char(text, span.start.min(text.len()));
        let end = floor_char(text, span.end.clamp(start, text.len()));
        let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let first_number = text[..first].matches('\n').count() + 1;
        let mut ranges = Vec::new();
        let mut at = first;
        loop {
            let stop = text[at..].find('\n').map_or(text.len(), |length| at + length);
            ranges.push((at, at + text[at..stop].trim_end_matches('\r').len()));
            if stop >= end || stop == text.len() {
                break;
            }
            at = stop + 1;
        }
        // A span that ends with a line end does not touch the next line.
        if ranges.len() > 1 && ranges.last().is_some_and(|(from, _)| *from >= end) {
            ranges.pop();
        }
        Self { text, span: Span { start, end }, ranges, first_number }
    }

    fn is_long(&self) -> bool {
        self.ranges.len() > LINES_MAX
    }

    fn gutter(&self) -> usize {
        let last = self.first_number + self.ranges.len() - 1;
        last.to_string().len().max(2)
    }

    fn column(&self) -> usize {
        self.text[self.ranges[0].0..self.span.start].chars().count() + 1
    }

    fn write(&self, out: &mut String, file: Option<&str>, label: Option<&str>, paint: Paint) {
        let width = self.gutter();
        let place = format!("{}:{}", self.first_number, self.column());
        let place = file.map_or(place.clone(), |file| format!("{file}:{place}"));
        let bar = paint.blue("|");
        let _ = write!(out, "\n{:width$}{} {place}\n{:width$} {bar}", "", paint.blue("-->"), "");
        let shown = self.ranges.len().min(LINES_MAX);
        for (index, &(from, to)) in self.ranges[..shown].iter().enumerate() {
            let number = paint.blue(&format!("{:>width$}", self.first_number + index));
            let line = &self.text[from..to];
            let _ = write!(out, "\n{number} {bar} {}", expand(line, 0).trim_end());
            let (skip, carets) = self.marks(from, to);
            let _ = write!(out, "\n{:width$} {bar} {}{}", "", " ".repeat(skip), paint.red(&"^".repeat(carets)));
            if index + 1 == self.ranges.len() {
                out.extend(label.map(|label| format!(" {}", paint.red(label))));
            }
        }
        if self.is_long() {
            let _ = write!(out, "\n{:width$} {bar} … {} more lines", "", self.ranges.len() - shown);
        }
    }

    /// How many columns of a line are skipped, and how many carets follow.
    fn marks(&self, from: usize, to: usize) -> (usize, usize) {
        let indent = self.text[from..to].len() - self.text[from..to].trim_start().len();
        let start = self.span.start.max(if self.span.start < from { from + indent } else { from }).min(to);
        let end = self.span.end.clamp(start, to);
        let skip = width_of(&self.text[from..start], 0);
        (skip, width_of(&self.text[start..end], skip).max(1))
    }
}

/// The text with tabs as spaces up to the next stop, when it begins at `column`.
fn expand(text: &str, column: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = column;
    for c in text.chars() {
        let width = width_of_char(c, at);
        if c == '\t' {
            out.extend(std::iter::repeat_n(' ', width));
        } else {
            out.push(if c.is_control() { ' ' } else { c });
        }
        at += width;
    }
    out
}

fn width_of(text: &str, column: usize) -> usize {
    text.chars().fold(column, |at, c| at + width_of_char(c, at)) - column
}

/// Columns in a terminal: two for East Asian wide characters and emoji, none for combining marks.
fn width_of_char(c: char, column: usize) -> usize {
    match c as u32 {
        0x09 => TAB_WIDTH - column % TAB_WIDTH,
        0x0300..=0x036F | 0x200B..=0x200D | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6 => 2,
        0x1F300..=0x1FAFF | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Wraps pieces in escape codes, or leaves them.
#[derive(Clone, Copy)]
struct Paint(Style);

impl Paint {
    fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn blue(self, text: &str) -> String {
        self.with("1;34", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        match self.0 {
            Style::Plain => text.to_owned(),
            Style::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use laminar_core::Code;

    use super::*;

    #[track_caller]
    fn check(text: &str, part: &str, hint: Option<&str>, expected: Expect) {
        let start = text.find(part).expect("the part stands in the text");
        let mut error = Error::new(Code::UnknownColumn, "it is wrong").at(Span { start, end: start + part.len() });
        if let Some(hint) = hint {
            error = error.with_hint(hint);
        }
        expected.assert_eq(&render(&error, text, Some("a.sql")));
    }

    #[test]
    fn the_caret_stands_below_the_mistake() {
        check(
            "CREATE SOURCE s;\n\nSELECT pirce FROM trades",
            "pirce",
            Some("did you mean 'price'?"),
            expect![[r#"
                error[LDB-1003]: it is wrong
                  --> a.sql:3:8
                   |
                 3 | SELECT pirce FROM trades
                   |        ^^^^^ did you mean 'price'?"#]],
        );
    }

    #[test]
    fn a_long_hint_stands_below() {
        check(
            "SELECT a",
            "a",
            Some("write something else"),
            expect![[r#"
                error[LDB-1003]: it is wrong
                  --> a.sql:1:8
                   |
                 1 | SELECT a
                   |        ^
                   = hint: write something else"#]],
        );
    }

    #[test]
    fn tabs_and_wide_letters_do_not_move_the_caret() {
        check(
            "\tSELECT '日本', ümläut, x",
            "ümläut",
            None,
            expect![[r#"
                error[LDB-1003]: it is wrong
                  --> a.sql:1:15
                   |
                 1 |     SELECT '日本', ümläut, x
                   |                    ^^^^^^"#]],
        );
    }

    #[test]
    fn a_span_over_lines_marks_each() {
        check(
            "SELECT a,\r\n  b\r\nFROM t",
            "a,\r\n  b\r\n",
            Some("did you mean 'c'?"),
            expect![[r#"
                error[LDB-1003]: it is wrong
                  --> a.sql:1:8
                   |
                 1 | SELECT a,
                   |        ^^
                 2 |   b
                   |   ^ did you mean 'c'?"#]],
        );
    }

    #[test]
    fn a_very_long_span_is_cut() {
        let text = "a\nb\nc\nd\ne\nf\ng\n";
        check(
            text,
            text,
            None,
            expect![[r#"
                error[LDB-1003]: it is wrong
                  --> a.sql:1:1
                   |
                 1 | a
                   | ^
                 2 | b
                   | ^
                 3 | c
                   | ^
                 4 | d
                   | ^
                 5 | e
                   | ^
                   | … 2 more lines"#]],
        );
    }

    #[test]
    fn any_span_of_any_text_can_be_shown() {
        for text in ["", "\n", "ü", "a\n", "a\nü日\r\n\t"] {
            for start in 0..text.len() + 3 {
                for end in 0..text.len() + 3 {
                    let shown = render_styled(&Error::new(Code::Syntax, "m").at(Span { start, end }), text, None, Style::Ansi);
                    assert!(shown.contains('^'), "{text:?} {start} {end}");
                }
            }
        }
    }

    #[test]
    fn an_error_without_a_place_is_its_message() {
        let error = Error::new(Code::Io, "no").with_detail("because").with_hint("do");
        expect![[r#"
            error[LDB-3001]: no
              = detail: because
              = hint: do"#]]
        .assert_eq(&render(&error, "SELECT", None));
    }

    #[test]
    fn the_nearest_name_is_the_one_meant() {
        let names = ["price", "volume", "ts", "symbol"];
        assert_eq!(nearest("pirce", &names), Some("price"));
        assert_eq!(nearest("Symbl", &names), Some("symbol"));
        assert_eq!(nearest("xy", &names), None);
        assert_eq!(nearest("quantity", &names), None);
        assert_eq!(nearest("t", &["a", "b"]), None);
        assert_eq!(nearest("pice", &[String::from("price")]), Some("price"));
    }
}
