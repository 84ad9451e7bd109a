//! Where text came from: bytes of a statement back to bytes of the script that a user wrote.

use std::sync::Arc;

use laminar_core::{Error, Span};

use super::statement::ParsedStatement;

/// How the text after variables were filled in maps to the text before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SourceMap {
    /// In order: `filled` of the new text stands for `written` of the original.
    pub(crate) replaced: Vec<Replaced>,
}

/// One filled-in variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replaced {
    /// The value, in the new text.
    pub(crate) filled: Span,
    /// The variable, in the original text.
    pub(crate) written: Span,
}

impl SourceMap {
    /// The original span of a span of the new text. A part of a filled-in value is the whole variable.
    pub(crate) fn original(&self, span: Span) -> Span {
        let start = self.original_offset(span.start, false);
        let end = self.original_offset(span.end, true);
        Span { start, end: end.max(start) }
    }

    fn original_offset(&self, offset: usize, is_end: bool) -> usize {
        let before = self.replaced.partition_point(|r| if is_end { r.filled.start < offset } else { r.filled.start <= offset });
        let Some(last) = before.checked_sub(1).map(|index| self.replaced[index]) else {
            return offset;
        };
        if is_end && offset <= last.filled.end {
            last.written.end
        } else if !is_end && offset < last.filled.end {
            last.written.start
        } else {
            last.written.end + (offset - last.filled.end)
        }
    }
}

/// Where a statement's text begins in the script with its variables filled in, and how that maps to the script as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) start: usize,
    pub(crate) map: Arc<SourceMap>,
}

impl Origin {
    pub(crate) fn original(&self, span: Span) -> Span {
        self.map.original(Span { start: span.start + self.start, end: span.end + self.start })
    }
}

impl ParsedStatement {
    /// The error with its position in the script instead of in this statement's text, for showing it with the script.
    #[must_use]
    pub fn in_script(&self, error: Error) -> Error {
        match error.span() {
            Some(span) => error.at(self.origin.original(span)),
            None => error.at(self.span),
        }
    }
}
