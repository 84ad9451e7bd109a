//! BYTEA as text: `\x` and hexadecimal digits, or the older form with octal escapes.

use super::super::cast::not_a;
use arrow_schema::{ArrowError, DataType};

/// The bytes that `text` writes.
pub(super) fn read(text: &str) -> Result<Vec<u8>, ArrowError> {
    let read = match text.strip_prefix("\\x") {
        Some(digits) => from_hex(digits),
        None => from_escapes(text.as_bytes()),
    };
    read.ok_or_else(|| not_a(text, &DataType::Binary))
}

/// Two digits a byte; blanks between bytes do not count.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// `\\` is a backslash and `\ooo` a byte in octal digits; everything else is itself.
fn from_escapes(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        match (first, rest) {
            (b'\\', [b'\\', rest @ ..]) => {
                bytes.push(b'\\');
                text = rest;
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                text = rest;
            }
            (b'\\', _) => return None,
            (byte, rest) => {
                bytes.push(*byte);
                text = rest;
            }
        }
    }
    Some(bytes)
}

/// `\x` and two digits a byte.
pub(super) fn write(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_what_is_neither_is_refused() {
        for (text, wanted) in [
            ("\\x00ff", Some(vec![0, 255])),
            ("\\xDE ad", Some(vec![0xde, 0xad])),
            ("\\x", Some(vec![])),
            ("abc", Some(b"abc".to_vec())),
            ("a\\\\b\\000\\377", Some(vec![b'a', b'\\', b'b', 0, 255])),
            ("", Some(vec![])),
            ("\\x0", None),
            ("\\xzz", None),
            ("\\9", None),
            ("\\400", None),
        ] {
            assert_eq!(read(text).ok(), wanted, "{text}");
        }
        assert_eq!(write(&[0, 255, 0x1a]), "\\x00ff1a");
    }
}
