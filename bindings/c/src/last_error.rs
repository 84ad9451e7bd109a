//! The last error and the last notices of each thread, kept as text that C can read until the next ones of the same thread.

use std::cell::RefCell;
use std::ffi::{CStr, CString};

use laminar_db::{Error, Notice};

/// What C may ask about the last error.
#[derive(Debug)]
pub(crate) struct LastError {
    pub(crate) code: CString,
    pub(crate) message: CString,
    pub(crate) hint: Option<CString>,
    /// Byte of the SQL text where the fault begins.
    pub(crate) position: Option<usize>,
}

thread_local! {
    static LAST: RefCell<Option<LastError>> = const { RefCell::new(None) };
    static NOTICES: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// Remembers an error as the thread's last one.
pub(crate) fn remember(error: &Error) {
    let message = match error.detail() {
        Some(detail) => format!("{} ({detail})", error.message()),
        None => error.message().to_owned(),
    };
    let last = LastError {
        code: text(error.code().as_str()),
        message: text(&message),
        hint: error.hint().map(text),
        position: error.span().map(|span| span.start),
    };
    LAST.with(|slot| *slot.borrow_mut() = Some(last));
}

/// Remembers what the thread's last call had to say beside its answer.
pub(crate) fn remember_notices<'a>(notices: impl IntoIterator<Item = &'a Notice>) {
    let lines: Vec<String> = notices.into_iter().map(Notice::to_string).collect();
    let joined = if lines.is_empty() { None } else { Some(text(&lines.join("\n"))) };
    NOTICES.with(|slot| *slot.borrow_mut() = joined);
}

/// Reads it.
pub(crate) fn read_notices<T>(read: impl FnOnce(Option<&CString>) -> T) -> T {
    NOTICES.with(|slot| read(slot.borrow().as_ref()))
}

/// Reads something of the thread's last error.
pub(crate) fn read<T>(read: impl FnOnce(Option<&LastError>) -> T) -> T {
    LAST.with(|slot| read(slot.borrow().as_ref()))
}

/// A NUL inside of a message (it may quote the user's data) would end it for C.
fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_else(|_| CStr::to_owned(c"an error"))
}
