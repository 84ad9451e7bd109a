//! Every function computed from scratch, in whole numbers and in the plainest way.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use laminar_core::Result;
use laminar_core::expr::Column;
use laminar_core::operator::aggregate::{AggregateCall, BatchAggregate, Replayed, SortDirection, native};

use super::history::{Row, schema};

/// A value that a function must give.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expected {
    Null,
    Text(String),
    /// To 1e-9 of itself.
    Near(f64),
}

impl Expected {
    /// Whether `value`, as text, is this value; NULL is no text.
    pub(super) fn is(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Expected::Null, value) => value.is_none(),
            (Expected::Text(expected), value) => value == Some(expected),
            (Expected::Near(expected), value) => value
                .and_then(|text| text.parse::<f64>().ok())
                .is_some_and(|value| (value - expected).abs() <= 1e-9 * expected.abs()),
        }
    }
}

/// A function under test with its model.
pub(super) struct Tested {
    pub(super) call: AggregateCall,
    model: fn(&[(&Row, i64)]) -> Expected,
    filtered: bool,
}

impl Tested {
    /// The value for these rows of one group.
    pub(super) fn expected(&self, rows: &[(&Row, i64)]) -> Expected {
        match self.filtered {
            true => (self.model)(&rows.iter().copied().filter(|(row, _)| row.flag == Some(true)).collect::<Vec<_>>()),
            false => (self.model)(rows),
        }
    }
}

const ASCENDING: SortDirection = SortDirection { descending: false, nulls_first: false };
const DESCENDING_NULLS_FIRST: SortDirection = SortDirection { descending: true, nulls_first: true };
const DESCENDING: SortDirection = SortDirection { descending: true, nulls_first: false };

fn tested(
    name: &str,
    args: &[&str],
    ordering: &[SortDirection],
    distinct: bool,
    model: fn(&[(&Row, i64)]) -> Expected,
) -> Tested {
    let schema = schema();
    let args: Vec<_> = args.iter().map(|arg| Column::new(&schema, schema.index_of(arg).unwrap())).collect();
    let types: Vec<_> = args.iter().map(|arg| arg.data_type().clone()).collect();
    let function = native(name, &types, ordering, distinct).unwrap().unwrap_or_else(|| panic!("{name} is not native"));
    let name = format!("{name} {types:?} {distinct}");
    Tested { call: AggregateCall { function, args, filter: None, name }, model, filtered: false }
}

fn with_filter(mut tested: Tested) -> Tested {
    tested.call.filter = Some(Column::new(&schema(), schema().index_of("b").unwrap()));
    tested.filtered = true;
    tested
}

/// Joins texts with commas: the order and number of the rows show in the result.
#[derive(Debug)]
struct Join;

impl BatchAggregate for Join {
    fn evaluate(&self, args: &[ArrayRef]) -> Result<ArrayRef> {
        let texts: Vec<&str> = args[0].as_string::<i32>().iter().map(|text| text.unwrap_or("NULL")).collect();
        Ok(Arc::new(StringArray::from(vec![(!texts.is_empty()).then(|| texts.join(","))])))
    }
}

fn joined(distinct: bool, model: fn(&[(&Row, i64)]) -> Expected) -> Tested {
    let (schema, types) = (schema(), [DataType::Utf8, DataType::Int64]);
    let function = Replayed::new("join", DataType::Utf8, &types, &[DESCENDING_NULLS_FIRST], distinct, Arc::new(Join)).unwrap();
    let args = ["s", "i"].map(|arg| Column::new(&schema, schema.index_of(arg).unwrap())).to_vec();
    let name = format!("join {distinct}");
    let call = AggregateCall { function: Arc::new(function), args, filter: None, name };
    Tested { call, model, filtered: false }
}

/// All functions.
pub(super) fn all() -> Vec<Tested> {
    let mut all = vec![
        tested("count", &[], &[], false, |rows| whole(rows.iter().map(|(_, weight)| i128::from(*weight)).sum())),
        tested("count", &["i"], &[], false, |rows| whole(values(rows, int).count())),
        tested("count", &["i", "s"], &[], false, |rows| {
            whole(values(rows, |row| row.int.filter(|_| row.text.is_some()).map(i128::from)).count())
        }),
        with_filter(tested("count", &[], &[], false, |rows| whole(rows.iter().map(|(_, weight)| i128::from(*weight)).sum()))),
        tested("sum", &["i"], &[], false, |rows| some(values(rows, int), |values| whole(values.sum()))),
        with_filter(tested("sum", &["i"], &[], false, |rows| some(values(rows, int), |values| whole(values.sum())))),
        tested("sum", &["f"], &[], false, |rows| some(values(rows, float), |values| near(values.sum(), 4))),
        tested("sum", &["d"], &[], false, |rows| some(values(rows, decimal), |values| scaled(values.sum(), 2))),
        tested("avg", &["i"], &[], false, |rows| some(values(rows, int), |values| near(values.sum(), values.count()))),
        tested("avg", &["f"], &[], false, |rows| some(values(rows, float), |values| near(values.sum(), 4 * values.count()))),
        tested("avg", &["d"], &[], false, |rows| {
            some(values(rows, decimal), |values| scaled(values.sum() * 10_000 / values.count(), 6))
        }),
        tested("min", &["i"], &[], false, |rows| some(values(rows, int), |values| whole(values.min()))),
        tested("max", &["i"], &[], false, |rows| some(values(rows, int), |values| whole(values.max()))),
        tested("min", &["f"], &[], false, |rows| some(values(rows, float), |values| near(values.min(), 4))),
        tested("max", &["d"], &[], false, |rows| some(values(rows, decimal), |values| scaled(values.max(), 2))),
        tested("min", &["s"], &[], false, |rows| text(rows.iter().filter_map(|(row, _)| row.text.as_ref()).min())),
        tested("max", &["s"], &[], false, |rows| text(rows.iter().filter_map(|(row, _)| row.text.as_ref()).max())),
        with_filter(tested("max", &["i"], &[], true, |rows| some(values(rows, int), |values| whole(values.max())))),
        tested("first_value", &["i"], &[], false, |rows| int_of(rows.iter().min_by(|a, b| nulls_last(a.0.int, b.0.int)))),
        tested("first_value", &["i", "t"], &[ASCENDING], false, |rows| int_of(rows.iter().min_by(|a, b| by_time(a.0, b.0)))),
        tested("last_value", &["i", "t"], &[ASCENDING], false, |rows| int_of(rows.iter().max_by(|a, b| by_time(a.0, b.0)))),
        tested("last_value", &["i", "s", "t"], &[DESCENDING_NULLS_FIRST, DESCENDING], false, |rows| {
            int_of(rows.iter().max_by(|a, b| by_text_and_time(a.0, b.0)))
        }),
        tested("count", &["i"], &[], true, |rows| whole(distinct(rows, int).count())),
        tested("sum", &["f"], &[], true, |rows| some(distinct(rows, float), |values| near(values.sum(), 4))),
        tested("avg", &["d"], &[], true, |rows| {
            some(distinct(rows, decimal), |values| scaled(values.sum() * 10_000 / values.count(), 6))
        }),
        with_filter(tested("count", &["s", "i"], &[], true, |rows| {
            let pairs = rows.iter().filter_map(|(row, _)| Some((row.text.as_ref()?, row.int?)));
            whole(pairs.collect::<BTreeSet<_>>().len() as i128)
        })),
        tested("var_samp", &["f"], &[], false, |rows| variance(values(rows, float), true, false)),
        tested("var_pop", &["f"], &[], false, |rows| variance(values(rows, float), false, false)),
        tested("stddev", &["f"], &[], false, |rows| variance(values(rows, float), true, true)),
        tested("stddev_pop", &["f"], &[], true, |rows| variance(distinct(rows, float), false, true)),
        tested("bool_and", &["b"], &[], false, |rows| boolean(rows, |flags| !flags.contains(&false))),
        tested("bool_or", &["b"], &[], false, |rows| boolean(rows, |flags| flags.contains(&true))),
        tested("bit_and", &["i"], &[], false, |rows| bits(values(rows, int), |a, b| a & b)),
        tested("bit_or", &["i"], &[], false, |rows| bits(values(rows, int), |a, b| a | b)),
        tested("bit_xor", &["i"], &[], false, |rows| bits(values(rows, int), |a, b| a ^ b)),
    ];
    all.push(joined(false, |rows| join(rows, |weight| weight as usize)));
    all.push(joined(true, |rows| join(rows, |_| 1)));
    all
}

/// The values of a group with their weights.
struct Values(Vec<(i128, i64)>);

impl Values {
    fn count(&self) -> i128 {
        self.0.iter().map(|(_, weight)| i128::from(*weight)).sum()
    }

    fn sum(&self) -> i128 {
        self.0.iter().map(|(value, weight)| value * i128::from(*weight)).sum()
    }

    fn min(&self) -> i128 {
        self.0.iter().map(|(value, _)| *value).min().unwrap()
    }

    fn max(&self) -> i128 {
        self.0.iter().map(|(value, _)| *value).max().unwrap()
    }
}

fn int(row: &Row) -> Option<i128> {
    row.int.map(i128::from)
}

fn float(row: &Row) -> Option<i128> {
    row.float.map(i128::from)
}

fn decimal(row: &Row) -> Option<i128> {
    row.decimal
}

fn values(rows: &[(&Row, i64)], value: fn(&Row) -> Option<i128>) -> Values {
    Values(rows.iter().filter_map(|(row, weight)| Some((value(row)?, *weight))).collect())
}

fn distinct(rows: &[(&Row, i64)], value: fn(&Row) -> Option<i128>) -> Values {
    let values: BTreeSet<i128> = rows.iter().filter_map(|(row, _)| value(row)).collect();
    Values(values.into_iter().map(|value| (value, 1)).collect())
}

fn some(values: Values, result: impl FnOnce(&Values) -> Expected) -> Expected {
    if values.0.is_empty() { Expected::Null } else { result(&values) }
}

fn whole(value: i128) -> Expected {
    Expected::Text(value.to_string())
}

fn near(numerator: i128, denominator: i128) -> Expected {
    Expected::Near(numerator as f64 / denominator as f64)
}

fn scaled(value: i128, scale: u32) -> Expected {
    let (sign, one) = (if value < 0 { "-" } else { "" }, 10u128.pow(scale));
    let value = value.unsigned_abs();
    Expected::Text(format!("{sign}{}.{:0width$}", value / one, value % one, width = scale as usize))
}

fn text(value: Option<&String>) -> Expected {
    value.map_or(Expected::Null, |text| Expected::Text(text.clone()))
}

fn int_of(row: Option<&(&Row, i64)>) -> Expected {
    row.and_then(|(row, _)| int(row)).map_or(Expected::Null, whole)
}

fn nulls_last<T: Ord>(a: Option<T>, b: Option<T>) -> Ordering {
    (a.is_none(), a).cmp(&(b.is_none(), b))
}

fn by_time(a: &Row, b: &Row) -> Ordering {
    nulls_last(a.time, b.time).then(nulls_last(a.int, b.int))
}

fn by_text_and_time(a: &Row, b: &Row) -> Ordering {
    // Descending with NULLs first is the reverse of ascending with NULLs last.
    let descending_nulls_last = |a: Option<i64>, b: Option<i64>| (a.is_none(), b).cmp(&(b.is_none(), a));
    nulls_last(b.text.as_ref(), a.text.as_ref()).then(descending_nulls_last(a.time, b.time)).then(nulls_last(a.int, b.int))
}

/// In quarters: (n Σx² − (Σx)²) / (n · divisor) / 16, whole numbers up to the division.
fn variance(values: Values, sample: bool, root: bool) -> Expected {
    let count = values.count();
    let divisor = if sample { count - 1 } else { count };
    if divisor <= 0 {
        return Expected::Null;
    }
    let squares: i128 = values.0.iter().map(|(value, weight)| value * value * i128::from(*weight)).sum();
    let numerator = count * squares - values.sum() * values.sum();
    let variance = numerator as f64 / (count * divisor * 16) as f64;
    Expected::Near(if root { variance.sqrt() } else { variance })
}

fn boolean(rows: &[(&Row, i64)], result: fn(&[bool]) -> bool) -> Expected {
    let flags: Vec<bool> = rows.iter().filter_map(|(row, _)| row.flag).collect();
    if flags.is_empty() { Expected::Null } else { Expected::Text(result(&flags).to_string()) }
}

fn bits(values: Values, operation: fn(i64, i64) -> i64) -> Expected {
    let repeated = values.0.iter().flat_map(|(value, weight)| std::iter::repeat_n(*value as i64, *weight as usize));
    repeated.reduce(operation).map_or(Expected::Null, |bits| whole(bits.into()))
}

fn join(rows: &[(&Row, i64)], times: fn(i64) -> usize) -> Expected {
    // Rows that differ elsewhere only are the same argument row.
    let mut pairs: Vec<(&Row, i64)> = rows.to_vec();
    pairs.sort_by(|(a, _), (b, _)| nulls_last(b.int, a.int).then(nulls_last(a.text.as_ref(), b.text.as_ref())));
    let mut texts = Vec::new();
    for same in pairs.chunk_by(|(a, _), (b, _)| (a.int, &a.text) == (b.int, &b.text)) {
        let weight: i64 = same.iter().map(|(_, weight)| weight).sum();
        texts.extend(std::iter::repeat_n(same[0].0.text.as_deref().unwrap_or("NULL"), times(weight)));
    }
    if texts.is_empty() { Expected::Null } else { Expected::Text(texts.join(",")) }
}

/// Column values as text; NULL is no text. Floats are written so that they come back to the bit.
pub(super) fn texts(column: &ArrayRef) -> Vec<Option<String>> {
    if let Some(floats) = column.as_primitive_opt::<arrow_array::types::Float64Type>() {
        return floats.iter().map(|value| value.map(|value| format!("{value:?}"))).collect();
    }
    let text = |row| arrow_cast::display::array_value_to_string(column, row).unwrap();
    (0..column.len()).map(|row| column.is_valid(row).then(|| text(row))).collect()
}
