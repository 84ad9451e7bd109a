//! Databases with a thread of their own: callers go on while a source is read, and answers are those of callers that do the work.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_db::connectors::memory::MemoryQueue;
use laminar_db::connectors::{Accepts, Connector, Position, Registry, Sink, SinkRequest, Source, SourcePoll, SourceRequest};
use laminar_db::core::time::ManualClock;
use laminar_db::{ChangeBatch, Code, Database, Error, Result};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a test lets the next poll of a source give.
enum Give {
    Rows(i64),
    End,
    Panic,
}

/// A source that is in the middle of a poll until the test says what it gives.
#[derive(Clone, Default)]
struct Valve(Arc<(Mutex<Inside>, Condvar)>);

#[derive(Default)]
struct Inside {
    polls: usize,
    given: VecDeque<Give>,
}

impl Valve {
    fn give(&self, give: Give) {
        self.0.0.lock().unwrap().given.push_back(give);
        self.0.1.notify_all();
    }

    /// Waits until poll number `polls` has begun, counted from 1.
    fn wait_for_poll(&self, polls: usize) {
        let inside = self.0.0.lock().unwrap();
        let (inside, waited) = self.0.1.wait_timeout_while(inside, PATIENCE, |inside| inside.polls < polls).unwrap();
        drop(inside);
        assert!(!waited.timed_out(), "nothing reads");
    }

    fn poll(&self) -> Give {
        let mut inside = self.0.0.lock().unwrap();
        inside.polls += 1;
        self.0.1.notify_all();
        // A test that fails must not hang.
        let (mut inside, _) = self.0.1.wait_timeout_while(inside, PATIENCE, |inside| inside.given.is_empty()).unwrap();
        inside.given.pop_front().unwrap_or(Give::End)
    }
}

impl Connector for Valve {
    fn name(&self) -> &'static str {
        "valve"
    }

    fn open_source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        let own = || Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]));
        Ok(Box::new(ValveSource { valve: self.clone(), schema: request.schema.unwrap_or_else(own) }))
    }

    fn sink_accepts(&self, _: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(None)
    }

    fn open_sink(&self, _: SinkRequest) -> Result<Box<dyn Sink>> {
        Err(Error::new(Code::NotSupported, "there are no sinks"))
    }

    fn replayable(&self) -> bool {
        true
    }
}

struct ValveSource {
    valve: Valve,
    schema: SchemaRef,
}

impl Source for ValveSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, _: usize) -> Result<SourcePoll> {
        match self.valve.poll() {
            Give::Rows(count) => Ok(SourcePoll::Rows { changes: ChangeBatch::append(numbers(count)), bad: vec![] }),
            Give::End => Ok(SourcePoll::End),
            Give::Panic => panic!("the file is not what it seems"),
        }
    }

    fn position(&self) -> Position {
        Position::default()
    }

    fn seek(&mut self, _: &Position) -> Result<()> {
        Ok(())
    }

    fn describe_position(&self) -> String {
        "here".into()
    }

    fn is_bounded(&self) -> bool {
        true
    }
}

fn numbers(count: i64) -> RecordBatch {
    RecordBatch::try_from_iter([("v", Arc::new((0..count).collect::<Int64Array>()) as ArrayRef)]).unwrap()
}

/// A hosted database with a source that is in the middle of its first poll, and one that is pushed.
fn reading() -> (Database, Valve) {
    let (valve, mut registry) = (Valve::default(), Registry::with_builtin());
    registry.add(Box::new(valve.clone()));
    let db = Database::builder().connectors(registry).checked().hosted().build();
    db.execute(
        "CREATE SOURCE slow (v BIGINT) FROM VALVE; CREATE SOURCE pushed (v BIGINT);
         CREATE MATERIALIZED VIEW slow_rows AS SELECT count(*) AS n FROM slow;
         CREATE MATERIALIZED VIEW pushed_rows AS SELECT count(*) AS n FROM pushed",
    )
    .unwrap();
    valve.wait_for_poll(1);
    (db, valve)
}

fn count(db: &Database, view: &str) -> String {
    db.query(&format!("SELECT n FROM {view}")).unwrap().to_strings().concat().concat()
}

#[test]
fn callers_go_on_while_a_source_is_read_and_get_its_rows_when_it_has_them() {
    let (db, valve) = reading();
    db.push("pushed", numbers(3)).unwrap();
    assert_eq!((count(&db, "pushed_rows"), count(&db, "slow_rows")), ("3".into(), "0".into()));
    assert_eq!(db.status().object("slow").unwrap().position.as_deref(), Some("here"));
    // A view that comes before the first rows do gets them all.
    db.execute("CREATE MATERIALIZED VIEW more AS SELECT count(*) AS n FROM slow; SET workers = 2").unwrap();
    valve.give(Give::Rows(5));
    valve.wait_for_poll(2);
    valve.give(Give::Rows(2));
    valve.give(Give::End);
    db.run_until_finished(&false.into()).unwrap();
    assert_eq!(["slow_rows", "more", "pushed_rows"].map(|view| count(&db, view)), ["7", "7", "3"]);
}

#[test]
fn a_source_can_be_dropped_while_it_is_read() {
    let (db, valve) = reading();
    db.execute("DROP MATERIALIZED VIEW slow_rows; DROP SOURCE slow; CREATE TABLE slow (v BIGINT)").unwrap();
    valve.give(Give::Rows(5));
    db.execute("INSERT INTO slow VALUES (1)").unwrap();
    db.push("pushed", numbers(3)).unwrap();
    db.run_until_finished(&false.into()).unwrap();
    assert_eq!(count(&db, "pushed_rows"), "3");
    assert_eq!(db.query("SELECT count(*) FROM slow").unwrap().to_strings(), [["1"]], "the rows went with their source");
}

#[test]
fn the_end_waits_for_what_is_being_read() {
    let (db, valve) = reading();
    thread::scope(|scope| {
        let finished = scope.spawn(|| db.finish());
        thread::sleep(Duration::from_millis(20));
        assert!(!finished.is_finished());
        valve.give(Give::Rows(5));
        finished.join().unwrap().unwrap();
    });
    assert_eq!(count(&db, "slow_rows"), "5");
    thread::sleep(Duration::from_millis(50));
    assert!(db.status().failures().next().is_none(), "nothing is read after the end");
}

#[test]
fn a_panic_in_a_connector_stops_its_source_alone() {
    let (db, valve) = reading();
    valve.give(Give::Panic);
    db.run_until_finished(&false.into()).unwrap();
    let failed = db.status().object("slow").unwrap().failed.clone().expect("it cannot go on");
    assert!(failed.message().contains("the file is not what it seems"), "{failed:?}");
    db.push("pushed", numbers(3)).unwrap();
    assert_eq!(count(&db, "pushed_rows"), "3");
}

#[test]
fn what_was_read_ahead_is_not_lost_when_reading_stops() {
    let registry = Registry::with_builtin();
    let queue: MemoryQueue = registry.memory().queue("numbers");
    let clock = Arc::new(ManualClock::at(0));
    let db = Database::builder().connectors(registry).clock(clock).workers_in_turn(2).checked().build();
    db.execute(
        "CREATE SOURCE numbers (v BIGINT) FROM MEMORY;
         CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM numbers",
    )
    .unwrap();
    (1..=3).for_each(|count| queue.push(numbers(count)).unwrap());
    db.turn().unwrap();
    db.stop_reading().unwrap();
    assert_eq!(count(&db, "n").parse::<usize>().unwrap() + queue.rows(), 6);
}

const VIEWS: &str = "
    CREATE SOURCE a (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '10' MILLISECOND)
        FROM GENERATOR (rows = 30000, seed = 3, max_out_of_order = '40 ms', 'fields.k.max' = '50', 'fields.v.max' = '9');
    CREATE SOURCE b (k BIGINT, v BIGINT) FROM GENERATOR (rows = 20000, seed = 4, 'fields.k.max' = '50');
    CREATE TABLE names (k BIGINT PRIMARY KEY, name VARCHAR);
    CREATE SOURCE pushed (v BIGINT);
    CREATE MATERIALIZED VIEW windows AS SELECT k, window_start, count(*) AS n, sum(v) AS v FROM a GROUP BY k, TUMBLE(ts, INTERVAL '1' SECOND);
    CREATE MATERIALIZED VIEW late AS SELECT count(*) AS n, sum(v) AS v FROM windows$late;
    CREATE MATERIALIZED VIEW totals AS SELECT k, count(*) AS n, sum(v) AS v FROM b GROUP BY k;
    CREATE MATERIALIZED VIEW named AS SELECT name, n, v FROM totals JOIN names ON totals.k = names.k;
    CREATE MATERIALIZED VIEW sums AS SELECT v % 7 AS k, count(*) AS n FROM pushed GROUP BY v % 7";

/// All answers after two sources were read to their ends while three threads pushed and asked.
fn answers(db: &Database) -> Vec<Vec<Vec<String>>> {
    db.execute(VIEWS).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| db.run_until_finished(&false.into()).unwrap());
        for first in 0..3 {
            scope.spawn(move || {
                for key in 0..20 {
                    let key = first * 20 + key;
                    db.execute(&format!("INSERT INTO names VALUES ({key}, 'name {key}')")).unwrap();
                    db.push("pushed", numbers(key)).unwrap();
                    db.query("SELECT count(*) FROM named").unwrap();
                }
            });
        }
    });
    db.run_until_finished(&false.into()).unwrap();
    let all = |view: &str| db.query(&format!("SELECT * FROM {view} ORDER BY 1, 2")).unwrap().to_strings();
    ["windows", "late", "totals", "named", "sums"].map(all).into()
}

#[test]
fn answers_are_those_of_callers_that_do_the_work() {
    let inline = answers(&Database::builder().checked().build());
    assert!(inline[0].len() > 500 && inline[1][0][0] != "0" && inline[3].len() == 51, "{:?}", &inline[1..]);
    for workers in [1, 2, 3] {
        let hosted = Database::builder().workers(workers).checked().hosted().build();
        assert_eq!(answers(&hosted), inline, "{workers} workers");
    }
}

#[test]
fn threads_that_would_all_work_come_to_their_ends() {
    for hosted in [false, true] {
        let builder = Database::builder();
        let db = if hosted { builder.hosted().build() } else { builder.build() };
        db.execute(
            "CREATE SOURCE g (k BIGINT) FROM GENERATOR (rows = 200000, 'fields.k.max' = '99');
             CREATE STREAM odd AS SELECT k FROM g WHERE k % 2 = 1",
        )
        .unwrap();
        let readers = [(); 2].map(|()| db.subscribe("odd").unwrap());
        thread::scope(|scope| {
            (0..2).for_each(|_| drop(scope.spawn(|| db.run_until_finished(&false.into()).unwrap())));
            let counts = readers.map(|reader| scope.spawn(|| reader.map(|step| step.unwrap().changes.len()).sum::<usize>()));
            let [first, second] = counts.map(|count| count.join().unwrap());
            // A hosted database reads before there is a subscription, which begins with what comes then.
            assert!(hosted || first == second && first > 90_000, "{first} and {second}");
        });
    }
}
