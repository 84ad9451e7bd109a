//! The directory of a database: one process at a time, a log, blocks, and checkpoints that name them.
//!
//! ```text
//! FORMAT                        what the directory is, and the version of its layout
//! LOCK                          who holds it
//! wal/wal-0000000001.log        what was acknowledged since the oldest checkpoint
//! blocks/3f/3fa1…               immutable, named by a hash of what they hold
//! checkpoints/0000000017/MANIFEST   a checkpoint: its place in the log, its blocks, and what the database says of itself
//! ```
//!
//! Rooms: [`layout`] names the files and recognises the directory, [`block`] and [`manifest`] are the two kinds of files beside the log,
//! [`open`] finds out what is there, [`pipeline_checkpoint`] makes checkpoints and removes what they no longer need, [`check`](mod@check) looks
//! at everything and changes nothing, [`backup`] copies a database, [`handle`] is what callers hold.

mod backup;
mod block;
mod check;
mod handle;
mod layout;
mod manifest;
mod open;
pub mod pipeline_checkpoint;

pub use backup::{Copied, is_database, restore, restore_on};
pub use block::BlockId;
pub use check::{FileReport, Report, Verdict, check, check_on};
pub use handle::{Opened, Store, StoreOptions};
pub use pipeline_checkpoint::{CheckpointMetadata, PipelineCheckpoint, PipelineCheckpointManager};
