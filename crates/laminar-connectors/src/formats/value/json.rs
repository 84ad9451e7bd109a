//! Values as JSON: Arrow's writer, with encoders of our own where its text would be read as another value or not at all.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, MapArray};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields};

use super::shown::{Bytes, Shown};
use super::temporal::{Separator, Temporal};
use crate::formats::distinct::{distinct_names, equal_name};

/// Arrow's own encoders.
static ARROW: LazyLock<EncoderOptions> = LazyLock::new(EncoderOptions::default);
/// Ours before Arrow's.
static OURS: LazyLock<EncoderOptions> =
    LazyLock::new(|| EncoderOptions::default().with_explicit_nulls(true).with_encoder_factory(encoder_factory()));

/// What a JSON writer must ask for its encoders.
pub(crate) fn encoder_factory() -> Arc<dyn EncoderFactory> {
    Arc::new(Factory)
}

/// An encoder for the values of `array`.
pub(super) fn encoder<'a>(field: &'a FieldRef, array: &'a dyn Array) -> Result<NullableEncoder<'a>, ArrowError> {
    make_encoder(field, array, &OURS)
}

#[derive(Debug)]
struct Factory;

impl EncoderFactory for Factory {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Box::new(FloatEncoder::new(field, array)?),
            DataType::Map(..) => Box::new(MapEncoder::new(field, array.as_map(), options)?),
            DataType::Struct(fields) if has_equal_names(fields) => Box::new(StructEncoder::new(fields, array, options)?),
            _ => match (Bytes::of(array), Temporal::of(array, Separator::T).map_err(external)?) {
                (Some(bytes), _) => Box::new(BytesEncoder(bytes)),
                (None, Some(temporal)) => Box::new(TemporalEncoder(temporal)),
                (None, None) => return Ok(None),
            },
        };
        Ok(Some(NullableEncoder::new(encoder, array.logical_nulls())))
    }
}

fn external(error: laminar_core::Error) -> ArrowError {
    ArrowError::ExternalError(Box::new(error))
}

/// Numbers as Arrow writes them. JSON has no word for the others, so they stand in quotes, as PostgreSQL's `to_json` has them.
struct FloatEncoder<'a> {
    numbers: NullableEncoder<'a>,
    not_finite: Box<dyn Fn(usize) -> Option<&'static str> + 'a>,
}

impl<'a> FloatEncoder<'a> {
    fn new(field: &'a FieldRef, array: &'a dyn Array) -> Result<Self, ArrowError> {
        let not_finite: Box<dyn Fn(usize) -> Option<&'static str> + 'a> = match array.data_type() {
            DataType::Float16 => {
                let values = array.as_primitive::<Float16Type>().values();
                Box::new(|row| not_finite(values[row].to_f64()))
            }
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>().values();
                Box::new(|row| not_finite(values[row].into()))
            }
            _ => {
                let values = array.as_primitive::<Float64Type>().values();
                Box::new(|row| not_finite(values[row]))
            }
        };
        Ok(Self { numbers: make_encoder(field, array, &ARROW)?, not_finite })
    }
}

/// The word for a float that is not a finite number.
pub(super) fn not_finite(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

impl Encoder for FloatEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        match (self.not_finite)(row) {
            Some(word) => in_quotes(out, |out| out.extend_from_slice(word.as_bytes())),
            None => self.numbers.encode(row, out),
        }
    }
}

/// Bytes as `"\\x00ff"`.
struct BytesEncoder<'a>(Bytes<'a>);

impl Encoder for BytesEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        in_quotes(out, |out| {
            out.push(b'\\');
            self.0.write(row, out);
        });
    }
}

/// Dates, times and timestamps in quotes.
struct TemporalEncoder<'a>(Temporal<'a>);

impl Encoder for TemporalEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        in_quotes(out, |out| self.0.write(row, out));
    }
}

fn in_quotes(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// An object whose keys are the texts of the map's keys.
struct MapEncoder<'a> {
    offsets: &'a [i32],
    keys: Shown<'a>,
    values: NullableEncoder<'a>,
    key: Vec<u8>,
}

impl<'a> MapEncoder<'a> {
    fn new(field: &'a FieldRef, map: &'a MapArray, options: &'a EncoderOptions) -> Result<Self, ArrowError> {
        Ok(Self {
            offsets: map.value_offsets(),
            keys: Shown::new(field, map.keys()).map_err(external)?,
            values: make_encoder(field, map.values(), options)?,
            key: Vec::new(),
        })
    }

    fn key(&mut self, entry: usize, out: &mut Vec<u8>) {
        let text = self.keys.value(entry, &mut self.key);
        let text = String::from_utf8_lossy(text.unwrap_or_default());
        out.extend_from_slice(serde_json::Value::from(text.as_ref()).to_string().as_bytes());
    }
}

impl Encoder for MapEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        let entries = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        for entry in entries.clone() {
            if entry > entries.start {
                out.push(b',');
            }
            self.key(entry, out);
            out.push(b':');
            match self.values.is_null(entry) {
                true => out.extend_from_slice(b"null"),
                false => self.values.encode(entry, out),
            }
        }
        out.push(b'}');
    }
}

/// An object of a struct with equal field names: each key stands in it once.
struct StructEncoder<'a> {
    members: Vec<(String, NullableEncoder<'a>)>,
}

fn has_equal_names(fields: &Fields) -> bool {
    equal_name(fields.iter().map(|field| field.name().as_str())).is_some()
}

impl<'a> StructEncoder<'a> {
    fn new(fields: &'a Fields, array: &'a dyn Array, options: &'a EncoderOptions) -> Result<Self, ArrowError> {
        let names = distinct_names(fields.iter().map(|field| field.name().as_str()));
        let member = |((field, column), name): ((&'a FieldRef, &'a Arc<dyn Array>), String)| {
            let key = serde_json::Value::from(name).to_string() + ":";
            make_encoder(field, column, options).map(|encoder| (key, encoder))
        };
        let members = fields.iter().zip(array.as_struct().columns()).zip(names).map(member).collect::<Result<_, _>>()?;
        Ok(Self { members })
    }
}

impl Encoder for StructEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (key, encoder)) in self.members.iter_mut().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(key.as_bytes());
            match encoder.is_null(row) {
                true => out.extend_from_slice(b"null"),
                false => encoder.encode(row, out),
            }
        }
        out.push(b'}');
    }
}
