//! What the manifest of a checkpoint says: every object with its definition, the state of its nodes, and where its inputs and outputs stood.
//!
//! Objects are told apart by id, nodes by their object and their place in its plan, never by the numbers that nodes had while they ran. So
//! another process with another number of workers, or another version of the program, can go on from here.

use serde::{Deserialize, Serialize};

use super::{ObjectContext, StoredHistory, StoredSubscription};

/// The version of this format. Since 2 the groups of an aggregate can stand in several tables of its state, and again in others where they changed while
/// they were copied.
pub(crate) const FORMAT: u32 = 2;

/// One checkpoint.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckpointBody {
    pub(crate) format: u32,
    /// The last step whose effects are in it.
    pub(crate) step: u64,
    /// The wall-clock time when it was taken, in nanoseconds since 1970.
    pub(crate) taken_at: i64,
    /// How many workers shared the graph.
    pub(crate) workers: usize,
    /// The id that the next object gets.
    pub(crate) next_object: u64,
    /// Each after those that it needs.
    pub(crate) objects: Vec<StoredObject>,
    /// The statements of a script that have been done, see `laminar run --data-dir`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) script: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredObject {
    pub(crate) name: String,
    /// The statement that makes it.
    pub(crate) sql: String,
    pub(crate) context: ObjectContext,
    /// The nodes that run for it, in the order of its plan; of a source, one for each reader.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) nodes: Vec<StoredNode>,
    /// Which reader of a source its query reads: the source's id, and which of the source's nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reads: Vec<(u64, usize)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) readers: Vec<StoredReader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sink: Option<StoredSink>,
    /// Its changes that subscriptions with a name have not acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<StoredHistory>,
    /// Where its reader stands, if it is a subscription with a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subscription: Option<StoredSubscription>,
    /// What it rejected.
    pub(crate) late: StoredSide,
    pub(crate) errors: StoredSide,
    /// Which of a source's nodes tells what it rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reporter: Option<usize>,
    /// The nodes through which rejected rows flow to queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) side_streams: Vec<StoredSideStream>,
}

/// A node, on every worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredNode {
    /// What it does, as text: it must do the same to go on from its state.
    pub(crate) plan: String,
    /// Where rows are taken in, if that is in front of the workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) intake: Option<StoredPart>,
    pub(crate) workers: Vec<StoredPart>,
}

/// What one worker has of a node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredPart {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) absent: bool,
    pub(crate) watermark: i64,
    pub(crate) promise: StoredPromise,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wake_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    /// The blocks of its state, in order; absent: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) on_the_way: Vec<StoredGroups>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredPromise {
    pub(crate) watermark: i64,
    /// `nothing`, `end` or `time`.
    pub(crate) holds: String,
}

/// Groups that were aggregated and not yet sent to the workers of their keys.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredGroups {
    pub(crate) block: String,
    pub(crate) keys: std::ops::Range<usize>,
}

/// How far a reader of a source or table was.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredReader {
    /// Which of its object's nodes it fills.
    pub(crate) node: usize,
    /// Where it stood, in hexadecimal digits: bytes that its connector understands.
    pub(crate) position: String,
    /// The same for people.
    pub(crate) place: String,
    pub(crate) state: StoredReaderState,
    pub(crate) rows: u64,
    pub(crate) bad: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoredReaderState {
    Fresh,
    Reading,
    Ended,
}

/// How far a sink was.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredSink {
    pub(crate) state: StoredSinkState,
    /// What it prepared, in hexadecimal digits: bytes that its connector understands.
    pub(crate) token: String,
    pub(crate) rows: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoredSinkState {
    Writing,
    /// Nothing more comes; this checkpoint makes the last of it visible.
    Finished,
    /// Its whole output was visible before this checkpoint.
    Complete,
    /// It wrote nothing more, for this reason, so that rows are missing in it.
    Failed(String),
}

/// The rows of a side output.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct StoredSide {
    /// How many rows there were, kept or not.
    pub(crate) rows: u64,
    /// How many of them REPLAY has taken out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) taken: u64,
    /// The newest rows.
    pub(crate) blocks: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredSideStream {
    /// `late` or `errors`.
    pub(crate) side: String,
    pub(crate) ended: bool,
    pub(crate) node: StoredNode,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
