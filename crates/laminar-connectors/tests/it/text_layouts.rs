//! Where records and columns stand in text files of the world: line ends, headers, preambles, encodings.

use expect_test::{Expect, expect};
use laminar_connectors::formats::type_name::type_name;

use crate::harness::{Place, schema};

/// The columns, the rows and the bad rows of `content`, or its error.
pub(crate) fn check(name: &str, content: impl AsRef<[u8]>, columns: &str, options: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&shown(name, content.as_ref(), columns, options));
}

pub(crate) fn shown(name: &str, content: &[u8], columns: &str, options: &[(&str, &str)]) -> String {
    let place = Place::new();
    place.write(name, content);
    let declared = (!columns.is_empty()).then(|| schema(columns));
    let source = match place.source(name, declared.clone(), options) {
        Ok(source) => source,
        Err(error) => return place.plain(&error.to_string()),
    };
    let column = |field: &arrow_schema::FieldRef| format!("{} {}", field.name(), type_name(field.data_type()));
    let names = source.schema().fields().iter().map(column).collect::<Vec<_>>().join(", ");
    let read = match place.read(name, declared, options) {
        Ok(read) => read.shown(&place),
        Err(error) => place.plain(&error.to_string()),
    };
    format!("{names}\n{read}")
}

/// Both contents give the same columns, rows and bad rows.
pub(crate) fn check_same(name: &str, content: &str, options: &[(&str, &str)], plain: &str) {
    for columns in ["", "id:int, city:text"] {
        let (read, wanted) = (shown(name, content.as_bytes(), columns, options), shown(name, plain.as_bytes(), columns, &[]));
        assert_eq!(read, wanted, "{content:?} with columns '{columns}'");
    }
}

#[test]
fn csv_lines_end_in_a_feed_a_return_or_both() {
    let plain = "id,city\n1,Paris\n2,\"Nice, Riviera\"\n";
    for end in ["\r", "\r\n"] {
        check_same("a.csv", &plain.replace('\n', end), &[], plain);
        check_same("a.csv", plain.replace('\n', end).trim_end(), &[], plain);
    }
    check_same("a.csv", "id,city\r1,Paris\n2,\"Nice, Riviera\"\r\n", &[], plain);
    check_same("a.csv", "id,city\n1,Paris\r2,\"Nice, Riviera\"", &[], plain);
    check(
        "a.csv",
        "1,a\r2,b\rx,c\r\"3\r3\",d\r4\r",
        "id:int, city:text",
        &[("header", "false")],
        expect![[r#"
        id BIGINT, city VARCHAR
        1 | a
        2 | b
        ! a.csv:3: column 'id': 'x' is not a BIGINT <- x,c
        ! a.csv:4: column 'id': '3\r3' is not a BIGINT <- "3\r3",d
        ! a.csv:6: 1 field where 2 fields are expected <- 4"#]],
    );
}

#[test]
fn a_fault_of_a_record_with_good_quotes_is_one_of_the_whole_record() {
    check(
        "a.csv",
        b"id,city\n1,\"a\nb\",c\n2,\"x\ny\"\n3,\"\xff\nz\"\n\"4\n\n4\"\n5,e\nx,\"p\r\nq\"\n6,f\n",
        "id:int, city:text",
        &[],
        expect![[r#"
            id BIGINT, city VARCHAR
            2 | x
            y
            5 | e
            6 | f
            ! a.csv:2: 3 fields where 2 fields are expected <- 1,"a
            b",c
            ! a.csv:6: not valid UTF-8 <- 3,"�
            z"
            ! a.csv:8: 1 field where 2 fields are expected <- "4

            4"
            ! a.csv:12: column 'id': 'x' is not a BIGINT <- x,"p\r
            q""#]],
    );
}

#[test]
fn names_that_a_header_repeats_or_leaves_out_are_made_up_and_found_again() {
    let headers = ["id,name,name,", "\n\r\n  \nid,name,name,", " id , name , name , ", "\"id\",\"name\",\"name\",\"\""];
    for header in headers {
        check(
            "a.csv",
            format!("{header}\n1,Ada,Lovelace,x\n2,Bob,,y\n"),
            "",
            &[],
            expect![[r#"
                id BIGINT, name VARCHAR, name_3 VARCHAR, column_4 VARCHAR
                1 | Ada | Lovelace | x
                2 | Bob | NULL | y"#]],
        );
    }
    check(
        "a.csv",
        ",a,b\n0,1,x\n1,2,y\n",
        "",
        &[],
        expect![[r#"
        column_1 BIGINT, a BIGINT, b VARCHAR
        0 | 1 | x
        1 | 2 | y"#]],
    );
    check(
        "a.csv",
        "a,a,a_2\n1,2,3\n",
        "",
        &[],
        expect![[r#"
        a BIGINT, a_2_2 BIGINT, a_2 BIGINT
        1 | 2 | 3"#]],
    );
    check(
        "a.csv",
        "a,a,a_2\n1,2,3\n",
        "a_2:int, a:int, a_2_2:int",
        &[],
        expect![[r#"
        a_2 BIGINT, a BIGINT, a_2_2 BIGINT
        3 | 1 | 2"#]],
    );
    check(
        "a.csv",
        ",a,b\n0,1,x\n",
        "column_1:int, b:text",
        &[],
        expect![[r#"
        column_1 BIGINT, b VARCHAR
        0 | x"#]],
    );
    check(
        "a.csv",
        "Name,NAME\nx,y\n",
        "name:text",
        &[],
        expect!["LDB-1003: 'a.csv' has no column 'name'; hint: write it as the file does: Name or NAME"],
    );
    check(
        "a.csv",
        "x,\n1\n2,\n3,4\n",
        "",
        &[],
        expect![[r#"
        x BIGINT, column_2 BIGINT
        1 | NULL
        2 | NULL
        3 | 4"#]],
    );
}

#[test]
fn files_of_one_source_may_order_their_columns_otherwise() {
    let place = Place::new();
    place.write("d/a.csv", "a,a,\n1,2,3\n");
    place.write("d/b.csv", "a,column_3,a_2\n4,6,5\n");
    assert_eq!(place.read("d", None, &[]).unwrap().rows, ["1 | 2 | 3", "4 | 5 | 6"]);
}

#[test]
fn one_empty_field_too_many_is_forgiven() {
    check(
        "a.csv",
        "id,city\n1,Paris,\n2,Nice\n3,Lyon,,\n4,Lille,\"\"\n5,Brest,x\n",
        "",
        &[],
        expect![[r#"
        id BIGINT, city VARCHAR
        1 | Paris
        2 | Nice
        ! a.csv:4: 4 fields where 2 fields are expected <- 3,Lyon,,
        ! a.csv:5: 3 fields where 2 fields are expected <- 4,Lille,""
        ! a.csv:6: 3 fields where 2 fields are expected <- 5,Brest,x"#]],
    );
    check(
        "a.csv",
        "id\n1,\n2\n",
        "",
        &[],
        expect![[r#"
        id BIGINT
        1
        2"#]],
    );
    check(
        "a.csv",
        "1,Paris\n2,Nice,\n",
        "id:int, city:text",
        &[("header", "false")],
        expect![[r#"
        id BIGINT, city VARCHAR
        1 | Paris
        2 | Nice"#]],
    );
}

#[test]
fn lines_before_the_header_and_comments_are_passed_over() {
    let plain = "id,city\n1,Paris\n2,\"Nice, Riviera\"\n";
    check_same("a.csv", &format!("Report \"of\nToday, or so\n{plain}"), &[("skip", "2")], plain);
    check_same("a.csv", &format!("# a, \"b\n#\n{plain}#3,x\n"), &[("comment", "#")], plain);
    check_same("a.csv", &format!("title\r// c\r{}", plain.replace('\n', "\r")), &[("skip", "1"), ("comment", "//")], plain);
    check(
        "a.csv",
        "x\n1,#a\n#2,b\n",
        "id:int, city:text",
        &[("header", "false"), ("skip", "1"), ("comment", "#")],
        expect![[r#"
            id BIGINT, city VARCHAR
            1 | #a"#]],
    );
    check(
        "a.csv",
        "a,b\n#1,2\n",
        "",
        &[("comment", ",")],
        expect![[r#"
        a VARCHAR, b BIGINT
        #1 | 2"#]],
    );
    check(
        "a.csv",
        "a,b\n",
        "",
        &[("comment", "")],
        expect![
            "LDB-1006: option 'comment' cannot be ''; hint: it must be the characters that comment lines start with, such as '#'"
        ],
    );
    check(
        "a.csv",
        "a,b\n",
        "",
        &[("skip", "x")],
        expect!["LDB-1006: option 'skip' cannot be 'x'; hint: it must be a whole number such as 1000"],
    );
    check(
        "a.ndjson",
        "{}\n",
        "",
        &[("skip", "1")],
        expect![
            "LDB-1005: a file source of format ndjson has no option 'skip'; hint: its options are: path, format, follow, poll_interval, batch_rows, on_bad_row, hive_partitioning, compression, encoding, schema_sample_rows, epoch_unit, root"
        ],
    );
}

#[test]
fn positions_count_the_lines_that_are_passed_over() {
    check(
        "a.csv",
        "t\n# c\n\nid\n1\n# c\nx\n",
        "id:int",
        &[("skip", "1"), ("comment", "#")],
        expect![[r#"
        id BIGINT
        1
        ! a.csv:7: column 'id': 'x' is not a BIGINT <- x"#]],
    );
}

#[test]
fn a_file_of_which_no_record_fits_its_header_fails_at_once() {
    check(
        "a.csv",
        "# made today\nid,city\n1,Paris\n",
        "",
        &[],
        expect![
            "LDB-3002: no record of 'a.csv' can be read (its header has 1 field; line 2: 2 fields where 1 field is expected); hint: if lines stand before the header, pass over them with skip = '…' or comment = '#'; if values are separated otherwise, say delimiter = '…'"
        ],
    );
    check(
        "a.csv",
        "# made today\nid,city\n1,Paris\n",
        "id:int, city:text",
        &[],
        expect![
            "LDB-1003: 'a.csv' has no column 'id' (its first line is: # made today); hint: if lines stand before the header, pass over them with skip = '…' or comment = '…'; if values are separated otherwise, say delimiter = '…'"
        ],
    );
    check(
        "a.csv",
        "id;city\n1;Paris, Texas\n",
        "",
        &[],
        expect![
            "LDB-3002: no record of 'a.csv' can be read (its header has 1 field; line 2: 2 fields where 1 field is expected); hint: if lines stand before the header, pass over them with skip = '…' or comment = '#'; if values are separated otherwise, say delimiter = '…'"
        ],
    );
    check(
        "a.csv",
        b"caf\xe9\n",
        "",
        &[("header", "false")],
        expect![
            "LDB-3002: no record of 'a.csv' can be read (line 1: not valid UTF-8); hint: name the file's encoding: encoding = 'latin1', 'windows-1252', 'utf-16', …"
        ],
    );
    check("a.csv", "\"id\n1\n", "", &[], expect!["LDB-3002: the header of 'a.csv' cannot be read: a quote that is never closed"]);
    check(
        "a.csv",
        "\n\n",
        "",
        &[],
        expect![
            "LDB-3002: 'a.csv' is empty, so its columns are not known; hint: declare the columns: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …"
        ],
    );
}

#[test]
fn a_header_that_is_no_text_is_told_as_the_headers_fault() {
    for columns in ["", "id:int"] {
        check(
            "a.csv",
            b"id,caf\xe9\n1,x\n2,y\n",
            columns,
            &[],
            expect![[
                r#"LDB-3002: the header of 'a.csv' cannot be read: not valid UTF-8; hint: name the file's encoding: encoding = 'latin1', 'windows-1252', 'utf-16', …"#
            ]],
        );
    }
}

#[test]
fn text_of_other_encodings_is_read_when_its_name_is_said() {
    let wide = |text: &str, to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("latin1", b"id,city\n1,Orl\xe9ans\n".to_vec()),
        ("ISO-8859-1", b"id,city\r1,Orl\xe9ans\r".to_vec()),
        ("windows-1252", b"id,city\r\n1,Orl\xe9ans\r\n".to_vec()),
        ("utf-16", [&b"\xff\xfe"[..], &wide("id,city\n1,Orl\u{e9}ans\n", u16::to_le_bytes)].concat()),
        ("utf-16", [&b"\xfe\xff"[..], &wide("id,city\n1,Orl\u{e9}ans\n", u16::to_be_bytes)].concat()),
        ("utf-16be", wide("id,city\n1,Orl\u{e9}ans\n", u16::to_be_bytes)),
        ("utf-8", "\u{feff}id,city\n1,Orl\u{e9}ans\n".into()),
        ("macintosh", b"id,city\r1,Orl\x8eans\r".to_vec()),
    ];
    for (encoding, bytes) in cases {
        let read = shown("a.csv", &bytes, "", &[("encoding", encoding)]);
        assert_eq!(read, "id BIGINT, city VARCHAR\n1 | Orl\u{e9}ans", "{encoding}");
    }
    check(
        "a.json",
        b"{\"a\":\"\x93\xfa\"}\n{\"a\":\"\x93\"}\n",
        "",
        &[("encoding", "shift_jis")],
        expect![[r#"
        a VARCHAR
        日
        ! a.json:2: not valid Shift_JIS <- {"a":"�"}"#]],
    );
    check(
        "a.csv",
        b"a\nok\nx\x81",
        "",
        &[("encoding", "gbk")],
        expect![[r#"
        a VARCHAR
        ok
        ! a.csv:3: not valid GBK <- x�"#]],
    );
    check(
        "a.csv",
        b"a\n",
        "",
        &[("encoding", "ebcdic")],
        expect![
            "LDB-1006: option 'encoding' cannot be 'ebcdic'; hint: it must be an encoding such as 'utf-8', 'latin1', 'windows-1252', 'utf-16', 'shift_jis', 'gbk' or 'koi8-r'"
        ],
    );
    check(
        "a.parquet",
        b"PAR1",
        "",
        &[("encoding", "latin1")],
        expect![
            "LDB-1005: a file source of format parquet has no option 'encoding'; hint: its options are: path, format, follow, poll_interval, batch_rows, on_bad_row, hive_partitioning"
        ],
    );
}

#[test]
fn a_followed_file_of_another_encoding_is_read_as_it_grows() {
    use std::io::Write;
    let place = Place::new();
    place.write("a.csv", b"id,caf\xe9\n1,\xe9\xe9");
    let options = [("follow", "true"), ("encoding", "latin1")];
    let mut source = place.source("a.csv", None, &options).unwrap();
    assert!(crate::harness::poll(&mut *source, 9).unwrap().is_none());
    let mut file = std::fs::OpenOptions::new().append(true).open(place.path("a.csv")).unwrap();
    file.write_all(b"\xe9\n").unwrap();
    let (rows, bad) = crate::harness::poll(&mut *source, 9).unwrap().unwrap();
    assert_eq!((crate::harness::rows_of(&rows), bad.len()), (vec!["1 | \u{e9}\u{e9}\u{e9}".to_owned()], 0));
    assert!(crate::harness::poll(&mut *source, 9).unwrap().is_none());
}

#[test]
fn wide_files_come_in_batches_of_fewer_rows() {
    let place = Place::new();
    let header: Vec<String> = (0..9000).map(|column| format!("c{column}")).collect();
    let row = vec!["1"; 9000].join(",");
    place.write("a.csv", format!("{}\n{}", header.join(","), format!("{row}\n").repeat(600)));
    let read = place.read("a.csv", None, &[]).unwrap();
    let sizes: Vec<usize> = read.batches.iter().map(arrow_array::RecordBatch::num_rows).collect();
    assert_eq!(sizes, [466, 134]);
}
