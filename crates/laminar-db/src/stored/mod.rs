//! What stands in a database's directory, as data: statements in the log, and checkpoints. Nothing here runs, and nothing here reads or
//! writes a file but through the [`Store`](laminar_storage::Store).
//!
//! * [`statement`]: what a record of the log says of a statement beside its text.
//! * [`body`]: what a manifest says of a checkpoint, in words that people can read.
//! * [`history`]: what subscriptions with a name have not acknowledged.
//! * [`tables`]: rows and states as blocks, which a body names.

mod body;
mod history;
mod statement;
mod tables;

pub(crate) use body::{
    CheckpointBody, FORMAT, StoredGroups, StoredNode, StoredObject, StoredPart, StoredPromise, StoredReader, StoredReaderState,
    StoredSide, StoredSideStream, StoredSink, StoredSinkState,
};
pub(crate) use history::{StoredHistory, StoredSubscription};
pub(crate) use statement::{ObjectContext, Redo};
pub(crate) use tables::{BlockReader, BlockWriter, TableBlocks, from_hex, to_hex};
