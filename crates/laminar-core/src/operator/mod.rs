//! Behaviour: one file per operator. This door holds what all of them share.
//!
//! An operator runs to completion, never blocks and never awaits. In a step it first gets all changes of all its
//! inputs, then the watermark if that moved, then [`Operator::end_step`]. What it emits reaches its readers in the same step.

use arrow_array::{ArrayRef, RecordBatch};

use crate::state::Imaged;
use crate::time::Watermark;
use crate::{ChangeBatch, Port, Result, StepId};

mod absent;
pub mod aggregate;
pub mod append_top_n;
pub mod asof_join;
pub mod assign_window;
mod bad_rows;
pub mod build;
pub mod changelog;
pub mod changes;
pub mod check;
pub mod compute;
pub mod constant;
mod difference;
pub mod egress;
pub mod emit;
pub mod group_aggregate;
pub mod index;
pub mod ingress;
pub mod join;
mod late;
pub mod limit;
mod lookup_keys;
pub mod over;
mod partial_aggregation;
mod partial_groups;
pub mod recursion;
pub mod session_window;
pub mod sliding_window;
pub mod stream_join;
pub mod temporal_filter;
pub mod top_n;
pub mod union;
pub mod unnest;
pub mod window;

pub use lookup_keys::{LookupKeys, LookupMetrics};
pub use partial_aggregation::{PartialAggregation, SentGroups};

/// What a node does with its changes.
pub trait Operator: Send {
    /// Takes changes of one input.
    fn on_changes(&mut self, port: Port, changes: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()>;

    /// Learns that no row before `watermark` will come. Called after all changes of the step, only when it moved forward.
    fn on_watermark(&mut self, watermark: Watermark, cx: &mut OperatorContext<'_>) -> Result<()> {
        let _ = (watermark, cx);
        Ok(())
    }

    /// The last call of every step in which the node took part (also when only a timer was due).
    fn end_step(&mut self, cx: &mut OperatorContext<'_>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// What this operator promises its readers, given what its inputs promise. Asked after `end_step`.
    fn output_watermark(&self, input: Watermark) -> Watermark {
        input
    }

    /// True if this promise should not hold others back: a source that never sent a row and has been silent for its idle
    /// timeout (0: at once). Asked after `end_step`; only sources answer, for other nodes it follows from their inputs.
    ///
    /// A source gets what was pushed as changes of [`Port::LEFT`], and its end as `on_watermark(Watermark::END)`.
    fn is_idle(&self) -> bool {
        false
    }

    /// Learns that it is not read for now, or is again: then its silence means nothing. Between two steps; only sources are told.
    fn pause(&mut self, paused: bool) {
        let _ = paused;
    }

    /// The next window with rows that is to be shown when the watermark has come far enough.
    fn due_window(&self) -> Option<DueWindow> {
        None
    }

    /// The state, if there is any.
    fn state(&mut self) -> Option<&mut dyn Imaged> {
        None
    }

    /// What it can do with rows on their way to the worker of their key, if it is worth to do something there.
    fn partial_aggregation(&mut self) -> Option<&mut dyn PartialAggregation> {
        None
    }

    /// The keys that rows wait for, if the operator joins them with rows that stand elsewhere.
    fn lookup_keys(&mut self) -> Option<&mut dyn LookupKeys> {
        None
    }

    /// The current rows with their weights, if this operator stores what it emits (tables, materialized views).
    fn contents(&self) -> Option<Vec<ChangeBatch>> {
        None
    }

    /// The current rows, with their weights, whose `columns` are equal to one of `keys` (columns in the same order, NULL equal to NULL), if this
    /// operator finds rows by these columns. A row is there once for each of the keys that it has.
    fn find(&self, columns: &[usize], keys: &[ArrayRef]) -> Result<Option<Vec<ChangeBatch>>> {
        let _ = (columns, keys);
        Ok(None)
    }
}

/// A window that waits for the watermark, in nanoseconds of event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueWindow {
    /// Where it begins.
    pub start: i64,
    /// Where it ends.
    pub end: i64,
    /// What the watermark of the input must reach.
    pub at: i64,
}

/// Why a row was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// It came after its windows had closed, or it has no event time: readable in `<object>$late`.
    Late,
    /// It could not be evaluated: readable in `<object>$errors`.
    Error,
}

/// Rows that an operator could not use, with one reason each. They are counted and readable, never lost in silence.
#[derive(Debug, Clone)]
pub struct RejectedRows {
    /// Late or in error.
    pub reason: RejectReason,
    /// The rows as they reached the operator.
    pub rows: RecordBatch,
    /// One reason for each row.
    pub reasons: Vec<String>,
}

/// What a step gives to an operator.
pub struct OperatorContext<'a> {
    step: StepId,
    now: i64,
    watermark: Watermark,
    out: &'a mut Vec<ChangeBatch>,
    rejected: &'a mut Vec<RejectedRows>,
    wake_at: &'a mut Option<i64>,
}

impl<'a> OperatorContext<'a> {
    /// A context for one call. `watermark` is the input watermark as it stood before the step.
    pub fn new(
        step: StepId,
        now: i64,
        watermark: Watermark,
        out: &'a mut Vec<ChangeBatch>,
        rejected: &'a mut Vec<RejectedRows>,
        wake_at: &'a mut Option<i64>,
    ) -> Self {
        Self { step, now, watermark, out, rejected, wake_at }
    }

    /// The same context for an operator inside of this one, which emits into `out`.
    pub(super) fn inside<'b>(&'b mut self, out: &'b mut Vec<ChangeBatch>) -> OperatorContext<'b> {
        OperatorContext {
            step: self.step,
            now: self.now,
            watermark: self.watermark,
            out,
            rejected: self.rejected,
            wake_at: self.wake_at,
        }
    }

    /// The number of the step.
    pub fn step(&self) -> StepId {
        self.step
    }

    /// Wall-clock nanoseconds, the same for the whole step.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The watermark of the operator's inputs as it stood before this step.
    pub fn watermark(&self) -> Watermark {
        self.watermark
    }

    /// Sends changes to all readers. Empty batches are dropped here.
    pub fn emit(&mut self, changes: ChangeBatch) {
        if !changes.is_empty() {
            self.out.push(changes);
        }
    }

    /// Rejects rows.
    pub fn reject(&mut self, rejected: RejectedRows) {
        debug_assert_eq!(rejected.rows.num_rows(), rejected.reasons.len(), "one reason a row");
        if rejected.rows.num_rows() > 0 {
            self.rejected.push(rejected);
        }
    }

    /// Asks for a step at or after `at` (wall-clock nanoseconds), even if no data comes. The earliest wish counts.
    pub fn wake_at(&mut self, at: i64) {
        *self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }
}
