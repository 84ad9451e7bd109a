//! Records that tell changes of rows: `FORMAT UPSERT` and `FORMAT DEBEZIUM`, whole and broken, with a key and without.

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use expect_test::{Expect, expect};
use laminar_connectors::{Source, SourcePoll};
use laminar_core::ChangeBatch;
use laminar_core::dag::ChangeKind;

use crate::harness::Place;

/// `id BIGINT NOT NULL, name VARCHAR NOT NULL, n BIGINT`.
fn people() -> SchemaRef {
    Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8View, false),
        Field::new("n", DataType::Int64, true),
    ])
    .into()
}

/// All changes of a source, and its bad rows as `! position: reason <- raw`.
fn read(source: &mut dyn Source, place: &Place) -> String {
    assert!(!source.is_append());
    let mut lines = Vec::new();
    loop {
        match source.poll(1000).unwrap() {
            SourcePoll::Rows { changes, bad } => {
                lines.extend(changes.print().lines().map(str::to_owned));
                lines.extend(bad.iter().map(|bad| format!("! {}: {} <- {}", bad.position, bad.reason, bad.raw)));
            }
            SourcePoll::End => return place.plain(&lines.join("\n")),
            SourcePoll::Pending(_) => {}
        }
    }
}

#[track_caller]
fn check(text: &str, key: &[usize], options: &[(&str, &str)], expected: Expect) {
    let place = Place::new();
    place.write("in", text);
    let opened = place.keyed_source("in", (Some(people()), key), options);
    expected.assert_eq(&opened.map_or_else(|error| place.plain(&error.to_string()), |mut source| read(&mut *source, &place)));
}

#[test]
fn an_upsert_writes_by_key_and_a_deletion_needs_the_key_alone() {
    check(
        r#"{"id": 1, "name": "ada", "n": 5}
{"op": "+U", "id": 1, "name": "ada", "n": 6}
{"op": "-D", "id": 1}
{"op": "-U", "id": 2, "name": "bob", "n": null}
{"op": "+I", "id": 3, "name": null}
{"op": "drop", "id": 3, "name": "eve"}
{"op": "-D", "name": "eve"}
"#,
        &[0],
        &[("format", "upsert"), ("encode", "ndjson")],
        expect![[r#"
        +1 | 1 | ada | 5
        +1 | 1 | ada | 6
        -1 | 1 | NULL | NULL
        -1 | 2 | bob | NULL
        ! in:7: column 'id': NULL, but the column is NOT NULL <- {"op": "-D", "name": "eve"}
        ! in: line 7: column 'name': NULL, but the column is NOT NULL <- {"op":"+I","id":3,"name":null,"n":null}
        ! in: line 7: op is 'drop', which is none of +I, +U, -U and -D <- {"op":"drop","id":3,"name":"eve","n":null}"#]],
    );
    check(
        "op,id,name,n\n+I,1,ada,5\n,2,bob,\n-D,1,,\n",
        &[0],
        &[("format", "UPSERT"), ("format.encode", "csv")],
        expect![[r#"
        +1 | 1 | ada | 5
        +1 | 2 | bob | NULL
        -1 | 1 | NULL | NULL"#]],
    );
}

#[test]
fn an_envelope_of_debezium_tells_what_went_and_what_came() {
    let envelopes = r#"{"before":null,"after":{"id":1,"name":"ada","n":5},"source":{"table":"people"},"op":"r","ts_ms":1}
{"before":null,"after":{"id":2,"name":"bob","n":null},"op":"c"}
{"before":{"id":1,"name":"ada","n":5},"after":{"id":1,"name":"ada","n":6},"op":"u"}
{"before":{"id":2,"name":"bob","n":null},"after":{"id":7,"name":"bob","n":null},"op":"u"}
{"schema":{"type":"struct"},"payload":{"before":{"id":7,"name":"bob","n":null},"after":null,"op":"d"}}
"#;
    check(
        envelopes,
        &[],
        &[("format", "debezium")],
        expect![[r#"
        +1 | 1 | ada | 5
        +1 | 2 | bob | NULL
        -1 | 1 | ada | 5
        +1 | 1 | ada | 6
        -1 | 2 | bob | NULL
        +1 | 7 | bob | NULL
        -1 | 7 | bob | NULL"#]],
    );
    check(
        envelopes,
        &[0],
        &[("format", "debezium"), ("encode", "json")],
        expect![[r#"
        +1 | 1 | ada | 5
        +1 | 2 | bob | NULL
        +1 | 1 | ada | 6
        -1 | 2 | bob | NULL
        +1 | 7 | bob | NULL
        -1 | 7 | bob | NULL"#]],
    );
}

#[test]
fn envelopes_without_the_row_before_need_a_key() {
    let envelopes = r#"{"before":null,"after":{"id":1,"name":"ada","n":6},"op":"u"}
{"before":{"id":1,"name":null,"n":null},"after":null,"op":"d"}
{"before":null,"after":null,"op":"d"}
{"before":null,"after":{"id":1,"name":null},"op":"c"}
{"before":null,"after":null,"op":"c"}
{"before":null,"after":null,"op":"t"}
{"before":null,"after":{"id":1,"name":"x"},"op":"x"}
{"id":1,"name":"x"}
"#;
    check(
        envelopes,
        &[],
        &[("format", "debezium")],
        expect![[r#"
        ! in: line 8: an update without the row in 'before', of a source without PRIMARY KEY <- {"before":null,"after":{"id":1,"name":"ada","n":6},"op":"u","payload":null}
        ! in: line 8: column 'name': NULL, but the column is NOT NULL <- {"before":{"id":1,"name":null,"n":null},"after":null,"op":"d","payload":null}
        ! in: line 8: a deletion without the row in 'before' <- {"before":null,"after":null,"op":"d","payload":null}
        ! in: line 8: column 'name': NULL, but the column is NOT NULL <- {"before":null,"after":{"id":1,"name":null,"n":null},"op":"c","payload":null}
        ! in: line 8: op is 'c', but there is no row in 'after' <- {"before":null,"after":null,"op":"c","payload":null}
        ! in: line 8: op is 't': the rows of a truncated table are not told one by one <- {"before":null,"after":null,"op":"t","payload":null}
        ! in: line 8: op is 'x', which is none of c, u, d and r <- {"before":null,"after":{"id":1,"name":"x","n":null},"op":"x","payload":null}
        ! in: line 8: no change of a row: it has no op <- {"before":null,"after":null,"op":null,"payload":null}"#]],
    );
    check(
        envelopes,
        &[0],
        &[("format", "debezium")],
        expect![[r#"
        +1 | 1 | ada | 6
        -1 | 1 | NULL | NULL
        ! in: line 8: a deletion without 'before', which has the key of the row <- {"before":null,"after":null,"op":"d","payload":null}
        ! in: line 8: column 'name': NULL, but the column is NOT NULL <- {"before":null,"after":{"id":1,"name":null,"n":null},"op":"c","payload":null}
        ! in: line 8: op is 'c', but there is no row in 'after' <- {"before":null,"after":null,"op":"c","payload":null}
        ! in: line 8: op is 't': the rows of a truncated table are not told one by one <- {"before":null,"after":null,"op":"t","payload":null}
        ! in: line 8: op is 'x', which is none of c, u, d and r <- {"before":null,"after":{"id":1,"name":"x","n":null},"op":"x","payload":null}
        ! in: line 8: no change of a row: it has no op <- {"before":null,"after":null,"op":null,"payload":null}"#]],
    );
}

#[test]
fn what_a_sink_writes_as_a_changelog_an_upsert_source_reads_back() {
    let place = Place::new();
    let changes = ChangeBatch::parse(&people(), "+1 | 1 | ada | 5 ; -1 | 1 | ada | 5 ; +1 | 1 | ada | NULL").unwrap();
    for (file, encode) in [("a.csv", "csv"), ("a.ndjson", "json"), ("a.parquet", "parquet")] {
        place.sink(file, std::slice::from_ref(&changes), ChangeKind::Upsert(vec![0]), &[("changelog", "true")]).unwrap();
        for options in [&[("format", "upsert")][..], &[("format", "upsert"), ("encode", encode)]] {
            let mut source = place.keyed_source(file, (Some(people()), &[0]), options).unwrap();
            assert_eq!(read(&mut *source, &place), changes.print(), "{file} {options:?}");
        }
    }
}

#[test]
fn formats_that_do_not_fit_are_refused_with_what_to_write() {
    let refused = |columns: Option<SchemaRef>, key: &[usize], options: &[(&str, &str)]| {
        let place = Place::new();
        place.write("in.csv", "id\n1\n");
        place.keyed_source("in.csv", (columns, key), options).err().unwrap().to_string()
    };
    let op = Schema::new(vec![Field::new("Op", DataType::Utf8View, true)]);
    let all = [
        refused(Some(people()), &[], &[("format", "upsert")]),
        refused(None, &[], &[("format", "debezium")]),
        refused(Some(op.into()), &[0], &[("format", "upsert")]),
        refused(Some(people()), &[0], &[("format", "debezium"), ("encode", "csv")]),
        refused(Some(people()), &[0], &[("format", "csv"), ("encode", "csv")]),
        refused(Some(people()), &[0], &[("encode", "csv")]),
    ];
    expect![[r#"
        LDB-1006: FORMAT UPSERT needs a PRIMARY KEY: it tells which row is replaced or goes; hint: declare it: CREATE SOURCE name (id BIGINT PRIMARY KEY, …)
        LDB-1011: a source with FORMAT DEBEZIUM needs its columns; hint: declare those of the rows that change: CREATE SOURCE name (id BIGINT PRIMARY KEY, …)
        LDB-1006: FORMAT UPSERT reads the column 'op' itself, so the rows cannot have one; hint: leave the column out; it says +I, +U, -U or -D
        LDB-1010: FORMAT DEBEZIUM is read from JSON, not from csv; hint: write FORMAT DEBEZIUM ENCODE JSON
        LDB-1006: ENCODE CSV does not go with FORMAT CSV; hint: ENCODE stands behind FORMAT PLAIN, FORMAT UPSERT and FORMAT DEBEZIUM
        LDB-1006: ENCODE CSV says nothing without FORMAT; hint: ENCODE stands behind FORMAT PLAIN, FORMAT UPSERT and FORMAT DEBEZIUM"#]].assert_eq(&all.join("\n"));
}

#[test]
fn a_source_that_is_to_fail_on_a_bad_row_fails_on_a_record_that_means_nothing() {
    let place = Place::new();
    place.write("in", "{\"op\":\"+I\",\"id\":1,\"name\":\"ada\"}\n{\"op\":\"?\",\"id\":1}\n");
    let options = [("format", "upsert"), ("encode", "ndjson"), ("on_bad_row", "fail")];
    let mut source = place.keyed_source("in", (Some(people()), &[0]), &options).unwrap();
    expect![[r#"
        LDB-3002: in: line 2: op is '?', which is none of +I, +U, -U and -D; hint: with on_bad_row = 'skip' such rows are rejected and readable in <source>$errors"#]].assert_eq(&place.plain(&source.poll(1000).err().unwrap().to_string()));
}
