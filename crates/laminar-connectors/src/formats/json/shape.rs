//! Decides by its start how JSON stands in a text.

use serde::de::IgnoredAny;

use crate::formats::RECORD_BYTES_MAX;
use crate::formats::lines::LineEnds;

/// Bytes after which a value that is still open is taken for a document.
const PROBE_BYTES: usize = 1 << 20;

/// How JSON stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One value a line.
    Lines(LineEnds),
    /// One array; its items are the values.
    Array,
    /// One value over several lines, or several such.
    Document,
}

/// How JSON stands in a text that starts with `start`; `None`: more bytes decide. A first line that is an array or broken by mistake
/// does not make lines a document: that has to go on in the second line, and to be JSON as far as it is seen.
pub(super) fn shape_of(start: &[u8], ended: bool) -> Option<Shape> {
    let text = start.trim_ascii_start();
    // What does not end within the longest record is decided by what is there.
    let ended = ended || start.len() > RECORD_BYTES_MAX;
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    match (text.first(), end) {
        (None, _) => ended.then_some(Shape::Lines(LineEnds::Feed)),
        (Some(b'['), None) => ended.then_some(Shape::Array),
        (_, None) => ended.then_some(Shape::Lines(LineEnds::Feed)),
        (Some(b'['), Some(end)) => array_or_lines(text, end, ended),
        (Some(b'{'), Some(end)) => document_or_lines(text, end, ended),
        (_, Some(end)) => lines(text, end, ended),
    }
}

/// An array goes on after its first line, or nothing but white space follows it.
fn array_or_lines(text: &[u8], end: usize, ended: bool) -> Option<Shape> {
    let (line, rest) = text.split_at(end);
    if serde_json::from_slice::<IgnoredAny>(line).is_err() {
        return Some(Shape::Array);
    }
    match rest.trim_ascii().is_empty() {
        true => ended.then_some(Shape::Array),
        false => lines(text, end, ended),
    }
}

fn document_or_lines(text: &[u8], end: usize, ended: bool) -> Option<Shape> {
    let open = serde_json::from_slice::<IgnoredAny>(&text[..end]).is_err_and(|error| error.is_eof());
    if !open {
        return lines(text, end, ended);
    }
    let only_line = text[end..].trim_ascii().is_empty();
    let value = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>().next();
    match value {
        Some(Err(error)) if !error.is_eof() => lines(text, end, ended),
        Some(Err(_)) if only_line => {
            if ended {
                lines(text, end, ended)
            } else {
                None
            }
        }
        Some(Err(_)) => (ended || text.len() >= PROBE_BYTES).then_some(Shape::Document),
        _ => Some(Shape::Document),
    }
}

/// Lines end as the first one does.
fn lines(text: &[u8], end: usize, ended: bool) -> Option<Shape> {
    match (text[end], text.get(end + 1)) {
        (b'\r', None) if !ended => None,
        (b'\r', Some(next)) if *next != b'\n' => Some(Shape::Lines(LineEnds::Any)),
        _ => Some(Shape::Lines(LineEnds::Feed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_lines_unless_its_first_value_goes_on_after_the_first_line() {
        let (feed, any) = (Some(Shape::Lines(LineEnds::Feed)), Some(Shape::Lines(LineEnds::Any)));
        let (array, document) = (Some(Shape::Array), Some(Shape::Document));
        let cases = [
            ("{\"a\":1}\n{\"a\":2}\n", feed),
            ("{\"a\":1}", feed),
            ("{\"a\":1}\r\n{\"a\":2}\r\n", feed),
            ("{\"a\":1}\r{\"a\":2}\r", any),
            ("\n \n{\"a\":1}\n", feed),
            ("", feed),
            ("hello\n{\"a\":1}\n", feed),
            ("{\"a\":\n", feed),
            ("{\"a\":\n{\"a\":1}\n{\"a\":2}\n", feed),
            ("{\"a\":\"x\n{\"a\":1}\n", feed),
            ("{\"a\":1,}\n{\"a\":1}\n", feed),
            ("{\"a\":1}{\"a\":2}\n", feed),
            ("{\n \"a\": 1\n}\n", document),
            ("{\"items\": [\n{\"a\":1},\n{\"a\":2}\n]}", document),
            ("{\"items\": [\n{\"a\":1},\n", document),
            ("{\r \"a\": 1\r}\r", document),
            ("{\n\"a\":1}\n{\n\"a\":2}\n", document),
            ("[\n{\"a\":1}\n]", array),
            ("[{\"a\":1}]", array),
            ("[{\"a\":1}]\n \n", array),
            ("[{\"a\":1},\r{\"a\":2}]", array),
            ("[1]\n{\"a\":1}\n", feed),
        ];
        for (text, shape) in cases {
            assert_eq!(shape_of(text.as_bytes(), true), shape, "{text:?}");
            let early = (0..text.len()).find_map(|end| shape_of(&text.as_bytes()[..end], false));
            assert!(early.is_none() || early == shape, "{text:?} is told too early: {early:?}");
        }
    }

    #[test]
    fn a_value_that_stays_open_is_a_document() {
        let text = format!("{{\"items\": [\n{}", "{\"a\":1},\n".repeat(PROBE_BYTES / 8));
        assert_eq!(shape_of(text.as_bytes(), false), Some(Shape::Document));
    }
}
