//! The order of stored rows: some columns decide first, each in its direction, and all others break ties.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, RecordBatch, downcast_primitive};
use arrow_schema::{DataType, SchemaRef};

use super::key_prefix::{self, KeyPrefix};
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
        self.compare_by(0..keys, left, right)
    }

    /// Compares two rows by the deciding columns from `first` on.
    pub(crate) fn compare_from(&self, first: usize, left: RowAt<'_>, right: RowAt<'_>) -> Ordering {
        self.compare_by(first..self.keys.len(), left, right)
    }

    /// Compares two rows by some deciding columns.
    pub(crate) fn compare_by(&self, keys: Range<usize>, left: RowAt<'_>, right: RowAt<'_>) -> Ordering {
        self.keys[keys].iter().map(|key| key.compare(left, right)).find(|found| found.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// The prefixes of some deciding columns of all rows of a batch.
    pub(crate) fn prefixes(&self, keys: Range<usize>, rows: &RecordBatch) -> Vec<KeyPrefix> {
        let mut prefixes = vec![KeyPrefix::default(); rows.num_rows()];
        self.extend_prefixes(&mut prefixes, keys, rows);
        prefixes
    }

    /// Adds some more deciding columns of all rows of a batch to their prefixes.
    pub(crate) fn extend_prefixes(&self, prefixes: &mut [KeyPrefix], keys: Range<usize>, rows: &RecordBatch) {
        for OrderKey { sort, .. } in &self.keys[keys] {
            key_prefix::extend(prefixes, rows.column(sort.column), 0, sort.direction);
        }
    }

    /// The prefix of some deciding columns of one row.
    pub(crate) fn prefix(&self, keys: Range<usize>, (rows, row): RowAt<'_>) -> KeyPrefix {
        let mut prefix = KeyPrefix::default();
        for OrderKey { sort, .. } in &self.keys[keys] {
            key_prefix::extend(std::slice::from_mut(&mut prefix), rows.column(sort.column), row, sort.direction);
        }
        prefix
    }

    /// `prefix` with a value behind it that stands where the deciding column `key` does.
    pub(crate) fn prefix_with(&self, mut prefix: KeyPrefix, key: usize, (values, row): (&ArrayRef, usize)) -> KeyPrefix {
        key_prefix::extend(std::slice::from_mut(&mut prefix), values, row, self.keys[key].sort.direction);
        prefix
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
pub(super) fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray, StringViewArray};
    use arrow_schema::{Field, Schema};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const ROWS: usize = 60;

    fn number(rng: &mut StdRng) -> i64 {
        match rng.random_range(0..6) {
            0 => 0,
            1 => rng.random(),
            2 => [i64::MIN, i64::MAX, -1, -256, 255, 256][rng.random_range(0..6)],
            _ => rng.random_range(-3..3) << rng.random_range(0..60),
        }
    }

    fn text(rng: &mut StdRng) -> String {
        let long = if rng.random_bool(0.1) { "the same long beginning" } else { "" };
        let letters = ["\0", "\u{1}", "a", "b", "ÿ"];
        (0..rng.random_range(0..4)).fold(long.to_owned(), |text, _| text + letters[rng.random_range(0..letters.len())])
    }

    fn column(rng: &mut StdRng) -> ArrayRef {
        let nulls = rng.random_bool(0.5);
        let some = |rng: &mut StdRng| !nulls || rng.random_bool(0.8);
        macro_rules! array {
            ($array:ty, $value:expr) => {
                Arc::new((0..ROWS).map(|_| some(rng).then(|| $value(rng))).collect::<$array>()) as ArrayRef
            };
        }
        let float = |rng: &mut StdRng| match rng.random_range(0..5) {
            0 => [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY][rng.random_range(0..6)],
            _ => number(rng) as f64 / 8.0,
        };
        match rng.random_range(0..8) {
            0 | 1 => array!(Int64Array, number),
            2 => array!(Float64Array, float),
            3 => array!(BooleanArray, |rng: &mut StdRng| rng.random_bool(0.5)),
            4 => array!(StringArray, text),
            5 => array!(StringViewArray, text),
            6 => array!(BinaryArray, |rng: &mut StdRng| text(rng).into_bytes()),
            _ => array!(Decimal128Array, |rng: &mut StdRng| i128::from(number(rng)) << rng.random_range(0..60)),
        }
    }

    /// What a prefix says is what the values say.
    fn check(seed: u64) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let columns: Vec<ArrayRef> = (0..rng.random_range(1..4)).map(|_| column(rng)).collect();
        let field = |(at, column): (usize, &ArrayRef)| Field::new(at.to_string(), column.data_type().clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>()));
        let rows = RecordBatch::try_new(schema.clone(), columns).unwrap();
        let direction = |rng: &mut StdRng| SortDirection { descending: rng.random(), nulls_first: rng.random() };
        let sort: Vec<SortKey> = (0..rows.num_columns()).map(|column| SortKey { column, direction: direction(rng) }).collect();
        let order = RowOrder::new(&schema, &sort).unwrap();
        let prefixes = order.prefixes(0..order.len(), &rows);
        for (left, right) in (0..ROWS).flat_map(|left| (0..ROWS).map(move |right| (left, right))) {
            let [a, b] = [left, right].map(|row| (&rows, row));
            for keys in 1..=order.len() {
                let (expected, prefix) = (order.compare(keys, a, b), order.prefix(0..keys, b));
                match prefix.range().compare(prefixes[left].bits()) {
                    Some(found) => assert_eq!(found, expected, "seed {seed}: rows {left} and {right} by {keys} columns"),
                    None => assert!(!prefix.is_whole()),
                }
            }
            assert_eq!(order.prefix(0..order.len(), a).bits(), prefixes[left].bits());
        }
    }

    #[test]
    fn prefixes_order_as_the_rows_do() {
        (0..400).for_each(check);
    }

    #[test]
    fn some_usual_columns_are_whole_within_a_prefix() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![99_999])),
            Arc::new(Int64Array::from(vec![1_700_000_000_000_000_000])),
            Arc::new(StringArray::from(vec![""])),
        ];
        let field = |column: &ArrayRef| Field::new("x", column.data_type().clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let rows = RecordBatch::try_new(schema.clone(), columns).unwrap();
        let order = RowOrder::new(&schema, &[]).unwrap();
        assert!(order.prefix(0..3, (&rows, 0)).is_whole());
    }
}
