//! Newline-delimited JSON: one object a line. The same objects inside arrays and documents are read too, where that is asked for.
//!
//! Columns are found by name; a missing key is NULL, an unknown one is left out. A key that differs from a column's name in upper and
//! lower case alone stands for it, unless the exact key is there too. Numbers are read as written, so no
//! digit is lost; numbers in strings are taken for numbers where the column says so. VARCHAR takes any value, objects
//! and lists as their JSON text.

use std::borrow::Cow;
use std::fmt;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::Result;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

pub use super::ndjson_encoder::NdjsonEncoder;

use super::cell::{Cell, CellOptions};
use super::json::{Framed, Framer, JsonLayout};
use super::names::{ColumnIndex, Found, KeyFinder};
use super::row_builder::RowBuilder;
use super::{Decoder, Extent, NOT_UTF_8, Taken};

/// Reads one object after the other: one a line, or wherever else the layout lets them stand.
pub struct NdjsonDecoder {
    framer: Framer,
    rows: RowBuilder,
    names: Vec<String>,
    index: ColumnIndex,
}

impl NdjsonDecoder {
    /// A decoder of lines into `schema`.
    pub fn new(schema: SchemaRef, options: CellOptions) -> Result<Self> {
        Self::with_layout(schema, options, JsonLayout::Lines, "the input")
    }

    /// A decoder of objects that stand as `layout` says into `schema`; `name` is what messages call the input.
    pub fn with_layout(schema: SchemaRef, options: CellOptions, layout: JsonLayout, name: &str) -> Result<Self> {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let index = ColumnIndex::new(&names);
        Ok(Self { framer: Framer::new(layout, name), rows: RowBuilder::new(schema, options)?, names, index })
    }

    fn append(&mut self, object: &str) -> Result<(), String> {
        let mut values = vec![Member::Missing; self.names.len()];
        let mut finder = KeyFinder::new(&self.names, &self.index);
        let lines = self.framer.is_lines();
        object_of(object, |key| finder.find(key), &mut values).map_err(|error| not_an_object(object, &error, lines))?;
        self.rows.append(|index| values[index].cell())
    }
}

impl Decoder for NdjsonDecoder {
    fn take(&mut self, bytes: &[u8], last: bool) -> Result<Taken> {
        let (value, extent) = match self.framer.next(bytes, last)? {
            Framed::Value(value, extent) => (value, extent),
            Framed::Other(taken) => return Ok(taken),
        };
        let Ok(object) = std::str::from_utf8(value) else { return Ok(Taken::Bad(extent, NOT_UTF_8.to_owned())) };
        if object.trim().is_empty() {
            return Ok(Taken::Skipped(extent));
        }
        Ok(match self.append(object) {
            Ok(()) => Taken::Row(extent),
            Err(reason) => Taken::Bad(extent, reason),
        })
    }

    fn wants_header(&self) -> bool {
        self.framer.undecided()
    }

    fn take_header(&mut self, bytes: &[u8], last: bool) -> Result<Taken> {
        let known = self.framer.know_layout(bytes, last)?;
        Ok(if known { Taken::Skipped(Extent { bytes: 0, lines: 0 }) } else { Taken::Incomplete })
    }

    fn is_between_records(&self) -> bool {
        self.framer.is_between_lines()
    }

    fn end(&self) -> Result<()> {
        self.framer.end()
    }

    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        self.rows.finish()
    }
}

/// What an object has for a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Member<'a> {
    /// No such key.
    Missing,
    /// The value of the key that is the column's name; the last one of equal keys.
    Exact(&'a RawValue),
    /// The value of a key that differs in case alone, which counts if there is no exact one.
    Alike(&'a RawValue),
    /// Several keys that differ in case alone, and no exact one.
    Ambiguous,
}

impl<'a> Member<'a> {
    /// The value as a cell; NULL if it is missing.
    pub(super) fn cell(self) -> Result<Cell<'a>, String> {
        match self {
            Member::Missing => Ok(Cell::Null),
            Member::Exact(value) | Member::Alike(value) => cell_of(value),
            Member::Ambiguous => Err("several keys differ from it in upper and lower case alone".to_owned()),
        }
    }
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
    place: impl FnMut(&str) -> Option<Found>,
    values: &mut [Member<'a>],
) -> Result<(), serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    parser.deserialize_map(ObjectVisitor { place, values })?;
    parser.end()
}

struct ObjectVisitor<'v, 'a, F> {
    place: F,
    values: &'v mut [Member<'a>],
}

impl<'a, F: FnMut(&str) -> Option<Found>> Visitor<'a> for ObjectVisitor<'_, 'a, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(place) = map.next_key_seed(KeySeed(&mut self.place))? {
            match place {
                Some(Found::Exact(index)) => self.values[index] = Member::Exact(map.next_value()?),
                Some(Found::Alike(index)) => {
                    let value = map.next_value()?;
                    self.values[index] = match self.values[index] {
                        Member::Missing => Member::Alike(value),
                        Member::Exact(exact) => Member::Exact(exact),
                        Member::Alike(_) | Member::Ambiguous => Member::Ambiguous,
                    };
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Turns a key into its place without keeping it.
struct KeySeed<'f, F>(&'f mut F);

impl<'a, F: FnMut(&str) -> Option<Found>> DeserializeSeed<'a> for KeySeed<'_, F> {
    type Value = Option<Found>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: FnMut(&str) -> Option<Found>> Visitor<'_> for KeySeed<'_, F> {
    type Value = Option<Found>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok((self.0)(key))
    }
}

/// Why a text is not one JSON object. The parser's own line number is dropped where it always says 1.
fn not_an_object(text: &str, error: &serde_json::Error, is_line: bool) -> String {
    let first = text.trim_start().chars().next().unwrap_or(' ');
    if first != '{' {
        return format!("not a JSON object: {} must start with '{{'", if is_line { "a line" } else { "an item" });
    }
    let full = error.to_string();
    let what = full.rsplit_once(" at line ").map_or(full.as_str(), |(what, _)| what);
    match error.line() {
        0 | 1 => format!("not valid JSON at character {}: {what}", error.column()),
        line => format!("not valid JSON at character {} of its line {line}: {what}", error.column()),
    }
}
