//! Decompresses the bytes of a file: member by member, frame by frame, so that what comes in pieces can go on.
//!
//! A reader below may say `WouldBlock` at any byte; the next call goes on from there.

use std::io::{BufRead, BufReader, ErrorKind, Read, Result};

use flate2::bufread::GzDecoder;
use zstd::stream::raw::{Decoder as ZstdContext, InBuffer, Operation, OutBuffer};

/// Compressed bytes that are read at a time.
const BUFFER_BYTES: usize = 128 << 10;

/// The members of a gzip file, as one stream.
pub(super) struct Gzip<R> {
    member: GzDecoder<Lent<R>>,
    /// Whether the last member is complete and nothing of the next one has been seen.
    between: bool,
}

/// A reader that can be taken out while its decoder is made ready for the next member.
struct Lent<R>(Option<BufReader<R>>);

impl<R: Read> Gzip<R> {
    /// Decompresses `from`.
    pub(super) fn new(from: R) -> Self {
        let from = BufReader::with_capacity(BUFFER_BYTES, from);
        Self { member: GzDecoder::new(Lent(Some(from))), between: false }
    }

    /// Whether everything so far is complete, so that the file may end here.
    pub(super) fn is_between(&self) -> bool {
        self.between
    }

    /// The reader below.
    pub(super) fn source(&self) -> Option<&R> {
        self.member.get_ref().0.as_ref().map(BufReader::get_ref)
    }

    /// The reader below.
    pub(super) fn source_mut(&mut self) -> Option<&mut R> {
        self.member.get_mut().0.as_mut().map(BufReader::get_mut)
    }

    /// Looks behind a complete member: false at the end of the file. Zero bytes there are padding.
    fn next_member(&mut self) -> Result<bool> {
        loop {
            let padding = match self.member.get_mut().fill_buf()? {
                [] => return Ok(false),
                bytes => bytes.iter().take_while(|byte| **byte == 0).count(),
            };
            if padding == 0 {
                break;
            }
            self.member.get_mut().consume(padding);
        }
        if self.member.get_mut().fill_buf()?.first() != Some(&0x1F) {
            return Err(std::io::Error::new(
                ErrorKind::InvalidData,
                "after the end of its gzip data it goes on with something else",
            ));
        }
        let from = self.member.reset(Lent(None));
        *self.member.get_mut() = from;
        Ok(true)
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        loop {
            if self.between {
                if !self.next_member()? {
                    return Ok(0);
                }
                self.between = false;
            }
            match self.member.read(into)? {
                0 if !into.is_empty() => self.between = true,
                bytes => return Ok(bytes),
            }
        }
    }
}

impl<R: Read> Read for Lent<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.0.as_mut().map_or(Ok(0), |from| from.read(into))
    }
}

impl<R: Read> BufRead for Lent<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        match &mut self.0 {
            Some(from) => from.fill_buf(),
            None => Ok(&[]),
        }
    }

    fn consume(&mut self, bytes: usize) {
        if let Some(from) = &mut self.0 {
            from.consume(bytes);
        }
    }
}

/// The frames of a zstd file, as one stream.
pub(super) struct Zstd<R> {
    from: BufReader<R>,
    context: ZstdContext<'static>,
    /// Whether the last frame is complete and nothing of the next one has been seen.
    between: bool,
    /// Whether the context may hold more of what it has been given.
    holds_more: bool,
}

impl<R: Read> Zstd<R> {
    /// Decompresses `from`.
    pub(super) fn new(from: R) -> Result<Self> {
        let from = BufReader::with_capacity(BUFFER_BYTES, from);
        Ok(Self { from, context: ZstdContext::new()?, between: false, holds_more: false })
    }

    /// Whether everything so far is complete, so that the file may end here.
    pub(super) fn is_between(&self) -> bool {
        self.between
    }

    /// The reader below.
    pub(super) fn source(&self) -> &R {
        self.from.get_ref()
    }

    /// The reader below.
    pub(super) fn source_mut(&mut self) -> &mut R {
        self.from.get_mut()
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        loop {
            let input = if self.holds_more { &[] } else { self.from.fill_buf()? };
            let ended = input.is_empty() && !self.holds_more;
            if ended && self.between {
                return Ok(0);
            }
            let (mut source, mut target) = (InBuffer::around(input), OutBuffer::around(&mut *into));
            let wanted = self.context.run(&mut source, &mut target)?;
            let (used, bytes) = (source.pos(), target.pos());
            self.from.consume(used);
            self.between = wanted == 0;
            self.holds_more = bytes == into.len() && !self.between;
            if bytes > 0 {
                return Ok(bytes);
            }
            if ended {
                return Err(std::io::Error::new(ErrorKind::UnexpectedEof, "unexpected end of file"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Gives a byte, then says once that there is none yet.
    struct Drop<'a> {
        bytes: &'a [u8],
        dry: bool,
    }

    impl Read for Drop<'_> {
        fn read(&mut self, into: &mut [u8]) -> Result<usize> {
            self.dry = !self.dry;
            if self.dry {
                return Err(ErrorKind::WouldBlock.into());
            }
            let bytes = self.bytes.len().min(1);
            into[..bytes].copy_from_slice(&self.bytes[..bytes]);
            self.bytes = &self.bytes[bytes..];
            Ok(bytes)
        }
    }

    /// Reads on whenever there is more, and shows the error if there is one.
    fn read_in_drops(mut from: impl Read) -> String {
        let (mut text, mut buffer) = (Vec::new(), [0; 7]);
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return String::from_utf8(text).unwrap(),
                Ok(bytes) => text.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return format!("{} ! {error}", String::from_utf8(text).unwrap()),
            }
        }
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    fn zstd(text: &str) -> Vec<u8> {
        zstd::encode_all(text.as_bytes(), 1).unwrap()
    }

    #[test]
    fn gzip_that_comes_byte_by_byte_is_the_same() {
        let (a, b) = (gzip("one\ntwo\n"), gzip("three"));
        let cases = [
            (a.clone(), "one\ntwo\n"),
            ([&a[..], &b].concat(), "one\ntwo\nthree"),
            ([&a[..], &[0; 500]].concat(), "one\ntwo\n"),
            ([&a[..], &[0; 500], &b].concat(), "one\ntwo\nthree"),
            (gzip(""), ""),
            ([&a[..], b"rest"].concat(), "one\ntwo\n ! after the end of its gzip data it goes on with something else"),
            (a[..a.len() - 1].to_vec(), "one\ntwo\n ! unexpected end of file"),
            ([&a[..], &b[..5]].concat(), "one\ntwo\n ! unexpected end of file"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read_in_drops(Gzip::new(Drop { bytes: &bytes, dry: false })), expected, "{bytes:?}");
        }
    }

    #[test]
    fn zstd_that_comes_byte_by_byte_is_the_same() {
        let (a, b) = (zstd("one\ntwo\n"), zstd("three"));
        let skipped = b"\x50\x2A\x4D\x18\x03\0\0\0abc";
        let cases = [
            (a.clone(), "one\ntwo\n"),
            ([&a[..], &b].concat(), "one\ntwo\nthree"),
            ([&skipped[..], &a].concat(), "one\ntwo\n"),
            ([&a[..], skipped, &b, skipped].concat(), "one\ntwo\nthree"),
            (zstd(""), ""),
            (a[..a.len() - 1].to_vec(), "one\ntwo ! unexpected end of file"),
            ([&a[..], &b[..5]].concat(), "one\ntwo\n ! unexpected end of file"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read_in_drops(Zstd::new(Drop { bytes: &bytes, dry: false }).unwrap()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_larger_than_every_buffer_comes_whole() {
        let text: String = (0..200_000).map(|n| format!("{n},{}\n", n % 7)).collect();
        let mut read = String::new();
        Gzip::new(&gzip(&text)[..]).read_to_string(&mut read).unwrap();
        assert!(read == text);
        read.clear();
        Zstd::new(&zstd(&text)[..]).unwrap().read_to_string(&mut read).unwrap();
        assert!(read == text);
    }
}
