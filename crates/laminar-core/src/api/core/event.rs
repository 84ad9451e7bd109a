//! What goes into a core and what comes out of it.

use crate::runtime::{Lane, SourceInput};
use crate::time::Watermark;
use crate::{ChangeBatch, NodeId, StepId};

/// Something for a source of the graph: rows, or a promise about time.
///
/// Rows of one source keep their order within one lane; what is put into another lane may overtake them.
#[derive(Debug, Clone)]
pub struct Event {
    pub(in crate::api) source: NodeId,
    pub(in crate::api) lane: Lane,
    pub(in crate::api) input: SourceInput,
}

impl Event {
    /// Changes of `source`, in the main lane.
    pub fn new(source: NodeId, changes: ChangeBatch) -> Self {
        Self { source, lane: Lane::Main, input: SourceInput::Changes(changes) }
    }

    /// The promise that no row of `source` before `watermark` will be submitted any more; in the main lane.
    pub fn watermark(source: NodeId, watermark: Watermark) -> Self {
        Self { source, lane: Lane::Main, input: SourceInput::Watermark(watermark) }
    }

    /// The same in another lane.
    #[must_use]
    pub fn on(self, lane: Lane) -> Self {
        Self { lane, ..self }
    }

    /// The source that it is for.
    pub fn source(&self) -> NodeId {
        self.source
    }

    /// Which lane it goes through.
    pub fn lane(&self) -> Lane {
        self.lane
    }
}

/// Something that an output of a core's graph emitted in a step.
#[derive(Debug, Clone)]
pub struct CoreOutput {
    /// Which core.
    pub core: usize,
    /// Which output of its graph.
    pub node: NodeId,
    /// In which of its steps.
    pub step: StepId,
    /// What.
    pub emitted: Emitted,
}

/// Rows or a promise.
#[derive(Debug, Clone)]
pub enum Emitted {
    /// Changes, never none. Their columns are those that the graph holds, not copies.
    Changes(ChangeBatch),
    /// The output's watermark has moved; it comes after the changes of its step.
    Watermark(Watermark),
}

impl CoreOutput {
    /// The changes, if it is not a watermark.
    pub fn changes(&self) -> Option<&ChangeBatch> {
        match &self.emitted {
            Emitted::Changes(changes) => Some(changes),
            Emitted::Watermark(_) => None,
        }
    }
}
