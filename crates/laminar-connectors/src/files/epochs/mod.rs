//! Files that are written in epochs, such that after a crash each row is there once.
//!
//! * [`sink`]: the sink. [`token`]: what it tells a checkpoint.
//! * [`epoch_file`]: a file to which whole epochs are appended.
//! * [`segments`]: text that readers see epoch by epoch. [`whole`]: a file that they see when it is complete.
//! * [`spool`]: the rows of a Parquet file until then.

mod epoch_file;
mod segments;
mod sink;
mod spool;
mod token;
mod whole;

pub(super) use sink::{EpochSink, can_hold_epochs};
