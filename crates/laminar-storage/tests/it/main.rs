//! What the storage promises to its users, through its public door.

mod encoding;
mod log;
mod rows;
