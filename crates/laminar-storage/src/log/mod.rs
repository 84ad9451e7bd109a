//! The write-ahead log: what was acknowledged, in order, until a checkpoint makes it superfluous.
//!
//! A log is a directory of segments `wal-<number>.log`, numbered from 1 without gaps but for those that
//! [`Wal::forget_before`] has removed from the front. A segment starts with a header of 16 bytes,
//!
//! ```text
//! magic "LAMIWAL1" | crc32c u32 of the number | number u32
//! ```
//!
//! and goes on with records, little-endian,
//!
//! ```text
//! length u32 | crc32c u32 of the record's place and the payload | payload
//! ```
//!
//! where the payload is a [`WalEntry`]. Records that were appended together are read together or not at all.
//!
//! [`Wal::append`] hands bytes to the operating system, [`Wal::sync_to`] makes them last (`fdatasync`): one sync acknowledges all
//! that was appended before it, for all threads that wait, which is group commit. Where the disk is full, what was written in part is
//! cut off again and the log goes on. After a sync that failed the log takes nothing more, since it is unknown which bytes reached the
//! disk.
//!
//! **Torn or damaged.** A crash leaves at most the last segment with an incomplete end: that is a *torn write*, nothing of it
//! was acknowledged, and it is cut off. It shows as a record that ends too early, or that has sectors of zeros where the file's length
//! reached the disk before its bytes, though not if a later record knows it as synced. A record whose bytes are all there but whose checksum does not match is *damage*. An incomplete
//! record that is followed by complete ones, or one to which only its length or a single bit does not fit, is damage too: cutting there
//! would lose what was acknowledged. Damage in the very last record is cut by [`repair`] alone, which reports it; a store that finds it
//! refuses to open.
//!
//! Segments are not preallocated.
//!
//! Rooms: [`entry`] is the payload and [`rows`] the changes in it, [`frame`] decides what the bytes at a place are (it never touches a
//! disk), [`segment`] are the files, [`writer`], [`reader`] and [`repair`](mod@repair) the three users.

mod entry;
mod error;
mod frame;
mod reader;
mod repair;
mod rows;
mod segment;
mod writer;

pub use entry::WalEntry;
pub use error::WalError;
pub use reader::{WalReadResult, WalReader};
pub(crate) use repair::{LastRecord, Scan, repair_on};
pub use repair::{RepairReport, repair};
pub use rows::EncodedRows;
pub use segment::LogPosition;
pub(crate) use segment::{HEADER_BYTES, check_gaps, list as list_segments, path as segment_path};
pub use writer::{Wal, WalOptions};
