//! What file sources read: formats, types, order, compression, headers.

use std::io::Write;

use expect_test::{Expect, expect};
use laminar_connectors::formats::type_name::type_name;
use laminar_connectors::{Options, Registry, SourceRequest};

use crate::harness::{Place, poll, schema};

/// Reads `content` as `name` and compares rows and bad rows.
fn check(name: &str, content: impl AsRef<[u8]>, columns: &str, options: &[(&str, &str)], expected: Expect) {
    let place = Place::new();
    place.write(name, content);
    let declared = (!columns.is_empty()).then(|| schema(columns));
    let shown = match place.read(name, declared, options) {
        Ok(read) => read.shown(&place),
        Err(error) => place.plain(&error.to_string()),
    };
    expected.assert_eq(&shown);
}

/// The columns that are found in `content`.
fn check_inferred(name: &str, content: &str, expected: Expect) {
    let place = Place::new();
    place.write(name, content);
    let source = place.source(name, None, &[]).unwrap();
    let columns: Vec<_> =
        source.schema().fields().iter().map(|field| format!("{} {}", field.name(), type_name(field.data_type()))).collect();
    expected.assert_eq(&columns.join(", "));
}

#[test]
fn csv_columns_come_by_name_in_the_declared_order() {
    check(
        "a.csv",
        "id,Name,price\n1,x,2.5\n2,,3\n",
        "price:float, name:text",
        &[],
        expect![[r#"
            2.5 | x
            3.0 | NULL"#]],
    );
}

#[test]
fn csv_without_header_goes_by_place() {
    check(
        "a.csv",
        "1,x\n2,y",
        "id:int, name:text",
        &[("header", "false")],
        expect![[r#"
        1 | x
        2 | y"#]],
    );
}

#[test]
fn csv_dialects_are_obeyed() {
    check("a.tsv", "a\tb\n1\tx y\n", "", &[], expect![[r#"1 | x y"#]]);
    check("a.csv", "a;b\n1;'x;y'\n", "", &[("delimiter", ";"), ("quote", "'")], expect![[r#"1 | x;y"#]]);
    check(
        "a.csv",
        "a,b\nNA,\"NA\"\n,\"\"\n",
        "a:int, b:text",
        &[("null", "NA")],
        expect![[r#"
        NULL | NA
        NULL | "#]],
    );
    check(
        "a.csv",
        "a,b\n1,say \"hi\"\n2,\"\n",
        "",
        &[("quote", "none")],
        expect![[r#"
        1 | say "hi"
        2 | ""#]],
    );
    check(
        "a.csv",
        "\u{feff}a,b\r\n1,\"two\r\nlines\"\r\n",
        "",
        &[],
        expect![[r#"
            1 | two\r
            lines"#]],
    );
}

#[test]
fn every_type_is_read_from_csv() {
    check(
        "a.csv",
        "i,f,t,b,d,m,ts,iv,l,y\n-1,1e3,x,yes,2013-01-31,1.005,2013-01-31 05:15:00.25,1 day,\"[1, null]\",\\xff00\n",
        "i:int, f:float, t:text, b:bool, d:date, m:decimal, ts:ts, iv:interval, l:list, y:bytes",
        &[],
        expect![[r#"-1 | 1000.0 | x | true | 2013-01-31 | 1.01 | 2013-01-31T05:15:00.250 | 1 days | [1, NULL] | ff00"#]],
    );
}

#[test]
fn ndjson_columns_come_by_name_and_keep_every_digit() {
    check(
        "a.ndjson",
        "{\"b\":\"x\",\"a\":9007199254740993}\n\n{\"a\":\"2\",\"c\":[1]}\n{\"a\":3.0,\"b\":{\"k\": 1}}",
        "a:int, b:text",
        &[],
        expect![[r#"
            9007199254740993 | x
            2 | NULL
            3 | {"k": 1}"#]],
    );
}

#[test]
fn json_escapes_and_nested_values_are_read() {
    check(
        "a.jsonl",
        r#"{"s":"a\"b\u00e9\n","l":[1,2],"o":{"x":1,"y":{"z":true}}}"#,
        "",
        &[],
        expect![[r#"
            a"bé
             | [1, 2] | {x: 1, y: {z: true}}"#]],
    );
}

#[test]
fn epoch_numbers_are_times_only_when_the_unit_is_said() {
    let content = "{\"ts\":1357017300000}\n{\"ts\":\"2013-01-01T05:15:00Z\"}\n";
    check(
        "a.ndjson",
        content,
        "ts:ts",
        &[("epoch_unit", "ms")],
        expect![[r#"
        2013-01-01T05:15:00
        2013-01-01T05:15:00"#]],
    );
    check(
        "a.ndjson",
        content,
        "ts:ts",
        &[],
        expect![[r#"
        2013-01-01T05:15:00
        ! a.ndjson:1: column 'ts': 1357017300000 is not a TIMESTAMP (numbers need the option epoch_unit = 's', 'ms', 'us' or 'ns') <- {"ts":1357017300000}"#]],
    );
}

#[test]
fn columns_are_found_in_the_data() {
    check_inferred(
        "a.csv",
        "id,price,name,day,at,ok,zip\n1,2.5,x,2013-01-01,2013-01-01 05:15:00,true,01234\n2,3,,,,,\n",
        expect![[r#"id BIGINT, price DOUBLE, name VARCHAR, day DATE, at TIMESTAMP, ok BOOLEAN, zip VARCHAR"#]],
    );
    check_inferred(
        "a.json",
        "{\"z\":1,\"at\":\"2013-01-01T05:15:00Z\",\"o\":{\"k\":1.5}}\n{\"a\":null,\"z\":2}\n",
        expect![[r#"z BIGINT, at TIMESTAMP, o STRUCT, a VARCHAR"#]],
    );
}

#[test]
fn a_file_with_a_header_alone_has_columns_and_no_rows() {
    check_inferred("a.csv", "a,b\n", expect![[r#"a VARCHAR, b VARCHAR"#]]);
    check("a.csv", "a,b\n", "", &[], expect![[r#""#]]);
}

#[test]
fn an_empty_text_file_has_no_rows_if_its_columns_are_declared() {
    check("a.csv", "", "a:int", &[], expect![[r#""#]]);
    check("a.ndjson", "", "a:int", &[], expect![[r#""#]]);
}

#[test]
fn compressed_files_are_known_by_their_first_bytes() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"a\n1\n2\n").unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&b"a\n3\n"[..], 1).unwrap();
    check(
        "a.csv.gz",
        [gzip.clone(), gzip.clone()].concat(),
        "a:int",
        &[],
        expect![[r#"
        1
        2
        1
        2
        ! a.csv.gz:4: column 'a': 'a' is not a BIGINT <- a"#]],
    );
    check(
        "a.csv",
        gzip,
        "",
        &[],
        expect![[r#"
        1
        2"#]],
    );
    check("a.csv.zst", zstd, "", &[], expect![[r#"3"#]]);
}

#[test]
fn globs_and_directories_are_read_in_the_order_of_names() {
    let place = Place::new();
    for (name, content) in [("d/b.csv", "a\n3\n"), ("d/a.csv", "a\n1\n2\n"), ("d/c.csv", ""), ("d/.hidden.csv", "a\n9\n")] {
        place.write(name, content);
    }
    place.write("d/notes.txt", "not data");
    assert_eq!(place.read("d", None, &[]).unwrap().rows, ["1", "2", "3"]);
    assert_eq!(place.read("d/*.csv", None, &[]).unwrap().rows, ["1", "2", "3"]);
    assert_eq!(place.read("d/[bc].csv", None, &[]).unwrap().rows, ["3"]);
}

#[test]
fn the_position_tells_file_and_line() {
    let place = Place::new();
    place.write("a.csv", "a\n1\n2\n3\n");
    let mut source = place.source("a.csv", None, &[]).unwrap();
    assert!(source.is_bounded());
    poll(&mut *source, 2).unwrap();
    assert_eq!(place.plain(&source.describe_position()), "a.csv: line 3");
}

#[test]
fn batches_are_as_large_as_asked_for() {
    let place = Place::new();
    place.write("a.csv", format!("a\n{}", "1\n".repeat(1000)));
    let sizes = |options: &[(&str, &str)], rows_max| {
        let mut source = place.source("a.csv", None, options).unwrap();
        let mut sizes = Vec::new();
        while let Some((rows, _)) = poll(&mut *source, rows_max).unwrap() {
            sizes.push(rows.num_rows());
        }
        sizes
    };
    assert_eq!(sizes(&[], 400), [400, 400, 200]);
    assert_eq!(sizes(&[("batch_rows", "300")], 400), [300, 300, 300, 100]);
}

#[test]
fn options_of_the_format_may_carry_its_prefix() {
    let place = Place::new();
    let path = place.write("a.csv", "1;x\n");
    let options = [("path", path.as_str()), ("format", "csv"), ("format.header", "false"), ("format.delimiter", ";")];
    let options = Options::new(crate::harness::pairs(&options));
    let request = SourceRequest { name: "s".to_owned(), schema: None, key: Vec::new(), options, schema_was_found: false };
    let mut source = Registry::with_builtin().get("FILE").unwrap().open_source(request).unwrap();
    assert_eq!(crate::harness::read_all(&mut *source).unwrap().rows, ["1 | x"]);
}
