//! Stops an ad-hoc query that takes too long, from another thread or from a signal's handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use laminar_core::{Code, Error};

/// A handle that stops the ad-hoc query which a database is answering. Clones stop the same.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Lets the query that is being answered end with [`Code::Closed`]. Does nothing if there is none.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// A query begins: what was meant for others does not stop it.
    pub(crate) fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// The error of a query that is to stop.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.0.swap(false, Ordering::Relaxed) {
            true => Err(Error::new(Code::Closed, "the query was interrupted")),
            false => Ok(()),
        }
    }
}
