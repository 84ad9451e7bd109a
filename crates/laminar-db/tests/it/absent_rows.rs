//! Rows that a source takes back although they never came: every operator that finds out rejects them, and its view goes on.

use laminar_db::{ChangeBatch, Database};

/// Views over `s (k, g, v, ts)` and `other (k, w, ts)`, one for each operator that keeps rows.
const VIEWS: [(&str, &str); 11] = [
    ("all_rows", "SELECT * FROM s"),
    ("groups", "SELECT g, COUNT(*) AS n, SUM(v) AS total, MIN(v) AS least FROM s GROUP BY g"),
    ("whole", "SELECT COUNT(*) AS n, MAX(v) AS most FROM s"),
    ("different", "SELECT DISTINCT g FROM s"),
    ("first", "SELECT k, v FROM s ORDER BY v, k LIMIT 2"),
    ("numbered", "SELECT k, row_number() OVER (PARTITION BY g ORDER BY v, k) AS n FROM s"),
    ("joined", "SELECT s.k, w FROM s JOIN other ON s.k = other.k"),
    ("outer_joined", "SELECT s.k, w FROM s LEFT JOIN other ON s.k = other.k"),
    ("nearest", "SELECT s.k, w FROM s ASOF LEFT JOIN other ON s.k = other.k AND s.ts >= other.ts"),
    ("windows", "SELECT window_start, COUNT(*) AS n FROM s GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)"),
    ("sessions", "SELECT window_start, COUNT(*) AS n FROM s GROUP BY SESSION(ts, INTERVAL '1' MINUTE)"),
];

fn database(workers: usize) -> Database {
    let db = Database::builder().workers_in_turn(workers).build();
    db.execute(
        "CREATE SOURCE s (k BIGINT, g BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' HOUR) WITH (changelog = 'true');
         CREATE TABLE other (k BIGINT PRIMARY KEY, w VARCHAR, ts TIMESTAMP);
         INSERT INTO other VALUES (1, 'one', '2024-01-01'), (2, 'two', '2024-01-01')",
    )
    .unwrap();
    for (view, query) in VIEWS {
        db.execute(&format!("CREATE MATERIALIZED VIEW {view} AS {query}")).unwrap();
    }
    db
}

fn push(db: &Database, changes: &str) {
    let schema = db.schema_of("s").unwrap();
    db.push_changes("s", ChangeBatch::parse(&schema, changes).unwrap()).unwrap();
}

fn rows(db: &Database, sql: &str) -> Vec<Vec<String>> {
    db.query(sql).unwrap().to_strings()
}

fn sorted(db: &Database, sql: &str) -> Vec<Vec<String>> {
    let mut rows = rows(db, sql);
    rows.sort();
    rows
}

#[test]
fn every_view_goes_on_and_says_what_was_not_there() {
    for workers in [1, 3] {
        let (wrong, right) = (database(workers), database(workers));
        for db in [&wrong, &right] {
            push(db, "+1 | 1 | 1 | 5 | 00:10 ; +1 | 2 | 1 | 6 | 00:20");
        }
        // Neither the row nor its group was ever there.
        push(&wrong, "-1 | 9 | 9 | 9 | 05:00");
        for (view, _) in VIEWS {
            let errors = rows(&wrong, &format!("SELECT reason FROM {view}$errors"));
            let finds_out = !["joined", "whole", "windows", "sessions"].contains(&view);
            assert_eq!(!errors.is_empty(), finds_out, "{view}, {workers} workers: {errors:?}");
        }
        // What comes then is shown.
        for db in [&wrong, &right] {
            push(db, "+1 | 3 | 2 | 7 | 00:30 ; -1 | 2 | 1 | 6 | 00:20");
        }
        for (view, _) in VIEWS.iter().filter(|(view, _)| *view != "whole") {
            let all = |db: &Database| sorted(db, &format!("SELECT * FROM {view}"));
            assert_eq!(all(&wrong), all(&right), "{view}, {workers} workers");
        }
        let failed = rows(&wrong, "SHOW JOBS").into_iter().filter(|job| job[2].starts_with("failed"));
        assert_eq!(failed.collect::<Vec<_>>(), Vec::<Vec<String>>::new());
    }
}

#[test]
fn a_group_that_owes_rows_says_so_once_and_shows_nothing_until_they_have_come() {
    let db = database(1);
    push(&db, "-1 | 9 | 9 | 9 | 00:10");
    push(&db, "-1 | 9 | 9 | 8 | 00:10");
    let errors = || rows(&db, "SELECT raw, reason FROM groups$errors");
    assert_eq!(errors(), [["g=9", "more rows of this group were taken back than had come"]]);
    push(&db, "+1 | 9 | 9 | 8 | 00:10");
    assert_eq!(rows(&db, "SELECT n FROM groups"), Vec::<Vec<String>>::new());
    push(&db, "+1 | 9 | 9 | 9 | 00:10");
    push(&db, "+1 | 9 | 9 | 4 | 00:10");
    assert_eq!(rows(&db, "SELECT n, total FROM groups"), [["1", "4"]]);
    push(&db, "-1 | 9 | 9 | 4 | 00:10 ; -1 | 9 | 9 | 4 | 00:10");
    assert_eq!(errors().len(), 2, "a later debt is told again");
}
