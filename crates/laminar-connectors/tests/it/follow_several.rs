//! Several files that are followed: text that grows beside files that come whole, and files that cannot be read.

use std::fs;
use std::io::Write;

use laminar_core::dag::ChangeKind;

use crate::follow::{append, drain, follow};
use crate::harness::{Place, schema};

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

/// The bytes of a Parquet file with a column `a` of so many rows, from 0.
fn parquet(rows: i64) -> Vec<u8> {
    let place = Place::new();
    place.sink("a.parquet", &[crate::round_trips::numbers(rows)], ChangeKind::Append, &[]).unwrap();
    fs::read(place.path("a.parquet")).unwrap()
}

fn add(place: &Place, name: &str, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(place.path(name)).unwrap();
    file.write_all(bytes).unwrap();
}

fn csv_of(place: &Place, path: &str, columns: &str) -> Box<dyn laminar_connectors::Source> {
    place.source(path, Some(schema(columns)), &[("follow", "true"), ("format", "csv")]).unwrap()
}

#[test]
fn rows_are_appended_beside_files_that_are_compressed() {
    for (name, packed) in [("app.csv.1.gz", gzip("a\n1\n")), ("app.csv.0.zst", zstd("a\n1\n")), ("app.csv.1", gzip("a\n1\n"))] {
        let place = Place::new();
        place.write(&format!("d/{name}"), &packed);
        place.write("d/app.csv", "a\n2\n");
        let mut source = csv_of(&place, "d/app.csv*", "a:int");
        let mut first = drain(&mut *source);
        first.sort();
        assert_eq!(first, ["1", "2"], "{name}");
        append(&place, "d/app.csv", "3\n");
        assert_eq!(drain(&mut *source), ["3"], "{name}");
    }
}

#[test]
fn compressed_files_join_files_that_grow() {
    let place = Place::new();
    place.write("d/a.csv", "a\n1\n");
    let mut source = csv_of(&place, "d/*.csv*", "a:int");
    assert_eq!(drain(&mut *source), ["1"]);
    place.write("d/b.csv.gz", gzip("a\n2"));
    assert_eq!(drain(&mut *source), ["2"]);
    append(&place, "d/a.csv", "3\n");
    place.write("d/c.csv", zstd("a\n4\n"));
    assert_eq!(drain(&mut *source), ["3", "4"]);
}

#[test]
fn the_first_file_may_be_of_any_kind() {
    let cases: [(&str, Vec<u8>); 4] = [
        ("x.parquet", parquet(2)),
        ("x.csv.gz", gzip("n\n0\n1\n")),
        ("x.csv", b"n\n0\n1\n".to_vec()),
        ("x.json", b"{\"n\":0}\n{\"n\":1}\n".to_vec()),
    ];
    for (name, bytes) in &cases {
        for path in ["d", "d/*"] {
            let place = Place::new();
            let mut source = follow(&place, path, "n:int");
            assert_eq!(drain(&mut *source), [""; 0]);
            place.write(&format!("d/{name}"), bytes);
            assert_eq!(drain(&mut *source), ["0", "1"], "{name} in {path}");
        }
    }
}

#[test]
fn a_file_of_another_format_joins_and_the_others_go_on() {
    let place = Place::new();
    place.write("d/a.csv", "n\n5\n");
    let mut source = follow(&place, "d", "n:int");
    assert_eq!(drain(&mut *source), ["5"]);
    place.write("d/b.ndjson", "{\"n\":6}\n");
    place.write("d/c.parquet", parquet(2));
    assert_eq!(drain(&mut *source), ["6", "0", "1"]);
    append(&place, "d/a.csv", "7\n");
    append(&place, "d/b.ndjson", "{\"n\":8}\n");
    assert_eq!(drain(&mut *source), ["7", "8"]);
}

#[test]
fn a_file_that_comes_in_pieces_is_waited_for() {
    for (name, bytes, columns) in [
        ("b.parquet", parquet(3), "n:int"),
        ("b.csv.gz", gzip("n\n0\n1\n2\n"), "n:int"),
        ("b.csv.zst", zstd("n\n0\n1\n2\n"), "n:int"),
    ] {
        for first in [1, 3, 4, 8, bytes.len() / 2, bytes.len() - 1] {
            let place = Place::new();
            place.write("d/a.csv", "n\n9\n");
            let mut source = follow(&place, "d", columns);
            assert_eq!(drain(&mut *source), ["9"]);
            add(&place, &format!("d/{name}"), &bytes[..first]);
            let mut rows = drain(&mut *source);
            // The others go on meanwhile.
            append(&place, "d/a.csv", "10\n");
            let meanwhile = drain(&mut *source);
            assert_eq!(meanwhile.last().map(String::as_str), Some("10"), "{name} {first}");
            add(&place, &format!("d/{name}"), &bytes[first..]);
            rows.extend(drain(&mut *source));
            assert_eq!(rows, ["0", "1", "2"], "{name} in pieces of {first} bytes");
        }
    }
}

#[test]
fn columns_are_found_in_what_is_there_of_the_first_file() {
    let (gzip, parquet) = (gzip("n,t\n1,x\n"), parquet(3));
    let cases: [(&str, &[u8], &str); 3] = [
        ("a.csv.gz", &gzip[..gzip.len() - 2], "n, t"),
        ("a.csv", b"n,t\n1,", "n, t"),
        // Of Parquet nothing is known before its footer is there; another file tells.
        ("a.parquet", &parquet[..parquet.len() - 1], "t, n"),
    ];
    for (name, bytes, expected) in cases {
        let place = Place::new();
        place.write(&format!("d/{name}"), bytes);
        place.write("d/z.csv", "t,n\nx,5\n");
        let source = place.source("d/*", None, &[("follow", "true")]).unwrap();
        let names: Vec<String> = source.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names.join(", "), expected, "{name}");
    }
    let place = Place::new();
    place.write("d/a.parquet", &parquet[..parquet.len() - 1]);
    let error = place.source("d", None, &[("follow", "true")]).err().unwrap();
    assert!(error.message().contains("is cut off"), "{error}");
}

#[test]
fn what_was_not_complete_is_told_when_reading_stops() {
    let (gzip, parquet) = (gzip("n\n1\n"), parquet(3));
    let place = Place::new();
    place.write("d/a.csv", "n\n9\n");
    place.write("d/b.csv.gz", &gzip[..gzip.len() - 3]);
    place.write("d/c.parquet", &parquet[..parquet.len() - 3]);
    let mut source = follow(&place, "d/*", "n:int");
    let rows: Vec<String> = (0..4).flat_map(|_| drain(&mut *source)).collect();
    assert_eq!(rows, ["9", "1"]);
    let left: Vec<_> =
        source.give_up().into_iter().map(|bad| place.plain(&format!("{}: {}", bad.position, bad.reason))).collect();
    let why = "the file was not complete when reading stopped";
    assert_eq!(left, [format!("d/b.csv.gz: {why}"), format!("d/c.parquet: {why}")]);
}

#[test]
fn what_is_added_to_a_compressed_file_is_read_once() {
    for (name, one, two) in [("a.csv.gz", gzip("n\n1\n"), gzip("2\n")), ("a.csv.zst", zstd("n\n1\n"), zstd("2\n"))] {
        let place = Place::new();
        place.write(name, &one);
        let mut source = follow(&place, name, "n:int");
        assert_eq!(drain(&mut *source), ["1"]);
        add(&place, name, &two);
        assert_eq!(drain(&mut *source), ["2"], "{name}");
        add(&place, name, &two);
        assert_eq!(drain(&mut *source), ["2"], "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_go_on() {
    let cases: &[(&str, &[u8], &str)] = &[
        ("b.csv", b"PK\x03\x04\x14\0\0\0", "'d/b.csv' is a zip archive"),
        ("b.csv.xz", b"\xfd7zXZ\0\0\x04", "'d/b.csv.xz' is compressed with xz"),
        ("b.csv", b"\xff\xfen\0", "'d/b.csv' is UTF-16 text"),
        ("b.csv", b"m\n1\n", "'d/b.csv' has no column 'n'"),
        ("b.parquet", b"no Parquet at all", "'d/b.parquet' is not a Parquet file"),
        ("b.parquet.gz", b"\x1f\x8b\x08\0\0\0\0\0", "'d/b.parquet.gz' is compressed with gzip"),
        ("b.csv.gz", b"\x1f\x8b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "'d/b.csv.gz' cannot be read"),
        ("b.txt", b"n\n1\n", "the format of 'd/b.txt' cannot be told from its name"),
    ];
    for (name, bytes, expected) in cases {
        let place = Place::new();
        place.write("d/a.csv", "n\n1\n");
        let mut source = follow(&place, "d/*", "n:int");
        assert_eq!(drain(&mut *source), ["1"]);
        place.write(&format!("d/{name}"), bytes);
        append(&place, "d/a.csv", "2\n");
        let mut shown = drain(&mut *source);
        shown.extend(drain(&mut *source));
        shown.sort();
        let [told, row] = &shown[..] else { panic!("{name}: {shown:?}") };
        assert_eq!(row, "2");
        let told = place.plain(told);
        assert!(told.starts_with(&format!("! the file is not read: {expected}")), "{name}: {told}");
        append(&place, "d/a.csv", "3\n");
        assert_eq!(drain(&mut *source), ["3"], "{name}");
        // It is looked at again when it has changed.
        fs::remove_file(place.path(&format!("d/{name}"))).unwrap();
        drain(&mut *source);
        place.write("d/b.csv", "n\n4\n");
        assert_eq!(drain(&mut *source), ["4"], "{name}");
    }
}

#[test]
fn a_file_that_cannot_be_read_stops_a_source_that_is_told_to_fail_or_has_no_other() {
    let place = Place::new();
    place.write("d/a.csv", "n\n1\n");
    let options = [("follow", "true"), ("on_bad_row", "fail")];
    let mut source = place.source("d/*.csv", Some(schema("n:int")), &options).unwrap();
    assert_eq!(drain(&mut *source), ["1"]);
    place.write("d/b.csv", "m\n1\n");
    let error = place.plain(&source.poll(10).unwrap_err().to_string());
    assert!(error.starts_with("LDB-1003: 'd/b.csv' has no column 'n'"), "{error}");

    let mut alone = follow(&place, "x.csv", "n:int");
    place.write("x.csv", b"PK\x03\x04\x14\0\0\0");
    let error = place.plain(&alone.poll(10).unwrap_err().to_string());
    assert!(error.starts_with("LDB-3002: 'x.csv' is a zip archive"), "{error}");
}

#[test]
fn a_file_that_gets_another_name_is_not_read_again() {
    let place = Place::new();
    place.write("d/app.csv", "n\n1\n2");
    place.write("d/old.csv.gz", gzip("n\n0\n"));
    let mut source = csv_of(&place, "d/*", "n:int");
    let mut first = drain(&mut *source);
    first.sort();
    assert_eq!(first, ["0", "1"]);
    fs::rename(place.path("d/app.csv"), place.path("d/app.csv.1")).unwrap();
    fs::rename(place.path("d/old.csv.gz"), place.path("d/older.csv.gz")).unwrap();
    append(&place, "d/app.csv", "n\n5\n");
    assert_eq!(drain(&mut *source), ["5"]);
    append(&place, "d/app.csv.1", "2\n3\n");
    append(&place, "d/app.csv", "6\n");
    let mut rest = drain(&mut *source);
    rest.sort();
    assert_eq!(rest, ["22", "3", "6"]);
}

#[test]
fn a_file_that_is_written_anew_is_read_again_and_a_note_says_so() {
    let place = Place::new();
    place.write("d/a.parquet", parquet(2));
    let mut source = follow(&place, "d/*.parquet", "n:int");
    assert_eq!(drain(&mut *source), ["0", "1"]);
    place.write("d/a.parquet", parquet(300));
    let shown = drain(&mut *source);
    assert!(shown[0].starts_with("! the file was written anew after it was read"), "{shown:?}");
    assert_eq!(shown.len(), 301);
    // Another file under its name is another file.
    place.write("d/.b", parquet(3));
    fs::rename(place.path("d/.b"), place.path("d/a.parquet")).unwrap();
    assert_eq!(drain(&mut *source), ["0", "1", "2"]);
}

#[test]
fn files_that_come_whole_are_read_one_after_the_other_in_the_order_of_their_names() {
    let place = Place::new();
    for (name, from) in [("a", 0), ("b", 10_000), ("c", 20_000)] {
        let text: String = (from..from + 9000).map(|n| format!("{n}\n")).collect();
        place.write(&format!("d/{name}.csv.gz"), gzip(&format!("n\n{text}")));
    }
    let mut source = follow(&place, "d", "n:int");
    let rows = drain(&mut *source);
    assert_eq!(rows.len(), 27_000);
    assert!(rows.is_sorted_by_key(|row| row.parse::<i64>().unwrap()));
}

#[test]
fn new_files_are_found_although_another_one_always_has_rows() {
    let place = Place::new();
    place.write("d/a.csv", format!("n\n{}", "1\n".repeat(5000)));
    let mut source = follow(&place, "d", "n:int");
    place.write("d/b.csv", "n\n2\n");
    let mut polls = 0;
    loop {
        let (rows, _) = crate::harness::poll(&mut *source, 1).unwrap().unwrap();
        polls += 1;
        if crate::harness::rows_of(&rows).contains(&"2".to_owned()) {
            break;
        }
    }
    assert!(polls < 200, "{polls}");
}

#[test]
fn partitions_that_are_added_join_with_their_values() {
    let place = Place::new();
    place.write("t/day=2024-01-01/a.csv", "n\n1\n");
    let mut source = place.source("t", None, &[("follow", "true")]).unwrap();
    assert_eq!(drain(&mut *source), ["1 | 2024-01-01"]);
    place.write("t/day=2024-01-02/a.csv", "n\n2\n");
    append(&place, "t/day=2024-01-01/a.csv", "3\n");
    let mut rows = drain(&mut *source);
    rows.sort();
    assert_eq!(rows, ["2 | 2024-01-02", "3 | 2024-01-01"]);
    place.write("t/day=tomorrow/a.csv", "n\n4\n");
    let told = place.plain(&drain(&mut *source).join("; "));
    assert!(told.contains("column 'day': 'tomorrow' is not a DATE"), "{told}");
}
