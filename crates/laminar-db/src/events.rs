//! Callbacks that hear the changes of an object step by step, and how they end.

use laminar_core::dag::Outlet;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Error, Result, StepId};

use crate::history::{ChangeSet, Description};

/// What a callback hears.
#[derive(Debug)]
pub enum Event<'a> {
    /// The changes of one step.
    Changes(&'a ChangeSet),
    /// Nothing will come any more: all inputs have ended. Delivered once, and last.
    Ended,
    /// The object does not go on. Delivered once, and last.
    Failed(&'a Error),
}

/// Calls a program's function from within the step.
pub(crate) struct EventOutlet<F> {
    description: Description,
    callback: F,
    over: bool,
}

impl<F: FnMut(Event<'_>) + Send> EventOutlet<F> {
    pub(crate) fn new(description: Description, callback: F) -> Self {
        Self { description, callback, over: false }
    }

    fn tell(&mut self, step: StepId, changes: &[ChangeBatch]) -> Result<()> {
        let [first, ..] = changes else { return Ok(()) };
        // All of a step at once, so that an update's two rows are seen together.
        let whole = ChangeBatch::concat(&first.schema(), changes)?;
        let described = self.description.of(step, whole)?;
        (self.callback)(Event::Changes(&described));
        Ok(())
    }

    fn last(&mut self, event: Event<'_>) {
        if !self.over {
            self.over = true;
            (self.callback)(event);
        }
    }
}

impl<F: FnMut(Event<'_>) + Send> Outlet for EventOutlet<F> {
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, _: i64) {
        if self.over {
            return;
        }
        if let Err(error) = self.tell(step, changes) {
            self.last(Event::Failed(&error));
        }
        if watermark.is_end() {
            self.last(Event::Ended);
        }
    }

    fn failed(&mut self, error: &Error) {
        self.last(Event::Failed(error));
    }
}
