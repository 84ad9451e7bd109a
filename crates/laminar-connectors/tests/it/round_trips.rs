//! What a file sink writes, a file source reads back.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int32Array, Int64Array,
    LargeStringArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow_schema::SchemaRef;
use expect_test::expect;
use laminar_connectors::formats::type_name::type_name;
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Code};

use crate::harness::{Place, rows_of, schema};

/// Rows `n` = 0, 1, ….
pub(crate) fn numbers(rows: i64) -> ChangeBatch {
    batch([("n", Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef)])
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> ChangeBatch {
    let columns = columns.map(|(name, array)| (name, array, true));
    ChangeBatch::append(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

/// One row of ordinary values, one of awkward ones, one of NULLs.
fn everything() -> ChangeBatch {
    batch([
        ("i", Arc::new(Int64Array::from(vec![Some(1), Some(i64::MIN), None])) as ArrayRef),
        ("f", Arc::new(Float64Array::from(vec![Some(0.1), Some(-1e300), None]))),
        ("t", Arc::new(StringArray::from(vec![Some("x"), Some("a,\"b\"\r\nc\u{e9}"), None]))),
        ("e", Arc::new(StringArray::from(vec![Some(""), Some(" "), None]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("d", Arc::new(Date32Array::from(vec![Some(15_706), Some(-1), None]))),
        ("m", Arc::new(decimals(vec![Some(123), Some(-1), None]))),
        ("ts", Arc::new(TimestampNanosecondArray::from(vec![Some(1_357_017_300_000_000_001), Some(-1), None]))),
    ])
}

fn decimals(values: Vec<Option<i128>>) -> Decimal128Array {
    Decimal128Array::from(values).with_precision_and_scale(10, 2).unwrap()
}

fn everything_schema() -> SchemaRef {
    schema("i:int, f:float, t:text, e:text, b:bool, d:date, m:decimal, ts:ts")
}

/// Writes and reads back under `name`; with several sinks and sources in a row nothing may change.
fn check(name: &str, options: &[(&str, &str)]) {
    let place = Place::new();
    let written = everything();
    place.sink(name, &[written.slice(0, 2), written.slice(2, 1)], ChangeKind::Append, options).unwrap();
    let format: Vec<_> = options.iter().filter(|(option, _)| !["compression", "publish"].contains(option)).copied().collect();
    let read = place.read(name, Some(everything_schema()), &format).unwrap();
    assert_eq!(read.bad, []);
    assert_eq!(read.rows, rows_of(written.rows()), "{name}");
}

#[test]
fn every_format_and_compression_gives_back_what_was_written() {
    check("a.parquet", &[]);
    check("out/deep/a.parquet", &[("compression", "snappy")]);
    check("a.parquet", &[("compression", "none")]);
    check("a.parquet", &[("compression", "gzip")]);
    check("a.csv", &[]);
    check("a.tsv", &[]);
    check("a.csv.gz", &[]);
    check("a.csv.zst", &[]);
    check("a.ndjson", &[]);
    check("a.ndjson.gz", &[]);
    check("a", &[("format", "ndjson"), ("compression", "zstd")]);
    check("a", &[("format", "csv"), ("header", "false"), ("delimiter", ";")]);
    check("a.csv", &[("publish", "at_end")]);
}

#[test]
fn text_files_look_as_people_expect() {
    let place = Place::new();
    place.sink("a.csv", &[everything()], ChangeKind::Append, &[]).unwrap();
    expect![[r#"
        i,f,t,e,b,d,m,ts
        1,0.1,x,"",true,2013-01-01,1.23,2013-01-01 05:15:00.000000001
        -9223372036854775808,-1e300,"a,""b""\r
        cé", ,false,1969-12-31,-0.01,1969-12-31 23:59:59.999999999
        ,,,,,,,
    "#]]
    .assert_eq(&place.plain(&place.text("a.csv")));
    place.sink("a.ndjson", &[everything()], ChangeKind::Append, &[]).unwrap();
    expect![[r#"
        {"i":1,"f":0.1,"t":"x","e":"","b":true,"d":"2013-01-01","m":1.23,"ts":"2013-01-01T05:15:00.000000001"}
        {"i":-9223372036854775808,"f":-1.0e300,"t":"a,\"b\"\r\ncé","e":" ","b":false,"d":"1969-12-31","m":-0.01,"ts":"1969-12-31T23:59:59.999999999"}
        {"i":null,"f":null,"t":null,"e":null,"b":null,"d":null,"m":null,"ts":null}
    "#]].assert_eq(&place.text("a.ndjson"));
}

#[test]
fn bytes_survive_csv() {
    let place = Place::new();
    let written = batch([("y", Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..], b""])) as ArrayRef)]);
    place.sink("a.csv", std::slice::from_ref(&written), ChangeKind::Append, &[]).unwrap();
    let read = place.read("a.csv", Some(schema("y:bytes")), &[]).unwrap();
    assert_eq!(read.rows, rows_of(written.rows()));
}

#[test]
fn a_sink_without_rows_writes_a_file_that_can_be_read() {
    let place = Place::new();
    for name in ["a.parquet", "a.csv", "a.ndjson"] {
        place.sink(name, &[numbers(0)], ChangeKind::Append, &[]).unwrap();
        let read = place.read(name, Some(schema("n:int")), &[]).unwrap();
        assert_eq!((read.rows.len(), read.bad.len()), (0, 0), "{name}");
    }
}

#[test]
fn parquet_appears_only_when_it_is_complete_and_replaces_the_old_file() {
    let place = Place::new();
    place.sink("a.parquet", &[numbers(1)], ChangeKind::Append, &[]).unwrap();
    let mut sink = open_sink(&place, "a.parquet", &[]).unwrap();
    sink.write(laminar_core::StepId(0), &numbers(5)).unwrap();
    assert_eq!(place.read("a.parquet", None, &[]).unwrap().rows.len(), 1);
    let second = open_sink(&place, "a.parquet", &[]).unwrap().write(laminar_core::StepId(0), &numbers(1)).unwrap_err();
    assert_eq!(second.code(), Code::ObjectInUse);
    sink.finish().unwrap();
    assert_eq!(place.read("a.parquet", None, &[]).unwrap().rows.len(), 5);
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn a_sink_that_is_dropped_leaves_the_old_file_and_no_other() {
    let place = Place::new();
    place.sink("a.parquet", &[numbers(1)], ChangeKind::Append, &[]).unwrap();
    let mut sink = open_sink(&place, "a.parquet", &[]).unwrap();
    sink.write(laminar_core::StepId(0), &numbers(5)).unwrap();
    drop(sink);
    assert_eq!(place.read("a.parquet", None, &[]).unwrap().rows.len(), 1);
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 1);
}

#[test]
fn text_can_be_read_while_it_is_written() {
    let place = Place::new();
    let mut sink = open_sink(&place, "a.csv", &[]).unwrap();
    sink.write(laminar_core::StepId(0), &numbers(2)).unwrap();
    sink.flush().unwrap();
    assert_eq!(place.text("a.csv"), "n\n0\n1\n");
}

fn open_sink(place: &Place, name: &str, options: &[(&str, &str)]) -> laminar_core::Result<Box<dyn laminar_connectors::Sink>> {
    let mut pairs = crate::harness::pairs(options);
    pairs.push(("path".to_owned(), place.path(name).to_str().unwrap().to_owned()));
    let options = laminar_connectors::Options::new(pairs);
    let request = laminar_connectors::SinkRequest {
        name: "k".to_owned(),
        schema: numbers(0).schema(),
        changes: ChangeKind::Append,
        options,
        transactional: false,
        io_uring: false,
        resume: None,
    };
    laminar_connectors::Registry::with_builtin().get("file").unwrap().open_sink(request)
}

#[test]
fn sinks_refuse_what_would_surprise() {
    let place = Place::new();
    place.write("a.csv", "old");
    place.write("d/x", "");
    let refused =
        |name: &str, options: &[(&str, &str)]| place.plain(&open_sink(&place, name, options).err().unwrap().to_string());
    let all = [
        refused("a.csv", &[("overwrite", "false")]),
        refused("d", &[("format", "csv")]),
        refused("a.parquet", &[("publish", "at_once")]),
        refused("a.parquet", &[("delimiter", ";")]),
        refused("a.xyz", &[]),
        refused("a.csv", &[("compresion", "gzip")]),
    ];
    expect![[r#"
        LDB-2001: the file 'a.csv' exists; hint: leave out overwrite = 'false' to replace it, or name another file
        LDB-3001: 'd' is a directory; hint: name a file in it, such as 'out/rows.parquet'
        LDB-1006: a Parquet file can only be published at its end (it cannot be read before its footer is written); hint: leave out publish, or use format = 'csv' or 'ndjson'
        LDB-1005: a file sink of format parquet has no option 'delimiter'; hint: its options are: path, format, compression, overwrite, publish, changelog, row_group_bytes
        LDB-1006: the format of 'a.xyz' cannot be told from its name; hint: add format = 'parquet', 'csv' or 'ndjson'
        LDB-1005: a file sink has no option 'compresion'; hint: did you mean 'compression'? its options are: path, format, compression, overwrite, publish, changelog, row_group_bytes, header, delimiter, quote, null"#]].assert_eq(&all.join("\n"));
    assert_eq!(place.text("a.csv"), "old");
}

#[test]
fn rows_that_go_need_a_change_log() {
    let place = Place::new();
    let rows = numbers(3).rows().clone();
    let changes = ChangeBatch::new(rows, vec![1, -1, 2]);
    let error = place.sink("a.csv", std::slice::from_ref(&changes), ChangeKind::Retract, &[]).unwrap_err();
    assert_eq!(error.code(), Code::NotAppendOnly);
    place.sink("a.csv", &[changes], ChangeKind::Retract, &[("changelog", "true")]).unwrap();
    assert_eq!(place.text("a.csv"), "op,n\n+I,0\n-D,1\n+I,2\n+I,2\n");
}

#[test]
fn parquet_written_by_others_is_read_in_plain_types() {
    let place = Place::new();
    let dictionary: DictionaryArray<arrow_array::types::Int32Type> = ["x", "y", "x"].into_iter().collect();
    let written = batch([
        ("i", Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef),
        ("d", Arc::new(dictionary)),
        ("l", Arc::new(LargeStringArray::from(vec!["a", "b", "c"]))),
        ("v", Arc::new(StringViewArray::from(vec!["a", "b", "c"]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![0, 1_000_000, 2]))),
    ]);
    place.sink("a.parquet", &[written], ChangeKind::Append, &[]).unwrap();
    let source = place.source("a.parquet", None, &[]).unwrap();
    let types: Vec<_> = source.schema().fields().iter().map(|field| type_name(field.data_type())).collect();
    assert_eq!(types, ["INTEGER", "VARCHAR", "VARCHAR", "VARCHAR", "TIMESTAMP"]);
    let read = place.read("a.parquet", Some(schema("ts:ts, d:text, i:int, v:text")), &[]).unwrap();
    assert_eq!(
        read.rows,
        ["1970-01-01T00:00:00 | x | 1 | a", "1970-01-01T00:00:01 | y | 2 | b", "1970-01-01T00:00:00.000002 | x | 3 | c"]
    );
}

#[test]
fn parquet_rows_that_do_not_fit_are_rejected() {
    let place = Place::new();
    let written = batch([
        ("n", Arc::new(Int64Array::from(vec![Some(1), Some(70_000), None, Some(4)])) as ArrayRef),
        ("t", Arc::new(StringArray::from(vec!["a", "b", "c", "d"]))),
    ]);
    place.sink("a.parquet", &[written], ChangeKind::Append, &[]).unwrap();
    let read = place.read("a.parquet", Some(schema("n:small!, t:text")), &[]).unwrap();
    expect![[r#"
        1 | a
        4 | d
        ! a.parquet: row 2: column 'n': 70000 does not fit SMALLINT <- {n: 70000, t: b}
        ! a.parquet: row 3: column 'n': NULL, but the column is NOT NULL <- {n: NULL, t: c}"#]]
    .assert_eq(&read.shown(&place));
    let mut source = place.source("a.parquet", Some(schema("n:small!")), &[("on_bad_row", "fail")]).unwrap();
    assert_eq!(crate::harness::poll(&mut *source, 9).unwrap().unwrap().0.num_rows(), 1);
    expect![[r#"LDB-3002: a.parquet: row 2: column 'n': 70000 does not fit SMALLINT; hint: with on_bad_row = 'skip' such rows are rejected and readable in <source>$errors"#]].assert_eq(&place.plain(&source.poll(9).unwrap_err().to_string()));
}

#[test]
fn many_row_groups_are_read_in_order_and_in_batches() {
    let place = Place::new();
    let batches: Vec<_> = (0..50).map(|_| numbers(1000)).collect();
    place.sink("a.parquet", &batches, ChangeKind::Append, &[("row_group_bytes", "1 KiB")]).unwrap();
    let read = place.read("a.parquet", None, &[("batch_rows", "700")]).unwrap();
    assert_eq!(read.rows.len(), 50_000);
    assert!(read.batches.iter().all(|batch| batch.num_rows() <= 700));
    assert_eq!(read.rows[1999..2002], ["999", "0", "1"]);
}
