//! What a record says: rows of a source, or the end of a step.

use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};

use crate::encoding::{Cursor, decode_changes, encode_changes, put_text};

/// How every payload begins. A search for records after damage looks for it.
pub(super) const MARK: [u8; 4] = *b"LWE1";

const APPEND: u8 = 1;
const COMMIT: u8 = 2;

/// One entry of the log.
#[derive(Debug, Clone)]
pub enum WalEntry {
    /// Rows that came in from outside.
    Append {
        /// The source or table.
        source: String,
        /// The step that took them in.
        step: StepId,
        /// The rows.
        batch: ChangeBatch,
    },
    /// All rows of the steps up to this one are in the log.
    Commit {
        /// The last step that is complete.
        step: StepId,
        /// The sources' common watermark after it.
        watermark: Watermark,
    },
}

impl WalEntry {
    /// Appends the payload: mark, kind, step, then the watermark or the source's name and the batch.
    pub(super) fn encode(&self, into: &mut Vec<u8>) -> Result<()> {
        into.extend_from_slice(&MARK);
        match self {
            WalEntry::Append { source, step, batch } => {
                into.push(APPEND);
                into.extend_from_slice(&step.0.to_le_bytes());
                put_text(source, into)?;
                into.extend_from_slice(&encode_changes(batch)?);
            }
            WalEntry::Commit { step, watermark } => {
                into.push(COMMIT);
                into.extend_from_slice(&step.0.to_le_bytes());
                into.extend_from_slice(&watermark.0.to_le_bytes());
            }
        }
        Ok(())
    }

    /// Reads a payload whose checksum was right.
    pub(super) fn decode(payload: &[u8]) -> Result<WalEntry> {
        let mut cursor = Cursor::new(payload);
        if cursor.bytes(4, "entry")? != MARK {
            return Err(Error::new(Code::BadData, "a record that is not an entry of this log's version"));
        }
        let (kind, step) = (cursor.u8("entry")?, StepId(cursor.u64("step")?));
        match kind {
            APPEND => {
                let source = cursor.text("source")?.to_owned();
                Ok(WalEntry::Append { source, step, batch: decode_changes(cursor.rest())? })
            }
            COMMIT => {
                let watermark = Watermark(cursor.i64("watermark")?);
                cursor.finish("a commit")?;
                Ok(WalEntry::Commit { step, watermark })
            }
            other => Err(Error::new(Code::NotSupported, format!("entries of kind {other} are not known to this build"))),
        }
    }
}
