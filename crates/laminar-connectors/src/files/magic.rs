//! What the first bytes of a file tell about it, whatever its name says.

use laminar_core::{Code, Error};

use super::settings::Compression;

/// Bytes that tell what a file is.
pub(super) const HEAD_BYTES: usize = 16;
/// Where a tar archive says that it is one.
const TAR_OFFSET: usize = 257;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Text, or nothing that is known.
    Text,
    /// Something that is decompressed while it is read.
    Compressed(Compression),
    /// Something that cannot be read as text.
    Foreign(Foreign),
}

/// Something that cannot be read as text, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign {
    what: &'static str,
    hint: &'static str,
}

impl Foreign {
    /// The refusal of `name`, which messages quote already.
    pub(super) fn error(self, name: &str) -> Error {
        Error::new(Code::BadData, format!("{name} is {}", self.what)).with_hint(self.hint)
    }
}

/// How a kind of file begins.
struct Magic {
    bytes: &'static [u8],
    /// The index of a byte that may be anything.
    any: Option<usize>,
    content: Content,
}

const fn magic(bytes: &'static [u8], content: Content) -> Magic {
    Magic { bytes, any: None, content }
}

const fn foreign(bytes: &'static [u8], what: &'static str, hint: &'static str) -> Magic {
    magic(bytes, Content::Foreign(Foreign { what, hint }))
}

const GZIP: Content = Content::Compressed(Compression::Gzip);
const ZSTD: Content = Content::Compressed(Compression::Zstd);
const ARCHIVE: &str = "unpack it, or compress the file itself with gzip or zstd";
const NOT_TEXT: &str = "write it as Parquet, CSV or NDJSON first";
const BZIP2: Magic =
    foreign(b"BZh?1AY&SY", "compressed with bzip2, which is not read", "decompress it first: bunzip2, or use gzip or zstd");

/// Every kind of file that is known by its first bytes.
const MAGICS: &[Magic] = &[
    magic(&[0x1F, 0x8B], GZIP),
    magic(&[0x28, 0xB5, 0x2F, 0xFD], ZSTD),
    // A frame that is to be skipped, which pzstd and others write first; its low half byte is free.
    Magic { any: Some(0), ..magic(&[0x50, 0x2A, 0x4D, 0x18], ZSTD) },
    Magic { any: Some(3), ..BZIP2 },
    Magic { bytes: b"BZh?\x17\x72\x45\x38\x50\x90", any: Some(3), ..BZIP2 },
    foreign(
        &[0xFD, b'7', b'z', b'X', b'Z', 0],
        "compressed with xz, which is not read",
        "decompress it first: unxz, or use gzip or zstd",
    ),
    foreign(&[0x5D, 0, 0], "compressed with LZMA, which is not read", "decompress it first: unlzma, or use gzip or zstd"),
    foreign(b"LZIP\x01", "compressed with lzip, which is not read", "decompress it first: lzip -d, or use gzip or zstd"),
    foreign(
        &[0x04, 0x22, 0x4D, 0x18],
        "compressed with LZ4, which is not read",
        "decompress it first: unlz4, or use gzip or zstd",
    ),
    foreign(
        &[0x02, 0x21, 0x4C, 0x18],
        "compressed with LZ4, which is not read",
        "decompress it first: unlz4, or use gzip or zstd",
    ),
    foreign(
        b"\xFF\x06\0\0sNaPpY",
        "compressed with Snappy, which is not read",
        "decompress it first: snzip -d, or use gzip or zstd",
    ),
    foreign(
        b"\x89LZO\0\r\n\x1A\n",
        "compressed with LZO, which is not read",
        "decompress it first: lzop -d, or use gzip or zstd",
    ),
    foreign(
        &[0x1F, 0x9D],
        "compressed with compress (.Z), which is not read",
        "decompress it first: uncompress, or use gzip or zstd",
    ),
    foreign(
        &[0x1F, 0xA0],
        "compressed with compress (.Z), which is not read",
        "decompress it first: uncompress, or use gzip or zstd",
    ),
    foreign(b"7z\xBC\xAF\x27\x1C", "a 7z archive", ARCHIVE),
    foreign(b"Rar!\x1A\x07", "a RAR archive", ARCHIVE),
    foreign(b"PK\x03\x04", "a zip archive", "unpack it, or compress the file with gzip or zstd"),
    foreign(b"PK\x05\x06", "an empty zip archive", "unpack it, or compress the file with gzip or zstd"),
    foreign(b"PK\x07\x08", "a zip archive", "unpack it, or compress the file with gzip or zstd"),
    foreign(b"ARROW1\0", "an Arrow file", NOT_TEXT),
    foreign(b"Obj\x01", "an Avro file", NOT_TEXT),
    foreign(b"SQLite format 3\0", "an SQLite database", NOT_TEXT),
    foreign(b"\x89HDF\r\n\x1A\n", "an HDF5 file", NOT_TEXT),
    foreign(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "a document of an office program", NOT_TEXT),
    foreign(b"%PDF-", "a PDF document", NOT_TEXT),
];

const PARQUET: &[u8] = b"PAR1";
const PARQUET_FILE: Foreign = Foreign { what: "a Parquet file", hint: "set format = 'parquet'" };
const TAR_FILE: Foreign = Foreign { what: "a tar archive", hint: ARCHIVE };
const UTF_16: Foreign = Foreign { what: "UTF-16 text", hint: "add encoding = 'utf-16'" };

impl Magic {
    /// Whether `head` and the magic are the same as far as both go.
    fn agrees(&self, head: &[u8]) -> bool {
        head.iter().zip(self.bytes).enumerate().all(|(index, (byte, wanted))| match self.any {
            Some(0) if index == 0 => byte & 0xF0 == wanted & 0xF0,
            Some(any) if index == any => true,
            _ => byte == wanted,
        })
    }
}

/// What a file holds that begins with `head`.
pub(super) fn content_of(head: &[u8]) -> Content {
    if is_parquet(head) {
        return Content::Foreign(PARQUET_FILE);
    }
    let found = MAGICS.iter().find(|magic| head.len() >= magic.bytes.len() && magic.agrees(head));
    found.map_or(Content::Text, |magic| magic.content)
}

/// A text whose first column is called `PAR1…` begins in the same way, and goes on with a name or a delimiter.
fn is_parquet(head: &[u8]) -> bool {
    let goes_on_as_text = |byte: &u8| byte.is_ascii_alphanumeric() || b",;|\t\r\n_\" ".contains(byte);
    head.starts_with(PARQUET) && !head.get(PARQUET.len()).is_some_and(goes_on_as_text)
}

/// Whether more bytes could show that a file is something else than [`content_of`] says now.
pub(super) fn is_open(head: &[u8]) -> bool {
    let longer = |magic: &Magic| head.len() < magic.bytes.len() && magic.agrees(head);
    head.len() <= PARQUET.len() && PARQUET.starts_with(head) || MAGICS.iter().any(longer)
}

/// What the text of a file begins with, once it is decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextStart {
    /// Too few bytes to know.
    Open,
    /// So many bytes of a mark that it is UTF-8, then the text.
    Text(usize),
    /// Not text that can be read.
    Foreign(Foreign),
}

/// What a text begins with; `whole`: nothing follows these bytes. An encoding other than UTF-8 is recognised here.
pub(super) fn text_start(bytes: &[u8], whole: bool) -> TextStart {
    const UTF_8_MARK: &[u8] = b"\xEF\xBB\xBF";
    const UTF_16_MARKS: [&[u8]; 2] = [&[0xFF, 0xFE], &[0xFE, 0xFF]];
    let begins = |mark: &[u8]| bytes.len() < mark.len() && mark.starts_with(bytes);
    if UTF_16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        TextStart::Foreign(UTF_16)
    } else if bytes.get(TAR_OFFSET..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        TextStart::Foreign(TAR_FILE)
    } else if bytes.starts_with(UTF_8_MARK) {
        TextStart::Text(UTF_8_MARK.len())
    } else if !whole && (begins(UTF_8_MARK) || UTF_16_MARKS.iter().any(|mark| begins(mark))) {
        TextStart::Open
    } else {
        TextStart::Text(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(head: &[u8]) -> String {
        match content_of(head) {
            Content::Text => "text".to_owned(),
            Content::Compressed(compression) => format!("{compression:?}"),
            Content::Foreign(foreign) => foreign.what.to_owned(),
        }
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let cases: &[(&[u8], &str)] = &[
            (b"\x1f\x8b\x08\x00", "Gzip"),
            (b"\x28\xb5\x2f\xfd\x00", "Zstd"),
            (b"\x5f\x2a\x4d\x18\x04\0\0\0", "Zstd"),
            (b"BZh91AY&SY\0", "compressed with bzip2, which is not read"),
            (b"BZh1\x17\x72\x45\x38\x50\x90", "compressed with bzip2, which is not read"),
            (b"\xfd7zXZ\0\0", "compressed with xz, which is not read"),
            (b"PK\x05\x06", "an empty zip archive"),
            (b"PAR1\x15\x04", "a Parquet file"),
            (b"PAR1,PAR2\n", "text"),
            (b"BZh9,column\n", "text"),
            (b"Rar,b\n", "text"),
            (b"P*M,b\n", "text"),
            (b"LZIP,b\n", "text"),
            (b"7z,b\n", "text"),
            (b"Obj,b\n", "text"),
            (b"", "text"),
        ];
        for (head, expected) in cases {
            assert_eq!(shown(head), *expected, "{head:?}");
        }
    }

    #[test]
    fn a_beginning_that_could_become_something_else_is_open() {
        let cases: &[(&[u8], bool)] = &[
            (b"", true),
            (b"\x1f", true),
            (b"PA", true),
            (b"PAR1", true),
            (b"BZh9", true),
            (b"id,name\n", false),
            (b"PA\n", false),
        ];
        for (head, expected) in cases {
            assert_eq!(is_open(head), *expected, "{head:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_may_come_in_pieces() {
        let cases: &[(&[u8], bool, TextStart)] = &[
            (b"\xEF", false, TextStart::Open),
            (b"\xEF\xBB", false, TextStart::Open),
            (b"\xEF\xBB", true, TextStart::Text(0)),
            (b"\xEF\xBB\xBFa", false, TextStart::Text(3)),
            (b"\xFF", false, TextStart::Open),
            (b"\xFF\xFEa\0", false, TextStart::Foreign(UTF_16)),
            (b"a", false, TextStart::Text(0)),
        ];
        for (bytes, whole, expected) in cases {
            assert_eq!(text_start(bytes, *whole), *expected, "{bytes:?}");
        }
    }
}
