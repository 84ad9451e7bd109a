//! One column whose values are shown one by one as text.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{
    Array, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, Float32Array, Float64Array, LargeBinaryArray, LargeStringArray,
    RecordBatch, StringArray, StringViewArray,
};
use arrow_buffer::NullBuffer;
use arrow_cast::display::ArrayFormatter;
use arrow_json::writer::NullableEncoder;
use arrow_schema::{DataType, FieldRef};
use laminar_core::Result;

use super::json::{encoder, not_finite};
use super::temporal::{Separator, Temporal};
use crate::formats::csv::FORMAT;

/// A column as text: bytes as `\x00ff`, lists, structs and maps as JSON.
pub(crate) struct Shown<'a> {
    values: Values<'a>,
    nulls: Option<NullBuffer>,
}

enum Values<'a> {
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    Bytes(Bytes<'a>),
    Float32(&'a Float32Array, ArrayFormatter<'a>),
    Float64(&'a Float64Array, ArrayFormatter<'a>),
    Temporal(Temporal<'a>),
    Json(NullableEncoder<'a>),
    Other(ArrayFormatter<'a>),
}

impl<'a> Shown<'a> {
    /// The values of `array`, which is free of dictionaries and runs; see [`plain`](super::plain()).
    pub(crate) fn new(field: &'a FieldRef, array: &'a dyn Array) -> Result<Self> {
        Ok(Self { values: Values::new(field, array)?, nulls: array.logical_nulls() })
    }

    /// The text of a value; `None` is NULL. `scratch` is where it may be built.
    pub(crate) fn value<'t>(&'t mut self, row: usize, scratch: &'t mut Vec<u8>) -> Option<&'t [u8]> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        scratch.clear();
        match &mut self.values {
            Values::Text(array) => return Some(array.value(row).as_bytes()),
            Values::LargeText(array) => return Some(array.value(row).as_bytes()),
            Values::TextView(array) => return Some(array.value(row).as_bytes()),
            Values::Bytes(bytes) => bytes.write(row, scratch),
            Values::Float32(array, formatter) => write_float(array.value(row).into(), formatter, row, scratch),
            Values::Float64(array, formatter) => write_float(array.value(row), formatter, row, scratch),
            Values::Temporal(temporal) => temporal.write(row, scratch),
            Values::Json(encoder) => encoder.encode(row, scratch),
            Values::Other(formatter) => write_formatted(formatter, row, scratch),
        }
        Some(scratch)
    }
}

impl<'a> Values<'a> {
    fn new(field: &'a FieldRef, array: &'a dyn Array) -> Result<Self> {
        use DataType as D;
        if let Some(bytes) = Bytes::of(array) {
            return Ok(Values::Bytes(bytes));
        }
        if let Some(temporal) = Temporal::of(array, Separator::Blank)? {
            return Ok(Values::Temporal(temporal));
        }
        let formatter = || ArrayFormatter::try_new(array, &FORMAT);
        Ok(match array.data_type() {
            D::Utf8 => Values::Text(array.as_string()),
            D::LargeUtf8 => Values::LargeText(array.as_string()),
            D::Utf8View => Values::TextView(array.as_string_view()),
            D::Float32 => Values::Float32(array.as_primitive::<Float32Type>(), formatter()?),
            D::Float64 => Values::Float64(array.as_primitive::<Float64Type>(), formatter()?),
            D::List(_)
            | D::LargeList(_)
            | D::ListView(_)
            | D::LargeListView(_)
            | D::FixedSizeList(..)
            | D::Struct(_)
            | D::Map(..) => Values::Json(encoder(field, array)?),
            _ => Values::Other(formatter()?),
        })
    }
}

fn write_float(value: f64, formatter: &ArrayFormatter<'_>, row: usize, out: &mut Vec<u8>) {
    match not_finite(value) {
        Some(word) => out.extend_from_slice(word.as_bytes()),
        None => write_formatted(formatter, row, out),
    }
}

fn write_formatted(formatter: &ArrayFormatter<'_>, row: usize, out: &mut Vec<u8>) {
    // A Vec takes everything, and what has no text shows why instead.
    let written = write!(out, "{}", formatter.value(row));
    debug_assert!(written.is_ok(), "{written:?}");
}

/// A column of bytes.
pub(super) enum Bytes<'a> {
    Plain(&'a BinaryArray),
    Large(&'a LargeBinaryArray),
    View(&'a BinaryViewArray),
    Fixed(&'a FixedSizeBinaryArray),
}

impl<'a> Bytes<'a> {
    /// `array` as such a column, if it is one.
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Binary => Bytes::Plain(array.as_binary()),
            DataType::LargeBinary => Bytes::Large(array.as_binary()),
            DataType::BinaryView => Bytes::View(array.as_binary_view()),
            DataType::FixedSizeBinary(_) => Bytes::Fixed(array.as_fixed_size_binary()),
            _ => return None,
        })
    }

    /// Appends PostgreSQL's `\x00ff`.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bytes = match self {
            Bytes::Plain(array) => array.value(row),
            Bytes::Large(array) => array.value(row),
            Bytes::View(array) => array.value(row),
            Bytes::Fixed(array) => array.value(row),
        };
        out.extend_from_slice(b"\\x");
        out.extend(bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]));
    }
}

/// A row as a message shows it: `a=1, b=NULL`.
pub(crate) fn pairs(rows: &RecordBatch, row: usize) -> Result<String> {
    let (mut text, mut scratch) = (Vec::new(), Vec::new());
    for (index, (field, column)) in rows.schema_ref().fields().iter().zip(rows.columns()).enumerate() {
        if index > 0 {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(field.name().as_bytes());
        text.push(b'=');
        text.extend_from_slice(Shown::new(field, column)?.value(row, &mut scratch).unwrap_or(b"NULL"));
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}
