//! Rows come back from a record as they were, whatever their types, without their schema in it.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder, StringDictionaryBuilder, UnionBuilder};
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Int64Array,
    IntervalMonthDayNanoArray, NullArray, RecordBatch, RecordBatchOptions, RunArray, StringArray, StructArray,
    Time64NanosecondArray, TimestampNanosecondArray, UInt8Array,
};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{DataType, Field, Schema};
use laminar_core::{ChangeBatch, Code};
use laminar_storage::EncodedRows;

use crate::rows::{assert_same, batch, changes};

fn check(changes: &ChangeBatch) -> usize {
    let encoded = EncodedRows::of(changes).unwrap();
    let decoded = encoded.decode(&changes.schema()).unwrap();
    assert_same(&decoded, changes);
    assert_eq!(decoded.partition(), changes.partition());
    assert_eq!(decoded.schema(), changes.schema(), "with the names and metadata of the schema");
    encoded.as_bytes().len()
}

fn column(array: ArrayRef) -> ChangeBatch {
    let rows = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
    ChangeBatch::append(rows)
}

#[test]
fn rows_of_ordinary_types_come_back_with_weights_arrivals_and_partition() {
    let without_columns = RecordBatchOptions::new().with_row_count(Some(7));
    let without_columns = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &without_columns).unwrap();
    for case in [
        ChangeBatch::append(batch(1, 100)),
        ChangeBatch::append(batch(1, 0)),
        changes(2, 100),
        changes(2, 100).slice(17, 5),
        changes(2, 10).with_partition(3),
        changes(3, 10).with_arrivals((0..10).collect::<Vec<i64>>().into()),
        ChangeBatch::append(batch(4, 3)).with_arrivals(vec![i64::MIN, 0, i64::MAX].into()),
        ChangeBatch::append(without_columns.clone()),
        ChangeBatch::retract(without_columns),
    ] {
        check(&case);
    }
}

#[test]
fn every_type_comes_back() {
    let mut list = ListBuilder::new(Int32Builder::new());
    list.append_value([Some(1), None]);
    list.append(false);
    list.append_value([]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.append(true).unwrap();
    map.append(false).unwrap();
    let mut union = UnionBuilder::new_dense();
    union.append::<Int32Type>("i", 1).unwrap();
    union.append::<Float64Type>("f", 2.0).unwrap();
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    dictionary.extend([Some("a"), None, Some("b"), Some("a")]);
    let dictionary: ArrayRef = Arc::new(dictionary.finish());
    let field = |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, None, Some(4)]));
    let nested = StructArray::from(vec![(field("n", &inner), inner.clone()), (field("d", &dictionary), dictionary.clone())]);
    let plain = StructArray::from(vec![(field("n", &inner), inner)]);
    let interval = IntervalMonthDayNano::new(1, 2, 3);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(list.finish()),
        Arc::new(map.finish()),
        Arc::new(union.build().unwrap()),
        dictionary.clone(),
        dictionary.slice(1, 2),
        Arc::new(nested),
        Arc::new(plain),
        Arc::new(RunArray::<Int32Type>::from_iter([Some("a"), Some("a"), None, Some("b")])),
        Arc::new(NullArray::new(3)),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]).slice(1, 2)),
        Arc::new(UInt8Array::from(vec![1, 2, 3])),
        Arc::new(Date32Array::from(vec![Some(0), None])),
        Arc::new(Time64NanosecondArray::from(vec![1])),
        Arc::new(TimestampNanosecondArray::from(vec![Some(1), None]).with_timezone("UTC")),
        Arc::new(Decimal128Array::from(vec![Some(i128::MAX), None]).with_precision_and_scale(38, 10).unwrap()),
        Arc::new(IntervalMonthDayNanoArray::from(vec![Some(interval), None])),
        Arc::new(BinaryViewArray::from_iter([Some(&b"a binary that is longer than twelve bytes"[..]), None])),
        Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8; 3], [2; 3]].into_iter()).unwrap()),
        Arc::new(StringArray::from(vec![Some(""), None, Some("x")])),
    ];
    for array in arrays {
        let all = column(array);
        check(&all);
        check(&all.negated());
        check(&all.slice(0, 0));
        check(&all.slice(1.min(all.len() - 1), 1));
    }
}

#[test]
fn a_row_takes_little_more_than_its_bytes() {
    let schema_name = "a name that no record holds";
    let rows = RecordBatch::try_from_iter([(schema_name, Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let encoded = EncodedRows::of(&ChangeBatch::append(rows)).unwrap();
    assert!(!encoded.as_bytes().windows(6).any(|window| window == b"a name"));
    assert!(encoded.as_bytes().len() < 320, "{}", encoded.as_bytes().len());
    let of_large = check(&changes(1, 10_000).slice(0, 10));
    assert!(of_large < 4096, "a slice takes the space of what it shows: {of_large}");
}

#[test]
fn rows_of_another_schema_are_an_error() {
    let encoded = EncodedRows::of(&changes(1, 5)).unwrap();
    let fewer = Arc::new(changes(1, 5).schema().project(&[0, 1]).unwrap());
    let error = encoded.decode(&fewer).unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::BadData, "logged rows have 5 columns, their object has 2"));
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    dictionary.append_value("a");
    let encoded = EncodedRows::of(&column(Arc::new(dictionary.finish()))).unwrap();
    let other = Arc::new(Schema::new(vec![Field::new("c", DataType::Utf8, true)]));
    assert_eq!(encoded.decode(&other).unwrap_err().message(), "logged rows have other types than their object");
}
