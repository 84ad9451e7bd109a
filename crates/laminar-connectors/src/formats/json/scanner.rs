//! Where one JSON value ends, found without looking closer at it.

/// Walks over one value, piece by piece.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ValueScanner {
    /// Objects and arrays that are open.
    depth: usize,
    in_string: bool,
    /// Whether a backslash came before.
    escaped: bool,
    /// Whether it is a number or a word, which what follows it ends.
    scalar: bool,
}

impl ValueScanner {
    /// The byte after the value, counted from the start of these bytes; `None`: it goes on.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate() {
            if self.in_string {
                if self.string_ends(*byte) && self.depth == 0 {
                    return Some(index + 1);
                }
                continue;
            }
            match byte {
                b'"' | b'{' | b'[' if self.scalar => return Some(index),
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return Some(index),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(index + 1);
                    }
                }
                _ if self.depth > 0 => {}
                b',' | b':' => return Some(index),
                byte if byte.is_ascii_whitespace() => return Some(index),
                _ => self.scalar = true,
            }
        }
        None
    }

    fn string_ends(&mut self, byte: u8) -> bool {
        let escaped = std::mem::take(&mut self.escaped);
        self.escaped = byte == b'\\' && !escaped;
        self.in_string = byte != b'"' || escaped;
        !self.in_string
    }

    /// Whether the end of the text ends the value.
    pub(super) fn may_end(&self) -> bool {
        self.scalar
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_its_brackets_close_outside_strings() {
        let cases = [
            ("{\"a\":[1,{}]},x", Some(12)),
            ("[\"]\",\"\\\"]\"] x", Some(11)),
            ("\"a\\\\\" x", Some(5)),
            ("12.5,", Some(4)),
            ("true]", Some(4)),
            ("null", None),
            ("{\"a\":1", None),
            (",", Some(0)),
            ("}", Some(0)),
            ("1\"a\"", Some(1)),
        ];
        for (text, end) in cases {
            assert_eq!(ValueScanner::default().advance(text.as_bytes()), end, "{text}");
            let mut scanner = ValueScanner::default();
            let pieces = text.as_bytes().chunks(1).enumerate().find_map(|(at, piece)| scanner.advance(piece).map(|end| at + end));
            assert_eq!(pieces, end, "{text} in pieces");
        }
    }
}
