//! Changes and state as bytes: a header with version and checksum, then Arrow IPC streams.
//!
//! ```text
//! magic "LAMI" | kind u8 | version u8 | flags u16 | body bytes u64 | crc32c u32 | 0 u32 | body
//! ```
//!
//! All numbers are little-endian. The checksum covers kind, version, flags and length as well as the body. A reader
//! refuses what it does not know (a newer version, another kind, a flag without meaning) and keeps reading every version
//! that was ever written; so far there is version 1.
//!
//! Rooms: [`header`] frames, [`change_batch`] and [`state_image`] are the two bodies, [`cursor`] reads fields, [`table`] is
//! one Arrow table.

mod change_batch;
mod cursor;
mod header;
mod state_image;
mod table;

pub use change_batch::{decode_changes, encode_changes};
pub(crate) use change_batch::{numbers, table};
pub(crate) use cursor::{Cursor, put_bytes, put_text};
pub use state_image::{decode_image, encode_image};
pub(crate) use table::{read_table, without_slack, write_table};
