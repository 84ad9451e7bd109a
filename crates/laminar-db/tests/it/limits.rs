//! Statements that are generated: long chains, wide rows, deep nests. They are answered, or refused with a code; nothing dies of them.

use laminar_db::{Code, Database};

fn database() -> Database {
    let db = Database::builder().build();
    db.execute("CREATE TABLE t (x INT); INSERT INTO t VALUES (1)").expect("a table with a row");
    db
}

/// What the last of the statements answers.
#[track_caller]
fn check(db: &Database, sql: &str, expected: &str) {
    let found = db.query(sql).map(|rows| rows.to_strings().concat().join(","));
    assert_eq!(found.as_deref(), Ok(expected), "{}", &sql[..sql.len().min(200)]);
}

#[track_caller]
fn refused(db: &Database, sql: &str, code: Code) {
    let error = db.execute(sql).map(|_| ()).expect_err("it is refused");
    assert_eq!(error.code(), code, "{error}");
    check(db, "SELECT count(*) FROM t", "1");
}

#[test]
fn a_chain_of_a_hundred_views_is_planned_ad_hoc_and_continuously() {
    let db = database();
    db.execute("CREATE VIEW v0 AS SELECT x + 1 AS x FROM t").unwrap();
    for n in 1..100 {
        db.execute(&format!("CREATE VIEW v{n} AS SELECT x + 1 AS x FROM v{}", n - 1)).unwrap();
    }
    check(&db, "SELECT x FROM v99", "101");
    db.execute("CREATE MATERIALIZED VIEW m AS SELECT x FROM v99; INSERT INTO t VALUES (2)").unwrap();
    check(&db, "SELECT sum(x) FROM m", "203");
    db.execute("DROP VIEW v0 CASCADE").unwrap();
}

#[test]
fn a_chain_of_materialized_views_is_a_graph_and_has_no_such_limit() {
    let db = database();
    db.execute("CREATE MATERIALIZED VIEW v0 AS SELECT x + 1 AS x FROM t").unwrap();
    for n in 1..300 {
        db.execute(&format!("CREATE MATERIALIZED VIEW v{n} AS SELECT x + 1 AS x FROM v{}", n - 1)).unwrap();
    }
    check(&db, "SELECT x FROM v299", "301");
}

#[test]
fn hundreds_of_queries_are_united_ad_hoc_and_in_a_view() {
    let db = database();
    for (set, count, distinct) in [("UNION ALL", 300, "300"), ("UNION", 300, "1"), ("UNION ALL", 700, "700")] {
        let union = vec!["SELECT x FROM t"; count].join(&format!(" {set} "));
        check(&db, &format!("SELECT count(*) FROM ({union}) AS u"), distinct);
        db.execute(&format!("CREATE MATERIALIZED VIEW u AS {union}")).unwrap();
        check(&db, "SELECT count(*) FROM u", distinct);
        db.execute("DROP MATERIALIZED VIEW u").unwrap();
    }
}

#[test]
fn nests_and_chains_beyond_reason_are_refused() {
    let db = database();
    refused(&db, &format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000)), Code::LimitReached);
    refused(&db, &format!("SELECT 1{}", " + 1".repeat(10_000)), Code::LimitReached);
    refused(&db, &format!("SELECT {}x FROM t", "- ".repeat(10_000)), Code::LimitReached);
    refused(&db, &format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(1_000), ") AS s".repeat(1_000)), Code::LimitReached);
}

#[test]
fn a_wide_row_is_selected_and_kept() {
    let db = database();
    let columns = (0..1_000).map(|n| format!("x + {n} AS c{n}")).collect::<Vec<_>>().join(", ");
    db.execute(&format!("CREATE MATERIALIZED VIEW wide AS SELECT {columns} FROM t")).unwrap();
    check(&db, "SELECT c999 FROM wide", "1000");
    assert_eq!(db.query("SELECT * FROM wide").unwrap().schema.fields().len(), 1_000);
}

#[test]
fn a_query_that_takes_too_long_is_stopped_from_another_thread() {
    let db = database();
    let (interrupt, stopped) = (db.interrupt(), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                std::thread::sleep(std::time::Duration::from_millis(5));
                interrupt.raise();
            }
        });
        let endless = "SELECT count(*) FROM range(0, 1000000000) AS a CROSS JOIN range(0, 1000000) AS b";
        let error = db.query(endless).map(|_| ()).expect_err("it is stopped");
        stopped.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!((error.code(), error.message()), (Code::Closed, "the query was interrupted"));
    });
    check(&db, "SELECT count(*) FROM t", "1");
}
