//! One value as a text format delivers it, before its column's type is applied.

use std::borrow::Cow;

use arrow_schema::TimeUnit;

/// Characters of a value that a message repeats at most.
const SHOWN_CHARS_MAX: usize = 60;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Text without quotes and escapes.
    Text(Cow<'a, str>),
    /// A JSON number as written, so that no digit is lost.
    Number(&'a str),
    /// A JSON truth value.
    Bool(bool),
    /// A JSON object or array as written.
    Json(&'a str),
}

impl Cell<'_> {
    /// The value as text; a JSON value as it is written. NULL has none.
    pub fn text(&self) -> Option<&str> {
        match self {
            Cell::Null => None,
            Cell::Text(text) => Some(text),
            Cell::Number(text) | Cell::Json(text) => Some(text),
            Cell::Bool(true) => Some("true"),
            Cell::Bool(false) => Some("false"),
        }
    }

    /// `'abc' is not a BIGINT`: the end of a reason.
    pub fn is_not(&self, kind: &str) -> String {
        let article = if kind.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) { "an" } else { "a" };
        format!("{} is not {article} {kind}", self.shown())
    }

    /// The value as a message repeats it: quoted if it is text, cut if it is long.
    pub fn shown(&self) -> String {
        match self {
            Cell::Null => "NULL".to_owned(),
            Cell::Text(text) => format!("'{}'", cut(text)),
            other => cut(other.text().unwrap_or_default()).into_owned(),
        }
    }
}

/// At most [`SHOWN_CHARS_MAX`] characters of `text`.
fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// How values are read where the text alone leaves a choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CellOptions {
    /// The unit of numbers in TIMESTAMP columns, counted from 1970; `None`: such numbers are refused, since a guess
    /// of the unit would be wrong by factors of a thousand.
    pub epoch_unit: Option<TimeUnit>,
    /// Whether a value must be what its text says, as the type was only found in the first rows: no leading zero, digit or time of day
    /// may be lost by it. Who declares a type wants it converted.
    pub exact: bool,
}

impl CellOptions {
    /// The words for `epoch_unit`.
    pub const EPOCH_UNITS: &'static [(&'static str, TimeUnit)] =
        &[("s", TimeUnit::Second), ("ms", TimeUnit::Millisecond), ("us", TimeUnit::Microsecond), ("ns", TimeUnit::Nanosecond)];
}
