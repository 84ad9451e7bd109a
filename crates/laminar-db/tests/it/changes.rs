//! UPDATE, DELETE and ON CONFLICT beside other threads: nothing is lost, a step holds a statement as a whole, a failure changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{Change, ChangeBatch, Code, Database, Row, SlowReader, StatementOutcome, SubscribeOptions};

#[derive(Row)]
struct Counter {
    id: i64,
    n: i64,
}

fn counters() -> Database {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE TABLE counters (id BIGINT PRIMARY KEY, n BIGINT NOT NULL);
         CREATE MATERIALIZED VIEW total AS SELECT sum(n) AS n FROM counters;
         INSERT INTO counters VALUES (1, 0), (2, 0)",
    )
    .unwrap();
    db
}

fn rows(db: &Database, sql: &str) -> Vec<Vec<String>> {
    db.query(sql).unwrap().to_strings()
}

/// How many rows a statement says that it changed.
fn count(db: &Database, sql: &str) -> u64 {
    match db.execute(sql).unwrap().pop() {
        Some(
            StatementOutcome::Inserted { rows, .. }
            | StatementOutcome::Updated { rows, .. }
            | StatementOutcome::Deleted { rows, .. },
        ) => rows,
        _ => panic!("{sql} counts no rows"),
    }
}

#[test]
fn threads_that_update_the_same_row_lose_nothing() {
    const TIMES: usize = 1_000;
    let db = counters();
    let statements = [
        "UPDATE counters SET n = n + 1 WHERE id = 1",
        "UPDATE counters SET n = n + 1 WHERE id = 1",
        "INSERT INTO counters AS c VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = c.n + excluded.n",
    ];
    std::thread::scope(|scope| {
        for sql in statements {
            let db = db.clone();
            scope.spawn(move || (0..TIMES).for_each(|_| assert_eq!(count(&db, sql), 1)));
        }
    });
    assert_eq!(rows(&db, "SELECT n FROM counters WHERE id = 1"), [[(statements.len() * TIMES).to_string()]]);
    assert_eq!(rows(&db, "SELECT n FROM total"), [[(statements.len() * TIMES).to_string()]]);
}

#[test]
fn pushes_between_the_look_and_the_change_are_seen() {
    let db = counters();
    let done = AtomicBool::new(false);
    let pushed = std::thread::scope(|scope| {
        let pusher = scope.spawn(|| {
            let mut id = 10;
            while !done.load(Ordering::Acquire) {
                db.push_rows("counters", &[Counter { id, n: 0 }]).unwrap();
                id += 1;
            }
            id - 10
        });
        // Each statement adds one to every row that is there, so a row that came before the last one has at least 1.
        (0..50).for_each(|_| assert!(count(&db, "UPDATE counters SET n = n + 1") >= 2));
        done.store(true, Ordering::Release);
        pusher.join().unwrap()
    });
    assert_eq!(rows(&db, "SELECT count(*) FROM counters"), [[(pushed + 2).to_string()]]);
    assert_eq!(rows(&db, "SELECT n FROM counters WHERE id < 3"), [["50"], ["50"]]);
    // Who came later was counted by fewer statements, and no row was counted twice by one.
    assert_eq!(
        rows(&db, "SELECT count(*) FROM counters a JOIN counters b ON b.id = a.id + 1 WHERE a.id >= 10 AND a.n < b.n"),
        [["0"]]
    );
    assert_eq!(rows(&db, "SELECT sum(n) FROM counters"), rows(&db, "SELECT n FROM total"));
}

#[test]
fn a_subscription_sees_a_statement_as_one_step() {
    let db = counters();
    let mut changes =
        db.subscribe_with("counters", SubscribeOptions { snapshot: Some(false), ..SubscribeOptions::default() }).unwrap();
    let mut next = || {
        let step = changes.try_next().unwrap().expect("a step");
        (step.operations.clone(), step.changes.print())
    };
    use Change::{Delete, Insert, UpdateAfter, UpdateBefore};
    db.execute("UPDATE counters SET n = n + id").unwrap();
    assert_eq!(next().0, [UpdateBefore, UpdateAfter, UpdateBefore, UpdateAfter]);
    db.execute("UPDATE counters SET id = 3 - id").unwrap();
    assert_eq!(next().0, [UpdateBefore, UpdateAfter, UpdateBefore, UpdateAfter], "two rows changed places");
    db.execute("UPDATE counters SET n = n").unwrap();
    db.execute("INSERT INTO counters VALUES (1, 5), (3, 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n").unwrap();
    assert_eq!(next().0, [UpdateBefore, UpdateAfter, Insert], "what changes nothing is no step");
    db.execute("DELETE FROM counters WHERE n = 5").unwrap();
    assert_eq!(next().0, [Delete, Delete]);
    db.execute("TRUNCATE counters").unwrap();
    assert_eq!(next().0, [Delete]);
    assert!(changes.try_next().unwrap().is_none());
}

#[test]
fn a_change_of_many_rows_is_whole() {
    let db = counters();
    db.execute("TRUNCATE counters").unwrap();
    let many: Vec<Counter> = (0..200_000).map(|id| Counter { id, n: id % 7 }).collect();
    db.push_rows("counters", &many).unwrap();
    assert_eq!(count(&db, "UPDATE counters SET n = n + 1"), 200_000);
    assert_eq!(rows(&db, "SELECT n FROM total"), rows(&db, "SELECT sum(n) FROM counters"));
    assert_eq!(count(&db, "UPDATE counters SET id = 199999 - id"), 200_000);
    assert_eq!(rows(&db, "SELECT n FROM counters WHERE id = 199999"), [["1"]]);
    assert_eq!(count(&db, "DELETE FROM counters WHERE id >= 100000"), 100_000);
    db.execute("TRUNCATE counters").unwrap();
    assert_eq!(rows(&db, "SELECT count(*), (SELECT n FROM total) FROM counters"), [["0", "NULL"]]);
}

#[test]
fn a_change_that_a_subscription_holds_back_is_refused_whole() {
    let db = counters();
    db.execute("SET push_timeout = '1 ms'").unwrap();
    let options = SubscribeOptions { slow_reader: SlowReader::Block, capacity: 1, ..SubscribeOptions::default() };
    let mut reader = db.subscribe_with("counters", options).unwrap();
    db.execute("UPDATE counters SET n = 1").unwrap();
    for sql in ["UPDATE counters SET n = 2", "DELETE FROM counters", "TRUNCATE counters"] {
        let error = db.execute(sql).map(drop).unwrap_err();
        assert_eq!(error.code(), Code::Backpressure, "{sql}: {error}");
    }
    assert_eq!(rows(&db, "SELECT n FROM counters"), [["1"], ["1"]]);
    while reader.try_next().unwrap().is_some() {}
    assert_eq!(count(&db, "DELETE FROM counters"), 2);
}

#[test]
fn a_statement_that_fails_changes_nothing_and_takes_no_step() {
    let db = counters();
    let step = db.status().step;
    for sql in [
        "UPDATE counters SET n = 1 / (id - 2)",
        "UPDATE counters SET n = NULL WHERE id = 2",
        "UPDATE counters SET id = 1",
        "UPDATE counters SET n = 'x'",
        "UPDATE counters SET n = 5 RETURNING 1 / (id - 2)",
        "DELETE FROM counters WHERE 1 / (id - 2) > 0",
        "DELETE FROM counters RETURNING nothing",
        "INSERT INTO counters VALUES (7, 1), (1, 2) ON CONFLICT (id) DO UPDATE SET n = 1 / (counters.id - 1)",
        "INSERT INTO counters VALUES (7, 1), (7, 2) ON CONFLICT (id) DO UPDATE SET n = 1",
        "INSERT INTO counters VALUES (7, 1) RETURNING 1 / 0",
        "TRUNCATE counters, total",
    ] {
        db.execute(sql).err().unwrap_or_else(|| panic!("{sql} cannot be run"));
        assert_eq!(rows(&db, "SELECT * FROM counters ORDER BY id"), [["1", "0"], ["2", "0"]], "{sql}");
    }
    assert_eq!(db.status().step, step, "nothing was pushed");
}

#[test]
fn returned_rows_are_the_answer_of_a_query() {
    let db = counters();
    assert_eq!(rows(&db, "UPDATE counters SET n = 9 WHERE id = 2 RETURNING n, id"), [["9", "2"]]);
    assert_eq!(rows(&db, "DELETE FROM counters RETURNING id AS gone").len(), 2);
}

/// Rows with these columns of whole numbers.
fn whole_numbers(columns: &[(&str, &[Option<i64>])]) -> RecordBatch {
    let column = |values: &[Option<i64>]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, values)| (*name, column(values), true))).unwrap()
}

#[test]
fn pushed_rows_keep_the_rules_of_their_table() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT DEFAULT 7 CHECK (n > 0), twice BIGINT GENERATED ALWAYS AS (n * 2) STORED, at TIMESTAMPTZ DEFAULT now());
         CREATE MATERIALIZED VIEW sums AS SELECT sum(n) AS n, sum(twice) AS twice FROM t",
    )
    .unwrap();
    // Columns that fill themselves may be left out.
    db.push("t", whole_numbers(&[("id", &[Some(1), Some(2)])])).unwrap();
    db.push("t", whole_numbers(&[("n", &[Some(4), None]), ("id", &[Some(3), Some(4)])])).unwrap();
    assert_eq!(
        rows(&db, "SELECT id, n, twice FROM t ORDER BY id"),
        [["1", "7", "14"], ["2", "7", "14"], ["3", "4", "8"], ["4", "NULL", "NULL"]]
    );
    assert_eq!(rows(&db, "SELECT count(at) FROM t"), [["4"]]);
    assert_eq!(rows(&db, "SELECT * FROM sums"), [["18", "36"]]);
    // A row that breaks a check takes the whole push back.
    let broken = db.push("t", whole_numbers(&[("id", &[Some(5), Some(6)]), ("n", &[Some(1), Some(-1)])])).unwrap_err();
    assert_eq!(broken.code(), Code::BadData);
    assert_eq!(broken.message(), "a row of 't' breaks the check 't_n_check': n = -1");
    // What is lacking otherwise is said as ever.
    let lacking = db.push("t", whole_numbers(&[("n", &[Some(1)])])).unwrap_err();
    assert_eq!(lacking.code(), Code::TypeMismatch);
    // Rows are taken back by their keys, whatever else they hold.
    db.push_changes("t", ChangeBatch::retract(whole_numbers(&[("id", &[Some(3)]), ("n", &[Some(-5)])]))).unwrap();
    assert_eq!(rows(&db, "SELECT * FROM sums"), [["14", "28"]]);
}

#[test]
fn rows_of_files_and_late_rows_keep_the_rules_of_their_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    std::fs::write(&path, "id,n,name\n1,5,a\n2,-5,b\n3,,c\n4,1,too long\n").unwrap();
    let db = Database::open(":memory:").unwrap();
    db.execute(&format!(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT CHECK (10 / n > 0), name VARCHAR(3)) FROM FILE (path = '{}');
         CREATE TABLE late (n BIGINT CHECK (n < 5), twice BIGINT GENERATED ALWAYS AS (n * 2) STORED);
         CREATE SOURCE s (n BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
         CREATE STREAM w AS SELECT window_start, sum(n) AS n FROM s GROUP BY TUMBLE(ts, INTERVAL '1' SECOND) LATE DATA TO late",
        path.display()
    ))
    .unwrap();
    db.run_until_finished(&AtomicBool::new(false)).unwrap();
    assert_eq!(rows(&db, "SELECT id FROM t ORDER BY id"), [["1"], ["3"]]);
    let reasons = rows(&db, "SELECT reason FROM t$errors ORDER BY reason");
    assert!(reasons[0][0].contains("breaks the check 't_n_check': n = -5"), "{reasons:?}");
    assert!(reasons[1][0].contains("too long for VARCHAR(3)"), "{reasons:?}");
    db.execute("INSERT INTO s VALUES (1, '2024-01-02'), (2, '2024-01-01'), (9, '2024-01-01'), (3, '2024-01-01')").unwrap();
    assert_eq!(rows(&db, "SELECT n, twice FROM late ORDER BY n"), [["2", "4"], ["3", "6"]]);
    assert_eq!(rows(&db, "SELECT reason FROM late$errors"), [["a row of 'late' breaks the check 'late_n_check': n = 9"]]);
}

#[test]
fn a_table_that_is_updated_while_a_file_fills_it_keeps_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    let lines: String = (0..30_000).map(|id| format!("{id},0\n")).collect();
    std::fs::write(&path, format!("id,n\n{lines}")).unwrap();
    let db = Database::open(":memory:").unwrap();
    db.execute(&format!("CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT) FROM FILE (path = '{}')", path.display())).unwrap();
    let delete = laminar_db::parse_script("DELETE FROM t").remove(0).unwrap();
    assert!(db.waits_for_inputs(&delete), "a script changes a table when its file is read");
    let stop = AtomicBool::new(false);
    let updates = std::thread::scope(|scope| {
        let reader = scope.spawn(|| db.run_until_finished(&stop));
        let mut updates = 0;
        while !reader.is_finished() {
            count(&db, "UPDATE t SET n = n + 1 WHERE id % 2 = 0");
            updates += 1;
        }
        reader.join().unwrap().unwrap();
        updates
    });
    assert_eq!(rows(&db, "SELECT count(*), min(n) FROM t WHERE id % 2 = 1"), [["15000", "0"]]);
    let most: i64 = rows(&db, "SELECT max(n) FROM t")[0][0].parse().unwrap();
    assert!(!db.waits_for_inputs(&delete));
    assert!(most <= updates && rows(&db, "SELECT count(*) FROM t") == [["30000"]], "{most} of {updates}");
}
