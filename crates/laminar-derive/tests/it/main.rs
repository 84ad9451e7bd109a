//! Structs become batches and come back, by name and with clear errors.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Float64Array, Int16Array, Int64Array, RecordBatch, StringViewArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use laminar_core::row::Row as _;
use laminar_core::time::EventTime;
use laminar_derive::Row;

#[derive(Row, Debug, Clone, PartialEq, Default)]
struct Everything {
    a: bool,
    b: i8,
    c: i16,
    d: i32,
    e: i64,
    f: u8,
    g: u16,
    h: u32,
    i: u64,
    j: f32,
    k: f64,
    l: String,
    m: Vec<u8>,
    n: Option<EventTime>,
    o: Option<String>,
    p: Option<i64>,
    q: Option<bool>,
    r#type: Option<Vec<u8>>,
}

#[derive(Row, Debug, PartialEq)]
struct Trade {
    symbol: String,
    #[row(name = "trade_price")]
    price: f64,
    volume: Option<i64>,
    ts: EventTime,
}

mod elsewhere {
    pub(crate) use laminar_core as core;

    #[derive(laminar_derive::Row, Debug, PartialEq)]
    #[row(crate = "crate::elsewhere::core")]
    pub(crate) struct Nothing {}
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn trades() -> [(&'static str, ArrayRef); 4] {
    [
        ("ts", Arc::new(TimestampMillisecondArray::from(vec![5, 6]))),
        ("symbol", Arc::new(StringViewArray::from(vec!["A", "B"]))),
        ("volume", Arc::new(Int16Array::from(vec![Some(7), None]))),
        ("trade_price", Arc::new(Float64Array::from(vec![1.5, 2.5]))),
    ]
}

fn refused(columns: [(&str, ArrayRef); 4]) -> String {
    Trade::from_batch(&batch(columns)).unwrap_err().to_string()
}

#[test]
fn rows_of_every_type_come_back_as_they_were() {
    let full = Everything {
        a: true,
        b: -1,
        c: -2,
        d: -3,
        e: i64::MIN,
        f: 1,
        g: 2,
        h: 3,
        i: u64::MAX,
        j: 1.5,
        k: -2.5,
        l: "text".into(),
        m: vec![0, 255],
        n: Some(EventTime(7)),
        o: Some(String::new()),
        p: Some(8),
        q: Some(false),
        r#type: Some(vec![]),
    };
    for rows in [vec![], vec![full.clone()], vec![Everything::default(), full, Everything::default()]] {
        let batch = Everything::to_batch(&rows).unwrap();
        assert_eq!(batch.schema(), Everything::schema());
        assert_eq!(Everything::from_batch(&batch).unwrap(), rows);
    }
}

#[test]
fn the_schema_has_the_fields_names_types_and_nulls() {
    let schema = Trade::schema();
    let found: Vec<_> = schema.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone(), f.is_nullable())).collect();
    let expected = [
        ("symbol", DataType::Utf8, false),
        ("trade_price", DataType::Float64, false),
        ("volume", DataType::Int64, true),
        ("ts", DataType::Timestamp(TimeUnit::Nanosecond, None), false),
    ];
    assert_eq!(found, expected);
    assert_eq!(Everything::schema().field(17).name(), "type");
}

#[test]
fn columns_are_found_by_name_and_smaller_types_widen() {
    let expected = [
        Trade { symbol: "A".into(), price: 1.5, volume: Some(7), ts: EventTime(5_000_000) },
        Trade { symbol: "B".into(), price: 2.5, volume: None, ts: EventTime(6_000_000) },
    ];
    assert_eq!(Trade::from_batch(&batch(trades())).unwrap(), expected);
    let [ts, symbol, volume, price] = trades();
    let more = batch([price, ("unrelated", Arc::new(Int64Array::from(vec![0, 0]))), volume, symbol, ts]);
    assert_eq!(Trade::from_batch(&more).unwrap(), expected);
}

#[test]
fn a_missing_column_names_the_nearest_one() {
    let mut columns = trades();
    columns[3].0 = "trade_prize";
    let message = refused(columns);
    assert!(message.starts_with("LDB-1003: there is no column 'trade_price' for field 'price' of Trade"), "{message}");
    assert!(message.contains("did you mean #[row(name = \"trade_prize\")]?"), "{message}");
}

#[test]
fn a_wrong_type_names_column_field_and_types() {
    let mut columns = trades();
    columns[1].1 = Arc::new(Int64Array::from(vec![1, 2]));
    assert!(refused(columns).starts_with("LDB-1007: column 'symbol' is Int64, but field 'symbol' of Trade is Utf8"));
}

#[test]
fn a_null_that_the_field_cannot_hold_is_an_error_and_not_a_zero() {
    let mut columns = trades();
    columns[3].1 = Arc::new(Float64Array::from(vec![Some(1.0), None]));
    let message = refused(columns);
    assert!(message.contains("column 'trade_price' is NULL in row 1"), "{message}");
    assert!(message.contains("make the field an Option"), "{message}");
    let mut columns = trades();
    columns[0].1 = Arc::new(Date32Array::from(vec![0, i32::MAX]));
    assert!(refused(columns).contains("'ts' is outside of what the field can hold in row 1"));
}

#[test]
fn a_row_without_fields_still_counts_and_the_core_may_be_elsewhere() {
    use elsewhere::Nothing;
    let batch = Nothing::to_batch(&[Nothing {}, Nothing {}]).unwrap();
    assert_eq!((batch.num_columns(), Nothing::from_batch(&batch).unwrap().len()), (0, 2));
}
