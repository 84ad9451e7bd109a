//! Reads fields one after the other, and says where bytes are missing instead of panicking.

use laminar_core::{Code, Error, Result};

/// Bytes that were not read yet.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, count: usize, what: &str) -> Result<&'a [u8]> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| Error::new(Code::BadData, format!("{what} is cut short: {} of {count} bytes", self.rest.len())))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N, what)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self, what: &str) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u16(&mut self, what: &str) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn i64(&mut self, what: &str) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    /// A length (`u32`) and that many bytes of UTF-8.
    pub(crate) fn text(&mut self, what: &str) -> Result<&'a str> {
        let bytes = self.sized_bytes(what)?;
        std::str::from_utf8(bytes).map_err(|_| Error::new(Code::BadData, format!("{what} is not UTF-8")))
    }

    /// A length (`u32`) and that many bytes.
    pub(crate) fn sized_bytes(&mut self, what: &str) -> Result<&'a [u8]> {
        let length = self.u32(what)? as usize;
        self.bytes(length, what)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn finish(self, what: &str) -> Result<()> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(Error::new(Code::BadData, format!("{what} is followed by {more} bytes that mean nothing"))),
        }
    }
}

/// Appends what [`Cursor::text`] reads.
pub(crate) fn put_text(text: &str, into: &mut Vec<u8>) -> Result<()> {
    put_bytes(text.as_bytes(), into)
}

/// Appends what [`Cursor::sized_bytes`] reads.
pub(crate) fn put_bytes(bytes: &[u8], into: &mut Vec<u8>) -> Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| Error::new(Code::LimitReached, "a field is longer than 4 GiB"))?;
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(bytes);
    Ok(())
}
