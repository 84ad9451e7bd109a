//! Whatever a table holds, every format, compression and dialect gives back the same rows.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use laminar_connectors::formats::Encoder;
use laminar_connectors::formats::csv::{CsvEncoder, Dialect};
use laminar_connectors::formats::ndjson::NdjsonEncoder;
use laminar_core::ChangeBatch;
use laminar_core::dag::ChangeKind;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::harness::{Place, pairs};
use crate::random_values::{Limits, random_array, random_type};

/// The seeds of the random tables: 150, more by `LAMINAR_TEST_CASES`, one by `LAMINAR_TEST_SEED`.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("LAMINAR_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LAMINAR_TEST_CASES").unwrap_or(150),
    }
}

fn random_schema(random: &mut StdRng, limits: Limits, names: &[&str]) -> SchemaRef {
    let columns = random.random_range(1..=names.len());
    let field = |name: &&str| Field::new(*name, random_type(random, limits, 2), random.random_bool(0.8));
    Arc::new(Schema::new(names[..columns].iter().map(field).collect::<Vec<_>>()))
}

fn random_rows(random: &mut StdRng, limits: Limits, schema: &SchemaRef) -> RecordBatch {
    let rows = random.random_range(0..20);
    let column = |field: &Arc<Field>| random_array(random, limits, field.data_type(), field.is_nullable(), rows);
    RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap()
}

/// The rows in up to three batches.
fn cut(random: &mut StdRng, rows: &RecordBatch) -> Vec<ChangeBatch> {
    let mut ends = [random.random_range(0..=rows.num_rows()), random.random_range(0..=rows.num_rows())];
    ends.sort_unstable();
    let slice = |from: usize, to: usize| ChangeBatch::append(rows.slice(from, to - from));
    vec![slice(0, ends[0]), slice(ends[0], ends[1]), slice(ends[1], rows.num_rows())]
}

/// Writes the rows with a sink and reads them with a source of the same options; compares all but those that cannot be written.
fn check(
    seed: u64,
    random: &mut StdRng,
    rows: &RecordBatch,
    sink: &[(&str, &str)],
    source: &[(&str, &str)],
    unwritable: &[usize],
) {
    let place = Place::new();
    place.sink("a", &cut(random, rows), ChangeKind::Append, sink).unwrap();
    let read = place.read("a", Some(rows.schema()), source).unwrap();
    let kept = (0..rows.num_rows()).filter(|row| !unwritable.contains(row)).map(|row| row as u32);
    let written = take_record_batch(rows, &UInt32Array::from_iter_values(kept)).unwrap();
    let got = concat_batches(&rows.schema(), &read.batches).unwrap();
    let told = format!("LAMINAR_TEST_SEED={seed} {sink:?} {:?}", rows.schema());
    let text = if pairs(sink).contains(&("compression".to_owned(), "none".to_owned())) && sink[0].1 != "parquet" {
        place.text("a")
    } else {
        String::new()
    };
    assert_eq!(read.bad, [], "{told}\n{text}");
    assert_eq!(got.num_rows(), written.num_rows(), "{told}\n{text}");
    for (field, (got, written)) in rows.schema().fields().iter().zip(got.columns().iter().zip(written.columns())) {
        assert!(got.to_data() == written.to_data(), "column {}: {got:?} is not {written:?}\n{told}\n{text}", field.name());
    }
}

/// The rows that an encoder cannot write, all for this reason.
fn unwritable(seed: u64, encoder: &mut dyn Encoder, rows: &RecordBatch, reason: &str) -> Vec<usize> {
    let unwritable = encoder.encode(rows, &mut Vec::new()).unwrap();
    assert!(unwritable.iter().all(|row| row.reason.contains(reason)), "LAMINAR_TEST_SEED={seed}: {unwritable:?}");
    unwritable.iter().map(|row| row.row).collect()
}

#[test]
fn parquet_gives_back_every_table() {
    for seed in seeds() {
        let mut random = StdRng::seed_from_u64(seed);
        let schema = random_schema(&mut random, Limits::Parquet, &["a", "A", "b b", "\u{e9}", "x.y"]);
        let rows = random_rows(&mut random, Limits::Parquet, &schema);
        let compression = ["none", "gzip", "zstd", "snappy"][random.random_range(0..4)];
        let sink = [("format", "parquet"), ("compression", compression)];
        check(seed, &mut random, &rows, &sink, &[("format", "parquet")], &[]);
    }
}

#[test]
fn ndjson_gives_back_every_table() {
    for seed in seeds() {
        let mut random = StdRng::seed_from_u64(seed);
        let schema = random_schema(&mut random, Limits::Text, &["a", "A", "b \"b\"", "\u{e9}\\", "x.y"]);
        let rows = random_rows(&mut random, Limits::Text, &schema);
        let compression = ["none", "gzip", "zstd"][random.random_range(0..3)];
        let sink = [("format", "ndjson"), ("compression", compression)];
        let unwritable = unwritable(seed, &mut NdjsonEncoder::default(), &rows, "a map holds a key twice");
        check(seed, &mut random, &rows, &sink, &[("format", "ndjson")], &unwritable);
    }
}

#[test]
fn csv_gives_back_every_table_in_every_dialect() {
    for seed in seeds() {
        let mut random = StdRng::seed_from_u64(seed);
        let pick = |random: &mut StdRng, words: &[&'static str]| words[random.random_range(0..words.len())];
        let header = pick(&mut random, &["true", "false"]);
        let delimiter = pick(&mut random, &[",", ";", "\t", "|", " ", "0"]);
        let quote = pick(&mut random, &["\"", "'", "none", "\\"]);
        let compression = pick(&mut random, &["none", "gzip", "zstd"]);
        // A text for NULL that holds the quote is refused.
        let null = pick(&mut random, if quote == "\\" { &["", "NA"] } else { &["", "NA", "\\N", "1"] });
        let names = if quote == "none" { ["a", "A", "b", "\u{e9}", "x.y"] } else { ["a", "A", "b \"b\"", "\u{e9};,", "x'\ny"] };
        let schema = random_schema(&mut random, Limits::Text, &names);
        let rows = random_rows(&mut random, Limits::Text, &schema);
        let mut options = vec![("format", "csv"), ("header", header), ("delimiter", delimiter), ("quote", quote)];
        if !null.is_empty() {
            options.push(("null", null));
        }
        let dialect = Dialect {
            header: false,
            delimiter: delimiter.as_bytes()[0],
            quote: (quote != "none").then(|| quote.as_bytes()[0]),
            nulls: Some(null.to_owned()).filter(|null| !null.is_empty()).into_iter().collect(),
            ..Dialect::default()
        };
        let reason = if quote == "none" { "" } else { "a map holds a key twice" };
        let unwritable = unwritable(seed, &mut CsvEncoder::new(dialect), &rows, reason);
        let sink: Vec<_> = options.iter().copied().chain([("compression", compression)]).collect();
        check(seed, &mut random, &rows, &sink, &options, &unwritable);
    }
}

#[test]
fn every_type_comes_about() {
    let mut random = StdRng::seed_from_u64(1);
    let types: Vec<DataType> = (0..2000).map(|_| random_type(&mut random, Limits::Text, 2)).collect();
    let some = |is: fn(&DataType) -> bool| assert!(types.iter().any(is));
    some(|t| matches!(t, DataType::Interval(_)));
    some(|t| matches!(t, DataType::Decimal128(38, _)));
    some(|t| matches!(t, DataType::List(item) if matches!(item.data_type(), DataType::List(_))));
    some(|t| matches!(t, DataType::Map(..)));
    some(|t| matches!(t, DataType::Struct(_)));
    some(|t| matches!(t, DataType::Timestamp(arrow_schema::TimeUnit::Second, Some(_))));
}
