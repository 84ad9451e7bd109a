//! The one exception: a database's error with its parts as attributes.

use laminar_db::{Error, diagnostic};
use pyo3::exceptions::{PyException, PyUserWarning};
use pyo3::prelude::*;

pyo3::create_exception!(
    laminardb,
    LaminarError,
    PyException,
    "What went wrong. `code` is stable (`LDB-1003`), `message` says it, `detail`, `hint` and `position` may be None."
);

pyo3::create_exception!(
    laminardb,
    LaminarWarning,
    PyUserWarning,
    "An answer lacks rows: something that it depends on has stopped, or the oldest rows of a side output are forgotten."
);

/// The exception for an error in the text `sql`, which it shows with a caret.
pub(crate) fn in_text(py: Python<'_>, error: &Error, sql: &str) -> PyErr {
    let position = error.span().map(|span| sql.char_indices().take_while(|(at, _)| *at < span.start).count());
    exception(py, error, diagnostic::render(error, sql, None), position)
}

/// The exception for an error that has no place in a text.
pub(crate) fn plain(py: Python<'_>, error: &Error) -> PyErr {
    exception(py, error, error.to_string(), None)
}

fn exception(py: Python<'_>, error: &Error, text: String, position: Option<usize>) -> PyErr {
    let raised = LaminarError::new_err(text);
    match describe(raised.value(py), error, position) {
        Ok(()) => raised,
        Err(failure) => failure,
    }
}

/// The position counts characters, as Python does.
fn describe(raised: &Bound<'_, PyAny>, error: &Error, position: Option<usize>) -> PyResult<()> {
    raised.setattr("code", error.code().as_str())?;
    raised.setattr("message", error.message())?;
    raised.setattr("detail", error.detail())?;
    raised.setattr("hint", error.hint())?;
    raised.setattr("position", position)
}
