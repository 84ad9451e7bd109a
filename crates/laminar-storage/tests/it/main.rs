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
