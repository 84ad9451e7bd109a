//! The order of stored rows: some columns decide first, each in its direction, and all others break ties.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, RecordBatch, downcast_primitive};
use arrow_schema::{DataType, SchemaRef};

use crate::Result;
use crate::changelog::RowKeys;
use crate::expr::{SortDirection, SortKey};

/// A total order: rows that are equal in it are equal as keys (NULL = NULL, −0.0 = 0.0, NaN = NaN, which is greater than all numbers).
#[derive(Debug, Clone)]
pub(crate) struct RowOrder {
    keys: Vec<OrderKey>,
}

#[derive(Debug, Clone)]
struct OrderKey {
    sort: SortKey,
    /// For types that are compared as bytes.
    encoding: Option<std::sync::Arc<RowKeys>>,
}

/// A row of a batch.
pub(crate) type RowAt<'a> = (&'a RecordBatch, usize);

impl RowOrder {
    /// The order of rows of `schema` by `first`, then by all other columns.
    pub(crate) fn new(schema: &SchemaRef, first: &[SortKey]) -> Result<Self> {
        let is_new = |column: &usize| first.iter().all(|key| key.column != *column);
        let rest = (0..schema.fields().len()).filter(is_new);
        let rest = rest.map(|column| SortKey { column, direction: SortDirection::ASCENDING });
        let key = |sort: SortKey| Ok(OrderKey { sort, encoding: encoding(schema.field(sort.column).data_type())? });
        Ok(Self { keys: first.iter().copied().chain(rest).map(key).collect::<Result<_>>()? })
    }

    /// How many columns decide.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Compares two rows by the first `keys` of the deciding columns.
    pub(crate) fn compare(&self, keys: usize, left: RowAt<'_>, right: RowAt<'_>) -> Ordering {
        self.keys[..keys].iter().map(|key| key.compare(left, right)).find(|found| found.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Compares the deciding column `key` of a row with a value of the same type.
    pub(crate) fn compare_with(&self, key: usize, left: RowAt<'_>, value: (&ArrayRef, usize)) -> Ordering {
        let OrderKey { sort, encoding } = &self.keys[key];
        compare(sort.direction, encoding.as_deref(), (left.0.column(sort.column), left.1), value)
    }
}

impl OrderKey {
    fn compare(&self, left: RowAt<'_>, right: RowAt<'_>) -> Ordering {
        let column = self.sort.column;
        let (left, right) = ((left.0.column(column), left.1), (right.0.column(column), right.1));
        compare(self.sort.direction, self.encoding.as_deref(), left, right)
    }
}

/// How values that no kernel compares one by one are compared; `None` for all others.
fn encoding(data_type: &DataType) -> Result<Option<std::sync::Arc<RowKeys>>> {
    let special = data_type.is_nested() || matches!(data_type, DataType::Dictionary(..) | DataType::RunEndEncoded(..));
    let encoding = RowKeys::new(std::slice::from_ref(data_type))?;
    Ok(special.then(|| std::sync::Arc::new(encoding)))
}

type ValueAt<'a> = (&'a ArrayRef, usize);

fn compare(direction: SortDirection, encoding: Option<&RowKeys>, left: ValueAt<'_>, right: ValueAt<'_>) -> Ordering {
    let null_is = if direction.nulls_first { Ordering::Less } else { Ordering::Greater };
    let is_null = |(column, row): ValueAt<'_>| column.data_type() == &DataType::Null || column.is_null(row);
    match (is_null(left), is_null(right)) {
        (true, true) => Ordering::Equal,
        (true, false) => null_is,
        (false, true) => null_is.reverse(),
        (false, false) => {
            let ascending = match encoding {
                Some(encoding) => compare_encoded(encoding, left, right),
                None => compare_values(left, right),
            };
            if direction.descending { ascending.reverse() } else { ascending }
        }
    }
}

fn compare_encoded(encoding: &RowKeys, left: ValueAt<'_>, right: ValueAt<'_>) -> Ordering {
    let encode = |(column, row): ValueAt<'_>| encoding.encode(&[column.slice(row, 1)], 1);
    match (encode(left), encode(right)) {
        (Ok(left), Ok(right)) => left.row(0).cmp(&right.row(0)),
        _ => unreachable!("the type was encoded before"),
    }
}

macro_rules! compare_primitive {
    ($t:ty, $left:ident, $right:ident) => {
        $left.0.as_primitive::<$t>().value($left.1).compare($right.0.as_primitive::<$t>().value($right.1))
    };
}

/// Two values that are not NULL, ascending.
fn compare_values(left: ValueAt<'_>, right: ValueAt<'_>) -> Ordering {
    macro_rules! of {
        ($($as:tt)+) => {
            left.0.$($as)+().value(left.1).cmp(right.0.$($as)+().value(right.1))
        };
    }
    macro_rules! float {
        ($t:ty) => {
            canonical(left.0.as_primitive::<$t>().value(left.1).into())
                .total_cmp(&canonical(right.0.as_primitive::<$t>().value(right.1).into()))
        };
    }
    match left.0.data_type() {
        DataType::Float16 => float!(Float16Type),
        DataType::Float32 => float!(Float32Type),
        DataType::Float64 => float!(Float64Type),
        DataType::Boolean => left.0.as_boolean().value(left.1).cmp(&right.0.as_boolean().value(right.1)),
        DataType::Utf8 => of!(as_string::<i32>),
        DataType::LargeUtf8 => of!(as_string::<i64>),
        DataType::Utf8View => of!(as_string_view),
        DataType::Binary => of!(as_binary::<i32>),
        DataType::LargeBinary => of!(as_binary::<i64>),
        DataType::BinaryView => of!(as_binary_view),
        DataType::FixedSizeBinary(_) => of!(as_fixed_size_binary),
        _ => compare_primitives(left, right),
    }
}

fn compare_primitives(left: ValueAt<'_>, right: ValueAt<'_>) -> Ordering {
    downcast_primitive! {
        left.0.data_type() => (compare_primitive, left, right),
        other => unreachable!("values of type {other} are compared as bytes"),
    }
}

/// The one float among those that are equal as keys.
fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}
