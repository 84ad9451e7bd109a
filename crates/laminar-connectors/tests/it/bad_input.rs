//! What bad input gets: the message that a user reads.

use expect_test::{Expect, expect};
use laminar_connectors::{Options, Registry, SinkRequest, SourceRequest};
use laminar_core::dag::ChangeKind;

use crate::harness::{Place, pairs, schema};

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
fn a_bad_csv_row_is_rejected_with_its_reason_and_its_neighbours_stay() {
    check(
        &[("a.csv", b"id,name,n\n1,a,1\nx,b,2\n3,c\n4,d,4,4\n5,\xff,5\n6,f,70000\n,g,7\n\"8\"h,h,8\n\n9,i,9\n")],
        "id:int!, name:text, n:small",
        &[],
        expect![[r#"
            1 | a | 1
            9 | i | 9
            ! a.csv:3: column 'id': 'x' is not a BIGINT <- x,b,2
            ! a.csv:4: 2 fields where 3 fields are expected <- 3,c
            ! a.csv:5: 4 fields where 3 fields are expected <- 4,d,4,4
            ! a.csv:6: not valid UTF-8 <- 5,�,5
            ! a.csv:7: column 'n': '70000' is out of range for SMALLINT <- 6,f,70000
            ! a.csv:8: column 'id': NULL, but the column is NOT NULL <- ,g,7
            ! a.csv:9: text between a closing quote and the next delimiter <- "8"h,h,8"#]],
    );
}

#[test]
fn a_stray_quote_costs_only_its_own_line() {
    check(
        &[("a.csv", b"id,name\n1,\"a\n2,b\n3,\"c\"\n4,\"d")],
        "id:int, name:text",
        &[],
        expect![[r#"
        2 | b
        3 | c
        ! a.csv:2: text between a closing quote and the next delimiter <- 1,"a
        ! a.csv:5: a quote that is never closed <- 4,"d"#]],
    );
}

#[test]
fn a_bad_json_line_is_rejected_with_its_reason_and_its_neighbours_stay() {
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
    check(
        &[("a.ndjson", lines.join("\n").as_bytes())],
        "id:int!, name:text, l:list",
        &[],
        expect![[r#"
            1 | a | NULL
            7 | NULL | [1, NULL]
            ! a.ndjson:2: column 'id': 'x' is not a BIGINT <- {"id":"x","name":"b"}
            ! a.ndjson:3: not valid JSON at character 15: EOF while parsing a value <- {"id":2,"name":
            ! a.ndjson:4: not a JSON object: a line must start with '{' <- [1,2]
            ! a.ndjson:5: not valid JSON at character 9: trailing characters <- {"id":3}{"id":4}
            ! a.ndjson:6: column 'id': 1.5 is not a BIGINT <- {"id":1.5}
            ! a.ndjson:7: column 'id': true is not a BIGINT <- {"id":true}
            ! a.ndjson:8: column 'id': 99999999999999999999 is out of range for BIGINT <- {"id":99999999999999999999}
            ! a.ndjson:9: column 'id': NULL, but the column is NOT NULL <- {"name":"no id"}
            ! a.ndjson:10: column 'name': "\ud800" is not a valid JSON string <- {"id":5,"name":"\ud800"}
            ! a.ndjson:11: not a JSON object: a line must start with '{' <- hello
            ! a.ndjson:12: column 'l': item 2: 'x' is not a BIGINT <- {"id":6,"l":[1,"x"]}"#]],
    );
}

#[test]
fn a_source_told_to_fail_gives_the_rows_before_and_then_fails() {
    let place = Place::new();
    place.write("a.csv", "a\n1\nx\n3\n");
    let mut source = place.source("a.csv", Some(schema("a:int")), &[("on_bad_row", "fail")]).unwrap();
    let (rows, bad) = crate::harness::poll(&mut *source, 100).unwrap().unwrap();
    assert_eq!((rows.num_rows(), bad.len()), (1, 0));
    let error = crate::harness::poll(&mut *source, 100).unwrap_err();
    expect![[r#"LDB-3002: a.csv:3: column 'a': 'x' is not a BIGINT; hint: with on_bad_row = 'skip' such rows are rejected and readable in <source>$errors"#]].assert_eq(&place.plain(&error.to_string()));
}

#[test]
fn files_that_are_not_there_name_what_may_be_meant() {
    check_path(
        "flihgts.csv",
        &[("flights.csv", b"a\n1\n")],
        "",
        &[],
        expect![[r#"LDB-3001: there is no file 'flihgts.csv'; hint: did you mean 'flights.csv'?"#]],
    );
    check_path(
        "nowhere/a.csv",
        &[],
        "",
        &[],
        expect![[r#"LDB-3001: there is no file 'nowhere/a.csv'; hint: there is no directory 'nowhere' either"#]],
    );
    check_path(
        "*.csv",
        &[("a.ndjson", b"{}")],
        "",
        &[],
        expect![[r#"LDB-3001: no file matches '*.csv'; hint: relative paths start at the directory in which the program runs"#]],
    );
    check_path(
        "d",
        &[("d/a.txt", b"x")],
        "",
        &[],
        expect![[
            r#"LDB-3001: the directory 'd' holds no data files; hint: files are known by their endings: .parquet, .csv, .tsv, .ndjson, .jsonl, .json, also with .gz or .zst"#
        ]],
    );
    check_path(
        "d",
        &[("d/a.csv", b"x"), ("d/a.json", b"{}")],
        "",
        &[],
        expect![[
            r#"LDB-1006: the directory 'd' holds files of several formats (csv and ndjson); hint: add format = '…', or a glob such as '*.csv'"#
        ]],
    );
}

#[test]
fn empty_files_without_declared_columns_say_so() {
    check(
        &[("a.csv", b"")],
        "",
        &[],
        expect![[
            r#"LDB-3002: 'a.csv' is empty, so its columns are not known; hint: declare the columns: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …"#
        ]],
    );
    check(
        &[("a.ndjson", b"\n")],
        "",
        &[],
        expect![[
            r#"LDB-3002: 'a.ndjson' is empty, so its columns are not known; hint: declare the columns: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …"#
        ]],
    );
    check(
        &[("a.parquet", b"")],
        "",
        &[],
        expect![[
            r#"LDB-3002: 'a.parquet' is empty; hint: a Parquet file without rows still has a header and a footer; write or copy it again"#
        ]],
    );
}

#[test]
fn a_declared_column_that_the_file_lacks_names_the_nearest() {
    check(
        &[("a.csv", b"id,name\n1,x\n")],
        "id:int, nmae:text",
        &[],
        expect![[r#"LDB-1003: 'a.csv' has no column 'nmae'; hint: did you mean 'name'? its columns are: id, name"#]],
    );
    check(
        &[("a.csv", b"1,x\n2,y\n")],
        "id:int, name:text",
        &[],
        expect![[
            r#"LDB-1003: 'a.csv' has no column 'id' (its first line is: 1,x); hint: if that line is data, add header = 'false'"#
        ]],
    );
}

#[test]
fn files_that_are_something_else_are_recognised() {
    check(
        &[("a.parquet", b"id,name\n1,x\n2,y\n")],
        "",
        &[],
        expect![[r#"LDB-3002: 'a.parquet' is not a Parquet file; hint: set format = 'csv' or 'ndjson' if it is text"#]],
    );
    check(
        &[("a.csv", b"PAR1....PAR1")],
        "",
        &[],
        expect![[r#"LDB-3002: 'a.csv' is a Parquet file; hint: set format = 'parquet'"#]],
    );
    check(
        &[("a.csv", b"\xff\xfea\0,\0")],
        "",
        &[],
        expect![[r#"LDB-3002: 'a.csv' is UTF-16 text; hint: add encoding = 'utf-16'"#]],
    );
    check(
        &[("a.json", b"hello\n")],
        "",
        &[],
        expect![[
            r#"LDB-3002: 'a.json' has no line that is a JSON object; hint: NDJSON holds one object a line: {"a": 1, "b": "x"}"#
        ]],
    );
    check(
        &[("a.dat", b"x")],
        "",
        &[],
        expect![[
            r#"LDB-1006: the format of 'a.dat' cannot be told from its name; hint: add format = 'parquet', 'csv' or 'ndjson'"#
        ]],
    );
}

#[test]
fn a_parquet_file_that_is_cut_off_says_so() {
    check(
        &[("a.parquet", b"PAR1 and then some bytes")],
        "",
        &[],
        expect![[
            r#"LDB-3002: 'a.parquet' is cut off: it has no Parquet footer (it ends after 24 bytes); hint: it is still being written, or was copied in part; copy it again"#
        ]],
    );
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
    check(
        file,
        "",
        &[("delimeter", ";")],
        expect![[
            r#"LDB-1005: a file source has no option 'delimeter'; hint: did you mean 'delimiter'? its options are: path, format, follow, poll_interval, batch_rows, on_bad_row, hive_partitioning, compression, encoding, schema_sample_rows, epoch_unit, header, delimiter, quote, null, skip, comment, root"#
        ]],
    );
    check(
        file,
        "",
        &[("format", "cvs")],
        expect![[
            r#"LDB-1006: option 'format' cannot be 'cvs'; hint: did you mean 'csv'? it can be: parquet, csv, ndjson, json, jsonl"#
        ]],
    );
    check(
        file,
        "",
        &[("batch_rows", "0")],
        expect![[r#"LDB-1006: option 'batch_rows' cannot be '0'; hint: it must be a whole number of at least 1"#]],
    );
    check(
        file,
        "",
        &[("delimiter", "::")],
        expect![[r#"LDB-1006: option 'delimiter' cannot be '::'; hint: it must be one ASCII character (\t for a tabulator)"#]],
    );
    check(
        file,
        "",
        &[("on_bad_row", "panic")],
        expect![[r#"LDB-1006: option 'on_bad_row' cannot be 'panic'; hint: it can be: skip, fail"#]],
    );
    check(
        file,
        "",
        &[("poll_interval", "1s")],
        expect![[
            r#"LDB-1006: poll_interval means nothing without follow; hint: add follow = 'true', or leave out poll_interval"#
        ]],
    );
    check(
        &[("a.json", b"{\"a\":1}")],
        "",
        &[("delimiter", ";")],
        expect![[
            r#"LDB-1005: a file source of format ndjson has no option 'delimiter'; hint: its options are: path, format, follow, poll_interval, batch_rows, on_bad_row, hive_partitioning, compression, encoding, schema_sample_rows, epoch_unit, root"#
        ]],
    );
    check(file, "", &[("delimiter", "\"")], expect![[r#"LDB-1006: delimiter and quote must differ"#]]);
}

#[test]
fn a_misspelt_option_that_is_needed_is_told_as_misspelt() {
    let registry = Registry::with_builtin();
    let file = registry.get("file").unwrap();
    let source = |name: &str| {
        let options = Options::new(pairs(&[(name, "a.csv")]));
        file.open_source(SourceRequest { name: "s".to_owned(), schema: None, key: Vec::new(), options, schema_was_found: false })
            .err()
            .unwrap()
            .to_string()
    };
    let sink = |name: &str| {
        let options = Options::new(pairs(&[(name, "a.csv")]));
        let request = SinkRequest {
            name: "k".to_owned(),
            schema: schema("a:int"),
            changes: ChangeKind::Append,
            options,
            transactional: false,
            io_uring: false,
            resume: None,
        };
        file.open_sink(request).err().unwrap().to_string()
    };
    let all = [source("pth"), sink("pth"), source("format"), sink("format")];
    expect![[r#"
        LDB-1005: a file source has no option 'pth'; hint: did you mean 'path'? its options are: path, format, follow, poll_interval, batch_rows, on_bad_row, hive_partitioning, compression, encoding, schema_sample_rows, epoch_unit, header, delimiter, quote, null, skip, comment, root
        LDB-1005: a file sink has no option 'pth'; hint: did you mean 'path'? its options are: path, format, compression, overwrite, publish, changelog, row_group_bytes, header, delimiter, quote, null
        LDB-1006: a file source needs the option 'path'; hint: add path = '…' between the parentheses
        LDB-1006: a file sink needs the option 'path'; hint: add path = '…' between the parentheses"#]].assert_eq(&all.join("\n"));
}

#[test]
fn a_long_raw_text_is_cut() {
    let place = Place::new();
    place.write("a.csv", format!("a,b\n{}\n", "x".repeat(100_000)));
    let read = place.read("a.csv", Some(schema("a:text, b:text")), &[]).unwrap();
    assert!(read.bad[0].raw.len() < 5000, "{}", read.bad[0].raw.len());
}

#[test]
fn a_second_file_without_a_needed_column_fails_by_name_after_the_first() {
    let place = Place::new();
    place.write("d/a.csv", "id,name\n1,x\n");
    place.write("d/b.csv", "id,nam\n2,y\n");
    let mut source = place.source("d", None, &[]).unwrap();
    assert_eq!(crate::harness::poll(&mut *source, 9).unwrap().unwrap().0.num_rows(), 1);
    let error = crate::harness::poll(&mut *source, 9).unwrap_err();
    assert_eq!(
        place.plain(&error.to_string()),
        "LDB-1003: 'd/b.csv' has no column 'name'; hint: did you mean 'nam'? its columns are: id, nam"
    );
}

#[test]
fn a_row_that_contradicts_a_type_found_in_the_data_says_where_the_type_came_from() {
    let place = Place::new();
    place.write("a.csv", "id\n1\nx\n");
    let read = place.read("a.csv", None, &[("schema_sample_rows", "1")]).unwrap();
    assert_eq!(
        read.bad[0].reason,
        "column 'id': 'x' is not a BIGINT (a type found in the first rows; declare the columns to choose it)"
    );
}

#[test]
fn a_file_that_is_one_json_array_says_so_however_it_is_laid_out() {
    let blank = format!("{}[{{\"a\":1}}]", " \n".repeat(200_000));
    let texts = [
        "[{\"a\":1}]",
        "[{\"a\":1},{\"a\":2}]\n",
        "[{\"a\":1}]\r\n \n\t\n",
        "\n\n \t\n\n[{\"a\":1}]\n",
        "\u{feff}[{\"a\":1}]\n",
        "\u{feff}\r\n  [\n{\"a\":1},\n{\"a\":2}\n]\n",
        "[\n{\"a\":1}\n,{\"a\":2}\n]",
        "[]\n",
        &blank,
    ];
    for text in texts {
        for columns in ["a:int", ""] {
            check(
                &[("a.json", text.as_bytes())],
                columns,
                &[],
                expect![[
                    r#"LDB-3002: 'a.json' is a JSON array; hint: NDJSON holds one object a line; format = 'json' reads arrays and documents too; `jq -c '.[]'` turns an array into that"#
                ]],
            );
        }
    }
}

#[test]
fn a_first_line_that_is_an_array_does_not_make_the_file_one() {
    let place = Place::new();
    place.write("a.ndjson", "[1]\n{\"id\":1}\n");
    place.write("b.ndjson", "[\n{\"id\":1},\n{\"id\":2}]\n");
    let read = place.read("a.ndjson", Some(schema("id:int")), &[]).unwrap();
    assert_eq!((read.rows.len(), read.bad.len()), (1, 1));
    assert!(place.read("b.ndjson", Some(schema("id:int")), &[]).unwrap_err().message().ends_with("is a JSON array"));
}
