//! What every source does that can go on from a position when its outside is away for a while: it waits, longer each time, and goes on where it stood.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow_schema::SchemaRef;
use expect_test::expect;
use laminar_connectors::retry::passes;
use laminar_connectors::{
    Accepts, BadRow, Connector, Options, Position, Registry, Sink, SinkRequest, Source, SourcePoll, SourceRequest,
};
use laminar_core::dag::ChangeKind;
use laminar_core::{Code, Error, Result, StepId};

use crate::harness::{Place, pairs, rows_of, schema};
use crate::round_trips::numbers;

fn opened(connector: &str, options: Vec<(String, String)>) -> Result<Box<dyn Source>> {
    Registry::with_builtin().open_source(connector, request(options))
}

fn request(options: Vec<(String, String)>) -> SourceRequest {
    SourceRequest { name: "s".to_owned(), schema: None, key: Vec::new(), schema_was_found: false, options: Options::new(options) }
}

fn with_columns(columns: &str, options: Vec<(String, String)>) -> SourceRequest {
    SourceRequest { schema: Some(schema(columns)), ..request(options) }
}

/// Rows until the end, and the pauses in between; at most so many polls.
fn drain(source: &mut dyn Source, polls: usize) -> Result<(Vec<String>, Vec<Duration>)> {
    let (mut rows, mut pauses) = (Vec::new(), Vec::new());
    for _ in 0..polls {
        match source.poll(3)? {
            SourcePoll::Rows { changes, .. } => rows.extend(rows_of(changes.rows())),
            SourcePoll::Pending(pause) => pauses.push(pause),
            SourcePoll::End => break,
        }
    }
    Ok((rows, pauses))
}

/// A connector whose sources fail now and then, also while they are opened and sought.
struct Flaky {
    inner: Registry,
    of: &'static str,
    calls: Arc<AtomicU64>,
    code: Code,
}

struct FlakySource {
    inner: Box<dyn Source>,
    calls: Arc<AtomicU64>,
    code: Code,
}

/// About one of four calls fails, in no order (by splitmix64); not the first.
fn fails(calls: &AtomicU64, code: Code) -> Result<()> {
    let mixed = (calls.fetch_add(1, Ordering::Relaxed) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    match (mixed ^ (mixed >> 27)) >> 62 {
        3 => Err(Error::new(code, "the outside is away")),
        _ => Ok(()),
    }
}

impl Connector for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }

    fn open_source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        fails(&self.calls, self.code)?;
        let inner = self.inner.get(self.of)?.open_source(request)?;
        Ok(Box::new(FlakySource { inner, calls: Arc::clone(&self.calls), code: self.code }))
    }

    fn sink_accepts(&self, _: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(None)
    }

    fn open_sink(&self, _: SinkRequest) -> Result<Box<dyn Sink>> {
        Err(Error::new(Code::NotSupported, "it has no sinks"))
    }

    fn replayable(&self) -> bool {
        true
    }
}

impl Source for FlakySource {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        fails(&self.calls, self.code)?;
        self.inner.poll(rows_max)
    }

    fn position(&self) -> Position {
        self.inner.position()
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        fails(&self.calls, self.code)?;
        self.inner.seek(position)
    }

    fn describe_position(&self) -> String {
        self.inner.describe_position()
    }

    fn is_bounded(&self) -> bool {
        self.inner.is_bounded()
    }

    fn give_up(&mut self) -> Vec<BadRow> {
        self.inner.give_up()
    }
}

#[test]
fn rows_of_a_source_that_fails_all_the_time_are_each_given_once() {
    let place = Place::new();
    let numbers: String = (0..20).map(|n| format!("{n},x{n}\n")).collect();
    let csv = place.write("d/a.csv", format!("a,b\n{numbers}"));
    place.write("d/b.csv", format!("a,b\n{numbers}"));
    let ndjson = place.write("c.ndjson", (0..20).map(|n| format!("{{\"a\": {n}}}\n")).collect::<String>());
    let folder = csv.trim_end_matches("/a.csv").to_owned();
    let kinds: [(&'static str, &str, Vec<(String, String)>); 3] = [
        ("file", "a:int, b:text", pairs(&[("path", &folder)])),
        ("file", "a:int", pairs(&[("path", &ndjson)])),
        ("generator", "n:int", pairs(&[("rows", "50"), ("fields.n.min", "1")])),
    ];
    for (of, columns, options) in kinds {
        let made = |registry: &Registry, name: &str, options| registry.open_source(name, with_columns(columns, options)).unwrap();
        let mut whole = made(&Registry::with_builtin(), of, options.clone());
        let (expected, _) = drain(&mut *whole, 1000).unwrap();
        assert!(!expected.is_empty(), "{of}");
        let mut registry = Registry::empty();
        let calls = Arc::new(AtomicU64::new(0));
        registry.add(Box::new(Flaky { inner: Registry::with_builtin(), of, calls, code: Code::Io }));
        let options = options.into_iter().chain(pairs(&[("retry", "forever")])).collect();
        let mut source = made(&registry, "flaky", options);
        let (given, pauses) = drain(&mut *source, 10_000).unwrap();
        assert_eq!(given, expected, "{of}");
        assert!(!pauses.is_empty(), "{of}");
    }
}

#[test]
fn pauses_grow_up_to_a_bound_and_end_with_the_cause() {
    let place = Place::new();
    let path = place.write("d/a.csv", "a\n1\n");
    place.write("d/b.csv", "a\n2\n");
    let folder = path.trim_end_matches("/a.csv").to_owned();
    let open =
        |more: &[(&str, &str)]| opened("file", pairs(more).into_iter().chain(pairs(&[("path", &folder)])).collect()).unwrap();
    let mut source = open(&[("retry", "2 s"), ("retry_pause_max", "500 ms")]);
    std::fs::rename(place.path("d/b.csv"), place.path("away")).unwrap();
    assert!(matches!(source.poll(1), Ok(SourcePoll::Rows { .. })));
    let mut pauses = Vec::new();
    let error = loop {
        match source.poll(1) {
            Ok(SourcePoll::Pending(pause)) => pauses.push(pause.as_millis()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
        assert!(source.trouble().is_some());
        assert!(source.describe_position().contains("a.csv"), "{}", source.describe_position());
    };
    assert_eq!(pauses, [100, 200, 400, 500, 500, 300]);
    expect!["LDB-3001: 'd/b.csv' is gone, and it was among those that were still to be read (it was tried again 6 times within 2s (retry)); hint: put the file back as it was, or DROP and CREATE the object to read from the start"]
        .assert_eq(&place.plain(&error.to_string()));

    let (from, to) = (place.path("d/b.csv"), place.path("away"));
    let (take_away, put_back) = (|| std::fs::rename(&from, &to).unwrap(), || std::fs::rename(&to, &from).unwrap());
    put_back();
    let mut source = open(&[]);
    take_away();
    assert!(matches!(source.poll(1), Ok(SourcePoll::Rows { .. })));
    assert!(matches!(source.poll(1), Ok(SourcePoll::Pending(_))));
    put_back();
    assert_eq!(drain(&mut *source, 10).unwrap().0, ["2"], "it goes on when the file is back");
    assert_eq!(source.trouble(), None);

    let mut source = open(&[("retry", "never")]);
    take_away();
    assert!(matches!(source.poll(1), Ok(SourcePoll::Rows { .. })));
    assert!(source.poll(1).is_err());
}

#[test]
fn a_position_in_a_file_that_is_away_is_kept_until_it_is_back() {
    let place = Place::new();
    let path = place.write("a.csv", "a\n1\n2\n3\n");
    let open = || opened("file", pairs(&[("path", &path)])).unwrap();
    let mut first = open();
    assert!(matches!(first.poll(2), Ok(SourcePoll::Rows { .. })));
    let position = first.position();
    let mut second = open();
    std::fs::rename(place.path("a.csv"), place.path("away")).unwrap();
    second.seek(&position).unwrap();
    assert!(matches!(second.poll(1), Ok(SourcePoll::Pending(_))));
    assert_eq!(second.position(), position, "a checkpoint that is made meanwhile knows where it stands");
    std::fs::rename(place.path("away"), place.path("a.csv")).unwrap();
    assert_eq!(drain(&mut *second, 10).unwrap().0, ["3"]);
}

#[test]
fn what_would_fail_again_fails_at_once() {
    let mut registry = Registry::empty();
    let calls = Arc::new(AtomicU64::new(0));
    registry.add(Box::new(Flaky { inner: Registry::with_builtin(), of: "generator", calls, code: Code::BadData }));
    let request = with_columns("n:int", pairs(&[("rows", "5000"), ("fields.n.min", "1")]));
    let mut source = registry.open_source("flaky", request).unwrap();
    assert_eq!(drain(&mut *source, 1000).unwrap_err().code(), Code::BadData);
    for (code, expected) in [(Code::Io, true), (Code::DiskFull, true), (Code::BadData, false), (Code::InvalidOption, false)] {
        assert_eq!(passes(&Error::new(code, "x")), expected, "{code:?}");
    }
}

#[test]
fn options_that_cannot_be_kept_are_refused() {
    let refused = |connector: &str, options: &[(&str, &str)]| opened(connector, pairs(options)).err().unwrap().to_string();
    expect!["LDB-1006: option 'retry' cannot be 'soon'; hint: it must be a duration such as '10 minutes', 'forever' or 'never'"]
        .assert_eq(&refused("generator", &[("rows", "1"), ("fields.n.min", "1"), ("retry", "soon")]));
    expect!["LDB-1006: option 'retry_pause_max' cannot be '1ms'; hint: it must be at least 100 ms"]
        .assert_eq(&refused("generator", &[("rows", "1"), ("fields.n.min", "1"), ("retry_pause_max", "1 ms")]));
}

fn sink(place: &Place, name: &str, transactional: bool, more: &[(&str, &str)]) -> Box<dyn Sink> {
    let options = pairs(more).into_iter().chain([("path".to_owned(), place.path(name).display().to_string())]);
    let request = SinkRequest {
        name: "k".to_owned(),
        schema: numbers(0).schema(),
        changes: ChangeKind::Append,
        options: Options::new(options),
        transactional,
        io_uring: false,
        resume: None,
    };
    Registry::with_builtin().open_sink("file", request).unwrap()
}

fn write(sink: &mut dyn Sink, step: u64) -> Result<()> {
    sink.write(StepId(step), &numbers(step as i64))
}

const MS: i64 = 1_000_000;

#[test]
fn what_a_file_sink_cannot_take_waits_for_it_in_order() {
    for (name, transactional) in [("out/a.csv", false), ("out/a.ndjson", false), ("out/a.csv", true), ("out/a.parquet", true)] {
        let place = Place::new();
        let mut expected = sink(&place, &format!("whole/{name}"), transactional, &[]);
        let mut sink = sink(&place, name, transactional, &[]);
        // A file stands where the directory is to be.
        place.write("out", "in the way");
        for step in 1..5 {
            write(&mut *expected, step).unwrap();
            write(&mut *sink, step).unwrap();
        }
        assert_eq!(sink.trouble().unwrap().attempts, 1, "{name}");
        assert_eq!(sink.try_again(0).unwrap(), Some(100 * MS), "{name}: not before its time");
        assert_eq!(sink.try_again(100 * MS).unwrap(), Some(300 * MS), "{name}: later each time");
        assert!(sink.prepare(1).is_err(), "{name}: what waits is not done");
        std::fs::remove_file(place.path("out")).unwrap();
        write(&mut *expected, 5).unwrap();
        write(&mut *sink, 5).unwrap();
        assert_eq!(sink.try_again(300 * MS).unwrap(), None, "{name}");
        assert_eq!(sink.trouble(), None, "{name}");
        for sink in [&mut sink, &mut expected] {
            sink.finish().unwrap();
            sink.prepare(1).unwrap();
            sink.commit(1).unwrap();
        }
        let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
        assert_eq!(bytes(name), bytes(&format!("whole/{name}")), "{name}");
    }
}

#[test]
fn an_epoch_that_cannot_be_shown_is_shown_later() {
    let place = Place::new();
    let mut sink = sink(&place, "out/a.csv", true, &[]);
    write(&mut *sink, 1).unwrap();
    sink.prepare(1).unwrap();
    std::fs::rename(place.path("out"), place.path("away")).unwrap();
    place.write("out", "in the way");
    sink.commit(1).unwrap();
    assert!(sink.trouble().is_some());
    write(&mut *sink, 2).unwrap();
    sink.finish().unwrap();
    assert_eq!(sink.try_again(0).unwrap(), Some(100 * MS));
    std::fs::remove_file(place.path("out")).unwrap();
    std::fs::rename(place.path("away"), place.path("out")).unwrap();
    assert_eq!(sink.try_again(100 * MS).unwrap(), None);
    sink.prepare(2).unwrap();
    sink.commit(2).unwrap();
    assert_eq!(place.text("out/a.csv").lines().count(), 1 + numbers(1).len() + numbers(2).len());
}

#[test]
fn a_sink_that_is_not_to_be_tried_again_fails_at_once() {
    let place = Place::new();
    let mut sink = sink(&place, "out/a.csv", false, &[("retry", "never")]);
    place.write("out", "in the way");
    assert_eq!(write(&mut *sink, 1).unwrap_err().code(), Code::Io);
}
