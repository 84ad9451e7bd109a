//! Threads that share the work: the same answers, and what can be changed when.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use laminar_db::{Code, Database};

const TABLES: &str = "
    CREATE SOURCE s (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
    CREATE TABLE names (k BIGINT PRIMARY KEY, name VARCHAR);
    CREATE MATERIALIZED VIEW totals AS SELECT k, COUNT(*) AS n, SUM(v) AS total FROM s WHERE v > 2 GROUP BY k;
    CREATE MATERIALIZED VIEW windows AS
        SELECT k, window_start, COUNT(*) AS n FROM s GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE);
    CREATE MATERIALIZED VIEW named AS SELECT name, total FROM totals JOIN names ON totals.k = names.k;
    CREATE MATERIALIZED VIEW everything AS SELECT COUNT(*) AS n, SUM(total) AS total FROM totals;
    INSERT INTO names VALUES (1, 'one'), (2, 'two'), (3, 'three');";

/// Rows from number `first` on.
fn rows(first: i64, count: i64) -> RecordBatch {
    let column = |value: fn(i64) -> i64| -> ArrayRef { Arc::new((first..first + count).map(value).collect::<Int64Array>()) };
    let times = TimestampNanosecondArray::from_iter_values((first..first + count).map(|row| row * 1_000_000));
    let columns = [("k", column(|row| row * 7919 % 101)), ("v", column(|row| row % 10)), ("ts", Arc::new(times) as ArrayRef)];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// All answers after pushes of very different sizes, some of which are too small to wake a thread for.
fn answers(workers: usize) -> Vec<Vec<Vec<String>>> {
    let db = Database::builder().workers(workers).build();
    db.execute(TABLES).unwrap();
    let mut first = 0;
    for count in [1, 5000, 3, 40_000, 100, 70_000] {
        db.push("s", rows(first, count)).unwrap();
        first += count;
    }
    db.execute("INSERT INTO names VALUES (2, 'deux'); DROP TABLE IF EXISTS nothing").unwrap();
    db.end_source("s").unwrap();
    let all = |view: &str| db.query(&format!("SELECT * FROM {view} ORDER BY 1, 2")).unwrap().to_strings();
    ["totals", "windows", "named", "everything"].map(all).into()
}

#[test]
fn threads_give_what_the_caller_alone_gives() {
    let alone = answers(1);
    assert_eq!((alone[0].len(), alone[2].len()), (101, 3));
    for workers in [2, 3, 8] {
        assert_eq!(answers(workers), alone, "{workers} workers");
    }
}

#[test]
fn answers_and_state_stay_the_same_when_the_number_of_workers_changes_in_the_middle() {
    for turns in [&[1, 2, 3][..], &[2, 1], &[3, 2, 4, 1]] {
        let db = Database::builder().workers(turns[0]).build();
        db.execute(TABLES).unwrap();
        let mut totals = db.subscribe("totals").unwrap();
        for number in 0..12 {
            db.push("s", rows(number * 5_000, 5_000)).unwrap();
            db.execute(&format!("SET workers = {}", turns[number as usize % turns.len()])).unwrap();
        }
        let alone = Database::open(":memory:").unwrap();
        alone.execute(TABLES).unwrap();
        (0..12).for_each(|number| alone.push("s", rows(number * 5_000, 5_000)).unwrap());
        let all = |db: &Database, view: &str| db.query(&format!("SELECT * FROM {view} ORDER BY 1, 2")).unwrap().to_strings();
        for view in ["totals", "windows", "named", "everything"] {
            assert_eq!(all(&db, view), all(&alone, view), "{view}, {turns:?}");
        }
        let state = |db: &Database| db.query("SELECT 1").and_then(|_| db.query("SHOW STATE")).unwrap().to_strings();
        let held = |db: &Database| {
            state(db).into_iter().filter(|row| row[1] != "history").map(|row| row[..3].to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(held(&db), held(&alone), "{turns:?}");
        // The subscription got every change, whichever worker made it.
        let mut seen = std::collections::BTreeMap::<String, i64>::new();
        while let Some(step) = totals.try_next().unwrap() {
            for line in step.changes.print().lines() {
                let (weight, row) = line.split_once(" | ").unwrap();
                *seen.entry(row.to_owned()).or_default() += weight.parse::<i64>().unwrap();
            }
        }
        seen.retain(|_, weight| *weight != 0);
        assert_eq!(seen.len(), 101, "{turns:?}");
    }
}

#[test]
fn threads_read_sources_to_their_end() {
    let count = |workers: usize| {
        let db = Database::builder().workers(workers).build();
        db.execute(
            "CREATE SOURCE g (k BIGINT, v BIGINT) FROM GENERATOR (rows = 300000, seed = 7, fields.k.min = 0, fields.k.max = 9);
             CREATE MATERIALIZED VIEW n AS SELECT k, COUNT(*) AS n, SUM(v) AS v FROM g GROUP BY k",
        )
        .unwrap();
        db.run_until_finished(&AtomicBool::new(false)).unwrap();
        db.query("SELECT * FROM n ORDER BY k").unwrap().to_strings()
    };
    assert_eq!(count(3), count(1));
}

#[test]
fn the_number_of_workers_can_change_at_any_time() {
    let db = Database::open(":memory:").unwrap();
    for (wrong, text) in [("0", "'0' is not a number of workers"), ("257", "not a number"), ("many", "not a number")] {
        let error = db.execute(&format!("SET workers = '{wrong}'")).map(|_| ()).unwrap_err();
        assert!(error.code() == Code::InvalidOption && error.to_string().contains(text), "{error}");
    }
    db.execute("SET workers = 2; CREATE TABLE t (a BIGINT); SET workers = 3").unwrap();
    let graph = db.query("EXPLAIN GRAPH SELECT a, COUNT(*) FROM t GROUP BY a").unwrap().to_strings();
    assert!(graph.iter().any(|line| line[0].contains("Exchange by (a)")), "{graph:?}");
}
