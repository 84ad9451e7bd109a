//! What the storage promises to its users, through its public door.

mod any_bytes;
mod encoding;
mod log;
mod rows;
