//! Answers and when two of them are the same.

use std::fmt;

/// What an expression gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// A value in PostgreSQL's form; NULL is `NULL`.
    Text(String),
    /// An error of the statement or of the row.
    Error,
}

impl Answer {
    /// Reads `|text|` or `error`.
    pub(super) fn read(text: &str) -> Self {
        match text.strip_prefix('|').and_then(|text| text.strip_suffix('|')) {
            Some(text) => Self::Text(text.replace("\\n", "\n")),
            None if text == "error" => Self::Error,
            None => panic!("'{text}' is no recorded answer"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "|{text}|"),
            Self::Error => f.write_str("error"),
        }
    }
}

/// How far two doubles may lie apart: libraries of mathematics differ in the last bit.
const TOLERANCE: f64 = 1e-13;

/// Texts word for word; numbers by value, since the scale of a DECIMAL is another.
pub(super) fn same(a: &Answer, b: &Answer) -> bool {
    let (Answer::Text(a), Answer::Text(b)) = (a, b) else { return a == b };
    if a == b {
        return true;
    }
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && !text.contains(' ');
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if is_number(a) && is_number(b) => x == y || (x - y).abs() <= TOLERANCE * x.abs().max(y.abs()),
        _ => false,
    }
}
