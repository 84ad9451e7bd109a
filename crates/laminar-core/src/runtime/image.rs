//! The state of a graph at a step boundary.

use crate::state::StateImage;
use crate::time::Watermark;
use crate::time::watermark::Promise;
use crate::{Error, NodeId, StepId};

/// The state of a whole graph at a step boundary.
#[derive(Debug, Clone)]
pub struct GraphImage {
    /// The last step whose effects are in the image.
    pub step: StepId,
    /// Where several workers share the graph: its sources, as they take rows in. By ascending id.
    pub intake: Vec<NodeImage>,
    /// By worker, what it has of each node, by ascending id.
    pub workers: Vec<Vec<NodeImage>>,
}

/// What a node needs to go on after the step at whose end the image was taken.
#[derive(Debug, Clone)]
pub struct NodeImage {
    /// Which node.
    pub id: NodeId,
    /// The watermark of its inputs.
    pub watermark: Watermark,
    /// What it promised its readers.
    pub promise: Promise,
    /// When it wants to be woken, in wall-clock nanoseconds.
    pub wake_at: Option<i64>,
    /// Why it failed, if it did; it then stays failed.
    pub failure: Option<Error>,
    /// The operator's state, if it has any and has not failed.
    pub state: Option<StateImage>,
}
