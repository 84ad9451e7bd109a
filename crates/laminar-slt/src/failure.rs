//! What a test that fails tells: where, what was said there, and how what came differs.

use std::fmt::Write;

use laminar_db::diagnostic::{Style, render_styled};
use laminar_db::{Error, Span};

use crate::difference::Difference;

/// Lines of a record that are shown.
const LINES_MAX: usize = 8;

/// One check that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The first line of what failed, from 1.
    pub line: usize,
    pub(crate) what: String,
    pub(crate) detail: Detail,
    /// Sentences below it.
    pub(crate) notes: Vec<String>,
}

/// What there is to show.
#[derive(Debug, Clone)]
pub(crate) enum Detail {
    /// Nothing but the record.
    None,
    /// Rows that differ.
    Rows(Difference),
    /// An error, with its place in the file.
    Error(Error),
    /// An error in a script that the test loads.
    Script { error: Error, file: String, text: String },
}

impl Failure {
    pub(crate) fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into(), detail: Detail::None, notes: Vec::new() }
    }

    /// An error whose place, if it has one, is `start` bytes further in the file.
    pub(crate) fn of_error(line: usize, error: Error, start: usize) -> Self {
        let error = match error.span() {
            Some(span) => error.at(Span { start: span.start + start, end: span.end + start }),
            None => error,
        };
        Self { detail: Detail::Error(error), ..Self::new(line, "") }
    }

    /// An error of a directive: it has a place in what was said for it, and not in the file.
    pub(crate) fn of_directive(line: usize, error: &Error) -> Self {
        let mut placeless = Error::new(error.code(), error.message());
        if let Some(detail) = error.detail() {
            placeless = placeless.with_detail(detail);
        }
        if let Some(hint) = error.hint() {
            placeless = placeless.with_hint(hint);
        }
        Self { detail: Detail::Error(placeless), ..Self::new(line, "") }
    }

    pub(crate) fn of_rows(line: usize, what: impl Into<String>, difference: Difference) -> Self {
        Self { detail: Detail::Rows(difference), ..Self::new(line, what) }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// As text for people; `file` is the test's name, and `text` what stands in it.
    pub fn render(&self, file: &str, text: &str, style: Style) -> String {
        let bold = |text: String| if style == Style::Ansi { format!("\x1b[1m{text}\x1b[0m") } else { text };
        let mut shown = String::new();
        match &self.detail {
            Detail::Error(error) if error.span().is_some() => {
                shown += &bold(format!("{file}:{}: ", self.line));
                shown += render_styled(error, text, Some(file), style).trim_end();
                shown.push('\n');
            }
            Detail::Error(error) => {
                let error = render_styled(error, text, None, style);
                let (first, rest) = error.split_once('\n').unwrap_or((&error, ""));
                shown += &bold(format!("{file}:{}: {first}\n", self.line));
                self.write_record(text, &mut shown);
                shown += rest;
                if !rest.is_empty() {
                    shown.push('\n');
                }
            }
            Detail::Rows(difference) => {
                shown += &bold(format!("{file}:{}: {}\n", self.line, self.what));
                self.write_record(text, &mut shown);
                shown += &difference.render(style);
            }
            Detail::Script { error, file: script, text: inside } => {
                shown += &bold(format!("{file}:{}: {}\n", self.line, self.what));
                self.write_record(text, &mut shown);
                shown += render_styled(error, inside, Some(script), style).trim_end();
                shown.push('\n');
            }
            Detail::None => {
                shown += &bold(format!("{file}:{}: {}\n", self.line, self.what));
                self.write_record(text, &mut shown);
            }
        }
        self.notes.iter().for_each(|note| shown += &format!("  = {note}\n"));
        shown
    }

    /// The record with the numbers of its lines, up to its rows.
    fn write_record(&self, text: &str, shown: &mut String) {
        let lines = text.lines().enumerate().skip(self.line - 1);
        let record: Vec<(usize, &str)> =
            lines.take_while(|(_, line)| !line.trim().is_empty() && line.trim_end() != "----").collect();
        // Rows that follow a directive stand in the difference.
        let is_look = record.first().is_some_and(|(_, line)| line.trim_start().starts_with("expect"));
        let count = if is_look { 1 } else { record.len() };
        let width = (self.line + count.min(LINES_MAX)).to_string().len();
        for (index, line) in record.iter().take(count.min(LINES_MAX)) {
            let _ = writeln!(shown, "  {:>width$} | {line}", index + 1);
        }
        if count > LINES_MAX {
            let _ = writeln!(shown, "  {:>width$} | …", "");
        }
    }
}
