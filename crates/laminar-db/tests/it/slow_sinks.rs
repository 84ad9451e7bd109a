//! Sinks whose outside takes its time: nobody else waits for it, and nothing is lost.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use laminar_core::{ChangeBatch, Code, Error, Result, StepId};
use laminar_db::Database;
use laminar_db::connectors::{Accepts, BadRow, Connector, Registry, Sink, SinkRequest, Source, SourceRequest};

/// A test that fails must not hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connector whose sinks write when the test lets them.
struct Gate {
    begun: Sender<usize>,
    lets: Arc<Mutex<Receiver<()>>>,
    rejects: bool,
}

impl Connector for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn open_source(&self, _: SourceRequest) -> Result<Box<dyn Source>> {
        Err(Error::new(Code::NotSupported, "there are no sources"))
    }

    fn sink_accepts(&self, _: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(Some(Accepts::Changes))
    }

    fn open_sink(&self, _: SinkRequest) -> Result<Box<dyn Sink>> {
        let (begun, lets) = (self.begun.clone(), Arc::clone(&self.lets));
        Ok(Box::new(GateSink { begun, lets, rejects: self.rejects, bad: Vec::new() }))
    }

    fn replayable(&self) -> bool {
        false
    }
}

struct GateSink {
    begun: Sender<usize>,
    lets: Arc<Mutex<Receiver<()>>>,
    rejects: bool,
    bad: Vec<BadRow>,
}

impl Sink for GateSink {
    fn write(&mut self, _: StepId, changes: &ChangeBatch) -> Result<()> {
        // Nobody looks at what comes after the end of the test.
        let _ = self.begun.send(changes.len());
        let _ = self.lets.lock().unwrap().recv_timeout(PATIENCE);
        if self.rejects {
            self.bad.push(BadRow { raw: "7".into(), reason: "not wanted here".into(), position: "step 1".into() });
        }
        Ok(())
    }

    fn take_bad_rows(&mut self) -> Vec<BadRow> {
        std::mem::take(&mut self.bad)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A database with a table and a sink behind it; what tells that the sink writes, and what lets it go on.
fn database(rejects: bool) -> (Database, Receiver<usize>, Sender<()>) {
    let ((begun, begins), (lets, let_go)) = (channel(), channel());
    let mut registry = Registry::with_builtin();
    registry.add(Box::new(Gate { begun, lets: Arc::new(Mutex::new(let_go)), rejects }));
    let db = Database::builder().connectors(registry).checked().build();
    db.execute(
        "CREATE TABLE t (a BIGINT); CREATE SINK s FROM t INTO GATE; CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t",
    )
    .unwrap();
    (db, begins, lets)
}

fn one(db: &Database, sql: &str) -> String {
    db.query(sql).unwrap().to_strings().concat().concat()
}

fn written(db: &Database) -> u64 {
    db.status().object("s").unwrap().rows
}

#[test]
fn others_push_and_ask_while_a_sink_is_written_and_it_gets_all_in_order() {
    let (db, begins, lets) = database(false);
    db.execute("CREATE TABLE u (a BIGINT)").unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| db.execute("INSERT INTO t VALUES (1)").map(|_| ()));
        assert_eq!(begins.recv_timeout(PATIENCE), Ok(1));
        // The sink is in the middle of its first row; who brings it more waits for it, and for that alone.
        let second = scope.spawn(|| db.execute("INSERT INTO t VALUES (2), (3)").map(|_| ()));
        while one(&db, "SELECT n FROM n") != "3" {
            thread::yield_now();
        }
        db.execute("CREATE MATERIALIZED VIEW m AS SELECT max(t.a + u.a) AS a FROM t CROSS JOIN u; INSERT INTO u VALUES (10)")
            .unwrap();
        assert_eq!((one(&db, "SELECT a FROM m"), written(&db)), ("13".to_owned(), 0));
        assert!(!first.is_finished() && !second.is_finished());
        (0..2).for_each(|_| lets.send(()).unwrap());
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap();
    });
    assert_eq!((begins.try_iter().collect::<Vec<_>>(), written(&db)), (vec![2], 3));
}

#[test]
fn who_pushes_alone_finds_its_rows_written() {
    let (db, begins, lets) = database(false);
    for count in 1..=3 {
        lets.send(()).unwrap();
        db.execute("INSERT INTO t VALUES (1)").unwrap();
        assert_eq!((begins.try_recv(), written(&db)), (Ok(1), count));
    }
    lets.send(()).unwrap();
    db.execute("INSERT INTO t VALUES (1)").unwrap();
    db.finish().unwrap();
    assert!(db.status().object("s").unwrap().ended);
}

#[test]
fn what_a_sink_rejects_stands_in_its_errors_and_flows_on() {
    let (db, _begins, lets) = database(true);
    db.execute("CREATE MATERIALIZED VIEW bad AS SELECT count(*) AS n FROM \"s$errors\"").unwrap();
    for count in 1..=2 {
        lets.send(()).unwrap();
        db.execute("INSERT INTO t VALUES (7)").unwrap();
        assert_eq!(one(&db, "SELECT count(*) FROM \"s$errors\""), count.to_string());
        assert_eq!(one(&db, "SELECT n FROM bad"), count.to_string());
    }
}

#[test]
fn a_sink_that_is_dropped_while_it_is_written_gets_what_came_before() {
    let (db, begins, lets) = database(false);
    thread::scope(|scope| {
        let pushing = scope.spawn(|| db.execute("INSERT INTO t VALUES (1)").map(|_| ()));
        assert_eq!(begins.recv_timeout(PATIENCE), Ok(1));
        let dropping = scope.spawn(|| db.execute("DROP SINK s").map(|_| ()));
        lets.send(()).unwrap();
        pushing.join().unwrap().unwrap();
        dropping.join().unwrap().unwrap();
    });
    db.execute("INSERT INTO t VALUES (3)").unwrap();
    assert_eq!(begins.try_iter().count(), 0);
}
