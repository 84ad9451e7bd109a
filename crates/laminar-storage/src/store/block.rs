//! A block: bytes that never change, under a name that is made of them.
//!
//! ```text
//! magic "LAMIBLK1" | body bytes u64 | body
//! ```
//!
//! The name is the first 16 bytes of the body's BLAKE3 hash, so it tells every damage, and equal bytes are stored once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use laminar_core::{Code, Error, Result};

const MAGIC: [u8; 8] = *b"LAMIBLK1";
const HEADER_BYTES: usize = 16;
const ID_BYTES: usize = 16;

/// The name of a block: the hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId([u8; ID_BYTES]);

impl BlockId {
    /// The name of a block that holds these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&blake3::hash(bytes).as_bytes()[..ID_BYTES]);
        Self(id)
    }

    /// Its directory below `blocks`: a 256th of all blocks.
    pub(super) fn directory(self, blocks: &Path) -> PathBuf {
        blocks.join(format!("{:02x}", self.0[0]))
    }

    pub(super) fn path(self, blocks: &Path) -> PathBuf {
        self.directory(blocks).join(self.to_string())
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for BlockId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::new(Code::BadData, format!("'{text}' is not the name of a block: 32 hexadecimal digits"));
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 2 * ID_BYTES || !digits {
            return Err(bad());
        }
        let mut id = [0; ID_BYTES];
        for (at, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(id))
    }
}

/// The bytes of a block's file.
pub(super) fn file_of(body: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER_BYTES + body.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&(body.len() as u64).to_le_bytes());
    file.extend_from_slice(body);
    file
}

/// The body of a block's file, or the first byte that is known to be wrong, and why.
pub(super) fn body_of(file: &[u8], id: BlockId) -> Result<&[u8], (usize, String)> {
    let Some((header, body)) = file.split_at_checked(HEADER_BYTES) else {
        return Err((file.len(), format!("{} of {HEADER_BYTES} bytes of its header are there", file.len())));
    };
    if header[..MAGIC.len()] != MAGIC {
        return Err((0, "its header is not that of a block".into()));
    }
    let length = header[MAGIC.len()..].iter().rev().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    if length != body.len() as u64 {
        return Err((MAGIC.len(), format!("its header tells {length} bytes, {} are there", body.len())));
    }
    let found = BlockId::of(body);
    if found != id {
        return Err((HEADER_BYTES, format!("its bytes have the hash {found}")));
    }
    Ok(body)
}

/// What a reader of a damaged block is told.
pub(super) fn damaged(path: &Path, (offset, reason): (usize, String)) -> Error {
    Error::new(Code::BadData, format!("the block '{}' is damaged at byte {offset} or after it: {reason}", path.display()))
        .with_detail("the checkpoints that name this block cannot be read")
        .with_hint("restore the file from a copy; or remove the directories of the newest checkpoints that name it, to open an older one")
}
