//! Makes a typed column another type: each value is the same afterwards, or it is missing and told.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray, StructArray, make_array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_ord::cmp::not_distinct;
use arrow_schema::{DataType, Field, FieldRef, Fields, TimeUnit};
use arrow_select::nullif::nullif;
use laminar_core::{Error, Result};

use super::cell::{Cell, CellOptions};
use super::column::column_of;
use super::names::find_column;
use super::packed::{decode, shown, texts};
use super::type_name::type_name;

/// Values that are missing: the row, and the column's value and type as the end of a reason.
pub(super) type Faults = Vec<(usize, String)>;

/// Whether values of `have` can become `want` without a guess.
pub(super) fn can_become(have: &DataType, want: &DataType) -> bool {
    use DataType as D;
    let both_ways = || can_cast_types(have, want) && can_cast_types(want, have);
    match (have, want) {
        (D::List(have), D::List(want)) => can_become(have.data_type(), want.data_type()),
        (D::Struct(have), D::Struct(want)) => want
            .iter()
            .all(|field| member(have, field.name()).is_some_and(|index| can_become(have[index].data_type(), field.data_type()))),
        (D::Map(have, _), D::Map(want, _)) => match (pair(have), pair(want)) {
            (Some(have), Some(want)) => (0..2).all(|part| can_become(have[part].data_type(), want[part].data_type())),
            _ => false,
        },
        _ if have == want => true,
        (D::Utf8, D::Binary) | (D::Binary, D::Utf8) => true,
        (D::Utf8, _) => column_of(want, CellOptions::default()).is_ok(),
        (D::List(_) | D::Struct(_) | D::Map(..) | D::Binary, _) => false,
        (_, D::Utf8) => can_cast_types(have, want),
        _ if have.is_numeric() && want.is_numeric() => both_ways(),
        _ if is_instant(have) && is_instant(want) => both_ways(),
        (D::Time32(_) | D::Time64(_), D::Time32(_) | D::Time64(_)) => both_ways(),
        (D::Duration(_), D::Interval(_)) => can_cast_types(have, want),
        _ => false,
    }
}

fn is_instant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

fn member(fields: &Fields, name: &str) -> Option<usize> {
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    find_column(name, &names)
}

/// Key and value of a map.
fn pair(entries: &Field) -> Option<&Fields> {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => Some(fields),
        _ => None,
    }
}

/// The column as `wanted`. `plain` is what its layout stands for: twelve bytes may be a time. What does not fit is NULL.
pub(super) fn convert(column: &ArrayRef, plain: &DataType, wanted: &DataType) -> Result<(ArrayRef, Faults)> {
    use DataType as D;
    if column.data_type() == wanted && plain == wanted {
        return Ok((column.clone(), Faults::new()));
    }
    match (column.data_type(), plain, wanted) {
        (D::List(_), D::List(plain), D::List(item)) => convert_list(column.as_list(), plain, item),
        (D::Struct(have), D::Struct(plain), D::Struct(fields)) => convert_struct(column.as_struct(), have, plain, fields),
        (D::Map(..), D::Map(plain, _), D::Map(entries, sorted)) => convert_map(column.as_map(), plain, entries, *sorted),
        _ => convert_leaf(column, plain, wanted),
    }
}

fn convert_list(list: &ListArray, plain: &Field, item: &FieldRef) -> Result<(ArrayRef, Faults)> {
    let (values, offsets) = used(list.values(), list.offsets());
    let (values, faults) = convert(&values, plain.data_type(), item.data_type())?;
    let faults = rows_of(faults, &offsets, list.nulls());
    let list = ListArray::try_new(item.clone(), offsets, filled(values, item), list.nulls().cloned())?;
    Ok((Arc::new(list), faults))
}

fn convert_map(map: &MapArray, plain: &Field, entries: &FieldRef, sorted: bool) -> Result<(ArrayRef, Faults)> {
    let all: ArrayRef = Arc::new(map.entries().clone());
    let (all, offsets) = used(&all, map.offsets());
    let (Some(plain), Some(fields)) = (pair(plain), pair(entries)) else {
        return Err(Error::internal("a map without keys and values"));
    };
    // Keys and values go by position: writers have many names for them.
    let all = all.as_struct();
    let (mut parts, mut faults) = (Vec::new(), Faults::new());
    for ((part, plain), field) in all.columns().iter().zip(plain).zip(fields) {
        let (part, wrong) = convert(part, plain.data_type(), field.data_type())?;
        parts.push(filled(part, field));
        faults.extend(wrong);
    }
    let faults = rows_of(faults, &offsets, map.nulls());
    let all = StructArray::try_new(fields.clone(), parts, None)?;
    Ok((Arc::new(MapArray::try_new(entries.clone(), offsets, all, map.nulls().cloned(), sorted)?), faults))
}

fn convert_struct(column: &StructArray, have: &Fields, plain: &Fields, wanted: &Fields) -> Result<(ArrayRef, Faults)> {
    let (mut members, mut faults) = (Vec::with_capacity(wanted.len()), Faults::new());
    for field in wanted {
        let index = member(have, field.name()).ok_or_else(|| Error::internal("a struct has lost a member"))?;
        let (values, wrong) = convert(column.column(index), plain[index].data_type(), field.data_type())?;
        faults.extend(wrong.into_iter().map(|(row, reason)| (row, format!("member '{}': {reason}", field.name()))));
        members.push(filled(values, field));
    }
    // A member of a struct that is NULL has no value, whatever its bytes are.
    faults.retain(|(row, _)| column.is_valid(*row));
    Ok((Arc::new(StructArray::try_new(wanted.clone(), members, column.nulls().cloned())?), faults))
}

/// The values between the first and the last offset, with offsets that start at 0.
fn used(values: &ArrayRef, offsets: &OffsetBuffer<i32>) -> (ArrayRef, OffsetBuffer<i32>) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    if first == 0 && last as usize == values.len() {
        return (values.clone(), offsets.clone());
    }
    let lengths = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize);
    (values.slice(first as usize, (last - first) as usize), OffsetBuffer::from_lengths(lengths))
}

/// Faults of items as faults of their rows.
fn rows_of(faults: Faults, offsets: &OffsetBuffer<i32>, nulls: Option<&NullBuffer>) -> Faults {
    let row_of = |item: usize| offsets.partition_point(|offset| *offset as usize <= item) - 1;
    let rows = faults.into_iter().map(|(item, reason)| {
        let row = row_of(item);
        (row, format!("item {}: {reason}", item + 1 - offsets[row] as usize))
    });
    rows.filter(|(row, _)| nulls.is_none_or(|nulls| nulls.is_valid(*row))).collect()
}

/// Values that stand for missing ones where NULL is not allowed; their rows are refused.
fn filled(values: ArrayRef, field: &Field) -> ArrayRef {
    if field.is_nullable() || values.null_count() == 0 {
        return values;
    }
    match values.to_data().into_builder().nulls(None).build() {
        Ok(data) => make_array(data),
        Err(_) => values,
    }
}

fn convert_leaf(column: &ArrayRef, plain: &DataType, wanted: &DataType) -> Result<(ArrayRef, Faults)> {
    let (decoded, mut faults) = decode(column, plain, wanted)?;
    let values = match (decoded.data_type(), wanted) {
        (have, wanted) if have == wanted => decoded.clone(),
        (DataType::Utf8, wanted) if *wanted != DataType::Binary => {
            let (values, wrong) = parse(decoded.as_string(), wanted)?;
            faults.extend(wrong);
            return Ok((values, faults));
        }
        (DataType::Binary, DataType::Utf8) => texts(decoded.as_binary::<i32>().iter(), &mut faults)?,
        _ => cast_exactly(&decoded, wanted)?,
    };
    if values.null_count() > decoded.logical_null_count() {
        let kind = type_name(wanted);
        let had = decoded.logical_nulls();
        let lost = (0..values.len()).filter(|row| values.is_null(*row) && had.as_ref().is_none_or(|nulls| nulls.is_valid(*row)));
        faults.extend(lost.map(|row| (row, format!("{} does not fit {kind}", shown(&decoded, &DataType::Null, row)))));
    }
    Ok((values, faults))
}

/// Texts as values of `wanted`, read as they are read from text files.
fn parse(texts: &StringArray, wanted: &DataType) -> Result<(ArrayRef, Faults)> {
    let mut column = column_of(wanted, CellOptions::default())?;
    let mut faults = Faults::new();
    for (row, text) in texts.iter().enumerate() {
        let cell = text.map_or(Cell::Null, |text| Cell::Text(text.into()));
        if let Err(reason) = column.append(&cell) {
            faults.push((row, reason));
        }
    }
    let values = column.finish()?;
    if faults.is_empty() {
        return Ok((values, faults));
    }
    let mut wrong = vec![false; values.len()];
    faults.iter().for_each(|(row, _)| wrong[*row] = true);
    Ok((nullif(&values, &BooleanArray::from(wrong))?, faults))
}

/// The column as `wanted`, with NULL where a value would not be the same. Floating point is as near as it gets, as
/// everywhere; whatever else becomes a number, a time or a text is exact.
fn cast_exactly(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: true, ..Default::default() };
    let cast = cast_with_options(column, wanted, &options)?;
    if column.data_type().is_floating() {
        return match wanted {
            _ if wanted.is_integer() => only_where(&cast, as_doubles(column)?, |value, _| value.fract() == 0.0),
            DataType::Float32 => only_where(&cast, as_doubles(column)?, |value, row| {
                !value.is_finite() || cast.as_primitive::<Float32Type>().value(row).is_finite()
            }),
            _ if wanted.is_decimal() => {
                let back = as_doubles(&cast)?;
                only_where(&cast, as_doubles(column)?, |value, row| value == back.value(row))
            }
            _ => Ok(cast),
        };
    }
    if !may_lose(column.data_type(), wanted) {
        return Ok(cast);
    }
    let back = cast_with_options(&cast, column.data_type(), &options)?;
    let same = not_distinct(column, &back)?;
    if same.true_count() == same.len() {
        return Ok(cast);
    }
    Ok(nullif(&cast, &BooleanArray::new(!same.values(), None))?)
}

/// Whether a cast between these types cuts something off without a word.
fn may_lose(have: &DataType, want: &DataType) -> bool {
    use DataType as D;
    match (have, want) {
        (D::Timestamp(have, _), D::Timestamp(want, _)) => want < have,
        (D::Timestamp(..), D::Date32 | D::Date64) | (D::Date64, D::Date32 | D::Timestamp(TimeUnit::Second, _)) => true,
        (D::Time32(have) | D::Time64(have), D::Time32(want) | D::Time64(want)) => want < have,
        (have, want) => have.is_decimal() && (want.is_decimal() || want.is_integer()),
    }
}

fn as_doubles(column: &ArrayRef) -> Result<PrimitiveArray<Float64Type>> {
    let options = CastOptions { safe: true, ..Default::default() };
    Ok(cast_with_options(column, &DataType::Float64, &options)?.as_primitive::<Float64Type>().clone())
}

/// The values of `cast` whose origin satisfies `is_same`.
fn only_where(cast: &ArrayRef, before: PrimitiveArray<Float64Type>, is_same: impl Fn(f64, usize) -> bool) -> Result<ArrayRef> {
    let lost: BooleanArray = (0..before.len())
        .map(|row| Some(before.is_valid(row) && cast.is_valid(row) && !is_same(before.value(row), row)))
        .collect();
    Ok(if lost.true_count() == 0 { cast.clone() } else { nullif(cast, &lost)? })
}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int64Type;
    use arrow_array::{
        BinaryArray, Date64Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array, Int64Array,
        Time64NanosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    };

    use super::*;

    /// The values as `wanted`; what does not fit is told beside its NULL.
    fn check(column: impl Array + 'static, wanted: DataType, expected: &str) {
        let column: ArrayRef = Arc::new(column);
        let plain = column.data_type().clone();
        assert!(can_become(&plain, &wanted), "{plain} to {wanted}");
        let (values, faults) = convert(&column, &plain, &wanted).unwrap();
        assert_eq!(values.data_type(), &wanted);
        let fault = |row| faults.iter().find(|(fault, _)| *fault == row).map(|(_, reason)| format!("! {reason}"));
        let shown = (0..values.len()).map(|row| fault(row).unwrap_or_else(|| shown(&values, &wanted, row)));
        assert_eq!(shown.collect::<Vec<_>>().join(" | "), expected, "{plain} to {wanted}");
    }

    fn decimals(values: &[i128], precision: u8, scale: i8) -> Decimal128Array {
        Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap()
    }

    #[test]
    fn decimals_lose_no_digit() {
        use DataType as D;
        let d = || decimals(&[150, 200, -1, 0, 30_000], 10, 2);
        check(d(), D::Int64, "! 1.50 does not fit BIGINT | 2 | ! -0.01 does not fit BIGINT | 0 | 300");
        check(d(), D::Int8, "! 1.50 does not fit TINYINT | 2 | ! -0.01 does not fit TINYINT | 0 | ! 300.00 does not fit TINYINT");
        check(d(), D::UInt32, "! 1.50 does not fit INTEGER UNSIGNED | 2 | ! -0.01 does not fit INTEGER UNSIGNED | 0 | 300");
        check(d(), D::Decimal128(10, 1), "1.5 | 2.0 | ! -0.01 does not fit DECIMAL(10,1) | 0.0 | 300.0");
        check(d(), D::Decimal128(4, 2), "1.50 | 2.00 | -0.01 | 0.00 | ! 300.00 does not fit DECIMAL(4,2)");
        check(d(), D::Decimal128(20, 4), "1.5000 | 2.0000 | -0.0100 | 0.0000 | 300.0000");
        check(d(), D::Float64, "1.5 | 2.0 | -0.01 | 0.0 | 300.0");
        check(d(), D::Utf8, "1.50 | 2.00 | -0.01 | 0.00 | 300.00");
        let large = Decimal256Array::from(vec![Some(i128::MAX.into()), None, Some(7.into())]).with_precision_and_scale(76, 0);
        check(large.unwrap(), D::Int64, "! 170141183460469231731687303715884105727 does not fit BIGINT | NULL | 7");
    }

    #[test]
    fn numbers_fit_or_are_told() {
        use DataType as D;
        let i = || Int64Array::from(vec![Some(1), Some(300), Some(-1), None, Some(i64::MAX)]);
        check(i(), D::Int8, "1 | ! 300 does not fit TINYINT | -1 | NULL | ! 9223372036854775807 does not fit TINYINT");
        check(i(), D::UInt64, "1 | 300 | ! -1 does not fit BIGINT UNSIGNED | NULL | 9223372036854775807");
        check(
            i(),
            D::Decimal128(4, 2),
            "1.00 | ! 300 does not fit DECIMAL(4,2) | -1.00 | NULL | ! 9223372036854775807 does not fit DECIMAL(4,2)",
        );
        check(UInt64Array::from(vec![1, u64::MAX]), D::Int64, "1 | ! 18446744073709551615 does not fit BIGINT");
        check(UInt64Array::from(vec![1, u64::MAX]), D::Decimal128(20, 0), "1 | 18446744073709551615");
    }

    #[test]
    fn floating_point_is_whole_or_told_and_near_as_floating_point() {
        use DataType as D;
        let f = || Float64Array::from(vec![1.0, -0.0, 2.5, 1e300, f64::NAN]);
        check(f(), D::Int64, "1 | 0 | ! 2.5 does not fit BIGINT | ! 1e300 does not fit BIGINT | ! NaN does not fit BIGINT");
        check(f(), D::Float32, "1.0 | -0.0 | 2.5 | ! 1e300 does not fit REAL | NaN");
        check(
            f(),
            D::Decimal128(10, 1),
            "1.0 | 0.0 | 2.5 | ! 1e300 does not fit DECIMAL(10,1) | ! NaN does not fit DECIMAL(10,1)",
        );
        check(Float64Array::from(vec![0.1, 1.005]), D::Decimal128(10, 2), "0.10 | ! 1.005 does not fit DECIMAL(10,2)");
        check(Float32Array::from(vec![0.5]), D::Float64, "0.5");
    }

    #[test]
    fn times_are_not_cut() {
        use DataType as D;
        let ns = || TimestampNanosecondArray::from(vec![0, 1_000_000_000, 1_500, 86_400_000_000_000]);
        check(
            ns(),
            D::Timestamp(TimeUnit::Microsecond, None),
            "1970-01-01 00:00:00 | 1970-01-01 00:00:01 | ! 1970-01-01 00:00:00.000001500 does not fit TIMESTAMP | 1970-01-02 00:00:00",
        );
        check(
            ns(),
            D::Date32,
            "1970-01-01 | ! 1970-01-01 00:00:01 does not fit DATE | ! 1970-01-01 00:00:00.000001500 does not fit DATE | 1970-01-02",
        );
        let us = TimestampMicrosecondArray::from(vec![1, -62_135_596_800_000_000]);
        check(
            us,
            D::Timestamp(TimeUnit::Nanosecond, None),
            "1970-01-01 00:00:00.000001 | ! 0001-01-01 00:00:00 does not fit TIMESTAMP",
        );
        check(
            Time64NanosecondArray::from(vec![1_000, 1]),
            D::Time64(TimeUnit::Microsecond),
            "00:00:00.000001 | ! 00:00:00.000000001 does not fit TIME",
        );
        check(Date64Array::from(vec![86_400_000, 1]), D::Date32, "1970-01-02 | ! 1970-01-01T00:00:00.001 does not fit DATE");
    }

    #[test]
    fn texts_are_read_as_text_files_are() {
        use DataType as D;
        let t = || StringArray::from(vec![Some("1"), Some(" 2 "), Some("1.5"), Some("x"), None]);
        check(t(), D::Int64, "1 | 2 | ! '1.5' is not a BIGINT | ! 'x' is not a BIGINT | NULL");
        check(t(), D::Binary, "31 | 203220 | 312e35 | 78 | NULL");
        check(StringArray::from(vec!["2024-02-30", "2024-02-29"]), D::Date32, "! '2024-02-30' is not a DATE | 2024-02-29");
        check(BinaryArray::from(vec![&b"a"[..], b"\xff"]), D::Utf8, "a | ! not valid UTF-8");
    }

    #[test]
    fn items_and_members_are_told_with_their_row() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), Some(1 << 40)]),
            None,
            Some(vec![None, Some(2)]),
            Some(vec![]),
            Some(vec![Some(3), Some(4), Some(-1 << 40)]),
        ]);
        let wanted = DataType::List(Arc::new(Field::new("item", DataType::Int32, true)));
        check(
            list.clone(),
            wanted.clone(),
            "! item 2: 1099511627776 does not fit INTEGER | NULL | [, 2] | [] | ! item 3: -1099511627776 does not fit INTEGER",
        );
        check(list.slice(2, 3), wanted.clone(), "[, 2] | [] | ! item 3: -1099511627776 does not fit INTEGER");
        let xs = Arc::new(Field::new("Xs", list.data_type().clone(), true));
        let other = Arc::new(Field::new("y", DataType::Int64, true));
        let other_values: ArrayRef = Arc::new(Int64Array::from(vec![1; 5]));
        let both = StructArray::from(vec![(other, other_values), (xs, Arc::new(list) as ArrayRef)]);
        check(
            both.slice(2, 3),
            DataType::Struct([Arc::new(Field::new("xs", wanted, true))].into_iter().collect()),
            "{xs: [, 2]} | {xs: []} | ! member 'xs': item 3: -1099511627776 does not fit INTEGER",
        );
    }

    #[test]
    fn a_key_that_does_not_fit_is_told_though_keys_are_never_null() {
        let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 1 << 40]));
        let entries = |key: DataType| {
            let pair = [Field::new("key", key, false), Field::new("value", DataType::Int64, true)];
            Arc::new(Field::new("entries", DataType::Struct(pair.into_iter().map(Arc::new).collect()), false))
        };
        let DataType::Struct(fields) = entries(DataType::Int64).data_type().clone() else { return };
        let all = StructArray::new(fields, vec![keys.clone(), keys], None);
        let map = MapArray::new(entries(DataType::Int64), OffsetBuffer::from_lengths([1, 1]), all, None, false);
        check(map, DataType::Map(entries(DataType::Int32), false), "{1: 1} | ! item 1: 1099511627776 does not fit INTEGER");
    }

    #[test]
    fn what_needs_a_guess_is_no_conversion() {
        use DataType as D;
        let timestamp = || D::Timestamp(TimeUnit::Nanosecond, None);
        let list = |item| D::List(Arc::new(Field::new("item", item, true)));
        let pairs = [
            (D::Int64, timestamp()),
            (timestamp(), D::Int64),
            (D::Int64, D::Binary),
            (D::Int64, list(D::Int64)),
            (list(D::Int64), D::Utf8),
            (D::Boolean, D::Int64),
            (D::Int64, D::Boolean),
            (D::Int64, D::Interval(arrow_schema::IntervalUnit::MonthDayNano)),
            (D::Int64, D::Time64(TimeUnit::Nanosecond)),
            (timestamp(), D::Time64(TimeUnit::Nanosecond)),
            (list(D::Int64), list(timestamp())),
        ];
        for (have, want) in pairs {
            assert!(!can_become(&have, &want), "{have} to {want}");
        }
        assert!(can_become(&list(D::Int64), &list(D::Int32)) && can_become(&D::Float64, &D::Float32));
    }
}
