//! Sources with a primary key: what comes of them is what a table with the same key holds, however rows come and whoever works on them.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{ChangeBatch, Database};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const COLUMNS: &str = "(k BIGINT, part BIGINT, v BIGINT, PRIMARY KEY (k, part))";
const VIEWS: [(&str, &str); 4] = [
    ("everything", "SELECT * FROM INPUT"),
    ("groups", "SELECT v % 3 AS g, COUNT(*) AS n, SUM(v) AS total, MIN(k) AS k FROM INPUT GROUP BY v % 3"),
    ("pairs", "SELECT a.k, a.v + b.v AS v FROM INPUT a JOIN INPUT b ON a.v = b.k"),
    ("first", "SELECT k, v FROM INPUT ORDER BY v DESC, k LIMIT 5"),
];

/// Rows of `(k, part, v)` with weights.
fn changes(rows: &[(i64, [Option<i64>; 3])]) -> ChangeBatch {
    let column = |index: usize| -> ArrayRef { Arc::new(rows.iter().map(|(_, row)| row[index]).collect::<Int64Array>()) };
    let batch = RecordBatch::try_from_iter([("k", column(0)), ("part", column(1)), ("v", column(2))]).unwrap();
    ChangeBatch::new(batch, rows.iter().map(|(weight, _)| *weight).collect::<Vec<_>>())
}

fn rows(db: &Database, sql: &str) -> Vec<Vec<String>> {
    db.query(sql).unwrap().to_strings()
}

/// A source and a table of the same columns and key, each with the same views.
fn both(workers: usize) -> Database {
    let db = Database::builder().workers_in_turn(workers).build();
    db.execute(&format!("CREATE SOURCE pushed {COLUMNS}; CREATE TABLE kept {COLUMNS}")).unwrap();
    create_views(&db, "pushed", "");
    create_views(&db, "kept", "");
    db
}

fn create_views(db: &Database, input: &str, suffix: &str) {
    for (view, query) in VIEWS {
        let query = query.replace("INPUT", input);
        db.execute(&format!("CREATE MATERIALIZED VIEW {view}_{input}{suffix} AS {query}")).unwrap();
    }
}

fn random(random: &mut StdRng) -> Vec<(i64, [Option<i64>; 3])> {
    let mut row = || {
        let weight = if random.random_range(0..4) == 0 { -1 } else { 1 };
        (weight, [Some(random.random_range(0..12)), Some(random.random_range(0..2)), Some(random.random_range(-3..9))])
    };
    (0..1 + row().1[0].unwrap_or(0) * 2).map(|_| row()).collect()
}

#[test]
fn a_source_with_a_key_is_what_a_table_with_the_key_is() {
    let cases = std::env::var("LAMINAR_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(20);
    for seed in 0..cases {
        let mut generator = StdRng::seed_from_u64(seed);
        let db = both(1 + seed as usize % 4);
        for turn in 0..12 {
            let batch = changes(&random(&mut generator));
            db.push_changes("kept", batch.clone()).unwrap();
            db.push_changes("pushed", batch).unwrap();
            if turn == 4 {
                db.execute(&format!("SET workers = {}", 1 + generator.random_range(0..4))).unwrap();
            }
            if turn == 6 {
                create_views(&db, "pushed", "_late");
                create_views(&db, "kept", "_late");
            }
            for (view, _) in VIEWS {
                for suffix in if turn < 6 { &[""][..] } else { &["", "_late"] } {
                    let all = |input: &str| {
                        let mut all = rows(&db, &format!("SELECT * FROM {view}_{input}{suffix}"));
                        all.sort();
                        all
                    };
                    assert_eq!(all("pushed"), all("kept"), "{view}{suffix}, seed {seed}, turn {turn}");
                }
            }
            let errors = |object: &str| rows(&db, &format!("SELECT raw, reason FROM {object}$errors ORDER BY 1, 2"));
            assert_eq!(errors("pushed"), errors("kept"), "seed {seed}, turn {turn}");
        }
    }
}

#[test]
fn a_deletion_needs_nothing_but_the_key() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE SOURCE pushed (k BIGINT, part BIGINT, v BIGINT NOT NULL, PRIMARY KEY (k, part));
         CREATE MATERIALIZED VIEW all_rows AS SELECT * FROM pushed",
    )
    .unwrap();
    let push = |rows: &[(i64, [Option<i64>; 3])]| db.push_changes("pushed", changes(rows)).unwrap();
    push(&[(1, [Some(1), Some(1), Some(5)]), (1, [Some(2), Some(1), Some(6)])]);
    push(&[(-1, [Some(1), Some(1), None]), (-1, [Some(3), Some(1), None]), (-1, [Some(2), None, Some(6)])]);
    assert_eq!(rows(&db, "SELECT * FROM all_rows"), [["2", "1", "6"]]);
    assert_eq!(
        rows(&db, "SELECT raw, reason FROM pushed$errors ORDER BY raw"),
        [
            ["k=2, part=NULL, v=6", "column 'part' is NULL, which it must not be"],
            ["k=3, part=1, v=NULL", "there is no row with this key to delete"]
        ]
    );
}

#[test]
fn a_subscription_sees_updates_of_keys() {
    let db = Database::open(":memory:").unwrap();
    db.execute(&format!("CREATE SOURCE pushed {COLUMNS}")).unwrap();
    db.push_changes("pushed", changes(&[(1, [Some(1), Some(1), Some(5)])])).unwrap();
    let mut seen = db.subscribe("pushed").unwrap();
    assert_eq!(seen.try_next().unwrap().unwrap().changes.print(), "+1 | 1 | 1 | 5", "what there is comes first");
    db.push_changes("pushed", changes(&[(1, [Some(1), Some(1), Some(6)])])).unwrap();
    let step = seen.try_next().unwrap().unwrap();
    assert_eq!(step.changes.print(), "-1 | 1 | 1 | 5\n+1 | 1 | 1 | 6");
    assert_eq!(step.operations, [laminar_db::Change::UpdateBefore, laminar_db::Change::UpdateAfter]);
}
