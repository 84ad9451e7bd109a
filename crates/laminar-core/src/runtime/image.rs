//! The state of a graph at a step boundary, and what the images of several workers say together.

use crate::operator::SentGroups;
use crate::state::StateImage;
use crate::time::Watermark;
use crate::time::watermark::Promise;
use crate::{Error, NodeId, StepId};

/// The state of a whole graph at a step boundary.
#[derive(Debug, Clone)]
pub struct GraphImage {
    /// The last step whose effects are in the image.
    pub step: StepId,
    /// How many workers shared the graph.
    pub workers: usize,
    /// Its nodes, by ascending id.
    pub nodes: Vec<NodeImages>,
}

/// The state of one node at a step boundary.
#[derive(Debug, Clone)]
pub struct NodeImages {
    /// Which node.
    pub id: NodeId,
    /// Where several workers share the graph: a source, as it takes rows in.
    pub intake: Option<NodeImage>,
    /// What each worker has of it.
    pub workers: Vec<NodeImage>,
}

/// What a node on one worker needs to go on after the step at whose end the image was taken.
#[derive(Debug, Clone)]
pub struct NodeImage {
    /// The node works on the first worker, and this is another one: nothing of it is here but `on_the_way` and the failure.
    pub absent: bool,
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
    /// What was aggregated here and is still to be sent to the workers of its keys.
    pub on_the_way: Vec<SentGroups>,
}

/// What an image is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Another graph goes on with it.
    Restore,
    /// It is stored: what the last checkpoint has may be left out.
    Checkpoint,
}

/// What all images of one node say together.
pub(super) struct NodeParts<'a> {
    pub(super) id: NodeId,
    pub(super) watermark: Watermark,
    pub(super) promise: Promise,
    pub(super) wake_at: Option<i64>,
    pub(super) failure: Option<Error>,
    pub(super) states: Vec<&'a StateImage>,
    pub(super) on_the_way: Vec<&'a SentGroups>,
}

impl GraphImage {
    /// The same of these nodes alone.
    pub(super) fn of(mut self, ids: &[NodeId]) -> Self {
        self.nodes.retain(|node| ids.contains(&node.id));
        self
    }
}

impl NodeImages {
    /// The node as the workers had it.
    pub(super) fn parts(&self) -> NodeParts<'_> {
        NodeParts::of(self.id, &self.workers.iter().collect::<Vec<_>>())
    }

    /// A source as it took rows in.
    pub(super) fn source(&self) -> NodeParts<'_> {
        let known = self.parts();
        match &self.intake {
            Some(taking) => NodeParts { failure: taking.failure.clone().or(known.failure), ..NodeParts::of(self.id, &[taking]) },
            None => known,
        }
    }
}

impl<'a> NodeParts<'a> {
    /// Promises are those that all have made, so that none is broken wherever a row goes.
    fn of(id: NodeId, images: &[&'a NodeImage]) -> Self {
        let present: Vec<&NodeImage> = images.iter().copied().filter(|image| !image.absent).collect();
        let promises = || present.iter().map(|image| image.promise);
        let least = |watermarks: &mut dyn Iterator<Item = Watermark>| watermarks.min().unwrap_or(Watermark::START);
        Self {
            id,
            watermark: least(&mut present.iter().map(|image| image.watermark)),
            promise: Promise {
                watermark: least(&mut promises().map(|promise| promise.watermark)),
                holds: promises().map(|promise| promise.holds).max().unwrap_or(Promise::START.holds),
            },
            wake_at: present.iter().filter_map(|image| image.wake_at).min(),
            failure: images.iter().find_map(|image| image.failure.clone()),
            states: present.iter().filter_map(|image| image.state.as_ref()).collect(),
            on_the_way: images.iter().flat_map(|image| &image.on_the_way).collect(),
        }
    }

    /// A source whose rows are taken in elsewhere, as its readers know it.
    pub(super) fn relayed(&self) -> NodeParts<'static> {
        let (watermark, failure) = (self.promise.watermark, self.failure.clone());
        let (id, promise) = (self.id, self.promise);
        NodeParts { id, watermark, promise, wake_at: None, failure, states: Vec::new(), on_the_way: Vec::new() }
    }
}
