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
mod store;
mod threads;
