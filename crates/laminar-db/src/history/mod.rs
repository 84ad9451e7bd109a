//! Changes by step, kept for those who read them: each pulls from the history of an object at its own pace.
//!
//! * [`steps`]: the history of one object and its readers. [`named`]: readers with a name. [`options`]: how a reader wants to read.
//!   [`change_set`]: what it is told.

mod change_set;
mod named;
mod options;
mod steps;

use laminar_core::NodeId;

pub(crate) use change_set::Description;
pub use change_set::{Change, ChangeSet, schema_with_operations};
pub(crate) use named::{HistoryImage, NamedPlace, NamedStatus, lost_error};
pub use options::{SlowReader, SubscribeOptions};
pub(crate) use steps::{History, Next, ReaderId};

/// Where a subscription reads.
pub(crate) struct Reading {
    /// The node whose changes they are.
    pub(crate) node: NodeId,
    pub(crate) history: History,
    pub(crate) reader: ReaderId,
    /// Nodes that exist for this subscription alone.
    pub(crate) own_nodes: Vec<NodeId>,
}
