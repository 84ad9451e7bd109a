//! The header before every body: what it is, which version, how long, and whether it is whole.

use laminar_core::{Code, Error, Result};

use super::cursor::Cursor;

const MAGIC: [u8; 4] = *b"LAMI";
const VERSION: u8 = 1;
/// Bytes before the body.
const HEADER_BYTES: usize = 24;
/// Bytes before the checksum: those that it covers, but for the magic.
const CHECKED_BYTES: usize = 16;

/// What the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A batch of changes.
    Changes = 1,
    /// A state image.
    Image = 2,
}

/// Puts a header before the body that `write` appends.
pub(super) fn framed(kind: Kind, flags: u16, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER_BYTES];
    write(&mut bytes)?;
    let body = (bytes.len() - HEADER_BYTES) as u64;
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = kind as u8;
    bytes[5] = VERSION;
    bytes[6..8].copy_from_slice(&flags.to_le_bytes());
    bytes[8..16].copy_from_slice(&body.to_le_bytes());
    let checksum = checksum(&bytes);
    bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// The flags and the body of what [`framed`] made; `known_flags` are those that may be set.
pub(super) fn unframed(bytes: &[u8], kind: Kind, known_flags: u16) -> Result<(u16, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    if cursor.bytes(4, "header")? != MAGIC {
        return Err(Error::new(Code::BadData, "these bytes were not written by LaminarDB"));
    }
    let (found, version, flags) = (cursor.u8("header")?, cursor.u8("header")?, cursor.u16("header")?);
    let (length, stored, padding) = (cursor.u64("header")?, cursor.u32("header")?, cursor.u32("header")?);
    if version != VERSION {
        return Err(Error::new(
            Code::NotSupported,
            format!("encoding version {version} is not known; this build reads {VERSION}"),
        )
        .with_hint("read it with the version of LaminarDB that wrote it, or a newer one"));
    }
    let body = cursor.rest();
    if length != body.len() as u64 {
        return Err(Error::new(Code::BadData, format!("{} bytes of {length} are there", body.len())));
    }
    if stored != checksum(bytes) || padding != 0 {
        return Err(Error::new(Code::BadData, "the checksum does not match: the bytes are damaged"));
    }
    if found != kind as u8 || flags & !known_flags != 0 {
        return Err(Error::new(Code::BadData, format!("kind {found} with flags {flags:#x} is not a {kind:?}")));
    }
    Ok((flags, body))
}

/// Over everything but the magic and the checksum itself.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[4..CHECKED_BYTES]), &bytes[HEADER_BYTES..])
}
