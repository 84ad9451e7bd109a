//! Rows as keys: bytes that are equal and ordered as the values are, and back.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, NullArray, PrimitiveArray, make_array};
use arrow_row::{Row, RowConverter, Rows, SortField};
use arrow_schema::{DataType, Schema};

use crate::{Code, Error, Result};

/// Encodes columns into one byte string a row.
///
/// Two rows are equal as keys iff their bytes are equal, and bytes order as the rows do (ascending, NULL first). NULL
/// equals NULL, −0.0 equals 0.0 and NaN equals NaN: floats come back as 0.0 and the standard NaN.
#[derive(Debug)]
pub struct RowKeys {
    converter: RowConverter,
    types: Vec<DataType>,
}

impl RowKeys {
    /// Keys of these types, in this order. No types: all rows have one and the same key.
    pub fn new(types: &[DataType]) -> Result<Self> {
        let mut fields: Vec<_> = types.iter().cloned().map(SortField::new).collect();
        if fields.is_empty() {
            // The encoder counts rows by its first column, so that a key without columns gets one that says nothing.
            fields.push(SortField::new(DataType::Null));
        }
        if let Some(bad) = types.iter().find(|t| !RowConverter::supports_fields(&[SortField::new((*t).clone())])) {
            return Err(Error::new(Code::NotSupported, format!("values of type {bad} cannot be compared")));
        }
        Ok(Self { converter: RowConverter::new(fields)?, types: types.to_vec() })
    }

    /// Keys that are whole rows of `schema`.
    pub fn of_schema(schema: &Schema) -> Result<Self> {
        let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        Self::new(&types)
    }

    /// The types of the key's columns.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The keys of `rows` rows. `encode(…)?.row(i).as_ref()` are the bytes of row `i`.
    pub fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<Rows> {
        debug_assert!(columns.iter().all(|column| column.len() == rows), "columns of one batch");
        if self.types.is_empty() {
            return Ok(self.converter.convert_columns(&[Arc::new(NullArray::new(rows))])?);
        }
        let columns: Vec<_> = columns.iter().map(canonical_floats).collect();
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// The columns of keys that [`Self::encode`] made.
    ///
    /// # Panics
    /// If the bytes are not such keys.
    pub fn decode<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let parser = &parser;
        // The rows borrow the parser, so they are collected before it goes.
        let keys: Vec<&'a [u8]> = keys.into_iter().collect();
        self.decode_rows(keys.iter().map(|key| parser.parse(key)))
    }

    /// The columns of keys that [`Self::encode`] made.
    pub fn decode_rows<'a>(&self, keys: impl IntoIterator<Item = Row<'a>>) -> Result<Vec<ArrayRef>> {
        let columns = self.converter.convert_rows(keys)?;
        columns.into_iter().zip(&self.types).map(|(column, data_type)| of_type(column, data_type)).collect()
    }
}

/// Dictionaries come out of the encoding as plain values.
fn of_type(column: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if column.data_type() == data_type { Ok(column) } else { Ok(arrow_cast::cast(&column, data_type)?) }
}

/// The one float among those that are equal as keys.
#[inline]
pub(super) fn canonical_f64(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

/// The one float among those that are equal as keys.
#[inline]
pub(super) fn canonical_f32(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value + 0.0 }
}

/// The column with −0.0 as 0.0 and every NaN as the standard one, also inside of structs and lists. Shared if there is nothing to do.
pub fn canonical_floats(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => replace_floats(column, column.as_primitive::<Float64Type>(), canonical_f64, f64::to_bits),
        DataType::Float32 => replace_floats(column, column.as_primitive::<Float32Type>(), canonical_f32, f32::to_bits),
        DataType::Float16 => {
            let wide = |value: <Float16Type as arrow_array::ArrowPrimitiveType>::Native| value.to_f32();
            let narrow = |value| canonical_f16(value, wide(value));
            replace_floats(column, column.as_primitive::<Float16Type>(), narrow, |value| value.to_bits())
        }
        nested if nested.is_nested() && has_floats(nested) => {
            let data = column.to_data();
            let children = data.child_data().iter().map(|child| canonical_floats(&make_array(child.clone())).to_data());
            let children = children.collect();
            // Only values changed, neither types nor lengths; should Arrow refuse that, the column stays as it is.
            data.into_builder().child_data(children).build().map_or_else(|_| column.clone(), make_array)
        }
        _ => column.clone(),
    }
}

type Half = <Float16Type as arrow_array::ArrowPrimitiveType>::Native;

fn canonical_f16(value: Half, wide: f32) -> Half {
    if wide.is_nan() {
        Half::NAN
    } else if wide == 0.0 {
        Half::from_bits(0)
    } else {
        value
    }
}

fn replace_floats<T, B>(
    column: &ArrayRef,
    floats: &PrimitiveArray<T>,
    canonical: impl Fn(T::Native) -> T::Native,
    bits: impl Fn(T::Native) -> B,
) -> ArrayRef
where
    T: arrow_array::ArrowPrimitiveType,
    B: PartialEq,
{
    if floats.values().iter().all(|value| bits(*value) == bits(canonical(*value))) {
        return column.clone();
    }
    Arc::new(floats.unary::<_, T>(canonical))
}

/// Whether a value of this type can hold a float.
fn has_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => true,
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => has_floats(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_floats(field.data_type())),
        DataType::Dictionary(_, values) => has_floats(values),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{DictionaryArray, Float64Array, Int64Array, ListArray, StringArray, StructArray};
    use arrow_schema::Field;

    use super::*;

    fn keys_of(column: &ArrayRef) -> RowKeys {
        RowKeys::new(&[column.data_type().clone()]).unwrap()
    }

    fn check_round_trip(column: impl Array + 'static) {
        let column: ArrayRef = Arc::new(column);
        let keys = keys_of(&column);
        let rows = keys.encode(std::slice::from_ref(&column), column.len()).unwrap();
        let bytes: Vec<&[u8]> = (0..column.len()).map(|row| rows.row(row).data()).collect();
        assert_eq!(&keys.decode(bytes).unwrap()[0], &column);
    }

    #[test]
    fn keys_come_back_as_the_values_that_they_were() {
        check_round_trip(Int64Array::from(vec![Some(1), None, Some(-7)]));
        check_round_trip(StringArray::from(vec![Some("a"), None, Some(""), Some("NULL")]));
        check_round_trip(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN), Some(0.0)]));
        check_round_trip(vec![Some("x"), None, Some("y"), Some("x")].into_iter().collect::<DictionaryArray<Int32Type>>());
        check_round_trip(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]));
    }

    #[test]
    fn keys_order_as_the_values_do_and_null_is_first() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(-3), Some(0), Some(9)]));
        let rows = keys_of(&column).encode(&[column], 4).unwrap();
        assert!((1..4).all(|row| rows.row(row - 1) < rows.row(row)));
    }

    #[test]
    fn floats_that_compare_equal_are_one_key_also_inside_of_structs() {
        let odd_nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63 | 7);
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, odd_nan]));
        let field = Arc::new(Field::new("x", DataType::Float64, true));
        let nested: ArrayRef = Arc::new(StructArray::from(vec![(field, floats.clone())]));
        for column in [floats, nested] {
            let rows = keys_of(&column).encode(&[column], 4).unwrap();
            assert_eq!(rows.row(0), rows.row(1));
            assert_eq!(rows.row(2), rows.row(3));
            assert_ne!(rows.row(0), rows.row(2));
        }
    }

    #[test]
    fn rows_without_key_columns_have_one_key() {
        let keys = RowKeys::new(&[]).unwrap();
        let rows = keys.encode(&[], 3).unwrap();
        assert_eq!(rows.num_rows(), 3);
        assert_eq!(rows.row(0), rows.row(2));
        assert!(keys.decode_rows(rows.iter()).unwrap().is_empty());
    }
}
