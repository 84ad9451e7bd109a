//! Bytes on disk: how changes and state are written down, and the log that makes them last.
//!
//! * [`encoding`]: batches of changes and state images as bytes, with a version and a checksum.
//! * [`log`]: the write-ahead log: records with checksums in segments; torn tails are told from damage, and cut.
//!
//! Nothing in the database opens a log yet: a database lives in memory until durable state is built on top of these two. What
//! is here is complete for what it says, and tested against truncation at every length and against flipped bits.

pub mod encoding;
pub mod log;
