//! Runs one operator step by step, as the executor does, and collects what it emits and rejects.

use laminar_core::operator::{Operator, OperatorContext, RejectedRows};
use laminar_core::state::Ownership;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Port, Result, StepId};

/// An operator with everything that it has said so far.
pub(crate) struct Harness<O> {
    pub(crate) operator: O,
    pub(crate) emitted: Vec<ChangeBatch>,
    pub(crate) rejected: Vec<RejectedRows>,
    /// The wall clock, in nanoseconds.
    pub(crate) now: i64,
    /// When the operator wants to be woken after the last step.
    pub(crate) wake_at: Option<i64>,
    step: StepId,
}

impl<O: Operator> Harness<O> {
    pub(crate) fn new(operator: O) -> Self {
        Self { operator, emitted: Vec::new(), rejected: Vec::new(), now: 0, wake_at: None, step: StepId(0) }
    }

    /// One step over these changes, in this order. Returns what it emitted.
    pub(crate) fn step(&mut self, inputs: Vec<(Port, ChangeBatch)>) -> Result<Vec<ChangeBatch>> {
        self.step_between(inputs, Watermark::START, Watermark::START)
    }

    /// The same; the inputs' watermark moves from `before` to `after`.
    pub(crate) fn step_between(
        &mut self,
        inputs: Vec<(Port, ChangeBatch)>,
        before: Watermark,
        after: Watermark,
    ) -> Result<Vec<ChangeBatch>> {
        self.step = self.step.next();
        self.wake_at = None;
        let mut out = Vec::new();
        let mut cx = OperatorContext::new(self.step, self.now, before, &mut out, &mut self.rejected, &mut self.wake_at);
        for (port, changes) in inputs {
            self.operator.on_changes(port, changes, &mut cx)?;
        }
        if after > before {
            self.operator.on_watermark(after, &mut cx)?;
        }
        self.operator.end_step(&mut cx)?;
        self.emitted.extend(out.iter().cloned());
        Ok(out)
    }

    /// Copies some of the state for the next image.
    pub(crate) fn copy_ahead(&mut self, rows: usize) -> Result<()> {
        self.operator.state().map_or(Ok(()), |state| state.copy_ahead(rows).map(drop))
    }

    /// Goes on with `fresh`, which gets the state as it stands.
    pub(crate) fn replace_by_image(&mut self, mut fresh: O) -> Result<()> {
        if let Some(state) = self.operator.state() {
            let image = state.image()?;
            fresh.state().expect("an operator of the same kind").restore(&[&image], &Ownership::All)?;
        }
        self.operator = fresh;
        Ok(())
    }

    /// How many rows the operator keeps.
    pub(crate) fn kept_rows(&mut self) -> usize {
        self.operator.state().map_or(0, |state| state.rows())
    }

    /// How many rows were rejected.
    pub(crate) fn rejected_rows(&self) -> usize {
        self.rejected.iter().map(|rejected| rejected.reasons.len()).sum()
    }
}
