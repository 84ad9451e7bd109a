//! Writes columns as NDJSON, such that reading it back gives the same values.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_json::writer::{LineDelimited, WriterBuilder};
use arrow_schema::SchemaRef;
use laminar_core::Result;

use super::distinct::distinct_schema;
use super::value::{encoder_factory, plain, repeated_keys};
use super::{Encoder, Unwritable, without};

/// Writes one object a line, NULLs included, so that every line has every key. Of columns with equal names the later ones
/// get a number: an object never holds a key twice.
#[derive(Debug, Default)]
pub struct NdjsonEncoder {
    /// The columns of the last rows, and these with names that differ.
    names: Option<(SchemaRef, SchemaRef)>,
}

impl NdjsonEncoder {
    fn distinct(&mut self, schema: &SchemaRef) -> SchemaRef {
        match &self.names {
            Some((before, distinct)) if before == schema => distinct.clone(),
            _ => {
                let distinct = distinct_schema(schema);
                self.names = Some((schema.clone(), distinct.clone()));
                distinct
            }
        }
    }
}

impl Encoder for NdjsonEncoder {
    fn encode(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<Vec<Unwritable>> {
        let rows = plain(rows)?;
        let unwritable = repeated_keys(&rows)?;
        let rows = without(&rows, &unwritable)?;
        let schema = self.distinct(rows.schema_ref());
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(schema, rows.columns().to_vec(), &options)?;
        let writer = WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(encoder_factory());
        let mut writer = writer.build::<_, LineDelimited>(out);
        writer.write(&rows)?;
        writer.finish()?;
        Ok(unwritable)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
    use arrow_array::{ArrayRef, BinaryArray, DictionaryArray, Float32Array, Float64Array, NullArray, StructArray};
    use arrow_schema::{DataType, Field, Fields, Schema};

    use super::*;

    fn check(columns: Vec<(&str, ArrayRef)>, lines: &str) {
        let fields: Vec<_> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let mut out = Vec::new();
        NdjsonEncoder::default().encode(&rows, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), lines);
    }

    #[test]
    fn a_float_that_is_no_number_stands_in_quotes() {
        let wide = Float64Array::from(vec![f64::NAN, f64::NEG_INFINITY, -0.0]);
        let narrow = Float32Array::from(vec![Some(f32::INFINITY), None, Some(0.1)]);
        let lines = "{\"d\":\"NaN\",\"f\":\"Infinity\"}\n{\"d\":\"-Infinity\",\"f\":null}\n{\"d\":-0.0,\"f\":0.1}\n";
        check(vec![("d", Arc::new(wide)), ("f", Arc::new(narrow))], lines);
    }

    #[test]
    fn bytes_are_told_from_texts() {
        let bytes = BinaryArray::from(vec![&b"\x00\xff"[..], b""]);
        check(vec![("b", Arc::new(bytes))], "{\"b\":\"\\\\x00ff\"}\n{\"b\":\"\\\\x\"}\n");
    }

    #[test]
    fn no_object_holds_a_key_twice() {
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
        check(
            vec![("a", numbers.clone()), ("a", numbers.clone()), ("a_2", numbers.clone())],
            "{\"a\":1.5,\"a_3\":1.5,\"a_2\":1.5}\n",
        );
        let field = Arc::new(Field::new("x", DataType::Float64, true));
        let twice = StructArray::new(Fields::from(vec![field.clone(), field]), vec![numbers.clone(), numbers], None);
        check(vec![("s", Arc::new(twice))], "{\"s\":{\"x\":1.5,\"x_2\":1.5}}\n");
    }

    #[test]
    fn keys_of_maps_are_their_texts() {
        let mut numbered = MapBuilder::new(None, Int32Builder::new(), StringBuilder::new());
        numbered.keys().append_value(-1);
        numbered.values().append_value("x");
        numbered.keys().append_value(2);
        numbered.values().append_null();
        numbered.append(true).unwrap();
        numbered.append(false).unwrap();
        let mut quoted = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        quoted.append(true).unwrap();
        quoted.keys().append_value("a\"b");
        quoted.values().append_value(1);
        quoted.append(true).unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![("n", Arc::new(numbered.finish())), ("q", Arc::new(quoted.finish()))];
        check(columns, "{\"n\":{\"-1\":\"x\",\"2\":null},\"q\":{}}\n{\"n\":null,\"q\":{\"a\\\"b\":1}}\n");
    }

    #[test]
    fn what_is_null_within_a_dictionary_or_without_a_type_is_null() {
        let values = arrow_array::StringArray::from(vec![Some("x"), None]);
        let dictionary = DictionaryArray::new(arrow_array::Int32Array::from(vec![Some(0), Some(1), None]), Arc::new(values));
        let lines = "{\"d\":\"x\",\"n\":null}\n{\"d\":null,\"n\":null}\n{\"d\":null,\"n\":null}\n";
        check(vec![("d", Arc::new(dictionary)), ("n", Arc::new(NullArray::new(3)))], lines);
    }
}
