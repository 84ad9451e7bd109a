//! Files through Linux's `io_uring`: writes and syncs are handed to the kernel in a queue, many at a time, from buffers that it knows beforehand.
//!
//! * [`CoreRingManager`]: the rings of one thread, and their buffers. [`IoUringConfig`] says how they are made.
//! * [`IoUringWal`]: a file that only grows at its end, written and synced by many threads; [`IoUringSink`]: one that a single thread writes.
//! * [`sync_files`]: many files made to last at once.
//!
//! A database that is told to (`io_method`) writes its log through an [`IoUringWal`], syncs the blocks of its checkpoints with [`sync_files`], and its file sinks
//! write through an [`IoUringSink`]. Where there is no `io_uring`, or the kernel refuses it (containers often do), making a ring fails with an error that says so,
//! and who asked uses ordinary files: [`probe`] tells beforehand.

mod buffers;
mod config;
#[cfg(target_os = "linux")]
mod linux;
mod manager;
mod sink;
mod sync;
#[cfg(not(target_os = "linux"))]
mod unsupported;
mod wal;
mod writes;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use unsupported as system;

pub use buffers::RegisteredBufferPool;
pub use config::{IoUringConfig, IoUringConfigBuilder, RingMode};
pub use manager::{Completion, CoreRingManager, Request, RingClass};
pub use sink::IoUringSink;
pub use sync::sync_files;
pub use system::RawFd;
pub use wal::IoUringWal;

use crate::{Code, Error, Result};

/// Whether rings can be made here: asks the kernel for a small one. The error says why not.
pub fn probe() -> Result<()> {
    system::Ring::new(1, RingMode::Standard, &IoUringConfig::STANDARD).map(drop).map_err(|error| refused(&error))
}

/// Why there is no ring.
fn refused(error: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("the system refuses io_uring: {error}"))
        .with_hint("use ordinary files; in a container, its security profile has to allow io_uring_setup")
}
