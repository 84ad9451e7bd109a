//! Views over many stored rows: they are computed in pieces, while pushes and other statements go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use laminar_db::{Code, Database};
use tempfile::tempdir;

/// Enough rows for pieces.
const ROWS: usize = 30_000;

fn filled(db: &Database, rows: usize) {
    db.execute(&format!(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, k BIGINT, v BIGINT);
         CREATE TABLE u (k BIGINT PRIMARY KEY, w BIGINT);
         INSERT INTO t SELECT x, x % 5000, (x * 7919) % 1000 FROM generate_series(1, {rows}) AS g (x);
         INSERT INTO u SELECT x, x % 7 FROM generate_series(0, 9999) AS g (x) WHERE x % 3 <> 0;
         CREATE MATERIALIZED VIEW sums AS SELECT k, sum(v) AS v, count(*) AS n FROM t GROUP BY k"
    ))
    .unwrap();
}

fn database(rows: usize) -> Database {
    let db = Database::builder().checked().build();
    filled(&db, rows);
    db
}

/// Changes rows of both tables, old and new ones, one statement after the other, until `stop`. How many statements were done.
fn keep_changing(db: &Database, stop: &AtomicBool) -> usize {
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let (id, k) = (100_000 + done, done % 11_000);
        db.execute(&match done % 5 {
            0 => format!("INSERT INTO t VALUES ({id}, {k}, 3), ({}, {}, NULL)", id + 500_000, k + 1),
            1 => format!("DELETE FROM t WHERE id = {}", done * 37 % ROWS),
            2 => format!("INSERT INTO u VALUES ({k}, 5) ON CONFLICT (k) DO UPDATE SET w = 6"),
            3 => format!("DELETE FROM u WHERE k = {}", k * 13 % 10_000),
            _ => format!("UPDATE t SET v = v + 1, k = k + 1 WHERE id = {}", done * 101 % ROWS),
        })
        .unwrap();
        done += 1;
    }
    done
}

/// What is said of a view that is being computed.
fn computing(db: &Database) -> Option<String> {
    let jobs = db.query("SHOW JOBS").unwrap().to_strings();
    jobs.into_iter().find(|job| job[2].starts_with("computes its first rows")).map(|job| job[2].clone())
}

fn assert_right(db: &Database, view: &str) {
    let found = db.query(&format!("VERIFY VIEW {view}")).unwrap().to_strings();
    assert!(found.len() == 1 && found[0][0].starts_with("equal, "), "{view}: {found:?}");
}

#[test]
fn a_view_is_right_whatever_changes_while_it_is_computed() {
    let queries = [
        "SELECT k, sum(v) AS s, count(*) AS n, max(v) AS m, min(id) AS i FROM t GROUP BY k",
        "SELECT t.id, t.v, u.w FROM t LEFT JOIN u ON t.k = u.k",
        "SELECT t.id, u.k, u.w FROM t FULL JOIN u ON t.k = u.k AND t.v > 100",
        "SELECT u.w, count(DISTINCT t.k) AS ks, sum(t.v) FILTER (WHERE t.v > 500) AS s FROM t JOIN u ON t.k = u.k GROUP BY u.w",
        "SELECT DISTINCT v FROM t WHERE k NOT IN (SELECT k FROM u WHERE w = 5)",
        "SELECT k, v FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k) UNION ALL SELECT k, w FROM u",
        "SELECT * FROM t ORDER BY v DESC, id LIMIT 10",
        "SELECT a.k, a.v, b.n FROM sums AS a JOIN sums AS b ON a.k = b.k + 1 WHERE a.n > 5",
        "SELECT upper('v' || v) AS q, count(*) AS n FROM t GROUP BY 1",
        "SELECT id, row_number() OVER (PARTITION BY k ORDER BY id) AS r FROM t",
        "SELECT max(v) AS m, count(*) AS n FROM t",
        "SELECT count(*) AS n FROM t WHERE v < (SELECT avg(w) * 100 FROM u)",
    ];
    let db = database(ROWS);
    let stop = AtomicBool::new(false);
    let changes = thread::scope(|scope| {
        let changing = scope.spawn(|| keep_changing(&db, &stop));
        for (number, query) in queries.iter().enumerate() {
            db.execute(&format!("CREATE MATERIALIZED VIEW v{number} AS {query}")).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        changing.join().unwrap()
    });
    assert!(changes > 20, "only {changes} statements");
    (0..queries.len()).for_each(|number| assert_right(&db, &format!("v{number}")));
    // They go on.
    db.execute("DELETE FROM t WHERE id % 2 = 0; UPDATE u SET w = w + 1; INSERT INTO t VALUES (1000001, 4, 4)").unwrap();
    (0..queries.len()).for_each(|number| assert_right(&db, &format!("v{number}")));
    let names: Vec<String> = (0..queries.len()).map(|number| format!("v{number}")).collect();
    db.execute(&format!("DROP MATERIALIZED VIEW {}", names.join(", "))).unwrap();
    db.execute("DROP MATERIALIZED VIEW sums; DROP TABLE t; DROP TABLE u").unwrap();
}

#[test]
fn others_go_on_meanwhile_and_see_how_far_it_is() {
    let db = Database::builder().build();
    filled(&db, 10 * ROWS);
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let (mut seen, mut longest) = (Vec::new(), Duration::ZERO);
            while !done.load(Ordering::Relaxed) {
                let computing = computing(&db);
                let began = Instant::now();
                db.execute("UPDATE t SET v = v + 1 WHERE id = 17").unwrap();
                longest = longest.max(began.elapsed());
                seen.extend(computing);
            }
            println!("the longest of {} statements beside it took {longest:?}", seen.len());
            seen
        });
        db.execute("CREATE MATERIALIZED VIEW j AS SELECT t.id, t.v, u.w FROM t LEFT JOIN u ON t.k = u.k").unwrap();
        done.store(true, Ordering::Relaxed);
        looking.join().unwrap()
    });
    assert!(seen.len() > 3, "{seen:?}");
    assert!(seen[0].ends_with("of 306666 are read"), "{}", seen[0]);
    assert_eq!(computing(&db), None);
    assert_right(&db, "j");
}

#[test]
fn rows_that_cannot_be_computed_stand_in_its_errors() {
    let db = database(ROWS);
    db.execute("CREATE MATERIALIZED VIEW q AS SELECT id, 100 / (v - 7) AS q FROM t").unwrap();
    let bad = db.query("SELECT count(*) FROM t WHERE v = 7").unwrap().to_strings();
    assert_eq!(bad, [["30"]]);
    assert_eq!(db.query("SELECT count(*) FROM \"q$errors\"").unwrap().to_strings(), bad);
    db.execute("UPDATE t SET v = 7 WHERE id = 1").unwrap();
    assert_eq!(db.query("SELECT count(*) FROM \"q$errors\"").unwrap().to_strings(), [["31"]]);
    assert_eq!(db.query("SELECT count(*) FROM q").unwrap().to_strings(), [["29969"]]);
}

#[test]
fn no_error_is_told_of_a_row_that_was_there_for_a_piece_alone() {
    let db = database(ROWS);
    let groups = "SELECT count(*) FROM sums WHERE v = 1500";
    let expected = db.query(groups).unwrap().to_strings();
    db.execute(
        "CREATE MATERIALIZED VIEW q AS SELECT k, 100 / (sum(v) - 1500) AS q FROM t GROUP BY k;
         CREATE MATERIALIZED VIEW r AS SELECT t.id, 100 / (coalesce(u.w, 7) - 7) AS q FROM t LEFT JOIN u ON t.k = u.k AND u.w <> 7",
    )
    .unwrap();
    assert_eq!(db.query("SELECT count(*) FROM \"q$errors\"").unwrap().to_strings(), expected);
    let unmatched = "SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k)";
    assert_eq!(db.query("SELECT count(*) FROM \"r$errors\"").unwrap().to_strings(), db.query(unmatched).unwrap().to_strings());
}

#[test]
fn half_of_a_sum_is_not_out_of_range_if_all_of_it_is_not() {
    let db = database(ROWS);
    db.execute(&format!(
        "CREATE TABLE ends AS SELECT id, CASE WHEN id <= {} THEN 9000000000000000000 ELSE -9000000000000000000 END AS v FROM t",
        ROWS / 2
    ))
    .unwrap();
    db.execute("CREATE MATERIALIZED VIEW zero AS SELECT sum(v) AS v FROM ends").unwrap();
    assert_eq!(db.query("SELECT * FROM zero").unwrap().to_strings(), [["0"]]);
    assert_eq!(db.query("SELECT count(*) FROM \"zero$errors\"").unwrap().to_strings(), [["0"]]);
}

#[test]
fn another_query_for_a_view_is_computed_in_pieces_too_beside_other_statements() {
    let db = database(10 * ROWS);
    db.execute(
        "CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM t GROUP BY k;
         CREATE MATERIALIZED VIEW above AS SELECT sum(n) AS n FROM v",
    )
    .unwrap();
    let stop = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let (mut done, mut seen) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                seen += usize::from(computing(&db).is_some());
                db.execute(&format!(
                    "UPDATE t SET v = v + 1, k = k + 1 WHERE id = {}; CREATE TABLE other{done} (a INT)",
                    done * 101
                ))
                .unwrap();
                done += 1;
            }
            seen
        });
        db.execute("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT k, count(v) AS n FROM t WHERE v > 10 GROUP BY k").unwrap();
        db.execute("ALTER MATERIALIZED VIEW v AS SELECT k, sum(v) AS n FROM t GROUP BY k").unwrap();
        stop.store(true, Ordering::Relaxed);
        changing.join().unwrap()
    });
    assert!(seen > 1, "{seen}");
    assert_right(&db, "v");
    assert_right(&db, "above");
}

#[test]
fn an_index_finds_all_rows_whatever_changes_while_it_is_filled() {
    let db = database(ROWS);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let changing = scope.spawn(|| keep_changing(&db, &stop));
        db.execute("CREATE INDEX by_k ON t (k); CREATE INDEX ON t (v, k)").unwrap();
        stop.store(true, Ordering::Relaxed);
        changing.join().unwrap();
    });
    db.execute("DELETE FROM t WHERE id % 7 = 0").unwrap();
    for k in (0..11_000).step_by(251) {
        let [found, looked_at] = ["k", "k + 0"]
            .map(|column| db.query(&format!("SELECT id, v FROM t WHERE {column} = {k} ORDER BY id")).unwrap().to_strings());
        assert_eq!(found, looked_at, "{k}");
    }
    let rows = db.query("SELECT count(*) FROM t").unwrap().to_strings().concat().concat();
    let shown: Vec<String> = db.query("SHOW INDEXES").unwrap().to_strings().iter().map(|index| index[3].clone()).collect();
    assert_eq!(shown, [rows.clone(), rows]);
}

#[test]
fn a_statement_that_fails_leaves_nothing_of_it_behind() {
    let db = database(ROWS);
    let before = db.internals();
    let statement = "CREATE MATERIALIZED VIEW v AS SELECT t.id, u.w FROM t LEFT JOIN u ON t.k = u.k";
    for things in 1.. {
        db.fail_statements_at(Some(things));
        let outcome = db.execute(statement);
        db.fail_statements_at(None);
        match outcome {
            Err(error) => assert_eq!((error.message(), db.internals()), ("the failure that a test asked for", before.clone())),
            Ok(_) => {
                assert!(things > 3);
                break;
            }
        }
    }
    assert_right(&db, "v");
    let again = db.execute(statement).map(|_| ()).unwrap_err();
    assert_eq!(again.message(), "materialized view 'v' exists already");
    db.execute("DROP MATERIALIZED VIEW v").unwrap();
    assert_eq!(db.internals().lines().count(), before.lines().count());
}

#[test]
fn what_it_reads_can_be_dropped_meanwhile() {
    let db = Database::builder().build();
    filled(&db, 10 * ROWS);
    db.execute("DROP MATERIALIZED VIEW sums").unwrap();
    let outcome = thread::scope(|scope| {
        let creating =
            scope.spawn(|| db.execute("CREATE MATERIALIZED VIEW j AS SELECT t.id, u.w FROM t JOIN u ON t.k = u.k").map(|_| ()));
        while computing(&db).is_none() && !creating.is_finished() {
            thread::yield_now();
        }
        let dropped = db.execute("DROP TABLE u").map(|_| ());
        (creating.join().unwrap(), dropped)
    });
    match outcome {
        (Err(error), Ok(())) => {
            assert_eq!((error.code(), error.message()), (Code::UnknownObject, "there is no source, table, stream or view 'u'"))
        }
        // The statement was done first.
        (Ok(()), Err(error)) => assert_eq!(error.code(), Code::ObjectInUse),
        other => panic!("{other:?}"),
    }
    assert_eq!(computing(&db), None);
}

#[test]
fn it_can_be_interrupted() {
    let db = Database::builder().build();
    filled(&db, 10 * ROWS);
    let before = db.internals();
    let outcome = thread::scope(|scope| {
        let creating =
            scope.spawn(|| db.execute("CREATE MATERIALIZED VIEW j AS SELECT t.id, u.w FROM t JOIN u ON t.k = u.k").map(|_| ()));
        while computing(&db).is_none() && !creating.is_finished() {
            thread::yield_now();
        }
        db.interrupt().raise();
        creating.join().unwrap()
    });
    if let Err(error) = outcome {
        assert_eq!((error.code(), error.message()), (Code::Closed, "the query was interrupted"));
        assert_eq!(db.internals(), before);
    }
    assert_eq!(computing(&db), None);
}

#[test]
fn a_view_that_was_computed_in_pieces_is_there_when_the_directory_is_opened_again() {
    let folder = tempdir().unwrap();
    let view =
        "CREATE MATERIALIZED VIEW v AS SELECT u.w, count(*) AS n, sum(t.v) AS s FROM t LEFT JOIN u ON t.k = u.k GROUP BY u.w";
    let shown = |db: &Database| db.query("SELECT * FROM v ORDER BY w").unwrap().to_strings();
    let at_the_end = {
        let db = Database::open(folder.path().to_str().unwrap()).unwrap();
        filled(&db, ROWS);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let changing = scope.spawn(|| keep_changing(&db, &stop));
            db.execute(view).unwrap();
            db.checkpoint().unwrap();
            stop.store(true, Ordering::Relaxed);
            changing.join().unwrap();
        });
        assert_right(&db, "v");
        shown(&db)
    };
    let db = Database::open(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(shown(&db), at_the_end);
    assert_right(&db, "v");
    db.execute("DELETE FROM t WHERE id % 3 = 0").unwrap();
    assert_right(&db, "v");
}
