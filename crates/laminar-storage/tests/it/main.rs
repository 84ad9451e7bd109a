//! What the storage promises to its users, through its public door.

mod any_bytes;
mod any_store;
mod backup;
mod encoded_rows;
mod encoding;
mod format;
mod log;
mod rows;
mod simulation;
mod threads;

/// Each test of a store in a directory, written with system calls of its own for each write and sync.
#[path = "store.rs"]
mod store_with_calls;
/// The same through the kernel's rings.
#[expect(clippy::duplicate_mod, reason = "the same tests, on another disk")]
#[path = "store.rs"]
mod store_with_rings;

use laminar_core::Result;
use laminar_storage::pipeline_checkpoint::PipelineCheckpoint;
use laminar_storage::{BlockId, LogPosition, Store};

/// Makes a checkpoint of sources that have no watermark.
fn publish(store: &Store, epoch: u64, log: LogPosition, blocks: &[BlockId], body: &[u8]) -> Result<()> {
    store.checkpoints().publish(&PipelineCheckpoint { epoch, log, watermark: None, body: body.to_vec() }, blocks)
}
