//! Late rows and rows in error as streams: nothing is lost at the end, for slow readers, or among several writers.

use laminar_db::connectors::Registry;
use laminar_db::connectors::memory::{MemoryConnector, MemoryQueue};
use laminar_db::core::time::EventTime;
use laminar_db::{Code, Database, Row, SlowReader, SubscribeOptions, Subscription};

#[derive(Row, Debug, Clone, PartialEq)]
struct Trade {
    symbol: String,
    price: i64,
    ts: EventTime,
}

const SECOND: i64 = 1_000_000_000;

fn trade(symbol: &str, price: i64, second: i64) -> Trade {
    Trade { symbol: symbol.to_owned(), price, ts: EventTime(second * SECOND) }
}

/// Reads its trades from the queue `trades`, and closes windows of 10 s without any patience.
struct Fed {
    db: Database,
    queues: MemoryConnector,
}

impl Fed {
    fn new() -> Self {
        let registry = Registry::with_builtin();
        let queues = registry.memory().clone();
        let db = Database::builder().connectors(registry).checked().build();
        db.execute(
            "CREATE SOURCE trades (symbol VARCHAR NOT NULL, price BIGINT NOT NULL, ts TIMESTAMP NOT NULL, WATERMARK FOR ts AS ts)
               FROM MEMORY (name = 'trades', bounded = 'true')",
        )
        .expect("the source is fine");
        Self { db, queues }
    }

    fn queue(&self, name: &str) -> MemoryQueue {
        self.queues.queue(name)
    }

    fn trades(&self, trades: &[Trade]) {
        self.queue("trades").push(Trade::to_batch(trades).unwrap()).unwrap();
    }

    /// Reads everything; the last trades and the end may come in one step.
    fn run(&self) {
        self.queue("trades").close();
        self.db.run_until_finished(&false.into()).unwrap();
    }

    fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        self.db.query(sql).unwrap().to_strings()
    }
}

fn rows_in(queue: &MemoryQueue) -> usize {
    queue.drain().iter().map(laminar_db::ChangeBatch::len).sum()
}

fn rows_of(subscription: &mut Subscription) -> usize {
    let mut rows = 0;
    while let Some(changes) = subscription.try_next().unwrap() {
        rows += changes.changes.len();
    }
    rows
}

const BARS: &str = "SELECT symbol, window_start, count(*) AS n FROM trades GROUP BY symbol, TUMBLE(ts, INTERVAL '10' SECOND)";

#[test]
fn a_subscription_to_late_rows_begins_with_those_that_are_kept_and_ends_with_the_object() {
    let fed = Fed::new();
    fed.db.execute(&format!("CREATE STREAM bars AS {BARS}")).unwrap();
    let mut early = fed.db.subscribe("bars$late").unwrap();
    fed.trades(&[trade("a", 1, 30)]);
    fed.trades(&[trade("b", 2, 5)]);
    while fed.queue("trades").rows() > 0 {
        fed.db.turn().unwrap();
    }
    fed.db.turn().unwrap();
    let options = SubscribeOptions { snapshot: Some(false), ..SubscribeOptions::default() };
    let (mut late, mut from_now) = (fed.db.subscribe("bars$late").unwrap(), fed.db.subscribe_with("bars$late", options).unwrap());
    let mut query = fed.db.subscribe("SELECT symbol FROM bars$late WHERE symbol = 'b'").unwrap();
    assert_eq!(early.schema().field(2).name(), "reason");
    assert_eq!([rows_of(&mut early), rows_of(&mut late), rows_of(&mut from_now), rows_of(&mut query)], [1, 1, 0, 1]);
    fed.trades(&[trade("c", 3, 6), trade("d", 4, 7)]);
    fed.run();
    assert_eq!([rows_of(&mut early), rows_of(&mut late), rows_of(&mut from_now), rows_of(&mut query)], [2, 2, 2, 0]);
    assert!(early.is_finished() && late.is_finished() && from_now.is_finished() && query.is_finished());
}

#[test]
fn late_rows_of_the_last_step_reach_every_follower_before_it_ends() {
    let fed = Fed::new();
    fed.db
        .execute(&format!(
            "CREATE TABLE kept (symbol VARCHAR, price BIGINT, reason VARCHAR);
             CREATE SINK late_out INTO MEMORY (name = 'late_out');
             CREATE STREAM into_table AS {BARS} LATE DATA TO kept;
             CREATE STREAM into_sink AS {BARS} LATE DATA TO late_out;
             CREATE SINK from_late FROM into_table$late INTO MEMORY (name = 'from_late');
             CREATE SINK from_kept FROM kept INTO MEMORY (name = 'from_kept');
             CREATE STREAM once AS SELECT count(*) AS n FROM into_table$late EMIT FINAL;
             CREATE SINK from_once FROM once INTO MEMORY (name = 'from_once')"
        ))
        .unwrap();
    fed.trades(&[trade("a", 1, 30), trade("b", 2, 5), trade("c", 3, 31), trade("d", 4, 6)]);
    fed.run();
    for name in ["late_out", "from_late", "from_once"] {
        assert!(fed.queue(name).is_closed(), "{name} is complete as soon as the input has ended");
    }
    assert!(!fed.queue("from_kept").is_closed(), "rows can still be inserted into the table");
    fed.db.finish().unwrap();
    assert!(fed.queue("from_kept").is_closed());
    let written = ["late_out", "from_late", "from_kept", "from_once"].map(|name| rows_in(&fed.queue(name)));
    assert_eq!(written, [2, 2, 2, 1]);
    let kept = fed.rows("SELECT symbol, price, reason LIKE '%had closed%' FROM kept ORDER BY symbol");
    assert_eq!(kept, [["b", "2", "true"], ["d", "4", "true"]]);
    assert_eq!(fed.db.status().rows_in(), 4, "rows that came in late are no rows from outside a second time");
}

#[test]
fn finishing_early_loses_no_late_row_that_was_read() {
    let fed = Fed::new();
    fed.db
        .execute(&format!("CREATE TABLE kept (symbol VARCHAR, reason VARCHAR); CREATE STREAM bars AS {BARS} LATE DATA TO kept"))
        .unwrap();
    fed.db.execute("CREATE SINK from_kept FROM kept INTO MEMORY (name = 'from_kept')").unwrap();
    fed.trades(&[trade("a", 1, 30), trade("b", 2, 5)]);
    fed.db.turn().unwrap();
    fed.db.finish().unwrap();
    assert_eq!((rows_in(&fed.queue("from_kept")), fed.queue("from_kept").is_closed()), (1, true));
}

#[test]
fn a_sink_ends_when_the_last_of_its_writers_has_ended() {
    let fed = Fed::new();
    fed.db
        .execute(&format!(
            "CREATE SOURCE others (symbol VARCHAR NOT NULL, price BIGINT NOT NULL, ts TIMESTAMP NOT NULL, WATERMARK FOR ts AS ts);
             CREATE SINK late_out INTO MEMORY (name = 'late_out');
             CREATE STREAM one AS {BARS} LATE DATA TO late_out;
             CREATE STREAM two AS SELECT count(*) AS n FROM (SELECT ts, symbol FROM others) GROUP BY TUMBLE(ts, INTERVAL '10' SECOND)
               LATE DATA TO late_out"
        ))
        .unwrap();
    fed.trades(&[trade("a", 1, 30), trade("b", 2, 5)]);
    fed.run();
    assert!(!fed.queue("late_out").is_closed());
    fed.db.push_rows("others", &[trade("c", 1, 30), trade("d", 2, 5)]).unwrap();
    fed.db.end_source("others").unwrap();
    assert!(fed.queue("late_out").is_closed());
    let changes = fed.queue("late_out").drain();
    let columns: Vec<String> = changes[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(columns, ["symbol", "price", "ts", "reason"]);
    assert!(changes[1].column(1).is_null(0), "the second writer has no price");
    let refused = fed.db.execute(&format!("CREATE STREAM three AS {BARS} LATE DATA TO late_out")).err().unwrap();
    assert_eq!(refused.code(), Code::Closed);
}

#[test]
fn a_row_is_either_used_or_late() {
    let fed = Fed::new();
    fed.db
        .execute(&format!(
            "CREATE TABLE kept (symbol VARCHAR, price BIGINT, ts TIMESTAMP, reason VARCHAR);
             CREATE MATERIALIZED VIEW bars AS {BARS} LATE DATA TO kept;
             CREATE MATERIALIZED VIEW late AS SELECT count(*) AS n FROM bars$late;
             CREATE SINK late_out FROM bars$late INTO MEMORY (name = 'late_out')"
        ))
        .unwrap();
    // A walk that goes ahead by 3 s on average and back by up to 60 s, in batches of every size.
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut total = 0;
    for batch in 0..200 {
        let rows: Vec<Trade> = (0..1 + random(20))
            .map(|row| {
                trade("a", row as i64, batch * 30 + random(30) as i64 - if random(4) == 0 { random(60) as i64 } else { 0 })
            })
            .collect();
        total += rows.len();
        fed.trades(&rows);
    }
    fed.run();
    let number = |sql: &str| fed.rows(sql)[0][0].parse::<usize>().unwrap();
    let (used, late) = (number("SELECT CAST(sum(n) AS BIGINT) FROM bars"), number("SELECT n FROM late"));
    assert!(late > 100, "{late} of {total}");
    assert_eq!(used + late, total);
    assert_eq!(fed.db.status().object("bars").unwrap().late as usize, late);
    assert_eq!(number("SELECT count(*) FROM kept"), late);
    assert_eq!(number("SELECT count(*) FROM bars$late"), late);
    assert_eq!(rows_in(&fed.queue("late_out")), late);
}

#[test]
fn a_slow_reader_of_late_rows_holds_their_source_back_and_misses_nothing() {
    let fed = Fed::new();
    fed.db.execute(&format!("CREATE STREAM bars AS {BARS}")).unwrap();
    let options = SubscribeOptions { capacity: 1, slow_reader: SlowReader::Block, ..SubscribeOptions::default() };
    let late = fed.db.subscribe_with("bars$late", options).unwrap();
    fed.trades(&[trade("a", 1, 1000)]);
    let batches = 40;
    for _ in 0..batches {
        fed.trades(&vec![trade("b", 2, 5); 8192]);
    }
    fed.queue("trades").close();
    let held = fed.db.run_until_finished(&false.into()).unwrap_err();
    assert_eq!(held.code(), Code::Backpressure, "a run that could not go on says so: {held}");
    assert!(fed.queue("trades").rows() > 0, "the subscription is not read, so reading the source stops");
    let mut rows = 0;
    for changes in late {
        rows += changes.unwrap().changes.len();
    }
    assert_eq!(rows, batches * 8192);
}

#[test]
fn who_reads_from_a_sources_side_lets_the_source_be_read() {
    let registry = Registry::with_builtin();
    let file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
    std::fs::write(file.path(), "a\n1\nx\n2\n").unwrap();
    let db = Database::builder().connectors(registry).build();
    db.execute(&format!("CREATE SOURCE numbers (a BIGINT) FROM FILE (path = '{}')", file.path().display())).unwrap();
    let mut errors = db.subscribe("numbers$errors").unwrap();
    db.run_until_finished(&false.into()).unwrap();
    assert_eq!((rows_of(&mut errors), errors.is_finished()), (1, true));
    // A view that is created now reads the file again, but the row in error is told once.
    db.execute("CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM numbers; CREATE MATERIALIZED VIEW bad AS SELECT count(*) AS n FROM numbers$errors")
        .unwrap();
    db.run_until_finished(&false.into()).unwrap();
    assert_eq!(db.query("SELECT n.n, bad.n FROM n CROSS JOIN bad").unwrap().to_strings(), [["2", "1"]]);
}

#[test]
fn explaining_and_leaving_leave_nothing_behind() {
    let fed = Fed::new();
    fed.db
        .execute(&format!("CREATE STREAM bars AS {BARS}; EXPLAIN GRAPH CREATE STREAM s AS SELECT symbol FROM bars$late"))
        .unwrap();
    for _ in 0..3 {
        drop(fed.db.subscribe("bars$late").unwrap());
    }
    fed.trades(&[trade("a", 1, 30), trade("b", 2, 5)]);
    fed.run();
    fed.db.execute("DROP STREAM bars").unwrap();
    let gone = fed.db.subscribe("bars$late").err().unwrap();
    assert_eq!(gone.code(), Code::UnknownObject);
}

/// The steps that a subscription has got since the last look.
fn steps_of(subscription: &mut Subscription) -> Vec<u64> {
    let mut steps = Vec::new();
    while let Some(changes) = subscription.try_next().unwrap() {
        steps.push(changes.step.0);
    }
    steps
}

#[test]
fn an_object_and_what_it_rejects_change_in_one_step() {
    for workers in [1, 3] {
        let db = Database::builder().checked().build();
        db.execute(&format!("SET workers = {workers}")).unwrap();
        let created = "CREATE SOURCE trades (symbol VARCHAR, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
             CREATE TABLE passed (symbol VARCHAR, reason VARCHAR);
             CREATE STREAM bars AS SELECT symbol, window_start, sum(100 / price) AS n FROM trades
               GROUP BY symbol, TUMBLE(ts, INTERVAL '10' SECOND) EMIT CHANGES LATE DATA TO passed";
        created.split(';').for_each(|statement| drop(db.execute(statement).unwrap()));
        let names = ["bars", "bars$late", "bars$errors", "passed", "SELECT count(*) FROM bars$late"];
        let mut all = names.map(|name| db.subscribe(name).unwrap());
        db.execute("INSERT INTO trades VALUES ('a', 1, TIMESTAMP '2026-01-01 00:01:00')").unwrap();
        all.iter_mut().for_each(|subscription| drop(steps_of(subscription)));
        // One row for the window, one that is late, one that cannot be computed.
        db.execute(
            "INSERT INTO trades VALUES ('a', 2, TIMESTAMP '2026-01-01 00:01:01'), ('b', 1, TIMESTAMP '2026-01-01 00:00:01'),
               ('c', 0, TIMESTAMP '2026-01-01 00:01:02')",
        )
        .unwrap();
        let steps = all.each_mut().map(steps_of);
        assert_eq!(steps[0].len(), 1, "{workers} workers: {steps:?}");
        assert!(steps.iter().all(|of_one| *of_one == steps[0]), "{workers} workers: {steps:?}");
        assert_eq!(db.query("SELECT symbol FROM passed").unwrap().to_strings(), [["b"]]);
    }
}
