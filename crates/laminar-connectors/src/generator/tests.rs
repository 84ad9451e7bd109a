//! What the generator promises: types, bounds, the same rows for the same seed, the rate, and what it refuses.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use arrow_select::concat::concat_batches;
use laminar_core::Result;
use laminar_core::time::ManualClock;

use super::GeneratorConnector;
use crate::{Connector, Options, Source, SourcePoll, SourceRequest};

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

fn open_at(clock: &ManualClock, columns: &[(&str, DataType)], options: &[(&str, &str)]) -> Result<Box<dyn Source>> {
    let fields: Vec<Field> = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    GeneratorConnector::new(Arc::new(clock.clone())).open_source(SourceRequest {
        name: "g".into(),
        schema: (!fields.is_empty()).then(|| Arc::new(Schema::new(fields))),
        key: Vec::new(),
        options: Options::new(options.iter().map(|(name, value)| (name.to_string(), value.to_string()))),
        schema_was_found: false,
    })
}

fn read(mut source: Box<dyn Source>, rows_max: usize) -> RecordBatch {
    let mut batches = Vec::new();
    loop {
        match source.poll(rows_max).unwrap() {
            SourcePoll::Rows { changes, bad } => {
                assert!(bad.is_empty() && changes.is_append() && changes.len() <= rows_max);
                batches.push(changes.rows().clone());
            }
            SourcePoll::Pending(_) => panic!("no rate was given"),
            SourcePoll::End => return concat_batches(&source.schema(), &batches).unwrap(),
        }
    }
}

fn rows(columns: &[(&str, DataType)], options: &[(&str, &str)]) -> RecordBatch {
    read(open_at(&ManualClock::default(), columns, options).unwrap(), 1000)
}

fn refused(columns: &[(&str, DataType)], options: &[(&str, &str)]) -> String {
    open_at(&ManualClock::default(), columns, options).err().expect("refused").to_string()
}

fn all_types() -> Vec<(&'static str, DataType)> {
    use DataType as D;
    vec![
        ("a", D::Boolean),
        ("b", D::Int8),
        ("c", D::Int16),
        ("d", D::Int32),
        ("e", D::Int64),
        ("f", D::UInt8),
        ("g", D::UInt16),
        ("h", D::UInt32),
        ("i", D::UInt64),
        ("j", D::Float16),
        ("k", D::Float32),
        ("l", D::Float64),
        ("m", D::Decimal128(10, 2)),
        ("n", D::Decimal128(38, 0)),
        ("o", D::Decimal256(20, 4)),
        ("p", D::Decimal64(12, 3)),
        ("q", D::Utf8),
        ("r", D::LargeUtf8),
        ("s", D::Utf8View),
        ("t", D::Binary),
        ("u", D::LargeBinary),
        ("v", D::BinaryView),
        ("w", D::FixedSizeBinary(16)),
        ("x", D::Date32),
        ("y", D::Date64),
        ("z", D::Time32(TimeUnit::Second)),
        ("aa", D::Time64(TimeUnit::Nanosecond)),
        ("ab", TIMESTAMP),
        ("ac", D::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))),
        ("ad", D::Duration(TimeUnit::Millisecond)),
        ("ae", D::Interval(IntervalUnit::MonthDayNano)),
    ]
}

#[test]
fn every_scalar_type_can_be_filled_and_made_null() {
    let columns = all_types();
    let plain = rows(&columns, &[("rows", "500")]);
    assert!(plain.columns().iter().all(|column| column.null_count() == 0 && column.len() == 500));
    let ratios: Vec<(String, &str)> = columns.iter().map(|(name, _)| (format!("fields.{name}.null_ratio"), "0.5")).collect();
    let mut options: Vec<(&str, &str)> = ratios.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    options.push(("rows", "500"));
    for column in rows(&columns, &options).columns() {
        assert!((150..350).contains(&column.null_count()), "{}: {}", column.data_type(), column.null_count());
    }
}

#[test]
fn rows_do_not_depend_on_how_they_are_polled() {
    let options = [("rows", "20000"), ("fields.q.length", "0..20"), ("fields.d.null_ratio", "0.1"), ("max_out_of_order", "1 s")];
    let open = || open_at(&ManualClock::default(), &all_types(), &options).unwrap();
    let whole = read(open(), 8192);
    assert_eq!(whole.num_rows(), 20_000);
    assert_eq!(whole, read(open(), 77));
    let reseeded = [&options[..], &[("seed", "1")]].concat();
    assert_ne!(whole, read(open_at(&ManualClock::default(), &all_types(), &reseeded).unwrap(), 8192));
}

#[test]
fn numbers_stay_within_their_bounds_and_reach_them() {
    let columns = [("n", DataType::Int64), ("x", DataType::Float64), ("k", DataType::Int8)];
    let options = [
        ("rows", "10000"),
        ("fields.n.min", "-2"),
        ("fields.n.max", "2"),
        ("fields.x.min", "10"),
        ("fields.x.max", "11.5"),
        ("fields.k.min", "-128"),
    ];
    let batch = rows(&columns, &options);
    let mut seen: Vec<i64> = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [-2, -1, 0, 1, 2]);
    assert!(batch.column(1).as_primitive::<Float64Type>().values().iter().all(|x| (10.0..11.5).contains(x)));
}

#[test]
fn a_sequence_counts_and_starts_over_after_its_end() {
    let options = [
        ("rows", "7"),
        ("fields.id.kind", "sequence"),
        ("fields.id.min", "10"),
        ("fields.id.step", "5"),
        ("fields.id.max", "24"),
    ];
    let batch = rows(&[("id", DataType::Int64)], &options);
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[10, 15, 20, 10, 15, 20, 10]);
}

#[test]
fn values_are_chosen_from_the_list_and_read_as_the_columns_type() {
    let columns = [("symbol", DataType::Utf8View), ("n", DataType::Int64)];
    let batch = rows(&columns, &[("rows", "1000"), ("fields.symbol.values", "A, B,C"), ("fields.n.values", "1,10,100")]);
    let mut seen: Vec<&str> = batch.column(0).as_string_view().iter().flatten().collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, ["A", "B", "C"]);
    let sum: i64 = batch.column(1).as_primitive::<Int64Type>().values().iter().sum();
    assert!((33_000..41_000).contains(&sum), "{sum}");
}

fn times(batch: &RecordBatch) -> Vec<i64> {
    batch.column(0).as_primitive::<TimestampNanosecondType>().values().to_vec()
}

#[test]
fn event_time_advances_by_the_step_from_the_start() {
    let check = |options: &[(&str, &str)], expected: [i64; 3]| {
        let options = [options, &[("rows", "3"), ("start", "1970-01-01 00:00:01")]].concat();
        assert_eq!(times(&rows(&[("ts", TIMESTAMP)], &options)), expected.map(|millis| millis * 1_000_000), "{options:?}");
    };
    check(&[], [1000, 1001, 1002]);
    check(&[("fields.ts.step", "100 ms")], [1000, 1100, 1200]);
    check(&[("fields.ts.kind", "event_time"), ("fields.ts.step", "1 s")], [1000, 2000, 3000]);
}

#[test]
fn event_time_is_behind_its_place_by_at_most_what_was_allowed() {
    let options = [("rows", "5000"), ("start", "1970-01-01 00:00:00"), ("max_out_of_order", "50 ms")];
    let times = times(&rows(&[("ts", TIMESTAMP)], &options));
    let behind: Vec<i64> = times.iter().enumerate().map(|(row, time)| row as i64 * 1_000_000 - time).collect();
    assert!(behind.iter().all(|behind| (0..=50_000_000).contains(behind)));
    assert!(behind.iter().any(|behind| *behind > 45_000_000));
    assert!(times.windows(2).any(|pair| pair[1] < pair[0]));
}

#[test]
fn a_rate_lets_rows_through_as_the_clock_goes() {
    let clock = ManualClock::at(1_000_000_000_000);
    let mut source = open_at(&clock, &[("ts", TIMESTAMP)], &[("rate", "100"), ("start", "now"), ("rows", "15")]).unwrap();
    let mut poll = |nanos: i64| {
        clock.advance(nanos);
        match source.poll(1000).unwrap() {
            SourcePoll::Rows { changes, .. } => Ok(times(changes.rows())),
            SourcePoll::Pending(wait) => Err(wait),
            SourcePoll::End => Ok(vec![]),
        }
    };
    assert_eq!(poll(0), Err(Duration::from_millis(10)));
    assert_eq!(poll(20_000_000), Ok(vec![1_000_000_000_000, 1_000_010_000_000]));
    assert_eq!(poll(4_000_000), Err(Duration::from_millis(6)));
    assert_eq!(poll(3_600_000_000_000).unwrap().len(), 13, "no more than the rows asked for");
    assert_eq!(poll(0), Ok(vec![]));
}

#[test]
fn what_cannot_work_is_refused_with_what_to_write_instead() {
    let columns = [("price", DataType::Float64), ("id", DataType::Int32), ("ts", TIMESTAMP), ("s", DataType::Utf8)];
    let check = |name: &str, value: &str, expected: &str| {
        let message = refused(&columns, &[(name, value)]);
        assert!(message.contains(expected), "{name} = {value}: {message}");
    };
    check("fields.prize.min", "1", "did you mean 'price'?");
    check("fields.price.mni", "1", "did you mean 'min'?");
    check("fields.price", "1", "write fields.<column>.<option>");
    check("fields.price.min", "cheap", "must be a number");
    check("fields.price.min", "NaN", "must be a finite number");
    check("fields.id.max", "3000000000", "from -2147483648 to 2147483647");
    check("fields.id.values", "1,x", "list of INTEGER");
    check("fields.id.length", "3", "does not apply here (column 'id' is INTEGER and takes: kind, min, max, values");
    check("fields.id.null_ratio", "1.5", "share from 0 to 1");
    check("fields.s.kind", "sequence", "cannot be a sequence");
    check("fields.s.length", "9..3", "range like '3..20'");
    check("fields.ts.step", "often", "duration");
    check("rate", "0", "above 0");
    check("row", "5", "did you mean 'rows'?");
    check("start", "yesterday-ish", "a time such as");
    assert!(refused(&columns, &[("fields.id.min", "5"), ("fields.id.max", "4")]).contains("'fields.id.min' is above"));
    assert!(refused(&[], &[("row", "5")]).contains("did you mean 'rows'?"));
    assert!(refused(&[], &[]).contains("CREATE SOURCE g (id BIGINT"));
    let nested = DataType::new_list(DataType::Int64, true);
    assert!(refused(&[("l", nested)], &[]).contains("cannot fill column 'l' of type BIGINT[]"));
}

#[test]
fn event_time_that_leaves_the_calendar_is_an_error_not_a_wrap() {
    let mut source = open_at(&ManualClock::default(), &[("ts", TIMESTAMP)], &[("fields.ts.step", "36500 days")]).unwrap();
    assert!(source.poll(2).is_ok());
    assert!(source.poll(2).unwrap_err().to_string().contains("2262"));
}
