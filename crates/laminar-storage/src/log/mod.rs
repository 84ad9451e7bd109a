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
//! length u32 | crc32c u32 of the payload | payload
//! ```
//!
//! where the payload is a [`WalEntry`]: rows of a source at a step, or the end of a step with its watermark.
//!
//! [`Wal::append`] hands bytes to the operating system, [`Wal::sync`] makes them last (`fdatasync`): one sync acknowledges all
//! that was appended before it, which is group commit. A log that failed to write takes nothing more, since
//! nobody knows which bytes reached the disk.
//!
//! **Torn or damaged.** A crash leaves at most the last segment with an incomplete end: that is a *torn write*, nothing of it
//! was acknowledged, and [`repair`] cuts it off. A record whose bytes are all there but whose checksum does not match
//! is *damage*. An incomplete record that is followed by complete ones, or one to which only its length does
//! not fit, is damage too: cutting there would lose what was acknowledged, so [`repair`] refuses. Only damage in the very
//! last record is cut, and reported as such: a crash can also leave it, if the file's length reached the disk before its bytes.
//!
//! Segments are not preallocated, and there is one writer a log.
//!
//! Rooms: [`entry`] is the payload, [`frame`] decides what the bytes at a place are (it never touches a disk), [`segment`]
//! are the files, [`writer`], [`reader`] and [`repair`](mod@repair) the three users.

mod entry;
mod error;
mod frame;
mod reader;
mod repair;
mod segment;
mod writer;

pub use entry::WalEntry;
pub use error::WalError;
pub use reader::{WalReadResult, WalReader};
pub use repair::{RepairReport, repair};
pub use segment::WalPosition;
pub use writer::{Wal, WalOptions};
