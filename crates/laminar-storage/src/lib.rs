//! Bytes on disk: how changes and state are written down, and the store that keeps them in a directory.
//!
//! * [`disk`]: what a store asks of a disk, the machine's and a simulated one.
//! * [`encoding`]: batches of changes and state images as bytes, with a version and a checksum.
//! * [`log`]: the write-ahead log: records with checksums in segments; torn tails are told from damage, and cut.
//! * [`store`]: the directory of a database: its lock, log, blocks and checkpoints.
//!
//! What stands in each file is told field by field in `docs/03-files-on-disk.md`.

pub mod disk;
pub mod encoding;
pub mod log;
pub mod store;

pub use log::{EncodedRows, LogPosition, WalEntry};
pub use store::{BlockId, CheckpointMetadata, Opened, Store, StoreOptions, pipeline_checkpoint};
