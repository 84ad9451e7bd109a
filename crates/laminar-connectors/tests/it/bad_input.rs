//! What bad input gets: the message that a user reads.

use expect_test::{Expect, expect};

use crate::harness::{Place, schema};

/// The rows, the bad rows, or the error that a source of `files` gives; the first file is the path unless one is given.
fn check(files: &[(&str, &[u8])], columns: &str, options: &[(&str, &str)], expected: Expect) {
    check_path(files[0].0, files, columns, options, expected);
}

fn check_path(path: &str, files: &[(&str, &[u8])], columns: &str, options: &[(&str, &str)], expected: Expect) {
    let place = Place::new();
    for (name, content) in files {
        place.write(name, content);
    }
    let declared = (!columns.is_empty()).then(|| schema(columns));
    let shown = match place.read(path, declared, options) {
        Ok(read) => read.shown(&place),
        Err(error) => place.plain(&error.to_string()),
    };
    expected.assert_eq(&shown);
}

#[test]
fn a_bad_csv_row_is_put_aside_with_its_reason_and_its_neighbours_stay() {
    check(
        &[("a.csv", b"id,name,n\n1,a,1\nx,b,2\n3,c\n4,d,4,4\n5,\xff,5\n6,f,70000\n,g,7\n\"8\"h,h,8\n\n9,i,9\n")],
        "id:int!, name:text, n:small",
        &[],
        expect![""],
    );
}

#[test]
fn a_stray_quote_costs_only_its_own_line() {
    check(&[("a.csv", b"id,name\n1,\"a\n2,b\n3,\"c\"\n4,\"d")], "id:int, name:text", &[], expect![""]);
}

#[test]
fn a_bad_json_line_is_put_aside_with_its_reason_and_its_neighbours_stay() {
    let lines = [
        r#"{"id":1,"name":"a"}"#,
        r#"{"id":"x","name":"b"}"#,
        r#"{"id":2,"name":"#,
        r#"[1,2]"#,
        r#"{"id":3}{"id":4}"#,
        r#"{"id":1.5}"#,
        r#"{"id":true}"#,
        r#"{"id":99999999999999999999}"#,
        r#"{"name":"no id"}"#,
        r#"{"id":5,"name":"\ud800"}"#,
        r#"hello"#,
        r#"{"id":6,"l":[1,"x"]}"#,
        r#"{"id":7,"l":[1,null]}"#,
    ];
    check(&[("a.ndjson", lines.join("\n").as_bytes())], "id:int!, name:text, l:list", &[], expect![""]);
}

#[test]
fn a_source_told_to_fail_gives_the_rows_before_and_then_fails() {
    let place = Place::new();
    place.write("a.csv", "a\n1\nx\n3\n");
    let mut source = place.source("a.csv", Some(schema("a:int")), &[("on_bad_row", "fail")]).unwrap();
    let (rows, bad) = crate::harness::poll(&mut *source, 100).unwrap().unwrap();
    assert_eq!((rows.num_rows(), bad.len()), (1, 0));
    let error = crate::harness::poll(&mut *source, 100).unwrap_err();
    expect![""].assert_eq(&place.plain(&error.to_string()));
}

#[test]
fn files_that_are_not_there_name_what_may_be_meant() {
    check_path("flihgts.csv", &[("flights.csv", b"a\n1\n")], "", &[], expect![""]);
    check_path("nowhere/a.csv", &[], "", &[], expect![""]);
    check_path("*.csv", &[("a.ndjson", b"{}")], "", &[], expect![""]);
    check_path("d", &[("d/a.txt", b"x")], "", &[], expect![""]);
    check_path("d", &[("d/a.csv", b"x"), ("d/a.json", b"{}")], "", &[], expect![""]);
}

#[test]
fn empty_files_without_declared_columns_say_so() {
    check(&[("a.csv", b"")], "", &[], expect![""]);
    check(&[("a.ndjson", b"\n")], "", &[], expect![""]);
    check(&[("a.parquet", b"")], "", &[], expect![""]);
}

#[test]
fn a_declared_column_that_the_file_lacks_names_the_nearest() {
    check(&[("a.csv", b"id,name\n1,x\n")], "id:int, nmae:text", &[], expect![""]);
    check(&[("a.csv", b"1,x\n2,y\n")], "id:int, name:text", &[], expect![""]);
}

#[test]
fn files_that_are_something_else_are_recognised() {
    check(&[("a.parquet", b"id,name\n1,x\n2,y\n")], "", &[], expect![""]);
    check(&[("a.csv", b"PAR1....PAR1")], "", &[], expect![""]);
    check(&[("a.csv", b"\xff\xfea\0,\0")], "", &[], expect![""]);
    check(&[("a.json", b"[{\"a\":1}]")], "a:int", &[], expect![""]);
    check(&[("a.json", b"hello\n")], "", &[], expect![""]);
    check(&[("a.dat", b"x")], "", &[], expect![""]);
}

#[test]
fn a_parquet_file_that_is_cut_off_says_so() {
    check(&[("a.parquet", b"PAR1 and then some bytes")], "", &[], expect![""]);
}

#[test]
fn a_compressed_file_that_is_cut_off_gives_the_rows_before_the_damage() {
    use std::io::Write;
    let mut text = String::from("a\n");
    (0..100_000).for_each(|n| text.push_str(&format!("{n}\n")));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    let place = Place::new();
    place.write("a.csv.gz", &bytes[..bytes.len() / 2]);
    let mut source = place.source("a.csv.gz", None, &[]).unwrap();
    let mut rows = 0;
    let error = loop {
        match crate::harness::poll(&mut *source, usize::MAX) {
            Ok(Some((batch, bad))) => {
                assert!(bad.is_empty(), "{bad:?}");
                rows += batch.num_rows();
            }
            Ok(None) => panic!("the damage went unseen"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(rows > 10_000, "{rows} rows");
    assert!(error.contains(&format!("cannot be read beyond line {}", rows + 1)), "{error}");
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let file: &[(&str, &[u8])] = &[("a.csv", b"a\n1\n")];
    check(file, "", &[("delimeter", ";")], expect![""]);
    check(file, "", &[("format", "cvs")], expect![""]);
    check(file, "", &[("batch_rows", "0")], expect![""]);
    check(file, "", &[("delimiter", "::")], expect![""]);
    check(file, "", &[("on_bad_row", "panic")], expect![""]);
    check(file, "", &[("delimiter", "\"")], expect![""]);
}

#[test]
fn a_long_raw_text_is_cut() {
    let place = Place::new();
    place.write("a.csv", format!("a,b\n{}\n", "x".repeat(100_000)));
    let read = place.read("a.csv", None, &[]).unwrap();
    assert!(read.bad[0].raw.len() < 5000, "{}", read.bad[0].raw.len());
}
