//! Files that grow while they are read.

use std::fs::{self, OpenOptions};
use std::io::Write;

use laminar_connectors::{Source, SourcePoll};

use crate::harness::{Place, poll, rows_of, schema};

pub(crate) fn append(place: &Place, name: &str, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(place.path(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Polls until nothing is there; rows, then bad rows as `! reason`.
pub(crate) fn drain(source: &mut dyn Source) -> Vec<String> {
    let mut shown = Vec::new();
    while let Some((rows, bad)) = poll(source, 100).unwrap() {
        shown.extend(rows_of(&rows));
        shown.extend(bad.into_iter().map(|bad| format!("! {}", bad.reason)));
    }
    shown
}

pub(crate) fn follow(place: &Place, path: &str, columns: &str) -> Box<dyn Source> {
    place.source(path, Some(schema(columns)), &[("follow", "true")]).unwrap()
}

#[test]
fn rows_appear_when_their_line_is_complete() {
    let place = Place::new();
    place.write("a.csv", "a,b\n1,x\n2");
    let mut source = follow(&place, "a.csv", "a:int, b:text");
    assert!(!source.is_bounded());
    assert_eq!(drain(&mut *source), ["1 | x"]);
    append(&place, "a.csv", ",y");
    assert_eq!(drain(&mut *source), [""; 0]);
    append(&place, "a.csv", "\n3,z\n");
    assert_eq!(drain(&mut *source), ["2 | y", "3 | z"]);
    assert!(matches!(source.poll(10).unwrap(), SourcePoll::Pending(_)));
}

#[test]
fn a_header_may_come_later_too() {
    let place = Place::new();
    place.write("a.csv", "b,");
    let mut source = follow(&place, "a.csv", "a:int");
    assert_eq!(drain(&mut *source), [""; 0]);
    append(&place, "a.csv", "a\nx,1\n");
    assert_eq!(drain(&mut *source), ["1"]);
}

#[test]
fn new_files_of_a_glob_join_in() {
    let place = Place::new();
    let mut source = follow(&place, "*.ndjson", "a:int");
    assert_eq!(drain(&mut *source), [""; 0]);
    place.write("b.ndjson", "{\"a\":1}\n");
    assert_eq!(drain(&mut *source), ["1"]);
    place.write("a.ndjson", "{\"a\":2}\n");
    append(&place, "b.ndjson", "{\"a\":3}\n");
    assert_eq!(drain(&mut *source), ["3", "2"]);
}

#[test]
fn a_file_that_shrinks_is_read_again_and_a_note_says_so() {
    let place = Place::new();
    place.write("a.csv", "a\n1\n2\n3");
    let mut source = follow(&place, "a.csv", "a:int");
    assert_eq!(drain(&mut *source), ["1", "2"]);
    let file = OpenOptions::new().write(true).open(place.path("a.csv")).unwrap();
    file.set_len(0).unwrap();
    append(&place, "a.csv", "a\n9\n");
    assert_eq!(drain(&mut *source), ["! the file shrank from 7 to 4 bytes; it is read again from its start", "9"]);
}

#[test]
fn a_file_that_is_replaced_is_read_to_its_end_first() {
    let place = Place::new();
    place.write("a.csv", "a\n1\n2");
    let mut source = follow(&place, "a.csv", "a:int");
    assert_eq!(drain(&mut *source), ["1"]);
    fs::rename(place.path("a.csv"), place.path("a.csv.1")).unwrap();
    assert_eq!(drain(&mut *source), [""; 0]);
    place.write("a.csv", "a\n3\n");
    assert_eq!(drain(&mut *source), ["2", "3"]);
    append(&place, "a.csv", "4\n");
    assert_eq!(drain(&mut *source), ["4"]);
}

#[test]
fn parquet_files_join_in_when_they_are_complete() {
    let place = Place::new();
    let batch = crate::round_trips::numbers(3);
    place.sink("p/a.parquet", std::slice::from_ref(&batch), laminar_core::dag::ChangeKind::Append, &[]).unwrap();
    let mut source = follow(&place, "p/*.parquet", "n:int");
    assert_eq!(drain(&mut *source).len(), 3);
    let whole = fs::read(place.path("p/a.parquet")).unwrap();
    place.write("p/b.parquet", &whole[..whole.len() / 2]);
    assert_eq!(drain(&mut *source).len(), 0);
    place.write("p/b.parquet", &whole);
    assert_eq!(drain(&mut *source).len(), 3);
}

#[test]
fn a_byte_order_mark_may_come_in_pieces() {
    let place = Place::new();
    fs::write(place.path("a.csv"), b"\xEF").unwrap();
    let mut source = follow(&place, "a.csv", "id:int");
    let mut add = |bytes: &[u8]| {
        OpenOptions::new().append(true).open(place.path("a.csv")).unwrap().write_all(bytes).unwrap();
        drain(&mut *source)
    };
    assert_eq!(add(b"\xBB"), [""; 0]);
    assert_eq!(add(b"\xBFid"), [""; 0]);
    assert_eq!(add(b"\n1\n"), ["1"]);
}

#[test]
fn whole_lines_that_wait_behind_a_stray_quote_are_told_and_do_not_vanish() {
    let place = Place::new();
    place.write("a.csv", "id,name\n1,a\n2,\"b\n3,c\n4,");
    let mut source = follow(&place, "a.csv", "id:int, name:text");
    assert_eq!(drain(&mut *source), ["1 | a"]);
    let told: Vec<String> = (0..30).flat_map(|_| drain(&mut *source)).collect();
    assert_eq!(
        told,
        [
            "! the record that begins here is not complete yet, and 2 lines wait for its end; does a quote open that is never closed?"
        ]
    );
    let left: Vec<_> = source.give_up().into_iter().map(|bad| place.plain(&format!("{} <- {}", bad.position, bad.raw))).collect();
    assert_eq!(left, ["a.csv:3 <- 2,\"b", "a.csv:4 <- 3,c", "a.csv:5 <- 4,"]);
    assert_eq!(source.give_up(), []);
}

#[test]
fn a_line_that_is_not_complete_is_told_only_when_reading_stops() {
    let place = Place::new();
    place.write("a.ndjson", "{\"id\":1}\n{\"id\":");
    let mut source = follow(&place, "a.ndjson", "id:int");
    let told: Vec<String> = (0..30).flat_map(|_| drain(&mut *source)).collect();
    assert_eq!(told, ["1"]);
    let left: Vec<_> = source.give_up().into_iter().map(|bad| format!("{} <- {}", bad.reason, bad.raw)).collect();
    assert_eq!(left, ["the line was not complete when reading stopped <- {\"id\":"]);
}
