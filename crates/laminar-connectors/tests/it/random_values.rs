//! Random types, and columns of random values in which the awkward ones are common.

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray, StructArray,
};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use rand::RngExt;
use rand::rngs::StdRng;

/// What a format can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limits {
    /// Everything.
    Text,
    /// No intervals, and no seconds that milliseconds do not reach.
    Parquet,
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "x",
    "a,b",
    "say \"hi\"",
    "\"",
    "'",
    "it's",
    "two\nlines",
    "cr\rlf\r\n",
    "\r",
    "\n",
    "\0",
    "\u{e9}\u{1F600}",
    "NULL",
    "null",
    "NA",
    "\\N",
    "\\",
    "\\x00",
    "{\"a\":1}",
    "[1, null]",
    "true",
    "1",
    "007",
    "\u{feff}x",
    "a;b\tc|d",
    "#x",
    "\u{2028}",
    "NaN",
];

/// A random type; `depth` is how deep lists, structs and maps may stand in each other.
pub(crate) fn random_type(random: &mut StdRng, limits: Limits, depth: u32) -> DataType {
    use DataType as D;
    let field = |random: &mut StdRng, name: &str| Field::new(name, random_type(random, limits, depth - 1), true);
    let units = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
    match random.random_range(0..if depth > 0 { 28 } else { 22 }) {
        0 => D::Boolean,
        1 => [D::Int8, D::Int16, D::Int32][random.random_range(0..3)].clone(),
        2 => D::Int64,
        3 => [D::UInt8, D::UInt16, D::UInt32, D::UInt64][random.random_range(0..4)].clone(),
        4 => D::Float32,
        5 | 6 => D::Float64,
        7 | 8 => {
            let precision = [1, 9, 18, 38][random.random_range(0..4)];
            D::Decimal128(precision, random.random_range(0..=precision) as i8)
        }
        9..=12 => D::Utf8,
        13 => D::Binary,
        14 => D::Date32,
        15 => D::Time64([TimeUnit::Microsecond, TimeUnit::Nanosecond][random.random_range(0..2)]),
        16..=18 => D::Timestamp(units[random.random_range(0..4)], None),
        19 | 20 => D::Timestamp(units[random.random_range(0..4)], Some("+00:00".into())),
        21 if limits == Limits::Text => D::Interval(IntervalUnit::MonthDayNano),
        21 => D::Utf8,
        22..=24 => D::List(Arc::new(field(random, "item"))),
        25 | 26 => D::Struct(vec![field(random, "x"), field(random, "X"), field(random, "a \"b\"")].into()),
        _ => {
            let key = Field::new("key", random_type(random, limits, 0), false);
            let entries = D::Struct(vec![key, field(random, "value")].into());
            D::Map(Arc::new(Field::new("entries", entries, false)), false)
        }
    }
}

/// `rows` values of a type, some of them NULL if that is allowed.
pub(crate) fn random_array(random: &mut StdRng, limits: Limits, data_type: &DataType, nullable: bool, rows: usize) -> ArrayRef {
    use DataType as D;
    let valid: Vec<bool> = (0..rows).map(|_| !nullable || random.random_bool(0.8)).collect();
    let nulls = NullBuffer::from(valid.clone());
    let millis_max = i64::MAX / 1000;
    match data_type {
        D::Boolean => Arc::new(valid.iter().map(|valid| valid.then(|| random.random())).collect::<BooleanArray>()),
        D::Int8 => primitive::<Int8Type>(data_type, &valid, || whole(random) as i8),
        D::Int16 => primitive::<Int16Type>(data_type, &valid, || whole(random) as i16),
        D::Int32 => primitive::<Int32Type>(data_type, &valid, || whole(random) as i32),
        D::Int64 => primitive::<Int64Type>(data_type, &valid, || whole(random)),
        D::UInt8 => primitive::<UInt8Type>(data_type, &valid, || whole(random) as u8),
        D::UInt16 => primitive::<UInt16Type>(data_type, &valid, || whole(random) as u16),
        D::UInt32 => primitive::<UInt32Type>(data_type, &valid, || whole(random) as u32),
        D::UInt64 => primitive::<UInt64Type>(data_type, &valid, || whole(random) as u64),
        D::Float32 => primitive::<Float32Type>(data_type, &valid, || float(random) as f32),
        D::Float64 => primitive::<Float64Type>(data_type, &valid, || float(random)),
        D::Decimal128(precision, _) => {
            let limit = 10_i128.pow(u32::from(*precision));
            primitive::<Decimal128Type>(data_type, &valid, || decimal(random, limit))
        }
        D::Date32 => primitive::<Date32Type>(data_type, &valid, || whole(random) as i32),
        D::Time64(TimeUnit::Microsecond) => {
            primitive::<Time64MicrosecondType>(data_type, &valid, || whole(random).rem_euclid(86_400_000_000))
        }
        D::Time64(_) => primitive::<Time64NanosecondType>(data_type, &valid, || whole(random).rem_euclid(86_400_000_000_000)),
        D::Timestamp(TimeUnit::Second, _) if limits == Limits::Parquet => {
            primitive::<TimestampSecondType>(data_type, &valid, || moment(random).clamp(-millis_max, millis_max))
        }
        D::Timestamp(TimeUnit::Second, _) => primitive::<TimestampSecondType>(data_type, &valid, || moment(random)),
        D::Timestamp(TimeUnit::Millisecond, _) => primitive::<TimestampMillisecondType>(data_type, &valid, || moment(random)),
        D::Timestamp(TimeUnit::Microsecond, _) => primitive::<TimestampMicrosecondType>(data_type, &valid, || moment(random)),
        D::Timestamp(TimeUnit::Nanosecond, _) => primitive::<TimestampNanosecondType>(data_type, &valid, || moment(random)),
        D::Interval(_) => primitive::<IntervalMonthDayNanoType>(data_type, &valid, || interval(random)),
        D::Utf8 => Arc::new(valid.iter().map(|valid| valid.then(|| text(random))).collect::<StringArray>()),
        D::Binary => Arc::new(valid.iter().map(|valid| valid.then(|| bytes(random))).collect::<BinaryArray>()),
        D::List(item) => {
            let lengths: Vec<usize> = valid.iter().map(|valid| if *valid { random.random_range(0..4) } else { 0 }).collect();
            let items = random_array(random, limits, item.data_type(), true, lengths.iter().sum());
            Arc::new(ListArray::new(item.clone(), OffsetBuffer::from_lengths(lengths), items, Some(nulls)))
        }
        D::Struct(fields) => Arc::new(StructArray::new(fields.clone(), members(random, limits, fields, rows), Some(nulls))),
        D::Map(entries, _) => {
            let lengths: Vec<usize> = valid.iter().map(|valid| if *valid { random.random_range(0..3) } else { 0 }).collect();
            let D::Struct(fields) = entries.data_type() else { panic!("entries are structs") };
            let members = members(random, limits, fields, lengths.iter().sum());
            let all = StructArray::new(fields.clone(), members, None);
            Arc::new(MapArray::new(entries.clone(), OffsetBuffer::from_lengths(lengths), all, Some(nulls), false))
        }
        other => panic!("no values of {other}"),
    }
}

fn members(random: &mut StdRng, limits: Limits, fields: &Fields, rows: usize) -> Vec<ArrayRef> {
    fields.iter().map(|field| random_array(random, limits, field.data_type(), field.is_nullable(), rows)).collect()
}

fn primitive<T: ArrowPrimitiveType>(data_type: &DataType, valid: &[bool], mut value: impl FnMut() -> T::Native) -> ArrayRef {
    let values: PrimitiveArray<T> = valid.iter().map(|valid| valid.then(&mut value)).collect();
    Arc::new(values.with_data_type(data_type.clone()))
}

fn whole(random: &mut StdRng) -> i64 {
    match random.random_range(0..6) {
        0 => i64::MIN,
        1 => i64::MAX,
        2 => random.random(),
        3 => random.random_range(-1..=1),
        _ => random.random_range(-2000..2000),
    }
}

/// Mostly within the years that people live in.
fn moment(random: &mut StdRng) -> i64 {
    let value = whole(random);
    value.checked_mul([1, 1_000, 1_000_000, 100_000_000][random.random_range(0..4)]).unwrap_or(value)
}

/// Of all bit patterns that are not a number, a text can mean only one.
fn float(random: &mut StdRng) -> f64 {
    let value = any_float(random);
    if value.is_nan() { f64::NAN } else { value }
}

fn any_float(random: &mut StdRng) -> f64 {
    match random.random_range(0..9) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => f64::from_bits(random.random()),
        5 => f64::from(f32::from_bits(random.random())),
        6 => [f64::MIN_POSITIVE, f64::MAX, 5e-324, 1e16, 123_456_789_012.5, 0.1][random.random_range(0..6)],
        _ => random.random_range(-1000..1000) as f64 / 8.0,
    }
}

fn decimal(random: &mut StdRng, limit: i128) -> i128 {
    match random.random_range(0..5) {
        0 => limit - 1,
        1 => 1 - limit,
        2 => random.random::<i128>() % limit,
        _ => random.random_range(-2000..2000) % limit,
    }
}

fn interval(random: &mut StdRng) -> IntervalMonthDayNano {
    IntervalMonthDayNano::new(whole(random) as i32, whole(random) as i32, moment(random))
}

fn text(random: &mut StdRng) -> String {
    let pieces = random.random_range(1..3);
    (0..pieces).map(|_| TEXTS[random.random_range(0..TEXTS.len())]).collect()
}

fn bytes(random: &mut StdRng) -> Vec<u8> {
    (0..random.random_range(0..4)).map(|_| random.random()).collect()
}
