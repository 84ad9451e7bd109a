//! Newline-delimited JSON: one object a line.
//!
//! Columns are found by name; a missing key is NULL, an unknown one is left out. Numbers are read as written, so no
//! digit is lost; numbers in strings are taken for numbers where the column says so. VARCHAR takes any value, objects
//! and lists as their JSON text.

use std::borrow::Cow;
use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{Code, Error, Result};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

pub use super::ndjson_encoder::NdjsonEncoder;

use super::cell::{Cell, CellOptions};
use super::names::find_column;
use super::row_builder::RowBuilder;
use super::{Decoder, Extent, LineSkipper, RECORD_BYTES_MAX, Taken};

/// Reads one object a line.
pub struct NdjsonDecoder {
    rows: RowBuilder,
    names: Vec<String>,
    skipper: LineSkipper,
}

impl NdjsonDecoder {
    /// A decoder into `schema`.
    pub fn new(schema: SchemaRef, options: CellOptions) -> Result<Self> {
        let names = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(Self { rows: RowBuilder::new(schema, options)?, names, skipper: LineSkipper::default() })
    }

    fn append(&mut self, line: &str) -> Result<(), String> {
        let mut values = vec![None; self.names.len()];
        // Keys mostly come in one order, so the column after the last one found is looked at first.
        let mut next = 0;
        let names = &self.names;
        let place = |key: &str| {
            let found = if names.get(next).is_some_and(|name| name == key) { Some(next) } else { find_column(key, names) };
            next = found.map_or(next, |found| found + 1);
            found
        };
        object_of(line, place, &mut values).map_err(|error| not_an_object(line, &error))?;
        self.rows.append(|index| values[index].map_or(Ok(Cell::Null), cell_of))
    }
}

impl Decoder for NdjsonDecoder {
    fn take(&mut self, bytes: &[u8], last: bool) -> Result<Taken> {
        if let Some(skipped) = self.skipper.skip(bytes) {
            return Ok(skipped);
        }
        let Some((line, extent)) = next_line(bytes, last) else { return Ok(Taken::Incomplete) };
        if extent.bytes > RECORD_BYTES_MAX {
            return Ok(self.skipper.too_long(bytes));
        }
        let line = match std::str::from_utf8(line) {
            Ok(line) => line,
            Err(_) => return Ok(Taken::Bad(extent, "not valid UTF-8".to_owned())),
        };
        if line.trim().is_empty() {
            return Ok(Taken::Skipped(extent));
        }
        Ok(match self.append(line) {
            Ok(()) => Taken::Row(extent),
            Err(reason) => Taken::Bad(extent, reason),
        })
    }

    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        self.rows.finish()
    }
}

/// The first line without its end; `None` if it does not end here and more may come.
pub(crate) fn next_line(bytes: &[u8], last: bool) -> Option<(&[u8], Extent)> {
    if bytes.is_empty() {
        return None;
    }
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => Some((&bytes[..end], Extent { bytes: end + 1, lines: 1 })),
        None if last || bytes.len() > RECORD_BYTES_MAX => Some((bytes, Extent { bytes: bytes.len(), lines: 1 })),
        None => None,
    }
}

/// Whether a text that starts with `start` is one JSON array, rather than lines of which the first is an array by mistake:
/// the array goes on after its first line, or nothing but white space follows it. `None`: more bytes decide.
pub(crate) fn is_array(start: &[u8], ended: bool) -> Option<bool> {
    let text = start.trim_ascii_start();
    // What does not end within the longest record is decided by what is there.
    let ended = ended || start.len() > RECORD_BYTES_MAX;
    match text.first() {
        None if !ended => return None,
        Some(b'[') => {}
        _ => return Some(false),
    }
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else { return ended.then_some(true) };
    let (line, rest) = text.split_at(end);
    if serde_json::from_slice::<IgnoredAny>(line).is_err() {
        return Some(true);
    }
    let alone = rest.trim_ascii().is_empty();
    if alone && !ended { None } else { Some(alone) }
}

/// The failure of a file that is one JSON array; `name` is in quotes.
pub(crate) fn array_error(name: &str) -> Error {
    Error::new(Code::BadData, format!("{name} is a JSON array"))
        .with_hint("NDJSON holds one object a line; `jq -c '.[]'` turns an array into that")
}

/// A JSON value as a cell; its text has been checked to be JSON when it was set apart.
pub(super) fn cell_of(value: &RawValue) -> Result<Cell<'_>, String> {
    let text = value.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => Cell::Text(unescape(text)?),
        Some(b'{' | b'[') => Cell::Json(text),
        Some(b't') => Cell::Bool(true),
        Some(b'f') => Cell::Bool(false),
        Some(b'n') => Cell::Null,
        _ => Cell::Number(text),
    })
}

/// The text of a JSON string with its quotes.
fn unescape(quoted: &str) -> Result<Cow<'_, str>, String> {
    let inner = &quoted[1..quoted.len() - 1];
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(quoted).map(Cow::Owned).map_err(|_| format!("{quoted} is not a valid JSON string"))
}

/// Finds the values of an object: `place` says where the value of a key goes, if anywhere. The last of equal keys wins.
pub(super) fn object_of<'a>(
    text: &'a str,
    place: impl FnMut(&str) -> Option<usize>,
    values: &mut [Option<&'a RawValue>],
) -> Result<(), serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    parser.deserialize_map(ObjectVisitor { place, values })?;
    parser.end()
}

struct ObjectVisitor<'v, 'a, F> {
    place: F,
    values: &'v mut [Option<&'a RawValue>],
}

impl<'a, F: FnMut(&str) -> Option<usize>> Visitor<'a> for ObjectVisitor<'_, 'a, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(place) = map.next_key_seed(KeySeed(&mut self.place))? {
            match place {
                Some(index) => self.values[index] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Turns a key into its place without keeping it.
struct KeySeed<'f, F>(&'f mut F);

impl<'a, F: FnMut(&str) -> Option<usize>> DeserializeSeed<'a> for KeySeed<'_, F> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: FnMut(&str) -> Option<usize>> Visitor<'_> for KeySeed<'_, F> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok((self.0)(key))
    }
}

/// Why a line is not one JSON object. The parser's own line number is dropped: it always says 1.
fn not_an_object(line: &str, error: &serde_json::Error) -> String {
    let first = line.trim_start().chars().next().unwrap_or(' ');
    if first != '{' {
        return "not a JSON object: a line must start with '{'".to_owned();
    }
    let full = error.to_string();
    let what = full.rsplit_once(" at line ").map_or(full.as_str(), |(what, _)| what);
    format!("not valid JSON at character {}: {what}", error.column())
}
