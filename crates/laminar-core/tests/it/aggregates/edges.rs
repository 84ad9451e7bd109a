//! The ends of the number ranges: overflow, NaN, infinities, cancellation, and the types of results.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array,
    RecordBatch, StringArray, UInt8Array, UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use laminar_core::Weights;
use laminar_core::expr::Column;
use laminar_core::operator::aggregate::{AggregateCall, CallInputs, GroupTable, SortDirection, native};

use super::model::texts;

/// A weight near the largest that a group's rows can add up to.
const MANY: i64 = 1 << 61;
const ASCENDING: SortDirection = SortDirection { descending: false, nulls_first: false };

fn table(name: &str, args: &[ArrayRef], ordering: &[SortDirection], retracts: bool) -> (GroupTable, Vec<AggregateCall>) {
    let types: Vec<_> = args.iter().map(|arg| arg.data_type().clone()).collect();
    let rows = batch(args);
    let function = native(name, &types, ordering, false).unwrap().unwrap();
    let call = AggregateCall { function, args: Column::all(&rows.schema()), filter: None, name: name.into() };
    (GroupTable::new(&[], std::slice::from_ref(&call), retracts).unwrap(), vec![call])
}

fn batch(args: &[ArrayRef]) -> RecordBatch {
    RecordBatch::try_from_iter(args.iter().enumerate().map(|(i, arg)| (format!("c{i}"), arg.clone()))).unwrap()
}

/// What one group gives: the value, or `NULL`, or the fault.
fn result(table: &mut GroupTable) -> String {
    let mut faults = Vec::new();
    let columns = table.results(&[0], &mut faults).unwrap();
    let value = texts(&columns[0])[0].clone().unwrap_or("NULL".into());
    faults.first().map_or(value, |fault| fault.reason.clone())
}

fn run(name: &str, args: &[ArrayRef], ordering: &[SortDirection], weights: &Weights, retracts: bool) -> String {
    let (mut table, calls) = self::table(name, args, ordering, retracts);
    let groups = table.assign(&[], args[0].len()).unwrap();
    table.update(&CallInputs::evaluate(&calls, &batch(args)).unwrap(), weights, &groups).unwrap();
    let value = result(&mut table);
    let (mut restored, _) = self::table(name, args, ordering, retracts);
    restored.restore(&table.image().unwrap()).unwrap();
    assert_eq!(result(&mut restored), value, "{name} after an image");
    value
}

/// `name` over inserted rows, whether retractions could have come or not.
fn check(name: &str, arg: impl Array + 'static, expected: &str) {
    check_by(name, vec![Arc::new(arg)], &[], expected);
}

fn check_by(name: &str, args: Vec<ArrayRef>, ordering: &[SortDirection], expected: &str) {
    for retracts in [false, true] {
        assert_eq!(run(name, &args, ordering, &Weights::Ones, retracts), expected, "{name}, retracts: {retracts}");
    }
}

fn check_weighted(name: &str, arg: impl Array + 'static, weights: &[i64], expected: &str) {
    let weights = Weights::Each(weights.to_vec().into());
    assert_eq!(run(name, &[Arc::new(arg)], &[], &weights, true), expected, "{name}");
}

fn decimals(values: &[i128], precision: u8, scale: i8) -> Decimal128Array {
    Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap()
}

#[test]
fn sums_that_do_not_fit_are_faults_until_they_fit_again() {
    check("sum", Int64Array::from(vec![i64::MAX, 1]), "sum is out of range for Int64");
    check_weighted("sum", Int64Array::from(vec![i64::MAX, 1, 1]), &[1, 1, -1], "9223372036854775807");
    check_weighted("sum", Int64Array::from(vec![i64::MAX, i64::MIN]), &[MANY, MANY], "-2305843009213693952");
    check_weighted("sum", UInt64Array::from(vec![u64::MAX, 2]), &[1, 1], "sum is out of range for UInt64");
    check_weighted("sum", UInt64Array::from(vec![7]), &[-1], "sum is out of range for UInt64");
}

#[test]
fn sums_of_decimals_are_exact_beyond_128_bits() {
    let nines = 10i128.pow(38) - 1;
    check("sum", decimals(&[nines, 1], 38, 0), "sum is out of range for Decimal128(38, 0)");
    check("sum", decimals(&[nines, nines, -nines], 38, 0), &nines.to_string());
    check("sum", decimals(&[nines, nines, nines, -nines, -nines, -nines, -5], 38, 0), "-5");
    let billion = 1_000_000_007;
    check_weighted("sum", decimals(&[nines, -nines, 3], 38, 0), &[MANY, MANY, billion], "3000000021");
    check_weighted("sum", decimals(&[-nines, nines], 38, 0), &[MANY, MANY - 1], &(-nines).to_string());
    check("avg", decimals(&[1, 1, 2], 10, 2), "0.013333");
    check("avg", decimals(&[nines, nines], 38, 0), "avg is out of range for Decimal128(38, 4)");
}

#[test]
fn float_sums_are_rounded_once_and_forget_what_is_retracted() {
    check("sum", Float64Array::from(vec![0.1; 10]), "1.0");
    check("sum", Float64Array::from(vec![1e100, 1.0, -1e100]), "1.0");
    check_weighted("sum", Float64Array::from(vec![f64::NAN, 2.5, f64::NAN]), &[1, 1, -1], "2.5");
    check_weighted("sum", Float64Array::from(vec![f64::INFINITY, 2.5, f64::INFINITY]), &[3, 1, -3], "2.5");
    check("sum", Float64Array::from(vec![f64::INFINITY, 1.0]), "inf");
    check("sum", Float64Array::from(vec![f64::INFINITY, f64::NEG_INFINITY]), "NaN");
    check("sum", Float64Array::from(vec![1e308, 1e308]), "inf");
    check("sum", Float64Array::from(vec![1e308, 1e308, -1e308, 1.0]), "1e308");
    check_weighted("sum", Float64Array::from(vec![f64::MAX, 0.5]), &[0, 2], "1.0");
    check_weighted("sum", Float64Array::from(vec![0.1, 0.1]), &[1, -1], "NULL");
    check("avg", Float32Array::from(vec![1.5, 2.5]), "2.0");
}

#[test]
fn variance_survives_large_offsets_and_retracted_outliers() {
    check("var_pop", Float64Array::from(vec![1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0, 1e9 + 4.0]), "1.25");
    check("var_samp", Float64Array::from(vec![1e15, 1e15 + 1.0]), "0.5");
    check_weighted("var_pop", Float64Array::from(vec![1e100, 1.0, 3.0, 1e100]), &[1, 1, 1, -1], "1.0");
    check_weighted("var_pop", Float64Array::from(vec![1e100, 0.1, 1e100]), &[1, 1, -1], "0.0");
    check_weighted("stddev", Float64Array::from(vec![1e100, 0.1, 1e100]), &[1, 1, -1], "NULL");
    check("stddev", Int64Array::from(vec![2, 4, 4, 4, 5, 5, 7, 9, 5]), "2.0");
    check("stddev", Float64Array::from(vec![1.0, f64::NAN]), "NaN");
    check("stddev_pop", Float64Array::from(vec![1e300, 1.0]), "stddev_pop is out of range for Float64");
    check_weighted("stddev_pop", Float64Array::from(vec![1e300, 1.0, 1e300]), &[1, 1, -1], "0.0");
}

#[test]
fn nan_is_the_greatest_float_and_zero_has_no_sign() {
    check("max", Float64Array::from(vec![1.0, -f64::NAN, f64::INFINITY]), "NaN");
    check("min", Float64Array::from(vec![1.0, -f64::NAN, f64::INFINITY]), "1.0");
    check("min", Float64Array::from(vec![0.0, -0.0]), "0.0");
    check("max", Float64Array::from(vec![-0.0]), "0.0");
    check("min", Float32Array::from(vec![Some(2.0), None]), "2.0");
}

#[test]
fn extremes_of_other_types() {
    check("min", StringArray::from(vec![Some("b"), None, Some("")]), "");
    check("max", StringArray::from(vec![None::<&str>]), "NULL");
    check("max", BooleanArray::from(vec![false, true]), "true");
    check("min", Date32Array::from(vec![3, 1]), "1970-01-02");
    check("max", decimals(&[-5, -500], 5, 2), "-0.05");
}

#[test]
fn first_and_last_take_nulls_and_break_ties_by_the_value() {
    let time = || Arc::new(Int64Array::from(vec![Some(2), Some(1), Some(1), None])) as ArrayRef;
    let value = || Arc::new(Int32Array::from(vec![Some(5), Some(9), Some(7), Some(3)])) as ArrayRef;
    check_by("first_value", vec![value(), time()], &[ASCENDING], "7");
    check_by("last_value", vec![value(), time()], &[ASCENDING], "3");
    check_by("first_value", vec![value(), time()], &[SortDirection { descending: true, nulls_first: false }], "5");
    check_by(
        "last_value",
        vec![Arc::new(Int32Array::from(vec![None, Some(1)])), Arc::new(Int64Array::from(vec![2, 1]))],
        &[ASCENDING],
        "NULL",
    );
}

#[test]
fn bits_of_narrow_types() {
    check("bit_and", Int8Array::from(vec![-1, -2]), "-2");
    check("bit_or", UInt8Array::from(vec![128, 1]), "129");
    check_weighted("bit_xor", Int8Array::from(vec![-1, 3, 3]), &[1, 2, -1], "-4");
    check("bit_and", UInt64Array::from(vec![None]), "NULL");
}

#[test]
fn results_have_the_types_that_batch_queries_give_them() {
    let check = |name: &str, arg: DataType, expected: Option<DataType>| {
        let function = native(name, std::slice::from_ref(&arg), &[], false).unwrap();
        assert_eq!(function.map(|function| function.return_type().clone()), expected, "{name}({arg})");
    };
    let nanos = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    check("sum", DataType::Int16, Some(DataType::Int64));
    check("sum", DataType::UInt32, Some(DataType::UInt64));
    check("sum", DataType::Float32, Some(DataType::Float64));
    check("sum", DataType::Decimal128(10, 2), Some(DataType::Decimal128(20, 2)));
    check("sum", DataType::Decimal128(35, 2), Some(DataType::Decimal128(38, 2)));
    check("sum", DataType::Duration(TimeUnit::Second), Some(DataType::Duration(TimeUnit::Second)));
    check("sum", DataType::Utf8, None);
    check("avg", DataType::Int32, Some(DataType::Float64));
    check("avg", DataType::Decimal128(10, 2), Some(DataType::Decimal128(14, 6)));
    check("avg", DataType::Decimal128(38, 37), Some(DataType::Decimal128(38, 38)));
    check("stddev", DataType::Int64, Some(DataType::Float64));
    check("min", nanos.clone(), Some(nanos));
    check("min", DataType::Interval(arrow_schema::IntervalUnit::MonthDayNano), None);
    check("bit_and", DataType::UInt8, Some(DataType::UInt8));
    check("bool_and", DataType::Int64, None);
    check("median", DataType::Float64, None);
}
