//! Where the objects of JSON stand in files of the world, and which of their keys are columns.

use expect_test::expect;
use laminar_connectors::formats::type_name::type_name;

use crate::harness::{Place, schema};
use crate::text_layouts::{check, check_same, shown};

#[test]
fn json_lines_end_in_a_feed_a_return_or_both() {
    let plain = "{\"id\":1,\"city\":\"Paris\"}\n{\"id\":2}\n{\"id\":\n{\"id\":3}\n";
    for end in ["\r", "\r\n"] {
        check_same("a.ndjson", &plain.replace('\n', end), &[], plain);
    }
    check_same("a.ndjson", "{\"id\":1}\r\n{\"id\":2}\n\n", &[], "{\"id\":1}\n{\"id\":2}\n");
}

const DOCUMENT: &str = "{\"type\": \"collection\",\n \"items\": [\n  {\"a\": 1, \"b\": \"x\"},\n  {\"a\": 2, \"b\": \"y\"}\n]}\n";

#[test]
fn one_document_over_several_lines_is_never_read_line_by_line() {
    let pretty = "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n";
    for text in [DOCUMENT, pretty, &DOCUMENT[..60], &DOCUMENT.replace('\n', "\r\n"), &DOCUMENT.replace('\n', "\r")] {
        for columns in ["", "a:int"] {
            check(
                "a.json",
                text,
                columns,
                &[],
                expect![[
                    r#"LDB-3002: 'a.json' is one JSON document over several lines; hint: NDJSON holds one object a line; format = 'json' reads arrays and documents too"#
                ]],
            );
        }
    }
}

#[test]
fn the_format_json_reads_lines_arrays_and_documents() {
    let lines = "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n";
    let texts = [
        lines,
        "[{\"a\":1,\"b\":\"x\"},{\"a\":2,\"b\":\"y\"}]",
        "\u{feff}\n[\n  {\"a\":1,\"b\":\"x\"},\n  {\n\"a\":2,\"b\":\"y\"}\n]\n",
        "{\n\"a\":1,\"b\":\"x\"}\n{\n\"a\":2,\n\"b\":\"y\"}\n",
        "[{\"a\":1,\"b\":\"x\"}]\n[\n{\"a\":2,\"b\":\"y\"}]",
    ];
    for text in &texts[..4] {
        for columns in ["", "b:text, a:int"] {
            let read = shown("a.json", text.as_bytes(), columns, &[("format", "json")]);
            assert_eq!(read, shown("a.json", lines.as_bytes(), columns, &[]), "{text}");
        }
    }
    check(
        "a.json",
        DOCUMENT,
        "",
        &[("format", "json")],
        expect![[r#"
        type VARCHAR, items STRUCT[]
        collection | [{a: 1, b: x}, {a: 2, b: y}]"#]],
    );
    check(
        "a.json",
        DOCUMENT,
        "",
        &[("root", "items")],
        expect![[r#"
        a BIGINT, b VARCHAR
        1 | x
        2 | y"#]],
    );
    check(
        "a.json",
        "{\"r\":{\"i\":{\"a\":1}}}\n{\"r\":{\"i\":[{\"a\":2}]}}\n",
        "a:int",
        &[("root", "r.i")],
        expect![[r#"
        a BIGINT
        1
        2"#]],
    );
    check(
        "a.json",
        DOCUMENT,
        "",
        &[("root", "things")],
        expect![
            "LDB-3002: 'a.json' has no array or object 'things' (looked for in the value that ends after line 5); hint: root names the member that holds the rows, the outer ones before it: root = 'response.items'"
        ],
    );
    check(
        "a.json",
        "[]",
        "a:int",
        &[("format", "json")],
        expect![[r#"
        a BIGINT
    "#]],
    );
    check(
        "a.json",
        "[]",
        "",
        &[("format", "json")],
        expect![
            "LDB-3002: 'a.json' is empty, so its columns are not known; hint: declare the columns: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …"
        ],
    );
    check(
        "a.csv",
        "a\n",
        "",
        &[("root", "x")],
        expect![
            "LDB-1005: a file source of format csv has no option 'root'; hint: its options are: path, format, follow, poll_interval, batch_rows, on_bad_row, hive_partitioning, compression, encoding, schema_sample_rows, epoch_unit, header, delimiter, quote, null, skip, comment"
        ],
    );
}

#[test]
fn items_that_cannot_be_read_are_rejected_and_their_neighbours_stay() {
    let text = "[{\"a\":1},\n{\"a\":\"x\"},\n7, [{\"a\":2}], {\"a\"1},\n{\"a\":3,\n\"b\":}, {\"a\":4}]";
    check(
        "a.json",
        text,
        "a:int",
        &[("format", "json")],
        expect![[r#"
        a BIGINT
        1
        4
        ! a.json:2: column 'a': 'x' is not a BIGINT <- {"a":"x"}
        ! a.json:3: not a JSON object: an item must start with '{' <- 7
        ! a.json:3: not a JSON object: an item must start with '{' <- [{"a":2}]
        ! a.json:3: not valid JSON at character 5: expected `:` <- {"a"1}
        ! a.json:4: not valid JSON at character 5 of its line 2: expected value <- {"a":3,
        "b":}"#]],
    );
    check(
        "a.json",
        "[1,\n2]",
        "",
        &[("format", "json")],
        expect![
            "LDB-3002: 'a.json' has no item that is a JSON object; hint: the rows are the objects of an array; root = '…' names the member that holds them"
        ],
    );
}

#[test]
fn an_array_that_is_broken_or_cut_off_fails_after_the_rows_before() {
    for text in ["[{\"a\":1},\n{\"a\":", "[{\"a\":1},\n", "[{\"a\":1}\n{\"a\":2}]", "[{\"a\":1}]]"] {
        let place = Place::new();
        place.write("a.json", text);
        let mut source = place.source("a.json", Some(schema("a:int")), &[("format", "json")]).unwrap();
        let (rows, _) = crate::harness::poll(&mut *source, 9).unwrap().unwrap();
        assert_eq!(rows.num_rows(), 1, "{text}");
        let error = crate::harness::poll(&mut *source, 9).unwrap_err().to_string();
        assert!(error.contains("LDB-3002: ") && error.contains("a.json'"), "{text}: {error}");
    }
    check(
        "a.json",
        "[",
        "a:int",
        &[("format", "json")],
        expect![[r#"
        a BIGINT
        LDB-3002: 'a.json' is cut off: its JSON is not closed at the end; hint: the file is damaged or still being written; copy it again"#]],
    );
}

#[test]
fn the_exact_key_wins_over_one_that_differs_in_case() {
    let lines = [
        r#"{"id":1,"ID":50}"#,
        r#"{"ID":50,"id":2}"#,
        r#"{"Id":3}"#,
        r#"{"Id":50,"ID":51}"#,
        r#"{"ID":50,"Id":51,"id":4}"#,
        r#"{"id":50,"id":5}"#,
    ];
    check(
        "a.ndjson",
        lines.join("\n"),
        "id:int",
        &[],
        expect![[r#"
        id BIGINT
        1
        2
        3
        4
        5
        ! a.ndjson:4: column 'id': several keys differ from it in upper and lower case alone <- {"Id":50,"ID":51}"#]],
    );
    check(
        "a.ndjson",
        r#"{"o":{"k":1}}
{"o":{"k":2,"K":50}}
{"o":{"K":3}}"#,
        "",
        &[("schema_sample_rows", "1")],
        expect![[r#"
            o STRUCT
            {k: 1}
            {k: 2}
            {k: 3}"#]],
    );
}

#[test]
fn objects_with_keys_of_their_own_take_time_and_memory_of_the_file() {
    let tags = |line: usize| (0..5).map(|key| format!("\"t{line}_{key}\":1")).collect::<Vec<_>>().join(",");
    let nested: String = (0..6000).map(|line| format!("{{\"id\":{line},\"tags\":{{{}}}}}\n", tags(line))).collect();
    let place = Place::new();
    place.write("a.ndjson", nested);
    let source = place.source("a.ndjson", None, &[]).unwrap();
    assert_eq!(type_name(source.schema().field(1).data_type()), "VARCHAR");
    let read = place.read("a.ndjson", None, &[]).unwrap();
    assert_eq!((read.rows.len(), read.bad.len()), (6000, 0));
    assert_eq!(read.rows[1], "1 | {\"t1_0\":1,\"t1_1\":1,\"t1_2\":1,\"t1_3\":1,\"t1_4\":1}");
    let flat: String = (0..6000).map(|line| format!("{{\"id\":{line},{}}}\n", tags(line))).collect();
    check(
        "a.ndjson",
        &flat,
        "",
        &[],
        expect![
            "LDB-4001: the objects of 'a.ndjson' have more than 10000 different keys (without declared columns each key is a column); hint: declare the columns that you need: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …"
        ],
    );
    let place = Place::new();
    place.write("a.ndjson", &flat);
    assert_eq!(place.read("a.ndjson", Some(schema("id:int, t5_0:int")), &[]).unwrap().rows.len(), 6000);
}
