//! Files that changed while nobody read them: what can be read on is, what cannot is named.

use std::fs;

use expect_test::{Expect, expect};
use laminar_connectors::{Position, Source, SourceRequest};
use laminar_core::dag::ChangeKind;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::follow::append;
use crate::harness::{Place, pairs, schema};
use crate::resume::{Given, cases, gzip};
use crate::round_trips::numbers;

const LINES: &str = "a\n1\n2\n3\n4\n5\n";

fn open(place: &Place, path: &str, options: &[(&str, &str)]) -> Box<dyn Source> {
    place.source(path, Some(schema("a:int")), options).unwrap()
}

/// Where a reader stands that has read two rows of `path`.
fn two_rows(place: &Place, path: &str, options: &[(&str, &str)]) -> Position {
    let mut source = open(place, path, options);
    let mut given = Given::default();
    given.poll(&mut *source, 2);
    assert_eq!(given.rows.len(), 2);
    source.position()
}

/// The rows that a reader gives which begins there, or why it cannot.
fn rest(place: &Place, path: &str, options: &[(&str, &str)], position: &Position) -> String {
    let mut source = match place.source(path, Some(schema("a:int")), options) {
        Ok(source) => source,
        Err(error) => return place.plain(&error.to_string()),
    };
    if let Err(error) = source.seek(position) {
        return place.plain(&error.to_string());
    }
    let mut given = Given::default();
    while given.poll(&mut *source, 100) {}
    place.plain(&[given.rows, given.bad].concat().join("; "))
}

/// What becomes of a reading when `change` happens in between; the same whether the file is followed or not.
fn check(name: &str, content: &[u8], change: impl Fn(&Place), expected: Expect) {
    let mut answers = Vec::new();
    for options in [&[][..], &[("follow", "true")]] {
        let place = Place::new();
        place.write(name, content);
        // Another file is there, so that a glob finds something when the first is gone.
        place.write("d/z.csv", "a\n");
        let position = two_rows(&place, name, options);
        change(&place);
        let path = if name.starts_with("d/") { "d/*" } else { name };
        answers.push(rest(&place, path, options, &position));
    }
    answers.dedup();
    expected.assert_eq(&answers.join("\n"));
}

#[test]
fn text_that_is_not_what_was_read_is_named() {
    check(
        "a.csv",
        LINES.as_bytes(),
        |place| drop(place.write("a.csv", "a\n1\n")),
        expect![[r#"
        LDB-3002: 'a.csv' is shorter than it was: it was read up to line 3; hint: put the file back as it was, or DROP and CREATE the object to read from the start"#]],
    );
    check(
        "a.csv",
        LINES.as_bytes(),
        |place| drop(place.write("a.csv", "a\n1\n9\n3\n4\n5\n")),
        expect![[r#"
        LDB-3002: 'a.csv' is not the file that was read up to line 3 (what stands before that is not what was read); hint: put the file back as it was, or DROP and CREATE the object to read from the start"#]],
    );
    check(
        "d/a.csv",
        LINES.as_bytes(),
        |place| fs::remove_file(place.path("d/a.csv")).unwrap(),
        expect![[r#"
        LDB-3001: 'd/a.csv' is gone, and it was read up to line 3; hint: put the file back as it was, or DROP and CREATE the object to read from the start"#]],
    );
    let (packed, other) = (gzip(LINES.as_bytes()), gzip(b"a\n1\n9\n3\n4\n5\n"));
    check(
        "a.csv.gz",
        &packed,
        |place| drop(place.write("a.csv.gz", gzip(b"a\n1\n"))),
        expect![[r#"
        LDB-3002: 'a.csv.gz' is shorter than it was: it was read up to line 3; hint: put the file back as it was, or DROP and CREATE the object to read from the start"#]],
    );
    check(
        "a.csv.gz",
        &packed,
        |place| drop(place.write("a.csv.gz", &other)),
        expect![[r#"
        LDB-3002: 'a.csv.gz' is not the file that was read up to line 3 (what stands before that is not what was read); hint: put the file back as it was, or DROP and CREATE the object to read from the start"#]],
    );
}

#[test]
fn a_copy_is_read_on_and_what_was_added_is_read() {
    let copy = |place: &Place, name: &str, more: &[u8]| {
        let content = fs::read(place.path(name)).unwrap();
        fs::remove_file(place.path(name)).unwrap();
        // The system may give the same number again.
        place.write("other", "");
        place.write(name, [&content, more].concat());
    };
    check("a.csv", LINES.as_bytes(), |place| copy(place, "a.csv", b"6\n"), expect!["0: 3; 0: 4; 0: 5; 0: 6"]);
    let packed = gzip(LINES.as_bytes());
    check("a.csv.gz", &packed, |place| copy(place, "a.csv.gz", &gzip(b"6\n")), expect!["0: 3; 0: 4; 0: 5; 0: 6"]);
}

#[test]
fn a_parquet_file_that_is_another_one_is_named() {
    for options in [&[][..], &[("follow", "true")]] {
        let place = Place::new();
        place.sink("a.parquet", &[numbers(5)], ChangeKind::Append, &[]).unwrap();
        let mut source = place.source("a.parquet", Some(schema("n:int")), options).unwrap();
        Given::default().poll(&mut *source, 2);
        place.sink("a.parquet", &[numbers(6)], ChangeKind::Append, &[]).unwrap();
        let mut again = place.source("a.parquet", Some(schema("n:int")), options).unwrap();
        let error = again.seek(&source.position()).unwrap_err();
        expect!["LDB-3002: 'a.parquet' is not the file that was read up to row 2 (its length or its footer differs); hint: put the file back as it was, or DROP and CREATE the object to read from the start"]
            .assert_eq(&place.plain(&error.to_string()));
    }
}

#[test]
fn the_files_of_a_glob_are_those_that_it_found_first() {
    let place = Place::new();
    for name in ["b", "c", "d"] {
        place.write(&format!("in/{name}.csv"), format!("a\n{}\n", name.as_bytes()[0]));
    }
    let position = {
        let mut source = open(&place, "in/*.csv", &[]);
        let mut given = Given::default();
        given.poll(&mut *source, 100);
        given.poll(&mut *source, 100);
        assert_eq!(given.rows, ["0: 98", "1: 99"]);
        source.position()
    };
    // One that comes before is not read, and one that has been read may go.
    place.write("in/a.csv", "a\n97\n");
    place.write("in/e.csv", "a\n101\n");
    fs::remove_file(place.path("in/b.csv")).unwrap();
    fs::remove_file(place.path("in/c.csv")).unwrap();
    assert_eq!(rest(&place, "in/*.csv", &[], &position), "2: 100");
    fs::remove_file(place.path("in/d.csv")).unwrap();
    expect!["LDB-3001: 'in/d.csv' is gone, and it was among those that were still to be read; hint: put the file back as it was, or DROP and CREATE the object to read from the start"]
        .assert_eq(&rest(&place, "in/*.csv", &[], &position));
}

#[test]
fn a_log_that_was_rotated_meanwhile_is_read_to_its_end_and_then_the_new_one() {
    let follow = [("follow", "true"), ("format", "csv")];
    for (path, rotated) in [("log.csv", "log.csv.1"), ("log*", "log.csv.1"), ("log.csv", "old.csv")] {
        let place = Place::new();
        place.write("log.csv", LINES);
        let position = two_rows(&place, path, &follow);
        append(&place, "log.csv", "6");
        fs::rename(place.path("log.csv"), place.path(rotated)).unwrap();
        place.write("log.csv", "a\n7\n");
        let rows = rest(&place, path, &follow, &position);
        let mut values: Vec<&str> = rows.split("; ").map(|row| row.split_once(": ").unwrap().1).collect();
        values.sort_unstable();
        // In a glob the old file may still grow, so its last line waits for its end.
        let expected = if path == "log*" { &["3", "4", "5", "7"][..] } else { &["3", "4", "5", "6", "7"] };
        assert_eq!(values, expected, "{path} {rotated}");
    }
}

#[test]
fn files_that_were_read_to_their_end_are_not_read_again() {
    let follow = [("follow", "true")];
    let place = Place::new();
    place.write("in/a.csv.gz", gzip(LINES.as_bytes()));
    place.write("in/b.csv", LINES);
    let mut source = open(&place, "in/*", &follow);
    let mut given = Given::default();
    while given.poll(&mut *source, 100) {}
    assert_eq!(given.rows.len(), 10);
    let position = source.position();
    assert_eq!(rest(&place, "in/*", &follow, &position), "");
    fs::rename(place.path("in/a.csv.gz"), place.path("in/c.csv.gz")).unwrap();
    assert_eq!(rest(&place, "in/*", &follow, &position), "");
    place.write("in/d.csv", "a\n9\n");
    append(&place, "in/b.csv", "8\n");
    assert_eq!(rest(&place, "in/*", &follow, &position), "1: 8; 2: 9");
    // What was read to its end may go.
    fs::remove_file(place.path("in/c.csv.gz")).unwrap();
    assert_eq!(rest(&place, "in/*", &follow, &position), "1: 8; 2: 9");
}

#[test]
fn a_compressed_file_that_grows_is_read_on_behind_its_skipped_lines() {
    let place = Place::new();
    let options = [("follow", "true"), ("format", "csv"), ("header", "false"), ("skip", "2")];
    place.write("a.csv.gz", gzip(b"x\ny\n1\n2\n"));
    let mut source = open(&place, "a.csv.gz", &options);
    let mut given = Given::default();
    while given.poll(&mut *source, 100) {}
    let added = [fs::read(place.path("a.csv.gz")).unwrap(), gzip(b"3\n4\n5\n")].concat();
    fs::write(place.path("a.csv.gz"), added).unwrap();
    while given.poll(&mut *source, 100) {}
    assert_eq!(given.rows, ["0: 1", "0: 2", "0: 3", "0: 4", "0: 5"]);
}

#[cfg(unix)]
#[test]
fn a_log_that_was_read_and_deleted_is_not_missed() {
    let place = Place::new();
    place.write("in/a.csv", LINES);
    place.write("in/b.csv", "a\n9\n");
    let mut source = open(&place, "in/*", &[("follow", "true")]);
    let mut given = Given::default();
    while given.poll(&mut *source, 100) {}
    fs::remove_file(place.path("in/a.csv")).unwrap();
    while given.poll(&mut *source, 100) {}
    while given.poll(&mut *source, 100) {}
    append(&place, "in/b.csv", "10\n");
    assert_eq!(rest(&place, "in/*", &[("follow", "true")], &source.position()), "1: 10");
}

#[test]
fn other_columns_cannot_be_read_on() {
    for options in [&[][..], &[("follow", "true")]] {
        let place = Place::new();
        place.write("a.csv", LINES);
        let position = two_rows(&place, "a.csv", options);
        let mut source = place.source("a.csv", Some(schema("a:text")), options).unwrap();
        expect!["LDB-3002: 'a.csv' has other columns than an earlier reader found in it; hint: declare the columns as they were, or DROP and CREATE the object to read from the start"]
            .assert_eq(&place.plain(&source.seek(&position).unwrap_err().to_string()));
    }
}

#[test]
fn columns_that_were_found_stay_as_they_were_found() {
    let place = Place::new();
    place.write("a.csv", LINES);
    let found = place.source("a.csv", None, &[]).unwrap();
    append(&place, "a.csv", "007\nx\n");
    let mut pairs = pairs(&[]);
    pairs.push(("path".to_owned(), place.path("a.csv").to_str().unwrap().to_owned()));
    let options = laminar_connectors::Options::new(pairs);
    let request =
        SourceRequest { name: "s".to_owned(), schema: Some(found.schema()), key: Vec::new(), options, schema_was_found: true };
    let mut source = laminar_connectors::Registry::with_builtin().get("file").unwrap().open_source(request).unwrap();
    source.seek(&found.position()).unwrap();
    let mut given = Given::default();
    while given.poll(&mut *source, 100) {}
    assert_eq!((given.rows.len(), given.bad.len()), (5, 2), "{given:?}");
}

#[test]
fn damaged_positions_are_told() {
    for options in [&[][..], &[("follow", "true")]] {
        let place = Place::new();
        place.write("a.csv", LINES);
        let stored = two_rows(&place, "a.csv", options).as_stored().to_vec();
        for length in 1..stored.len() {
            let position = Position::from_stored(&stored[..length]);
            assert!(open(&place, "a.csv", options).seek(&position).is_err(), "{length} of {} bytes", stored.len());
        }
    }
}

#[test]
fn readers_that_come_and_go_while_files_grow_read_each_line_once() {
    for seed in 0..cases() {
        let mut random = StdRng::seed_from_u64(seed);
        let place = Place::new();
        place.write("in/log.csv", "a\n");
        let (mut written, mut waiting, mut rotations, mut given) = (0, String::new(), 0, Given::default());
        let mut source = open(&place, "in/*", &[("follow", "true")]);
        for _ in 0..60 {
            match random.random_range(0..10) {
                0..=3 => {
                    // Lines in pieces that end anywhere.
                    let rows = random.random_range(1..20);
                    waiting.extend((written..written + rows).map(|row| format!("{row}\n")));
                    written += rows;
                    let cut = random.random_range(0..=waiting.len());
                    append(&place, "in/log.csv", &waiting[..cut]);
                    waiting.drain(..cut);
                }
                4 if waiting.is_empty() => {
                    rotations += 1;
                    fs::rename(place.path("in/log.csv"), place.path(&format!("in/log-{rotations}.csv"))).unwrap();
                    place.write("in/log.csv", "a\n");
                }
                5 => {
                    let rows: String = (written..written + 3).map(|row| format!("{row}\n")).collect();
                    written += 3;
                    place.write(&format!("in/packed-{written}.csv.gz"), gzip(format!("a\n{rows}").as_bytes()));
                }
                6 => {
                    let position = source.position();
                    drop(source);
                    source = open(&place, "in/*", &[("follow", "true")]);
                    source.seek(&position).unwrap_or_else(|error| panic!("LAMINAR_TEST_SEED={seed}: {error}"));
                }
                _ => drop(given.poll(&mut *source, random.random_range(1..30))),
            }
        }
        append(&place, "in/log.csv", &waiting);
        while given.poll(&mut *source, 100) || given.poll(&mut *source, 100) {}
        let mut values: Vec<i64> = given.rows.iter().map(|row| row.split_once(": ").unwrap().1.parse().unwrap()).collect();
        values.sort_unstable();
        assert_eq!(values, (0..written).collect::<Vec<_>>(), "LAMINAR_TEST_SEED={seed}");
        assert_eq!(given.bad, [""; 0], "LAMINAR_TEST_SEED={seed}");
    }
}
