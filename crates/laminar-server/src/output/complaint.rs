//! What goes to standard error in words.

use std::io::{Write, stderr};

use laminar_db::Error;

/// An error's message, and below it what to do.
pub(crate) fn describe(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{}\n  = hint: {hint}", error.message()),
        None => error.message().to_owned(),
    }
}

/// Says `text` on standard error. It may be closed; then there is nobody to tell.
pub(crate) fn complain(text: &str) {
    let _ = stderr().lock().write_all(text.as_bytes());
}

/// Writes text to standard output; who has stopped reading misses the rest.
pub(crate) fn print_text(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
