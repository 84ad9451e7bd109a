//! What can be read only once: no row of it is lost, or read twice.

use std::io::Write;
use std::process::Command;
use std::thread::JoinHandle;

use laminar_connectors::{Options, Registry, Source, SourcePoll, SourceRequest};
use laminar_core::{Code, Result};

use crate::harness::{Place, pairs, rows_of, schema};

/// Makes a named pipe.
fn make(place: &Place, name: &str) -> String {
    let path = place.path(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path.to_str().unwrap().to_owned()
}

/// Writes into a named pipe, as soon as it is opened for reading, and closes it.
fn write(path: &str, bytes: impl Into<Vec<u8>>) -> JoinHandle<()> {
    let (path, bytes) = (path.to_owned(), bytes.into());
    std::thread::Builder::new()
        .spawn(move || {
            // Who reads may not want all of it.
            let _ = std::fs::OpenOptions::new().write(true).open(path).unwrap().write_all(&bytes);
        })
        .unwrap()
}

fn open(registry: &Registry, path: &str, columns: &str, options: &[(&str, &str)]) -> Result<Box<dyn Source>> {
    let options = Options::new(pairs(&[options, &[("path", path)]].concat()));
    let schema = (!columns.is_empty()).then(|| schema(columns));
    registry.get("file")?.open_source(SourceRequest {
        name: "s".to_owned(),
        schema,
        key: Vec::new(),
        options,
        schema_was_found: false,
    })
}

/// Rows and bad rows until the end, however long they take.
fn read(source: &mut dyn Source) -> Result<(Vec<String>, Vec<String>)> {
    let (mut rows, mut all_bad) = (Vec::new(), Vec::new());
    loop {
        match source.poll(1000)? {
            SourcePoll::Rows { changes, bad } => {
                rows.extend(rows_of(changes.rows()));
                all_bad.extend(bad.into_iter().map(|bad| bad.raw));
            }
            SourcePoll::Pending(wait) => std::thread::sleep(wait),
            SourcePoll::End => return Ok((rows, all_bad)),
        }
    }
}

fn csv(rows: usize) -> String {
    (0..rows).fold("id,name\n".to_owned(), |text, n| text + &format!("{n},name {n}\n"))
}

fn ndjson(rows: usize) -> String {
    (0..rows).map(|n| format!("{{\"id\":{n},\"name\":\"name {n}\"}}\n")).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn every_row_of_a_pipe_comes_once_with_declared_columns_and_without() {
    let rows = 50_000;
    let contents = [
        ("csv", csv(rows).into_bytes()),
        ("ndjson", ndjson(rows).into_bytes()),
        ("csv", gzip(&csv(rows))),
        ("ndjson", zstd::encode_all(ndjson(rows).as_bytes(), 1).unwrap()),
        ("csv", csv(rows).trim_end().as_bytes().to_vec()),
        ("csv", format!("\u{feff}{}", csv(rows)).into_bytes()),
    ];
    let expected: Vec<String> = (0..rows).map(|n| format!("{n} | name {n}")).collect();
    for (format, content) in contents {
        for columns in ["", "id:int, name:text"] {
            let (place, registry) = (Place::new(), Registry::with_builtin());
            let path = make(&place, "pipe");
            let writer = write(&path, content.clone());
            let mut source = open(&registry, &path, columns, &[("format", format)]).unwrap();
            assert!(source.is_bounded() && !source.is_replayable());
            let (read, bad) = read(&mut *source).unwrap();
            assert!(read == expected, "{format} '{columns}': {} rows, {bad:?}", read.len());
            assert!(bad.is_empty(), "{bad:?}");
            writer.join().unwrap();
        }
    }
}

#[test]
fn rows_of_a_pipe_come_as_they_are_written() {
    let (place, registry) = (Place::new(), Registry::with_builtin());
    let path = make(&place, "pipe");
    // With declared columns nobody has to write before the source is there.
    let mut source = open(&registry, &path, "id:int", &[("format", "csv")]).unwrap();
    assert!(matches!(source.poll(10).unwrap(), SourcePoll::Pending(_)));
    let mut pipe = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut next = |text: &str| {
        pipe.write_all(text.as_bytes()).unwrap();
        loop {
            match source.poll(10).unwrap() {
                SourcePoll::Rows { changes, .. } => return rows_of(changes.rows()),
                SourcePoll::Pending(wait) => std::thread::sleep(wait),
                SourcePoll::End => panic!("the pipe is open"),
            }
        }
    };
    assert_eq!(next("id\n1\n2"), ["1"]);
    assert_eq!(next("3\n4"), ["23"]);
    // What is not a whole line when reading stops is not a row.
    let left: Vec<_> = source.give_up().into_iter().map(|bad| format!("{}: {}", bad.raw, bad.reason)).collect();
    assert_eq!(left, ["4: the line was not complete when reading stopped"]);
}

#[test]
fn a_pipe_has_one_reader() {
    let (place, registry) = (Place::new(), Registry::with_builtin());
    let path = make(&place, "p.csv");
    let refused = |path: &str, options: &[(&str, &str)]| open(&registry, path, "id:int", options).err().unwrap();
    let follow = refused(&path, &[("follow", "true")]);
    assert!(follow.message().ends_with("is a pipe or device, which is read until its writer closes it"), "{follow}");
    let parquet = refused(&path, &[("format", "parquet")]);
    assert!(parquet.message().ends_with("is a pipe or device, and Parquet is read from its end"), "{parquet}");
    place.write("a.csv", "id\n1\n");
    for several in ["*.csv", "."] {
        let error = refused(place.path(several).to_str().unwrap(), &[]);
        assert!(error.message().ends_with("is a pipe or device, which is not read among other files"), "{error}");
    }
    let mut first = open(&registry, &path, "id:int", &[]).unwrap();
    let second = refused(&path, &[]);
    assert_eq!(second.code(), Code::ObjectInUse, "{second}");
    write(&path, "id\n1\n").join().unwrap();
    assert_eq!(read(&mut *first).unwrap().0, ["1"]);
}

#[test]
fn a_pipe_that_holds_something_else_is_refused_by_name() {
    for (content, expected) in [(&b"PK\x03\x04\x14\0\0\0"[..], "is a zip archive"), (b"\xff\xfei\0d\0", "is UTF-16 text")] {
        for columns in ["", "id:int"] {
            let (place, registry) = (Place::new(), Registry::with_builtin());
            let path = make(&place, "p.csv");
            let writer = write(&path, content);
            let error = open(&registry, &path, columns, &[]).and_then(|mut source| read(&mut *source)).unwrap_err();
            assert!(error.message().ends_with(expected), "{error}");
            writer.join().unwrap();
        }
    }
}

#[test]
fn a_device_without_bytes_is_empty() {
    let registry = Registry::with_builtin();
    let mut source = open(&registry, "/dev/null", "id:int", &[("format", "csv")]).unwrap();
    assert_eq!(read(&mut *source).unwrap().0, [""; 0]);
    let error = open(&registry, "/dev/null", "", &[("format", "csv")]).err().unwrap();
    assert!(error.message().starts_with("'/dev/null' is empty"), "{error}");
}
