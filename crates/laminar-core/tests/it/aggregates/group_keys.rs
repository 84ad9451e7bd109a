//! Group keys come out of a table as they went in, whatever their types: after assigning, merging, an image, a release.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::types::{Float64Type, Int8Type, IntervalMonthDayNano};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray,
    StructArray, UInt32Array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, TimeUnit};
use arrow_select::take::take;
use laminar_core::operator::aggregate::GroupTable;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::random::{cases, for_each_case};

const NUMBERS: [Option<i64>; 7] = [None, Some(0), Some(1), Some(-1), Some(100), Some(i64::MIN), Some(i64::MAX)];
const TEXTS: [Option<&str>; 8] =
    [None, Some(""), Some("a"), Some("NULL"), Some("\0"), Some("ä"), Some("twelve bytes"), Some("more than twelve bytes")];
/// Floats as they are given, and as they come out.
const FLOATS: [(Option<f64>, Option<f64>); 8] = [
    (None, None),
    (Some(0.0), Some(0.0)),
    (Some(-0.0), Some(0.0)),
    (Some(f64::NAN), Some(f64::NAN)),
    (Some(-f64::NAN), Some(f64::NAN)),
    (Some(1.5), Some(1.5)),
    (Some(f64::INFINITY), Some(f64::INFINITY)),
    (Some(f64::NEG_INFINITY), Some(f64::NEG_INFINITY)),
];

/// A column as it is given, and as it comes out: −0.0 as 0.0, every NaN as the standard one.
struct Column {
    given: ArrayRef,
    expected: ArrayRef,
}

impl Column {
    fn same(column: ArrayRef) -> Self {
        Self { given: column.clone(), expected: column }
    }

    /// `make` over floats as given and as expected.
    fn floats(places: &[usize], make: impl Fn(Vec<Option<f64>>) -> ArrayRef) -> Self {
        let given = make(places.iter().map(|place| FLOATS[place % FLOATS.len()].0).collect());
        Self { given, expected: make(places.iter().map(|place| FLOATS[place % FLOATS.len()].1).collect()) }
    }
}

fn numbers(places: &[usize]) -> ArrayRef {
    Arc::new(places.iter().map(|place| NUMBERS[place % NUMBERS.len()]).collect::<Int64Array>())
}

/// Without the ends of the range, which not every type of time can say.
/// Arrow makes times of 32 bits only out of numbers of 32 bits.
fn times_as(places: &[usize], data_type: &DataType) -> ArrayRef {
    let numbers = small_numbers(places);
    match data_type {
        DataType::Time32(_) => cast(&cast(&numbers, &DataType::Int32).unwrap(), data_type).unwrap(),
        _ => cast(&numbers, data_type).unwrap(),
    }
}

fn small_numbers(places: &[usize]) -> ArrayRef {
    Arc::new(places.iter().map(|place| NUMBERS[place % 5]).collect::<Int64Array>())
}

fn texts(places: &[usize]) -> ArrayRef {
    Arc::new(places.iter().map(|place| TEXTS[place % TEXTS.len()]).collect::<StringArray>())
}

fn numbers_as(places: &[usize], data_type: &DataType) -> Column {
    Column::same(cast(&numbers(places), data_type).unwrap())
}

fn texts_as(places: &[usize], data_type: &DataType) -> Column {
    Column::same(cast(&texts(places), data_type).unwrap())
}

fn floats_as(places: &[usize], data_type: &DataType) -> Column {
    Column::floats(places, |floats| cast(&(Arc::new(Float64Array::from(floats)) as ArrayRef), data_type).unwrap())
}

/// A dictionary that has values twice, NULL among them, and values that no row has.
fn wordy_dictionary(places: &[usize]) -> Column {
    let values = StringArray::from_iter(TEXTS.into_iter().chain(TEXTS).chain([Some("of no row")]));
    let keys = places.iter().map(|place| (place % 5 != 4).then_some((place % 16) as i8));
    let given: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(keys.collect(), Arc::new(values)));
    // As a dictionary without doubles, whose NULLs are NULL keys.
    let expected = cast(&cast(&given, &DataType::Utf8).unwrap(), given.data_type()).unwrap();
    Column { given, expected }
}

fn lists(places: &[usize]) -> Column {
    let mut lists = ListBuilder::new(Int64Builder::new());
    for place in places {
        // NULL, empty, one NULL, several.
        match place % 4 {
            0 => lists.append_null(),
            length => lists.append_value((1..length).map(|item| NUMBERS[(place + item) % NUMBERS.len()])),
        }
    }
    Column::same(Arc::new(lists.finish()))
}

fn float_lists(places: &[usize]) -> Column {
    Column::floats(places, |floats| {
        let list = |float: Option<f64>| Some(vec![float, Some(1.0)]);
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(floats.into_iter().map(list)))
    })
}

fn structs(places: &[usize]) -> Column {
    let fields = [("n", DataType::Int64), ("x", DataType::Float64), ("s", DataType::Utf8)];
    let fields = fields.map(|(name, data_type)| Field::new(name, data_type, true));
    Column::floats(places, |floats| {
        let columns = vec![numbers(places), Arc::new(Float64Array::from(floats)) as ArrayRef, texts(places)];
        let valid: Vec<bool> = places.iter().map(|place| place % 3 > 0).collect();
        Arc::new(StructArray::new(fields.to_vec().into(), columns, Some(valid.into())))
    })
}

fn intervals(places: &[usize]) -> Column {
    let interval = |place: &usize| (!place.is_multiple_of(4)).then(|| IntervalMonthDayNano::new(*place as i32 % 3, -1, i64::MIN));
    Column::same(Arc::new(places.iter().map(interval).collect::<IntervalMonthDayNanoArray>()))
}

/// A column of one of many types.
fn column(rng: &mut StdRng, places: &[usize]) -> Column {
    use DataType as T;
    let zone = || Some("Europe/Zurich".into());
    let whole = [T::Int8, T::Int16, T::Int32, T::Int64, T::UInt8, T::UInt16, T::UInt32, T::UInt64];
    let exact = [T::Decimal32(9, 2), T::Decimal64(18, 0), T::Decimal128(38, 5), T::Decimal256(60, -2)];
    let times = [
        T::Date32,
        T::Date64,
        T::Time32(TimeUnit::Second),
        T::Time64(TimeUnit::Nanosecond),
        T::Timestamp(TimeUnit::Second, None),
        T::Timestamp(TimeUnit::Millisecond, zone()),
        T::Timestamp(TimeUnit::Microsecond, None),
        T::Timestamp(TimeUnit::Nanosecond, zone()),
        T::Duration(TimeUnit::Microsecond),
    ];
    let texts = [T::Utf8, T::LargeUtf8, T::Utf8View, T::Binary, T::LargeBinary, T::BinaryView];
    let floats = [T::Float16, T::Float32, T::Float64];
    let words = [T::Dictionary(T::Int32.into(), T::Utf8.into()), T::Dictionary(T::UInt16.into(), T::LargeUtf8.into())];
    let any = |rng: &mut StdRng, types: &[DataType]| types[rng.random_range(0..types.len())].clone();
    match rng.random_range(0..14) {
        0..2 => numbers_as(places, &any(rng, &whole)),
        2 => numbers_as(places, &any(rng, &exact)),
        3 => Column::same(times_as(places, &any(rng, &times))),
        4..6 => texts_as(places, &any(rng, &texts)),
        6 => floats_as(places, &any(rng, &floats)),
        7 => texts_as(places, &any(rng, &words)),
        8 => wordy_dictionary(places),
        9 => lists(places),
        10 => float_lists(places),
        11 => structs(places),
        12 => intervals(places),
        _ => Column::same(Arc::new(
            places.iter().map(|place| [None, Some(true), Some(false)][place % 3]).collect::<BooleanArray>(),
        )),
    }
}

/// Which rows are the same key, by the columns as they come out.
fn same_key(expected: &[ArrayRef], left: usize, right: usize) -> bool {
    expected.iter().all(|column| column.slice(left, 1) == column.slice(right, 1))
}

fn check_keys(table: &GroupTable, groups: &[u32], expected: &[ArrayRef], when: &str) {
    let keys = table.keys(groups).unwrap();
    assert_eq!(keys.len(), expected.len());
    for (key, expected) in keys.iter().zip(expected) {
        assert_eq!(key.data_type(), expected.data_type(), "{when}");
        assert_eq!(key, expected, "{when}");
    }
}

fn run(rng: &mut StdRng) {
    let (rows, width) = (rng.random_range(0..12), rng.random_range(1..4));
    let columns: Vec<Column> = (0..width)
        .map(|_| {
            let places: Vec<usize> = (0..rows).map(|_| rng.random_range(0..48)).collect();
            column(rng, &places)
        })
        .collect();
    let given: Vec<ArrayRef> = columns.iter().map(|column| column.given.clone()).collect();
    let expected: Vec<ArrayRef> = columns.into_iter().map(|column| column.expected).collect();
    let types: Vec<DataType> = given.iter().map(|column| column.data_type().clone()).collect();
    let new = || GroupTable::new(&types, &[], false).unwrap();

    let mut table = new();
    let groups = table.assign(&given, rows).unwrap();
    check_keys(&table, &groups, &expected, "assigned");
    for left in 0..rows {
        for right in 0..left {
            let same = same_key(&expected, left, right);
            assert_eq!(groups[left] == groups[right], same, "rows {left} and {right} of {types:?}");
        }
    }
    assert_eq!(table.assign(&expected, rows).unwrap(), groups, "what came out is the same key again");

    let mut restored = new();
    restored.restore(&table.image().unwrap()).unwrap();
    check_keys(&restored, &groups, &expected, "restored");
    assert_eq!(restored.assign(&given, rows).unwrap(), groups, "restored groups are found again");

    let mut merged = new();
    let into = merged.merge_from(&table, &groups).unwrap();
    check_keys(&merged, &into, &expected, "merged");

    let Some(gone) = groups.first().copied() else { return };
    table.release(&[gone]);
    let others: Vec<u32> = (0..rows as u32).filter(|row| groups[*row as usize] != gone).collect();
    let left = UInt32Array::from(others.clone());
    let expected_left: Vec<ArrayRef> = expected.iter().map(|column| take(column, &left, None).unwrap()).collect();
    let groups_left: Vec<u32> = others.iter().map(|row| groups[*row as usize]).collect();
    check_keys(&table, &groups_left, &expected_left, "with a group released");
    assert_eq!(table.assign(&given, rows).unwrap(), groups, "its number is used anew");
    check_keys(&table, &groups, &expected, "assigned anew");
}

#[test]
fn keys_come_out_as_they_went_in() {
    for_each_case(cases(), run);
}
