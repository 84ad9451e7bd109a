//! What the reader of an answer should know about it.

use std::fmt;

/// Something that an answer does not show by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    kind: NoticeKind,
    message: String,
    hint: Option<String>,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// Something that the answer depends on has stopped with an error: rows are missing.
    Partial,
    /// Of a side output (`<object>$late`, `<object>$errors`) the oldest rows are forgotten.
    Forgotten,
    /// What an object had computed is gone, and it begins with what comes from now on.
    BeginsAnew,
    /// A clause of the statement has no effect.
    Ignored,
    /// Something in the directory of the database was not as it should be, and what was done about it.
    Recovered,
}

impl Notice {
    pub(crate) fn new(kind: NoticeKind, message: String, hint: Option<String>) -> Self {
        Self { kind, message, hint }
    }

    /// What it is about.
    pub fn kind(&self) -> NoticeKind {
        self.kind
    }

    /// What there is to know: lower case, no full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}
