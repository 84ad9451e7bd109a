//! Why an object shows nothing: `EXPLAIN WHY` over the usual silences, and `EXPLAIN ANALYZE` beside it.

use std::sync::Arc;

use expect_test::{Expect, expect};
use laminar_db::core::time::ManualClock;
use laminar_db::{ChangeBatch, Database, SlowReader, SubscribeOptions};

const SECOND: i64 = 1_000_000_000;

/// A database after these statements, and its clock, which is moved by hand.
fn database(sql: &str) -> (Database, ManualClock) {
    let clock = ManualClock::at(0);
    let db = Database::builder().clock(Arc::new(clock.clone())).checked().build();
    db.execute(sql).unwrap();
    (db, clock)
}

fn check(db: &Database, name: &str, expected: Expect) {
    let rows = db.query(&format!("EXPLAIN WHY {name}")).unwrap().to_strings();
    let lines: Vec<String> = rows.iter().map(|row| format!("{}\n  {}\n  -> {}\n", row[0], row[1], row[2])).collect();
    expected.assert_eq(&lines.concat());
}

const TRADES: &str =
    "CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
    CREATE MATERIALIZED VIEW bars AS SELECT symbol, window_start, count(*) AS n FROM trades
    GROUP BY symbol, TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE;";

#[test]
fn a_source_that_nothing_reads_and_one_without_rows() {
    let (db, _) = database("CREATE SOURCE unread (n INT)");
    check(
        &db,
        "unread",
        expect![[r#"
            source unread
              nothing runs for it: no query reads from it or writes into it
              -> CREATE a stream, view or sink that reads from it; a sink for late rows gets some by LATE DATA TO
        "#]],
    );
    let (db, _) = database(TRADES);
    check(
        &db,
        "bars",
        expect![[r#"
        source trades
          no row has come: programs push its rows
          -> INSERT INTO trades …
        materialized view bars
          0 rows came in from its sources, 0 changes went out, 0 stand in it now
          -> EXPLAIN ANALYZE bars tells it for each operator
    "#]],
    );
}

#[test]
fn a_window_that_has_not_closed_names_the_source_that_holds_the_watermark() {
    let (db, clock) = database(&format!("{TRADES} INSERT INTO trades VALUES ('a', 1, '2024-01-01 12:00:30')"));
    clock.advance(12 * SECOND);
    check(
        &db,
        "bars",
        expect![[r#"
        bars: window
          the next window, 2024-01-01 12:00:00 .. 2024-01-01 12:01:00, is shown when the watermark reaches 2024-01-01 12:01:00; it stands at 2024-01-01 12:00:25, and has not moved for 12s, held by source trades, silent for 12s
          -> send a row with a later event time into trades, or wait: after 30s of silence its watermark moves on with the clock (idle_timeout); or EMIT CHANGES
        materialized view bars
          1 row came in from its sources, 0 changes went out, 0 stand in it now
          -> EXPLAIN ANALYZE bars tells it for each operator
    "#]],
    );
    db.execute("INSERT INTO trades VALUES ('a', 1, '2024-01-01 12:01:05')").unwrap();
    check(
        &db,
        "bars",
        expect![[r#"
        bars: window
          the next window, 2024-01-01 12:01:00 .. 2024-01-01 12:02:00, is shown when the watermark reaches 2024-01-01 12:02:00; it stands at 2024-01-01 12:01:00, held by source trades
          -> send a row with a later event time into trades, or wait: after 30s of silence its watermark moves on with the clock (idle_timeout); or EMIT CHANGES
        materialized view bars
          2 rows came in from its sources, 1 change went out, 1 stand in it now
          -> EXPLAIN ANALYZE bars tells it for each operator
    "#]],
    );
}

#[test]
fn all_rows_late_or_without_event_time() {
    let (db, _) = database(TRADES);
    db.execute("INSERT INTO trades VALUES ('a', 1, NULL), ('b', 1, NULL)").unwrap();
    check(
        &db,
        "bars",
        expect![[r#"
        bars: window
          2 rows came in, and all were rejected: 2 late or without event time
          -> SELECT * FROM bars$late shows those that were late, $late of the source those without event time
        trades: source
          2 rows came in, rejected of these: 2 without event time: they belong to no window
          -> SELECT * FROM trades$late; WHERE … IS NOT NULL in what sends them, or a default
        materialized view bars
          2 rows came in from its sources, 0 changes went out, 0 stand in it now
          -> EXPLAIN ANALYZE bars tells it for each operator
    "#]],
    );
    let (db, _) = database(&format!(
        "{TRADES} CREATE STREAM recent AS SELECT * FROM trades WHERE symbol = 'late';
         CREATE MATERIALIZED VIEW late AS SELECT window_start, count(*) AS n FROM recent GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)"
    ));
    db.execute("INSERT INTO trades VALUES ('a', 1, '2024-01-01 12:30:00')").unwrap();
    db.execute("INSERT INTO trades VALUES ('late', 1, '2024-01-01 12:00:00')").unwrap();
    check(
        &db,
        "late",
        expect![[r#"
        late: window
          1 row came in, and all were rejected: 1 late: their windows had closed
          -> SELECT * FROM late$late; a longer delay of the WATERMARK or ALLOW LATENESS lets them in
        materialized view late
          2 rows came in from its sources, 0 changes went out, 0 stand in it now
          -> EXPLAIN ANALYZE late tells it for each operator
    "#]],
    );
}

#[test]
fn a_condition_that_is_true_for_no_row() {
    let (db, _) = database(&format!("{TRADES} CREATE STREAM dear AS SELECT * FROM trades WHERE price > 100"));
    db.execute("INSERT INTO trades VALUES ('a', 1, '2024-01-01 12:30:00'), ('b', NULL, '2024-01-01 12:30:00')").unwrap();
    check(
        &db,
        "dear",
        expect![[r#"
        dear: compute
          2 rows came in, and the condition was true for none: Compute where price@1 > 100
          -> compare the condition with the rows of its input; what is compared with NULL is never true
        stream dear
          2 rows came in from its sources, 0 changes went out
          -> EXPLAIN ANALYZE dear tells it for each operator
    "#]],
    );
}

#[test]
fn one_of_two_sources_is_silent() {
    let (db, clock) = database(
        "SET idle_timeout = 'never';
         CREATE SOURCE a (k INT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
         SET idle_timeout = '30 s';
         CREATE SOURCE b (k INT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
         CREATE MATERIALIZED VIEW both AS SELECT window_start, count(*) AS n
         FROM (SELECT * FROM a UNION ALL SELECT * FROM b) GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE",
    );
    db.execute("INSERT INTO a VALUES (1, '2024-01-01 12:00:00'), (1, '2024-01-01 12:30:00')").unwrap();
    check(
        &db,
        "both",
        expect![[r#"
        source b
          no row has come: programs push its rows
          -> INSERT INTO b …
        both: window
          the next window, 2024-01-01 12:00:00 .. 2024-01-01 12:01:00, is shown when the watermark reaches 2024-01-01 12:01:00; there is no watermark yet, held by source b, which has sent no row
          -> send a row with a later event time into b, or wait: after 30s without a row it no longer holds others back (idle_timeout); or EMIT CHANGES
        materialized view both
          2 rows came in from its sources, 0 changes went out, 0 stand in it now
          -> EXPLAIN ANALYZE both tells it for each operator
    "#]],
    );
    db.execute("INSERT INTO b VALUES (1, '2024-01-01 12:00:10')").unwrap();
    clock.advance(42 * SECOND);
    db.execute("INSERT INTO a VALUES (1, '2024-01-01 12:31:00')").unwrap();
    check(
        &db,
        "both",
        expect![[r#"
        both: window
          the next window, 2024-01-01 12:00:00 .. 2024-01-01 12:01:00, is shown when the watermark reaches 2024-01-01 12:01:00; it stands at 2024-01-01 12:00:52, held by source b, silent for 42s
          -> send a row with a later event time into b, or wait: while it is silent its watermark moves on with the clock (idle_timeout); or EMIT CHANGES
        materialized view both
          4 rows came in from its sources, 0 changes went out, 0 stand in it now
          -> EXPLAIN ANALYZE both tells it for each operator
    "#]],
    );
}

#[test]
fn join_keys_that_never_match() {
    let (db, _) = database(
        "CREATE SOURCE orders (id VARCHAR, n INT); CREATE TABLE users (id VARCHAR PRIMARY KEY, name VARCHAR);
         CREATE MATERIALIZED VIEW named AS SELECT n, name FROM orders JOIN users ON orders.id = users.id;
         INSERT INTO orders VALUES ('A', 1), ('B', 2)",
    );
    check(
        &db,
        "named",
        expect![[r#"
        table users
          is empty: no row was ever inserted
          -> INSERT INTO users …
        named: join
          2 rows on the left (orders), none on the right (users): nothing can match
          -> EXPLAIN WHY users; LEFT JOIN shows rows without a partner too
        materialized view named
          2 rows came in from its sources, 0 changes went out, 0 stand in it now
          -> EXPLAIN ANALYZE named tells it for each operator
    "#]],
    );
    db.execute("INSERT INTO users VALUES ('a', 'Ann')").unwrap();
    check(
        &db,
        "named",
        expect![[r#"
        named: join
          2 rows on the left (orders) and 1 row on the right (users), and no pair matches: Join on id = id
          -> compare some keys of both sides: their case, spaces, units and NULLs
        materialized view named
          3 rows came in from its sources, 0 changes went out, 0 stand in it now
          -> EXPLAIN ANALYZE named tells it for each operator
    "#]],
    );
    db.execute("INSERT INTO users VALUES ('A', 'Al')").unwrap();
    check(
        &db,
        "named",
        expect![[r#"
        materialized view named
          nothing is wrong: 4 rows came in from its sources, 1 change went out, 1 stand in it now
          -> EXPLAIN ANALYZE named tells it for each operator
    "#]],
    );
}

#[test]
fn a_limit_that_is_reached_and_rows_that_emit_holds_back() {
    let (db, _) = database(
        "CREATE SOURCE s (n INT);
         CREATE MATERIALIZED VIEW first AS SELECT n FROM s LIMIT 2;
         CREATE STREAM slowly AS SELECT count(*) AS n FROM s EMIT EVERY INTERVAL '5' SECOND;
         CREATE STREAM at_end AS SELECT count(*) AS n FROM s EMIT FINAL;
         INSERT INTO s VALUES (1), (2), (3)",
    );
    check(
        &db,
        "first",
        expect![[r#"
        first: limit
          LIMIT 2 is reached: of 3 rows that came it shows no more
          -> a higher LIMIT, or ORDER BY … LIMIT, which shows the first of all
        materialized view first
          3 rows came in from its sources, 2 changes went out, 2 stand in it now
          -> EXPLAIN ANALYZE first tells it for each operator
    "#]],
    );
    check(
        &db,
        "slowly",
        expect![[r#"
        slowly: emit
          EMIT EVERY 5s holds 3 rows back for another 5s
          -> wait, or choose a shorter interval
        stream slowly
          3 rows came in from its sources, 0 changes went out
          -> EXPLAIN ANALYZE slowly tells it for each operator
    "#]],
    );
    check(
        &db,
        "at_end",
        expect![[r#"
        at_end: emit
          EMIT FINAL holds 3 rows back until all inputs have ended: source s has not
          -> EMIT EVERY or EMIT CHANGES shows rows before that
        stream at_end
          3 rows came in from its sources, 0 changes went out
          -> EXPLAIN ANALYZE at_end tells it for each operator
    "#]],
    );
}

#[test]
fn a_subscription_that_is_not_read() {
    let (db, _) = database("CREATE SOURCE s (n INT); CREATE STREAM t AS SELECT n FROM s; SET push_timeout = '5 ms'");
    let options = SubscribeOptions { slow_reader: SlowReader::Block, capacity: 1, ..SubscribeOptions::default() };
    let reader = db.subscribe_with("t", options).unwrap();
    db.execute("INSERT INTO s VALUES (1)").unwrap();
    check(
        &db,
        "t",
        expect![[r#"
        stream t
          is held back by a subscription to 't': 1 steps wait to be read
          -> read the subscription or drop it; or subscribe with slow_reader fail or drop_oldest, which hold nothing back
        stream t
          1 row came in from its sources, 1 change went out
          -> EXPLAIN ANALYZE t tells it for each operator
    "#]],
    );
    drop(reader);
}

#[test]
fn a_source_that_cannot_be_read_and_one_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("{}/{name}", folder.path().display());
    std::fs::write(path("good.csv"), "n\n1\n2\n").unwrap();
    std::fs::write(path("empty.csv"), "n\n").unwrap();
    let db = Database::open(":memory:").unwrap();
    for name in ["good", "empty"] {
        db.execute(&format!(
            "CREATE SOURCE {name} (n INT) FROM FILE (path = '{}'); CREATE MATERIALIZED VIEW {name}_rows AS SELECT n FROM {name}",
            path(&format!("{name}.csv"))
        ))
        .unwrap();
    }
    check(
        &db,
        "good_rows",
        expect![[r#"
        source good
          was not asked for a row yet
          -> the database must be driven: run, or hosted()
        materialized view good_rows
          0 rows came in from its sources, 0 changes went out, 0 stand in it now
          -> EXPLAIN ANALYZE good_rows tells it for each operator
    "#]],
    );
    db.run_until_finished(&std::sync::atomic::AtomicBool::new(false)).unwrap();
    let why = |name: &str| db.query(&format!("EXPLAIN WHY {name}")).unwrap().to_strings();
    check(
        &db,
        "good_rows",
        expect![[r#"
        source good
          has ended after 2 rows: nothing new will come from it
          -> 
        materialized view good_rows
          nothing is wrong: 2 rows came in from its sources, 2 changes went out, 2 stand in it now
          -> EXPLAIN ANALYZE good_rows tells it for each operator
    "#]],
    );
    assert!(why("good_rows")[0][1].starts_with("has ended after 2 rows"), "{:?}", why("good_rows"));
    assert!(why("empty_rows")[0][1].contains("without a row"), "{:?}", why("empty_rows"));
}

#[test]
fn an_operator_that_failed_is_named_where_it_failed() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE SOURCE s (n BIGINT) WITH (changelog = 'true'); CREATE MATERIALIZED VIEW v AS SELECT n FROM s WHERE n > 0;
         CREATE MATERIALIZED VIEW w AS SELECT n FROM v",
    )
    .unwrap();
    let schema = db.schema_of("s").unwrap();
    let most = ChangeBatch::parse(&schema, &format!("+{} | 7", i64::MAX)).unwrap();
    let _ = db.push_changes("s", most.clone()).and_then(|()| db.push_changes("s", most));
    check(
        &db,
        "w",
        expect![[r#"
        v: output
          failed: LDB-4001: 'v': a row occurs more than 2^63 times
          -> nothing comes out of it any more: DROP and CREATE 'v' once the cause is gone
        materialized view w
          2 rows came in from its sources, 1 change went out, 1 stand in it now
          -> EXPLAIN ANALYZE w tells it for each operator
    "#]],
    );
}

#[test]
fn each_operator_tells_what_it_has_done() {
    let (db, _) = database(&format!(
        "{TRADES} INSERT INTO trades VALUES ('a', 1, '2024-01-01 12:00:00'), ('b', 2, '2024-01-01 12:02:00');
         INSERT INTO trades VALUES ('a', 1, '2024-01-01 12:00:10')"
    ));
    let rows = db.query("EXPLAIN ANALYZE bars").unwrap().to_strings();
    let lines: Vec<String> = rows.iter().map(|row| format!("{}: {}\n", row[0], row[1..7].join(" "))).collect();
    expect![[r#"
        Output bars stored: 1 1 0 0 1 1
        Compute (symbol, __assigned_start as window_start, count(Int64(1)) as n): 1 1 0 0 1 1
        Compute (symbol, window_start as __assigned_start, window_end as __assigned_end, count(Int64(1))): 1 1 0 0 1 1
        Window tumble 1m over ts by (symbol) compute (count() as count(Int64(1))) emit on close: 3 1 1 0 2 1
        Compute (symbol, ts): 3 3 0 0 2 1
        Source trades watermark ts - 5s idle after 30s: 3 3 0 0 2 1
    "#]]
    .assert_eq(&lines.concat());
    assert!(rows.iter().all(|row| row[7].contains("run")), "{rows:?}");
}

#[test]
fn several_workers_say_the_same() {
    let why = |workers: usize| {
        let (db, _) = database(&format!("SET workers = {workers}; {TRADES}"));
        db.execute("INSERT INTO trades VALUES ('a', 1, '2024-01-01 12:00:00'), ('b', 2, '2024-01-01 12:02:00'), ('c', 1, NULL)")
            .unwrap();
        db.execute("INSERT INTO trades VALUES ('d', 1, '2024-01-01 12:00:10')").unwrap();
        db.query("EXPLAIN WHY bars").unwrap().to_strings()
    };
    assert_eq!(why(1), why(2));
    assert_eq!(why(1), why(4));
    // Groups that have not been sent to the worker of their key wait for their window too.
    let many = |workers: usize| {
        let (db, _) = database(&format!("SET workers = {workers}; {TRADES}"));
        let rows = (0..20_000).map(|row| format!("('{}', 1, '2024-01-01 12:00:{:02}')", row % 7, row % 60));
        db.execute(&format!("INSERT INTO trades VALUES {}", rows.collect::<Vec<_>>().join(", "))).unwrap();
        db.query("EXPLAIN WHY bars").unwrap().to_strings()
    };
    assert!(many(2)[0][1].starts_with("the next window, 2024-01-01 12:00:00"), "{:?}", many(2));
    assert_eq!(many(1), many(2));
}
