//! Which Rust types a field of a row can have, and the columns that they are.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};

use crate::Result;
use crate::time::EventTime;
use crate::time::event_time::to_nanos;

/// A type that a field of a [`Row`](super::Row) can have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a column",
    note = "a field of a row is a bool, an integer of at most 64 bits, f32, f64, String, Vec<u8>, EventTime, or an Option of one of these"
)]
pub trait Cell: Sized {
    /// Whether NULL is a value.
    const NULLABLE: bool = false;

    /// The type of the column.
    fn data_type() -> DataType;

    /// Whether a column of another type holds nothing but values of this one.
    fn accepts(data_type: &DataType) -> bool;

    /// A column of values; `None` is NULL.
    fn column<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef
    where
        Self: 'a;

    /// The values of a column whose type is accepted; NULL is `None`.
    fn read(column: &ArrayRef) -> Result<Vec<Option<Self>>>;

    /// What NULL is, if it is a value.
    fn null() -> Option<Self> {
        None
    }
}

impl<T: Cell> Cell for Option<T> {
    const NULLABLE: bool = true;

    fn data_type() -> DataType {
        T::data_type()
    }

    fn accepts(data_type: &DataType) -> bool {
        T::accepts(data_type)
    }

    fn column<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef
    where
        Self: 'a,
    {
        T::column(values.map(|value| value.and_then(Option::as_ref)))
    }

    fn read(column: &ArrayRef) -> Result<Vec<Option<Self>>> {
        Ok(T::read(column)?.into_iter().map(Some).collect())
    }

    fn null() -> Option<Self> {
        Some(None)
    }
}

/// Numbers: the column's values are the field's, and smaller types widen without loss.
macro_rules! number_cells {
    ($($rust:ty: $arrow:ty, $own:ident $(, $wider_than:ident)*;)*) => {$(
        impl Cell for $rust {
            fn data_type() -> DataType {
                DataType::$own
            }

            fn accepts(data_type: &DataType) -> bool {
                matches!(data_type, DataType::$own $(| DataType::$wider_than)*)
            }

            fn column<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef {
                Arc::new(values.map(Option::<&Self>::copied).collect::<PrimitiveArray<$arrow>>())
            }

            fn read(column: &ArrayRef) -> Result<Vec<Option<Self>>> {
                Ok(cast(column, &DataType::$own)?.as_primitive::<$arrow>().iter().collect())
            }
        }
    )*};
}

number_cells! {
    i8: Int8Type, Int8;
    i16: Int16Type, Int16, Int8, UInt8;
    i32: Int32Type, Int32, Int8, UInt8, Int16, UInt16;
    i64: Int64Type, Int64, Int8, UInt8, Int16, UInt16, Int32, UInt32;
    u8: UInt8Type, UInt8;
    u16: UInt16Type, UInt16, UInt8;
    u32: UInt32Type, UInt32, UInt8, UInt16;
    u64: UInt64Type, UInt64, UInt8, UInt16, UInt32;
    f32: Float32Type, Float32;
    f64: Float64Type, Float64, Float32;
}

impl Cell for bool {
    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn accepts(data_type: &DataType) -> bool {
        data_type == &DataType::Boolean
    }

    fn column<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef {
        Arc::new(values.map(Option::<&Self>::copied).collect::<BooleanArray>())
    }

    fn read(column: &ArrayRef) -> Result<Vec<Option<Self>>> {
        Ok(column.as_boolean().iter().collect())
    }
}

impl Cell for String {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn accepts(data_type: &DataType) -> bool {
        matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    }

    fn column<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef {
        Arc::new(values.collect::<StringArray>())
    }

    fn read(column: &ArrayRef) -> Result<Vec<Option<Self>>> {
        Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
    }
}

impl Cell for Vec<u8> {
    fn data_type() -> DataType {
        DataType::Binary
    }

    fn accepts(data_type: &DataType) -> bool {
        use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
        matches!(data_type, Binary | LargeBinary | BinaryView | FixedSizeBinary(_))
    }

    fn column<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef {
        Arc::new(values.collect::<BinaryArray>())
    }

    fn read(column: &ArrayRef) -> Result<Vec<Option<Self>>> {
        Ok(cast(column, &DataType::Binary)?.as_binary::<i32>().iter().map(|bytes| bytes.map(<[u8]>::to_vec)).collect())
    }
}

impl Cell for EventTime {
    fn data_type() -> DataType {
        DataType::Timestamp(TimeUnit::Nanosecond, None)
    }

    fn accepts(data_type: &DataType) -> bool {
        matches!(data_type, DataType::Timestamp(..) | DataType::Date32)
    }

    fn column<'a>(values: impl Iterator<Item = Option<&'a Self>>) -> ArrayRef {
        Arc::new(values.map(|time| time.map(|time| time.0)).collect::<PrimitiveArray<TimestampNanosecondType>>())
    }

    fn read(column: &ArrayRef) -> Result<Vec<Option<Self>>> {
        Ok(to_nanos(column.as_ref())?.iter().map(|nanos| nanos.map(EventTime)).collect())
    }
}
