//! Text in other encodings than UTF-8, turned into UTF-8 as it is read.

use encoding_rs::{Decoder, DecoderResult, WINDOWS_1252};

/// An encoding of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Each byte is the character of that number.
    Latin1,
    Other(&'static encoding_rs::Encoding),
}

impl Encoding {
    /// What messages suggest.
    pub(super) const EXAMPLES: &'static str =
        "an encoding such as 'utf-8', 'latin1', 'windows-1252', 'utf-16', 'shift_jis', 'gbk' or 'koi8-r'";

    /// The encoding that users call `name`: a label of the WHATWG, but `latin1` is ISO 8859-1 and not windows-1252.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        let plain = name.trim().to_ascii_lowercase().replace('_', "-");
        if ["latin1", "latin-1", "iso-8859-1", "iso8859-1", "iso88591", "l1"].contains(&plain.as_str()) {
            return Some(Encoding::Latin1);
        }
        let name = match plain.as_str() {
            "utf16" => "utf-16",
            "cp1252" | "win1252" => return Some(Encoding::Other(WINDOWS_1252)),
            _ => name.trim(),
        };
        // Some labels stand for encodings that no program should decode.
        let found = encoding_rs::Encoding::for_label_no_replacement(name.as_bytes())?;
        (found != encoding_rs::X_USER_DEFINED).then_some(Encoding::Other(found))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Latin1 => "ISO-8859-1",
            Encoding::Other(encoding) => encoding.name(),
        }
    }

    /// What turns bytes into UTF-8; `None`: they are UTF-8 already.
    pub(super) fn transcoder(self) -> Option<Transcoder> {
        match self {
            Encoding::Latin1 => Some(Transcoder { decoder: None, begun: false }),
            Encoding::Other(encoding) if encoding == encoding_rs::UTF_8 => None,
            Encoding::Other(encoding) => Some(Transcoder { decoder: Some(encoding.new_decoder()), begun: false }),
        }
    }
}

/// Turns bytes into UTF-8, piece by piece.
pub(super) struct Transcoder {
    /// `None`: ISO 8859-1.
    decoder: Option<Decoder>,
    /// Whether bytes have come.
    begun: bool,
}

/// Stands for bytes that are no character: no UTF-8 holds it, so that the record around it is bad.
const NO_CHARACTER: u8 = 0xFF;

impl Transcoder {
    /// Appends the text of `raw` to `out`; `last`: nothing follows, so a character that is cut off is none.
    pub(super) fn append(&mut self, raw: &[u8], last: bool, out: &mut Vec<u8>) {
        self.begun |= !raw.is_empty();
        if !self.begun {
            return;
        }
        match &mut self.decoder {
            None => append_latin1(raw, out),
            Some(decoder) => {
                append_decoded(decoder, raw, last, out);
                if last {
                    // A file that grows can go on all the same, in the encoding that its first bytes told.
                    *decoder = decoder.encoding().new_decoder_without_bom_handling();
                }
            }
        }
    }
}

fn append_latin1(raw: &[u8], out: &mut Vec<u8>) {
    let old = out.len();
    out.resize(old + raw.len() * 2, 0);
    let written = encoding_rs::mem::convert_latin1_to_utf8(raw, &mut out[old..]);
    out.truncate(old + written);
}

fn append_decoded(decoder: &mut Decoder, mut raw: &[u8], last: bool, out: &mut Vec<u8>) {
    loop {
        let old = out.len();
        let room = decoder.max_utf8_buffer_length_without_replacement(raw.len()).unwrap_or(raw.len() * 3);
        out.resize(old + room, 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(raw, &mut out[old..], last);
        out.truncate(old + written);
        raw = &raw[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::Malformed(..) => out.push(NO_CHARACTER),
            DecoderResult::OutputFull => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, raw: &[u8], text: &[u8]) {
        for piece in [1, 2, 100] {
            let mut transcoder = Encoding::by_name(name).and_then(Encoding::transcoder).unwrap();
            let mut out = Vec::new();
            raw.chunks(piece).for_each(|piece| transcoder.append(piece, false, &mut out));
            transcoder.append(&[], true, &mut out);
            assert_eq!(out.escape_ascii().to_string(), text.escape_ascii().to_string(), "{name} in pieces of {piece}");
        }
    }

    #[test]
    fn text_of_any_encoding_becomes_utf_8_however_it_is_cut() {
        check("latin1", b"caf\xe9 \x80", "caf\u{e9} \u{80}".as_bytes());
        check("ISO-8859-1", b"\xff", "\u{ff}".as_bytes());
        check("windows-1252", b"\x80 \xe9", "\u{20ac} \u{e9}".as_bytes());
        check("cp1252", b"\x93", "\u{201c}".as_bytes());
        check("utf-16", b"\xff\xfea\0,\0\xe9\0", "a,\u{e9}".as_bytes());
        check("utf-16le", b"a\0\x3d\xd8\x00\xde", "a\u{1f600}".as_bytes());
        check("utf-16be", b"\0a\0,", b"a,");
        check("utf-16", b"\xfe\xff\0a", b"a");
        check("shift_jis", b"\x93\xfa,1", "\u{65e5},1".as_bytes());
        check("gbk", b"\xd6\xd0", "\u{4e2d}".as_bytes());
        check("koi8-r", b"\xc1", "\u{430}".as_bytes());
    }

    #[test]
    fn text_that_goes_on_behind_an_end_keeps_its_encoding() {
        let mut transcoder = Encoding::by_name("utf-16").and_then(Encoding::transcoder).unwrap();
        let mut out = Vec::new();
        let pieces: [&[u8]; 4] = [b"", b"\xfe\xff\0a\0", b"\0b", b""];
        pieces.iter().for_each(|piece| transcoder.append(piece, true, &mut out));
        assert_eq!(out, b"a\xffb");
    }

    #[test]
    fn what_is_no_character_stays_invalid() {
        check("shift_jis", b"a\x93", b"a\xff");
        check("utf-16le", b"a\0\x00\xd8b\0", b"a\xffb");
        check("utf-16le", b"a\0b", b"a\xff");
        check("gbk", b"1\xff\xff2\n", b"1\xff\xff2\n");
    }

    #[test]
    fn unknown_encodings_have_no_name() {
        for name in ["utf-7", "utf-32", "cp437", "ebcdic", "", "x-user-defined", "iso-2022-kr"] {
            assert_eq!(Encoding::by_name(name), None, "{name}");
        }
        assert!(Encoding::by_name("UTF8").unwrap().transcoder().is_none());
        assert_eq!(Encoding::by_name("Latin-1").unwrap().name(), "ISO-8859-1");
    }
}
