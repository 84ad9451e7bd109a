//! Random statements, pushes, checkpoints and restarts, against a database in memory that does the same without a restart.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use laminar_db::core::time::ManualClock;
use laminar_db::{ChangeBatch, Database, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Folder, rows};

/// Queries, of which some become views while all goes on.
const QUERIES: [&str; 17] = [
    "SELECT g, count(*) AS n, sum(v) AS v, max(k) AS k FROM t GROUP BY g",
    "SELECT t.k, t.v, p.v AS w FROM t JOIN p ON t.g = p.g",
    "SELECT t.k, p.v AS w FROM t LEFT JOIN p ON t.g = p.g AND p.v > 0",
    "SELECT k, v, row_number() OVER (PARTITION BY g ORDER BY v, k) AS r FROM t",
    "SELECT k, v FROM t ORDER BY v DESC, k LIMIT 3",
    "SELECT count(*) AS n, count(DISTINCT v) AS d, min(v) AS v FROM p",
    "SELECT g FROM p UNION SELECT g FROM t",
    "SELECT g, v FROM p EXCEPT ALL SELECT g, v FROM t",
    "SELECT g, window_start, count(*) AS n, sum(v) AS v FROM s GROUP BY g, TUMBLE(ts, INTERVAL '10' SECOND)",
    "SELECT g, window_start, window_end, count(*) AS n FROM s GROUP BY g, SESSION(ts, INTERVAL '3' SECOND)",
    "SELECT s.g, s.v, t.k FROM s JOIN t ON s.g = t.g",
    "SELECT g, string_agg(v, ',' ORDER BY v) AS vs FROM t GROUP BY g",
    "WITH RECURSIVE r(g) AS (SELECT v FROM t UNION SELECT p.v FROM r JOIN p ON p.g = r.g) SELECT g FROM r",
    "WITH RECURSIVE r(g, d) AS (SELECT v, 0 FROM t UNION ALL SELECT p.v, d + 1 FROM r LEFT JOIN p ON p.g = r.g WHERE d < 2) SELECT g, d FROM r",
    "SELECT g, window_start, count(*) AS n, sum(v) AS v FROM s GROUP BY g, TUMBLE(ts, INTERVAL '2' SECOND) FILL (0, PREVIOUS)",
    "SELECT g, window_start, sum(v) AS v FROM s GROUP BY g, TUMBLE(ts, INTERVAL '2' SECOND) FILL (LINEAR) EMIT ON WINDOW CLOSE",
    "SELECT k, sum(v) OVER (PARTITION BY g ORDER BY v GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) AS v FROM t",
];

/// What the random statements are about.
pub(super) const TABLES: &str = "
    CREATE TABLE t (k BIGINT PRIMARY KEY, g BIGINT, v BIGINT); CREATE TABLE p (g BIGINT, v BIGINT);
    CREATE SOURCE s (g BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND);";

/// What is done to a database.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Statement(String),
    Push(RecordBatch),
    Retract(RecordBatch),
}

fn cell(random: &mut StdRng, bound: i64) -> String {
    if random.random_range(0..6) == 0 { "NULL".to_owned() } else { random.random_range(0..bound).to_string() }
}

/// Something to do. `views` are those that there are, and will be when it is done; `time` is the event time so far.
pub(super) fn action(random: &mut StdRng, views: &mut Vec<usize>, time: &mut i64) -> Action {
    match random.random_range(0..12) {
        0..3 => {
            let values = (0..random.random_range(1..5))
                .map(|_| format!("({}, {}, {})", random.random_range(0..12), cell(random, 4), cell(random, 9)));
            Action::Statement(format!("INSERT INTO t VALUES {}", values.collect::<Vec<_>>().join(", ")))
        }
        3..5 => {
            let values = (0..random.random_range(1..5)).map(|_| format!("({}, {})", cell(random, 4), cell(random, 5)));
            Action::Statement(format!("INSERT INTO p VALUES {}", values.collect::<Vec<_>>().join(", ")))
        }
        5 => Action::Statement(format!("UPDATE t SET v = v + 1, g = k % 4 WHERE g = {}", random.random_range(0..4))),
        6 => Action::Statement(format!("DELETE FROM p WHERE v = {}", random.random_range(0..5))),
        7..9 => {
            *time += random.random_range(0..4_000_000_000);
            let count = random.random_range(1..6);
            let numbers = |random: &mut StdRng, bound| -> ArrayRef {
                Arc::new((0..count).map(|_| random.random_range(0..bound)).collect::<Int64Array>())
            };
            let at = |random: &mut StdRng| *time - random.random_range(0..5_000_000_000_i64);
            let times = TimestampNanosecondArray::from_iter_values((0..count).map(|_| at(random)));
            let columns = [("g", numbers(random, 4)), ("v", numbers(random, 9)), ("ts", Arc::new(times) as ArrayRef)];
            Action::Push(RecordBatch::try_from_iter(columns).unwrap())
        }
        9 => {
            let value = |random: &mut StdRng| -> ArrayRef { Arc::new(Int64Array::from(vec![random.random_range(0..4)])) };
            Action::Retract(RecordBatch::try_from_iter([("g", value(random)), ("v", value(random))]).unwrap())
        }
        10 => {
            let query = random.random_range(0..QUERIES.len());
            if let Some(place) = views.iter().position(|view| *view == query) {
                // A view keeps its name and gets the query of another one, or goes.
                if random.random_bool(0.5) {
                    let other = QUERIES[random.random_range(0..QUERIES.len())];
                    return Action::Statement(format!("CREATE OR REPLACE MATERIALIZED VIEW v{query} AS {other}"));
                }
                views.remove(place);
                Action::Statement(format!("DROP MATERIALIZED VIEW v{query}"))
            } else {
                views.push(query);
                Action::Statement(format!("CREATE MATERIALIZED VIEW v{query} AS {}", QUERIES[query]))
            }
        }
        _ => Action::Statement("TRUNCATE p".to_owned()),
    }
}

/// Does it.
pub(super) fn perform(db: &Database, action: &Action) -> Result<()> {
    match action {
        Action::Statement(sql) => db.execute(sql).map(drop),
        Action::Push(batch) => db.push("s", batch.clone()),
        Action::Retract(rows) => db.push_changes("p", ChangeBatch::new(rows.clone(), vec![-1])),
    }
}

/// What two databases hold that does not hold the same, in words.
pub(super) fn difference(db: &Database, memory: &Database, views: &[usize]) -> Option<String> {
    let views = views.iter().map(|view| format!("v{view}"));
    ["t", "p"].map(str::to_owned).into_iter().chain(views).find_map(|table| {
        let [here, there] = [db, memory].map(|db| rows(db, &format!("SELECT * FROM {table}")));
        (here != there).then(|| format!("{table} holds\n{here:?}\ninstead of\n{there:?}"))
    })
}

#[track_caller]
fn compare(db: &Database, memory: &Database, views: &[usize], case: &str) {
    if let Some(difference) = difference(db, memory, views) {
        panic!("{case}: {difference}");
    }
}

#[test]
fn whatever_happened_is_there_after_any_restart() {
    let cases = std::env::var("LAMINAR_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60);
    for seed in 0..cases {
        let mut random = StdRng::seed_from_u64(seed);
        let clock = Arc::new(ManualClock::at(1_700_000_000_000_000_000));
        let memory = Database::builder().clock(clock.clone()).build();
        let folder = Folder::new();
        let open = |workers| {
            let builder = Database::builder().clock(clock.clone()).workers_in_turn(workers);
            let db = builder.open(&folder.data()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            db.execute("SET checkpoint_interval = 'never'; SET durability = 'none'").unwrap();
            db
        };
        let (mut db, mut views, mut time) = (open(1), Vec::new(), 0);
        for db in [&db, &memory] {
            db.execute(TABLES).unwrap();
        }
        for number in 0..60 {
            let action = action(&mut random, &mut views, &mut time);
            assert_eq!(perform(&db, &action).is_ok(), perform(&memory, &action).is_ok(), "seed {seed}, action {number}");
            if random.random_range(0..8) == 0 {
                db.checkpoint().unwrap();
            }
            if random.random_range(0..5) == 0 {
                drop(db);
                db = open(random.random_range(1..4));
                compare(&db, &memory, &views, &format!("seed {seed}, after action {number}"));
            }
        }
        compare(&db, &memory, &views, &format!("seed {seed}"));
        drop(db);
        compare(&open(2), &memory, &views, &format!("seed {seed}, at the end"));
    }
}
