//! Panics that become errors: nothing of them is printed, and who asked gets an error with a code.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::{Code, Error, Result};

thread_local! {
    /// How many callers of this thread wait to turn a panic into an error.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
}

/// Does `work`; a panic in it becomes an error. Panics of other threads, and those that are not caught here, are told as before.
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    attempt(work).unwrap_or_else(|panic| Err(as_error(&*panic)))
}

/// Does `work`; a panic in it becomes its message. For code that is not ours, of which a panic says that a file is damaged. What
/// `work` has borrowed may be half changed: it must not be used again.
pub fn panic_message<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    attempt(work).map_err(|panic| message_of(&*panic).unwrap_or_else(|| "no message".to_owned()))
}

fn attempt<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    silence();
    CATCHING.with(|catching| catching.set(catching.get() + 1));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CATCHING.with(|catching| catching.set(catching.get() - 1));
    outcome
}

fn message_of(panic: &(dyn Any + Send)) -> Option<String> {
    panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned())
}

/// Lets the hook that prints panics leave out those that are caught here; from the first call on.
pub(crate) fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if CATCHING.with(Cell::get) == 0 {
                told(panic);
            }
        }));
    });
}

/// The message of a panic as an error.
pub fn as_error(panic: &(dyn Any + Send)) -> Error {
    let message = message_of(panic);
    let message = message.as_deref().unwrap_or("without a message");
    // Arrow counts the bytes of texts in 31 bits.
    if message.contains("offset overflow") || message.contains("overflow for type") {
        return Error::new(Code::LimitReached, "the values of one batch have more than 2 GiB together");
    }
    Error::internal(format!("panicked: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_the_next_call_is_not_disturbed() {
        assert_eq!(caught::<()>(|| panic!("boom {}", 1)).unwrap_err().to_string(), "LDB-9001: panicked: boom 1");
        assert_eq!(caught::<()>(|| panic!("byte array offset overflow")).unwrap_err().code(), Code::LimitReached);
        assert_eq!(caught(|| caught::<()>(|| panic!("inner")).or(Ok(()))), Ok(()));
        assert_eq!(caught(|| Ok(7)), Ok(7));
        assert_eq!(panic_message(|| panic_message(|| -> u32 { panic!("number {}", 7) })), Ok(Err("number 7".to_owned())));
        CATCHING.with(|catching| assert_eq!(catching.get(), 0));
    }
}
