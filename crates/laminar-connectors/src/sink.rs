//! What every sink is: something that takes changes step by step and is finished once.

use arrow_schema::SchemaRef;
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Result, StepId};

use crate::{BadRow, Options};

/// A place where rows go.
pub trait Sink: Send {
    /// Takes the changes of one step. A file sink may buffer until [`finish`](Self::finish) or its own bounds.
    fn write(&mut self, step: StepId, changes: &ChangeBatch) -> Result<()>;

    /// The rows since the last call that the format cannot hold: they were not written.
    fn take_bad_rows(&mut self) -> Vec<BadRow> {
        Vec::new()
    }

    /// Makes what was written so far visible, as far as the format allows.
    fn flush(&mut self) -> Result<()>;

    /// No more changes will come: complete the output. Called once.
    fn finish(&mut self) -> Result<()>;
}

/// Which changes a sink can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Only inserted rows; anything else is refused when the sink is created, with the EMIT that would work.
    AppendOnly,
    /// Any weights (the sink shows or encodes them).
    Changes,
}

/// What a `CREATE SINK` says.
#[derive(Debug, Clone)]
pub struct SinkRequest {
    /// The name of the sink.
    pub name: String,
    /// Names and types of the rows.
    pub schema: SchemaRef,
    /// Which changes will come.
    pub changes: ChangeKind,
    /// Everything between the parentheses, and `format`.
    pub options: Options,
}
