//! A lookup that is opened again when what it asks is away.

use arrow_array::RecordBatch;
use laminar_core::Result;

use super::{Attempts, PAUSE_MIN, Retry, Trouble};
use crate::lookup::{Asked, Lookup};

/// Opens what is to be asked.
pub type OpenLookup = Box<dyn Fn() -> Result<Box<dyn Lookup>> + Send>;

/// A lookup that is opened again. Pauses are counted and not measured, so that it needs no clock.
pub struct RetryingLookup {
    attempts: Attempts,
    open: OpenLookup,
    /// `None`: it is away.
    lookup: Option<Box<dyn Lookup>>,
    described: String,
}

impl RetryingLookup {
    /// A lookup that is there.
    pub fn new(retry: Retry, lookup: Box<dyn Lookup>, open: OpenLookup) -> Self {
        Self { attempts: Attempts::new(retry, None), open, described: lookup.describe(), lookup: Some(lookup) }
    }

    /// A lookup that was there once; it is opened when it is asked.
    pub fn away(retry: Retry, open: OpenLookup) -> Self {
        Self { attempts: Attempts::new(retry, None), open, lookup: None, described: "not opened".to_owned() }
    }

    /// Asks for the rows of these keys.
    ///
    /// # Errors
    /// It makes no sense to ask again.
    pub fn look_up(&mut self, keys: &RecordBatch) -> Result<Asked> {
        let lookup = match &mut self.lookup {
            Some(lookup) => lookup,
            None => match (self.open)() {
                Ok(lookup) => self.lookup.insert(lookup),
                Err(error) => return self.attempts.failed(error).map(Asked::Away),
            },
        };
        match lookup.look_up(keys) {
            Ok(answer) => {
                self.described = lookup.describe();
                self.attempts.end();
                Ok(Asked::Answer(answer))
            }
            Err(error) => {
                self.lookup = None;
                self.attempts.failed(error).map(|pause| Asked::Away(pause.max(PAUSE_MIN)))
            }
        }
    }

    /// Why it does not answer now.
    pub fn trouble(&self) -> Option<Trouble> {
        self.attempts.trouble.clone()
    }

    /// What is asked, as people read it.
    pub fn describe(&self) -> &str {
        &self.described
    }
}
