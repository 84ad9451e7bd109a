//! Functions of BYTEA, and those that texts and bytes have in common.

use arrow_array::ArrayRef;
use datafusion::common::ScalarValue;
use laminar_core::{Code, Error, Result};

use super::columns::{Answer, Call, bad};
use super::kinds::Kind::{Bytes, Int4, Int8, Text};
use super::routine::{Constants, Gives, Routine, constant_text, routine};
use super::strings::bounds;

/// The functions of this family.
pub(super) fn routines() -> Vec<Routine> {
    vec![
        routine("length")
            .takes([Text], Int4, |call| call.map1(|text: &str| Ok(Some(count(text.chars().count())))))
            .takes([Bytes], Int4, |call| call.map1(|bytes: &[u8]| Ok(Some(count(bytes.len())))))
            .takes([Bytes, Text], Int4, |call| {
                call.map2(|bytes: &[u8], from: &str| Ok(Some(count(decoded(bytes, from)?.chars().count()))))
            }),
        routine("character_length")
            .also("char_length")
            .takes([Text], Int4, |call| call.map1(|text: &str| Ok(Some(count(text.chars().count()))))),
        routine("octet_length").takes([Text], Int4, |call| call.map1(|text: &str| Ok(Some(count(text.len()))))).takes(
            [Bytes],
            Int4,
            |call| call.map1(|bytes: &[u8]| Ok(Some(count(bytes.len())))),
        ),
        routine("bit_length").takes([Text], Int4, |call| call.map1(|text: &str| Ok(Some(count(text.len() * 8))))).takes(
            [Bytes],
            Int4,
            |call| call.map1(|bytes: &[u8]| Ok(Some(count(bytes.len() * 8)))),
        ),
        routine("strpos")
            .also("position")
            .also("instr")
            .takes([Text, Text], Int4, |call| call.map2(|text: &str, part: &str| Ok(Some(text_position(text, part)))))
            .takes([Bytes, Bytes], Int4, |call| call.map2(|bytes: &[u8], part: &[u8]| Ok(Some(byte_position(bytes, part))))),
        routine("bit_count").takes([Bytes], Int8, |call| {
            call.map1(|bytes: &[u8]| Ok(Some(bytes.iter().map(|byte| i64::from(byte.count_ones())).sum::<i64>())))
        }),
        routine("get_byte").takes([Bytes, Int8], Int4, |call| {
            call.map2(|bytes: &[u8], index: i64| Ok(Some(i32::from(bytes[index_in(index, bytes.len())?]))))
        }),
        routine("set_byte").takes([Bytes, Int8, Int8], Bytes, |call| {
            call.map3(|bytes: &[u8], index: i64, value: i64| {
                let mut bytes = bytes.to_vec();
                let index = index_in(index, bytes.len())?;
                bytes[index] = (value & 0xff) as u8;
                Ok(Some(bytes))
            })
        }),
        routine("get_bit").takes([Bytes, Int8], Int4, |call| {
            call.map2(|bytes: &[u8], index: i64| {
                let index = index_in(index, bytes.len() * 8)?;
                Ok(Some(i32::from(bytes[index / 8] >> (index % 8) & 1)))
            })
        }),
        routine("set_bit").takes([Bytes, Int8, Int8], Bytes, |call| call.map3(set_bit)),
        routine("encode")
            .takes([Bytes, Text], Text, |call| {
                call.map2(|bytes: &[u8], format: &str| Ok(Some(encode(bytes, Format::named(format)?))))
            })
            .check(check_format),
        routine("decode")
            .takes([Text, Text], Bytes, |call| {
                call.map2(|text: &str, format: &str| decode(text, Format::named(format)?).map(Some))
            })
            .check(check_format),
        routine("convert_from")
            .takes([Bytes, Text], Text, |call| call.map2(|bytes: &[u8], from: &str| decoded(bytes, from).map(Some)))
            .check(check_encoding),
        routine("convert_to")
            .takes([Text, Text], Bytes, |call| call.map2(|text: &str, to: &str| encoded(text, to).map(Some)))
            .check(check_encoding),
        trim("btrim", true, true).also("trim"),
        trim("ltrim", true, false),
        trim("rtrim", false, true),
    ]
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn text_position(text: &str, part: &str) -> i32 {
    text.find(part).map_or(0, |byte| count(text[..byte].chars().count() + 1))
}

fn byte_position(bytes: &[u8], part: &[u8]) -> i32 {
    if part.is_empty() {
        return 1;
    }
    bytes.windows(part.len()).position(|window| window == part).map_or(0, |index| count(index + 1))
}

fn index_in(index: i64, length: usize) -> Result<usize> {
    let valid = usize::try_from(index).ok().filter(|index| *index < length);
    valid.ok_or_else(|| bad(format!("index {index} is outside of the value, which ends with {}", length as i64 - 1)))
}

fn set_bit(bytes: &[u8], index: i64, value: i64) -> Answer<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    let index = index_in(index, bytes.len() * 8)?;
    let mask = 1 << (index % 8);
    match value {
        0 => bytes[index / 8] &= !mask,
        1 => bytes[index / 8] |= mask,
        other => return Err(bad(format!("a bit is 0 or 1, not {other}"))),
    }
    Ok(Some(bytes))
}

/// `substring` of bytes, with two or three arguments.
pub(super) fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, starts) = (call.argument::<&[u8]>(0)?, call.argument::<i64>(1)?);
    let lengths = (call.columns.len() == 3).then(|| call.argument::<i64>(2)).transpose()?;
    call.each(|row| {
        let length = lengths.as_ref().map(|lengths| lengths.get(row));
        match (values.get(row), starts.get(row), length) {
            (Some(bytes), Some(start), None) => part(bytes, start, None).map(Some),
            (Some(bytes), Some(start), Some(Some(length))) => part(bytes, start, Some(length)).map(Some),
            _ => Ok(None),
        }
    })
}

fn part(bytes: &[u8], start: i64, length: Option<i64>) -> Result<Vec<u8>> {
    let (first, end) = bounds(start, length)?;
    let first = first.min(bytes.len());
    let end = end.map_or(bytes.len(), |end| end.clamp(first, bytes.len()));
    Ok(bytes[first..end].to_vec())
}

/// `overlay` of bytes, with three or four arguments.
pub(super) fn overlay(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, news, starts) = (call.argument::<&[u8]>(0)?, call.argument::<&[u8]>(1)?, call.argument::<i64>(2)?);
    let lengths = (call.columns.len() == 4).then(|| call.argument::<i64>(3)).transpose()?;
    call.each(|row| {
        let (Some(bytes), Some(new), Some(start)) = (values.get(row), news.get(row), starts.get(row)) else { return Ok(None) };
        let length = match &lengths {
            None => new.len() as i64,
            Some(lengths) => match lengths.get(row) {
                Some(length) => length,
                None => return Ok(None),
            },
        };
        if start <= 0 {
            return Err(bad(format!("position {start} of a value does not exist: the first is 1")));
        }
        let mut result = part(bytes, 1, Some(start - 1))?;
        result.extend_from_slice(new);
        result.extend(part(bytes, start.saturating_add(length), None)?);
        Ok(Some(result))
    })
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Hex,
    Base64,
    Escape,
}

impl Format {
    fn named(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            "escape" => Ok(Self::Escape),
            _ => Err(Error::new(Code::InvalidQuery, format!("there is no encoding '{name}'"))
                .with_hint("the encodings are: hex, base64, escape")),
        }
    }
}

fn check_format(constants: &Constants<'_>) -> Result<()> {
    constant_text(constants, 1).map_or(Ok(()), |name| Format::named(name).map(drop))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Characters of a line of base64.
const LINE: usize = 76;

fn encode(bytes: &[u8], format: Format) -> String {
    match format {
        Format::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Format::Base64 => base64(bytes),
        Format::Escape => escape(bytes),
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        if index > 0 && index * 4 % LINE == 0 {
            text.push('\n');
        }
        let all = chunk.iter().enumerate().fold(0u32, |all, (n, byte)| all | u32::from(*byte) << (16 - 8 * n));
        for n in 0..4 {
            let digit = BASE64[(all >> (18 - 6 * n) & 63) as usize];
            text.push(if n <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            0 | 128.. => text.push_str(&format!("\\{byte:03o}")),
            byte => text.push(char::from(*byte)),
        }
    }
    text
}

fn decode(text: &str, format: Format) -> Result<Vec<u8>> {
    let decoded = match format {
        Format::Hex => from_hex(text),
        Format::Base64 => from_base64(text),
        Format::Escape => from_escape(text),
    };
    decoded.ok_or_else(|| bad(format!("'{}' is not in the encoding that decode is given", shown(text))))
}

/// A text in a message is cut.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let is_even = digits.len().is_multiple_of(2);
    is_even.then(|| digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut all, mut digits, mut ends) = (0u32, 0, 0);
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace()) {
        if c == b'=' {
            ends += 1;
            all <<= 6;
        } else if ends > 0 {
            return None;
        } else {
            all = all << 6 | u32::try_from(BASE64.iter().position(|known| *known == c)?).ok()?;
        }
        digits += 1;
        if digits == 4 {
            let three = [(all >> 16) as u8, (all >> 8) as u8, all as u8];
            bytes.extend_from_slice(three.get(..3usize.checked_sub(ends)?)?);
            (all, digits) = (0, 0);
        }
    }
    (digits == 0 && ends <= 2).then_some(bytes)
}

fn from_escape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
        } else if let Some(after) = rest.strip_prefix(b"\\") {
            bytes.push(b'\\');
            rest = after;
        } else {
            let digits = rest.get(..3)?;
            let value = digits.iter().try_fold(0u32, |all, digit| Some(all * 8 + char::from(*digit).to_digit(8)?))?;
            bytes.push(u8::try_from(value).ok()?);
            rest = &rest[3..];
        }
    }
    Some(bytes)
}

/// Character sets that texts can be converted to and from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Latin1,
    Ascii,
}

impl Encoding {
    fn named(name: &str) -> Result<Self> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match plain.as_str() {
            "utf8" | "unicode" => Ok(Self::Utf8),
            "latin1" | "iso88591" => Ok(Self::Latin1),
            "sqlascii" => Ok(Self::Ascii),
            _ => Err(Error::new(Code::NotSupported, format!("the character set '{name}' is not known"))
                .with_hint("the character sets are: UTF8, LATIN1, SQL_ASCII")),
        }
    }
}

fn check_encoding(constants: &[Option<&ScalarValue>]) -> Result<()> {
    constant_text(constants, 1).map_or(Ok(()), |name| Encoding::named(name).map(drop))
}

fn decoded(bytes: &[u8], from: &str) -> Result<String> {
    let text = match Encoding::named(from)? {
        Encoding::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        Encoding::Utf8 | Encoding::Ascii => {
            String::from_utf8(bytes.to_vec()).map_err(|_| bad("the bytes are no text in UTF-8"))?
        }
    };
    if text.contains('\0') {
        return Err(bad("a text cannot hold the character 0"));
    }
    Ok(text)
}

fn encoded(text: &str, to: &str) -> Result<Vec<u8>> {
    match Encoding::named(to)? {
        Encoding::Utf8 | Encoding::Ascii => Ok(text.as_bytes().to_vec()),
        Encoding::Latin1 => {
            let byte = |c: char| u8::try_from(u32::from(c)).map_err(|_| bad(format!("LATIN1 has no character '{c}'")));
            text.chars().map(byte).collect()
        }
    }
}

/// A trimming function; characters are trimmed one by one, blanks if none are given.
fn trim(name: &'static str, left: bool, right: bool) -> Routine {
    let routine = routine(name);
    match (left, right) {
        (true, true) => routine
            .takes([Text], Text, |call| call.map1(|text: &str| Ok(Some(trimmed(text, " ", true, true)))))
            .takes([Text, Text], Text, |call| call.map2(|text: &str, chars: &str| Ok(Some(trimmed(text, chars, true, true)))))
            .takes([Bytes, Bytes], Gives::Kind(Bytes), |call| {
                call.map2(|b: &[u8], of: &[u8]| Ok(Some(trimmed_bytes(b, of, true, true))))
            }),
        (true, false) => routine
            .takes([Text], Text, |call| call.map1(|text: &str| Ok(Some(trimmed(text, " ", true, false)))))
            .takes([Text, Text], Text, |call| call.map2(|text: &str, chars: &str| Ok(Some(trimmed(text, chars, true, false)))))
            .takes([Bytes, Bytes], Gives::Kind(Bytes), |call| {
                call.map2(|b: &[u8], of: &[u8]| Ok(Some(trimmed_bytes(b, of, true, false))))
            }),
        _ => routine
            .takes([Text], Text, |call| call.map1(|text: &str| Ok(Some(trimmed(text, " ", false, true)))))
            .takes([Text, Text], Text, |call| call.map2(|text: &str, chars: &str| Ok(Some(trimmed(text, chars, false, true)))))
            .takes([Bytes, Bytes], Gives::Kind(Bytes), |call| {
                call.map2(|b: &[u8], of: &[u8]| Ok(Some(trimmed_bytes(b, of, false, true))))
            }),
    }
}

fn trimmed(text: &str, chars: &str, left: bool, right: bool) -> String {
    let text = if left { text.trim_start_matches(|c| chars.contains(c)) } else { text };
    let text = if right { text.trim_end_matches(|c| chars.contains(c)) } else { text };
    text.to_owned()
}

fn trimmed_bytes(bytes: &[u8], of: &[u8], left: bool, right: bool) -> Vec<u8> {
    let first = if left { bytes.iter().position(|byte| !of.contains(byte)).unwrap_or(bytes.len()) } else { 0 };
    let bytes = &bytes[first..];
    let end = if right { bytes.iter().rposition(|byte| !of.contains(byte)).map_or(0, |last| last + 1) } else { bytes.len() };
    bytes[..end].to_vec()
}
