//! What a record says: a statement, rows of an object, its watermark, or its end.

use laminar_core::{Code, Error, Result};

use super::EncodedRows;
use super::frame::UNSYNCED;
use crate::encoding::{Cursor, put_bytes, put_text};

/// How every payload begins. A search for records after damage looks for it.
pub(super) const MARK: [u8; 4] = *b"LWE1";

const STATEMENT: u8 = 1;
const ROWS: u8 = 2;
const END: u8 = 3;
const COMMIT: u8 = 4;
/// Set in the kind of a record that was appended together with the one after it.
const CONTINUES: u8 = 0x80;

/// One record of the log. Times (`now`) are the wall clock as the database saw it, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq)]
pub enum WalEntry {
    /// A statement that changed the catalog.
    Statement {
        /// When it ran.
        now: i64,
        /// Its text.
        text: String,
        /// What else must be known to run it again (JSON).
        context: String,
    },
    /// Changes that came into an object.
    Rows {
        /// When they came.
        now: i64,
        /// The object's number.
        object: u64,
        /// The changes, without their schema, which is the object's.
        rows: EncodedRows,
        /// Where the object's reader stood after them (versioned bytes); empty if they were pushed.
        position: Vec<u8>,
    },
    /// Nothing more comes into an object.
    End {
        /// When it ended.
        now: i64,
        /// The object's number.
        object: u64,
    },
    /// All rows of an object before a time have come: its watermark moves on.
    Commit {
        /// When that was said.
        now: i64,
        /// The object's number.
        object: u64,
        /// The time, in nanoseconds since 1970-01-01T00:00:00.
        watermark: i64,
    },
}

impl WalEntry {
    /// The wall clock's time when it was written, in nanoseconds since 1970-01-01T00:00:00Z.
    pub fn now(&self) -> i64 {
        match self {
            WalEntry::Statement { now, .. }
            | WalEntry::Rows { now, .. }
            | WalEntry::End { now, .. }
            | WalEntry::Commit { now, .. } => *now,
        }
    }

    /// Appends the payload: mark, room for how far the log is synced, kind, time, and the fields of the kind.
    pub(super) fn encode(&self, continues: bool, into: &mut Vec<u8>) -> Result<()> {
        into.extend_from_slice(&MARK);
        // How far the log is synced is known when the record gets its place.
        into.extend_from_slice(&[0; UNSYNCED.end - UNSYNCED.start]);
        let kind = match self {
            WalEntry::Statement { .. } => STATEMENT,
            WalEntry::Rows { .. } => ROWS,
            WalEntry::End { .. } => END,
            WalEntry::Commit { .. } => COMMIT,
        };
        into.push(if continues { kind | CONTINUES } else { kind });
        into.extend_from_slice(&self.now().to_le_bytes());
        match self {
            WalEntry::Statement { text, context, .. } => {
                put_text(text, into)?;
                put_text(context, into)?;
            }
            WalEntry::Rows { object, rows, position, .. } => {
                into.extend_from_slice(&object.to_le_bytes());
                put_bytes(position, into)?;
                into.extend_from_slice(rows.as_bytes());
            }
            WalEntry::End { object, .. } => into.extend_from_slice(&object.to_le_bytes()),
            WalEntry::Commit { object, watermark, .. } => {
                into.extend_from_slice(&object.to_le_bytes());
                into.extend_from_slice(&watermark.to_le_bytes());
            }
        }
        Ok(())
    }

    /// Reads a payload whose checksum was right.
    pub(super) fn decode(payload: &[u8]) -> Result<WalEntry> {
        let mut cursor = Cursor::new(payload);
        if cursor.bytes(MARK.len(), "record")? != MARK {
            return Err(Error::new(Code::BadData, "a record that is not of this log's version"));
        }
        cursor.bytes(UNSYNCED.len(), "record")?;
        let (kind, now) = (cursor.u8("record")? & !CONTINUES, cursor.i64("time")?);
        match kind {
            STATEMENT => {
                let (text, context) = (cursor.text("statement")?.to_owned(), cursor.text("context")?.to_owned());
                cursor.finish("a statement")?;
                Ok(WalEntry::Statement { now, text, context })
            }
            ROWS => {
                let (object, position) = (cursor.u64("object")?, cursor.sized_bytes("position")?.to_vec());
                Ok(WalEntry::Rows { now, object, rows: EncodedRows::from_bytes(cursor.rest()), position })
            }
            END => {
                let object = cursor.u64("object")?;
                cursor.finish("an end")?;
                Ok(WalEntry::End { now, object })
            }
            COMMIT => {
                let (object, watermark) = (cursor.u64("object")?, cursor.i64("watermark")?);
                cursor.finish("a watermark")?;
                Ok(WalEntry::Commit { now, object, watermark })
            }
            other => Err(Error::new(Code::NotSupported, format!("records of kind {other} are not known to this build"))),
        }
    }
}

/// Whether the record of this payload was appended together with the one after it.
pub(super) fn continues(payload: &[u8]) -> bool {
    payload.get(UNSYNCED.end).is_some_and(|kind| kind & CONTINUES != 0)
}
