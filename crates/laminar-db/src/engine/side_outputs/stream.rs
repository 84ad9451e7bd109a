//! A node through which what an object rejected flows to continuous queries, sinks and subscriptions.

use laminar_core::NodeId;

use crate::catalog::Side;

/// One such node. Like a reader of a file it serves those who come before it has begun: a later one gets a node of its own,
/// which begins with the rows that are kept.
#[derive(Debug)]
pub(crate) struct SideStream {
    pub(crate) node: NodeId,
    pub(crate) side: Side,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody reads from it yet: `EXPLAIN` alone does not start it.
    Fresh,
    Flowing,
    /// Nothing more comes.
    Ended,
}

impl SideStream {
    pub(super) fn new(node: NodeId, side: Side) -> Self {
        Self { node, side, state: State::Fresh }
    }

    pub(super) fn make_fresh(&mut self) {
        self.state = State::Fresh;
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.state == State::Fresh
    }

    pub(super) fn is_flowing(&self) -> bool {
        self.state == State::Flowing
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    pub(super) fn start(&mut self) {
        self.state = State::Flowing;
    }

    pub(super) fn end(&mut self) {
        self.state = State::Ended;
    }
}
