//! The registry and the connectors without files: memory, stdout, blackhole.

use std::io::Write;
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use expect_test::{Expect, expect};
use laminar_connectors::blackhole::BlackholeConnector;
use laminar_connectors::stdout::StdoutConnector;
use laminar_connectors::{Accepts, Options, Registry, SinkRequest, Source, SourcePoll, SourceRequest};
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Code, StepId};

use crate::harness::{pairs, rows_of, schema};
use crate::round_trips::numbers;

/// A writer whose bytes the test can see.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn sink_request(changes: ChangeKind, rows: &ChangeBatch, options: &[(&str, &str)]) -> SinkRequest {
    SinkRequest {
        name: "k".to_owned(),
        schema: rows.schema(),
        changes,
        options: Options::new(pairs(options)),
        transactional: false,
        io_uring: false,
        resume: None,
    }
}

fn check_stdout(format: &str, changes: ChangeKind, batches: &[ChangeBatch], expected: Expect) {
    let seen = Seen::default();
    let writer = seen.clone();
    let mut registry = Registry::with_builtin();
    registry.add(Box::new(StdoutConnector::to(move || Box::new(writer.clone()))));
    let request = sink_request(changes, &batches[0], &[("format", format)]);
    let mut sink = registry.get("stdout").unwrap().open_sink(request).unwrap();
    for batch in batches {
        sink.write(StepId(0), batch).unwrap();
    }
    sink.finish().unwrap();
    expected.assert_eq(&String::from_utf8(seen.0.lock().unwrap().clone()).unwrap());
}

fn people() -> ChangeBatch {
    let names = arrow_array::StringArray::from(vec![Some("ann"), None, Some("two\nlines")]);
    let ages = arrow_array::Int64Array::from(vec![Some(7), Some(1234), None]);
    let columns = [("name", Arc::new(names) as arrow_array::ArrayRef, true), ("age", Arc::new(ages), true)];
    ChangeBatch::append(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

#[test]
fn stdout_shows_tables_csv_and_json() {
    let rows = people();
    check_stdout(
        "table",
        ChangeKind::Append,
        &[rows.clone(), rows.slice(0, 1)],
        expect![[r#"
        name       | age
        -----------+-----
        ann        |    7
                   | 1234
        two\nlines |
        ann        |    7
    "#]],
    );
    check_stdout(
        "csv",
        ChangeKind::Append,
        &[rows.clone(), rows.slice(0, 1)],
        expect![[r#"
        name,age
        ann,7
        ,1234
        "two
        lines",
        ann,7
    "#]],
    );
    check_stdout(
        "json",
        ChangeKind::Append,
        &[rows],
        expect![[r#"
        {"name":"ann","age":7}
        {"name":null,"age":1234}
        {"name":"two\nlines","age":null}
    "#]],
    );
}

#[test]
fn stdout_shows_what_happens_to_rows_that_can_go() {
    let changes = ChangeBatch::new(people().rows().slice(0, 2), vec![2, -1]);
    check_stdout(
        "table",
        ChangeKind::Retract,
        std::slice::from_ref(&changes),
        expect![[r#"
        op | name | age
        ---+------+-----
        +I | ann  |    7
        +I | ann  |    7
        -D |      | 1234
    "#]],
    );
    check_stdout(
        "json",
        ChangeKind::Retract,
        &[changes],
        expect![[r#"
        {"op":"+I","name":"ann","age":7}
        {"op":"+I","name":"ann","age":7}
        {"op":"-D","name":null,"age":1234}
    "#]],
    );
}

#[test]
fn a_wrong_connector_name_gets_the_right_one() {
    let error = Registry::with_builtin().get("fiel").err().unwrap();
    assert_eq!(error.code(), Code::UnknownOption);
    assert!(error.hint().unwrap().starts_with("did you mean 'file'?"), "{error}");
}

#[test]
fn stdout_and_blackhole_have_no_sources() {
    let registry = Registry::with_builtin();
    for name in ["stdout", "blackhole"] {
        let request = SourceRequest {
            name: "s".to_owned(),
            schema: None,
            key: Vec::new(),
            options: Options::default(),
            schema_was_found: false,
        };
        assert_eq!(registry.get(name).unwrap().open_source(request).err().unwrap().code(), Code::NotSupported);
    }
}

#[test]
fn blackhole_counts() {
    let blackhole = BlackholeConnector::default();
    let mut registry = Registry::empty();
    registry.add(Box::new(blackhole.clone()));
    let connector = registry.get("blackhole").unwrap();
    let request = sink_request(ChangeKind::Retract, &numbers(1), &[]);
    assert_eq!(connector.sink_accepts(&request).unwrap(), Some(Accepts::Changes));
    let mut sink = connector.open_sink(request).unwrap();
    sink.write(StepId(0), &numbers(5)).unwrap();
    sink.write(StepId(1), &ChangeBatch::new(numbers(2).rows().clone(), vec![-3, 1])).unwrap();
    assert_eq!((blackhole.rows(), blackhole.weight()), (7, 3));
}

fn memory_source(registry: &Registry, options: &[(&str, &str)]) -> Box<dyn Source> {
    let options = Options::new(pairs(options));
    let request =
        SourceRequest { name: "s".to_owned(), schema: Some(schema("n:int")), key: Vec::new(), options, schema_was_found: false };
    registry.get("memory").unwrap().open_source(request).unwrap()
}

#[test]
fn memory_queues_carry_rows_between_a_program_and_the_engine() {
    let registry = Registry::with_builtin();
    let mut source = memory_source(&registry, &[("name", "in"), ("bounded", "true")]);
    let queue = registry.memory().queue("in");
    assert!(matches!(source.poll(10).unwrap(), SourcePoll::Pending(_)));
    queue.push(numbers(5).rows().clone()).unwrap();
    queue.close();
    let mut rows = Vec::new();
    while let Some((batch, _)) = crate::harness::poll(&mut *source, 2).unwrap() {
        assert!(batch.num_rows() <= 2);
        rows.extend(rows_of(&batch));
    }
    assert_eq!(rows, ["0", "1", "2", "3", "4"]);
    assert!(matches!(source.poll(10).unwrap(), SourcePoll::End));
    assert_eq!(queue.push(numbers(1).rows().clone()).unwrap_err().code(), Code::Closed);
}

#[test]
fn a_memory_sink_hands_changes_to_a_program() {
    let registry = Registry::with_builtin();
    let request = sink_request(ChangeKind::Retract, &numbers(1), &[("name", "out")]);
    let mut sink = registry.get("memory").unwrap().open_sink(request).unwrap();
    sink.write(StepId(0), &ChangeBatch::retract(numbers(2).rows().clone())).unwrap();
    let queue = registry.memory().queue("out");
    assert_eq!(queue.drain().iter().map(|batch| batch.weight(0)).collect::<Vec<_>>(), [-1]);
    assert!(!queue.is_closed());
    sink.finish().unwrap();
    assert!(queue.is_closed());
}

#[test]
fn a_memory_source_tells_wrong_columns() {
    let registry = Registry::with_builtin();
    let mut source = memory_source(&registry, &[]);
    registry.memory().queue("s").push(people().rows().clone()).unwrap();
    let error = source.poll(10).unwrap_err();
    assert_eq!(error.code(), Code::TypeMismatch);
}
