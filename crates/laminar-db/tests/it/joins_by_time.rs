//! Joins by time: which conditions bound what is kept, and that it is.

use laminar_db::Database;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SOURCES: &str = "CREATE SOURCE a (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
    CREATE SOURCE b (k BIGINT, ts TIMESTAMP, at TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
    CREATE TABLE t (k BIGINT, ts TIMESTAMP)";

fn database(workers: usize) -> Database {
    let db = Database::builder().workers(workers).build();
    db.execute(SOURCES).unwrap();
    db
}

/// The nodes of a query over `from`, without their properties.
fn nodes(from: &str) -> Vec<String> {
    let graph = database(1).query(&format!("EXPLAIN GRAPH SELECT a.k FROM {from}")).unwrap().to_strings();
    let node = |line: &str| Some(line.trim().split_once(' ')?.1.split_once(" [")?.0.to_owned());
    graph.iter().flat_map(|row| row[0].lines().filter_map(node).collect::<Vec<_>>()).collect()
}

/// What the graph says about how far apart the times of a join are.
fn within(from: &str) -> Vec<String> {
    let bound = |node: String| Some(node.split_once(" within ")?.1.to_owned());
    nodes(from).into_iter().filter_map(bound).map(|bound| bound.replace("left time - right time ", "")).collect()
}

#[test]
fn conditions_on_times_that_follow_watermarks_bound_what_is_kept() {
    for (condition, expected) in [
        ("a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts + INTERVAL '2' HOUR", "from -1h to 2h"),
        ("b.ts BETWEEN a.ts - INTERVAL '1' HOUR AND a.ts + INTERVAL '2' HOUR", "from -2h to 1h"),
        ("a.ts >= b.ts AND a.ts < b.ts + INTERVAL '10' SECOND", "from 0s to 10s"),
        ("a.ts + INTERVAL '10' SECOND > b.ts AND b.ts + INTERVAL '1' MINUTE >= a.ts", "from -10s to 1m"),
        ("a.ts = b.ts", "from 0s to 0s"),
        ("a.ts > b.ts", "from 0s"),
        ("a.ts <= b.ts - INTERVAL '3' SECOND", "to -3s"),
        ("a.ts - b.ts <= INTERVAL '3' SECOND AND b.ts - a.ts <= INTERVAL '4' SECOND", "from -4s to 3s"),
        ("INTERVAL '3' SECOND >= a.ts - b.ts AND a.ts - b.ts > INTERVAL '0' SECOND", "from 0s to 3s"),
        ("a.ts >= b.ts - INTERVAL '1' MONTH AND a.ts <= b.ts", "from -31d to 0s"),
        ("date_trunc('hour', a.ts) = date_trunc('hour', b.ts)", "from -1h to 1h"),
        (
            "a.ts >= b.ts AND a.ts >= b.ts + INTERVAL '1' SECOND AND a.ts <= b.ts + INTERVAL '1' HOUR AND a.ts < b.ts + INTERVAL '9' SECOND",
            "from 1s to 9s",
        ),
        ("CAST(a.ts AS TIMESTAMP(3)) = b.ts", "from -1ms to 1ms"),
    ] {
        for from in [format!("a JOIN b ON a.k = b.k AND {condition}"), format!("a, b WHERE a.k = b.k AND {condition}")] {
            assert_eq!(within(&from), [expected], "{condition}");
        }
        for kind in ["LEFT", "RIGHT", "FULL"] {
            assert_eq!(within(&format!("a {kind} JOIN b ON a.k = b.k AND {condition}")), [expected], "{kind} {condition}");
        }
    }
    let none: Vec<String> = Vec::new();
    for from in [
        "a JOIN b ON a.k = b.k",
        "a JOIN b ON a.k = b.k AND (a.ts > b.ts OR a.k > 5)",
        "a JOIN b ON a.k = b.k AND a.ts > b.at",
        "a JOIN b ON a.k = b.k AND a.ts IS NOT DISTINCT FROM b.ts",
        "a JOIN b ON a.k = b.k AND a.ts <> b.ts",
        "a JOIN t ON a.k = t.k AND a.ts = t.ts",
        "a LEFT JOIN b ON a.k = b.k WHERE a.ts >= b.ts - INTERVAL '1' HOUR OR b.ts IS NULL",
    ] {
        assert_eq!(within(from), none, "{from}");
    }
}

#[test]
fn an_asof_join_says_what_it_looks_for_and_whether_it_forgets() {
    for (join, expected) in [
        ("a ASOF JOIN b ON a.k = b.k AND a.ts >= b.ts", "AsOf join on (k) with the last not after ts, forgets"),
        ("a ASOF LEFT JOIN b ON a.k = b.k AND a.ts < b.ts", "AsOf left join on (k) with the first after ts, forgets"),
        ("a ASOF JOIN b MATCH_CONDITION (NEAREST(b.ts, a.ts))", "AsOf left join with the nearest to ts, forgets"),
        (
            "a ASOF JOIN b ON a.k = b.k AND a.ts > b.ts AND a.ts - b.ts <= INTERVAL '3' SECOND",
            "AsOf join on (k) with the last before ts within 3s, forgets",
        ),
        ("a ASOF JOIN t ON a.k = t.k AND a.ts >= t.ts", "AsOf join on (k) with the last not after ts"),
        ("a JOIN b FOR SYSTEM_TIME AS OF a.ts AS b ON a.k = b.k", "AsOf join on (k) with the last not after ts, forgets"),
        ("a LEFT JOIN t FOR SYSTEM_TIME AS OF PROCTIME() AS t ON a.k = t.k", "Left lookup join on k = k"),
    ] {
        let node = nodes(join).into_iter().find(|node| node.contains(" join "));
        assert_eq!(node.as_deref(), Some(expected), "{join}");
    }
}

/// The rows that the operators keep together.
fn kept(db: &Database) -> i64 {
    let rows = db.query("SHOW STATE").unwrap().to_strings();
    rows.iter().filter(|row| row.iter().any(|cell| cell.ends_with("join"))).map(|row| rows_of(row)).sum()
}

fn rows_of(row: &[String]) -> i64 {
    row.iter().filter_map(|cell| cell.parse::<i64>().ok()).next().unwrap_or_else(|| panic!("{row:?}"))
}

#[test]
fn a_long_stream_keeps_the_rows_of_the_bound_alone() {
    for workers in [1, 3] {
        let db = database(workers);
        db.execute(
            "CREATE STREAM inside AS SELECT a.k, b.at FROM a JOIN b ON a.k = b.k AND a.ts BETWEEN b.ts AND b.ts + INTERVAL '1' MINUTE;
             CREATE STREAM outside AS SELECT a.k, b.at FROM a FULL JOIN b ON a.k = b.k AND a.ts BETWEEN b.ts AND b.ts + INTERVAL '1' MINUTE;
             CREATE STREAM latest AS SELECT a.k, b.at FROM a ASOF JOIN b ON a.k = b.k AND a.ts >= b.ts",
        )
        .unwrap();
        let mut most = 0;
        for step in 0..100 {
            let rows = format!("FROM generate_series({}, {}) AS s(x)", step * 100, step * 100 + 99);
            let time = "TIMESTAMP '2024-01-01' + x * INTERVAL '1' SECOND";
            db.execute(&format!("INSERT INTO b SELECT x % 50, {time}, NULL {rows}; INSERT INTO a SELECT x % 50, {time} {rows}"))
                .unwrap();
            most = most.max(kept(&db));
        }
        // Two joins, in which 60 s of one side, and what came within the last step of both, are kept; and one that keeps a row a key and
        // what the watermark has not passed.
        assert!((100..=2 * (65 + 205 + 100) + 150).contains(&most), "{most} rows are kept by {workers} workers");
    }
}

/// A list of rows for INSERT: an id, nearly always the same key, and a time within two minutes.
fn random_rows(rng: &mut StdRng, ids: &mut i64) -> String {
    let mut row = |rng: &mut StdRng| {
        *ids += 1;
        let key = match rng.random_range(0..20) {
            0 => "NULL".to_owned(),
            key => (key / 18).to_string(),
        };
        let time = match rng.random_bool(0.95) {
            true => format!("TIMESTAMP '2024-01-01' + {} * INTERVAL '100' MILLISECOND", rng.random_range(0..1200)),
            false => "NULL".to_owned(),
        };
        format!("({ids}, {key}, {time})")
    };
    (0..rng.random_range(20..90)).map(|_| row(rng)).collect::<Vec<_>>().join(", ")
}

#[test]
fn where_many_rows_have_a_key_their_partners_are_found_by_time() {
    let conditions = [
        "b.ts BETWEEN a.ts AND a.ts + INTERVAL '3' SECOND",
        "a.ts > b.ts - INTERVAL '2' SECOND AND a.ts < b.ts + INTERVAL '1' SECOND",
        "a.ts = b.ts",
        "a.ts >= b.ts AND a.id % 3 = b.id % 2",
        "b.ts - a.ts <= INTERVAL '500' MILLISECOND AND a.ts - b.ts <= INTERVAL '0' SECOND",
    ];
    for (seed, condition) in (0_u64..).zip(conditions.iter().cycle().take(20)) {
        let mut rng = StdRng::seed_from_u64(seed);
        let db = Database::builder().workers_in_turn(1 + seed as usize % 3).build();
        for table in ["a", "b"] {
            let columns = "id BIGINT, k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' DAY";
            db.execute(&format!("CREATE TABLE {table} ({columns}) APPEND ONLY")).unwrap();
        }
        let kind = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"][seed as usize % 4];
        let query = format!("SELECT a.id, b.id AS other FROM a {kind} b ON a.k = b.k AND {condition}");
        let graph = db.query(&format!("EXPLAIN GRAPH {query}")).unwrap().to_strings().concat().concat();
        assert!(graph.contains(" within "), "{graph}");
        db.execute(&format!("CREATE MATERIALIZED VIEW v AS {query}")).unwrap();
        let mut ids = 0;
        for _ in 0..5 {
            for table in ["a", "b"] {
                db.execute(&format!("INSERT INTO {table} VALUES {}", random_rows(&mut rng, &mut ids))).unwrap();
            }
            let sorted = |query: &str| db.query(&format!("SELECT * FROM ({query}) AS q ORDER BY 1, 2")).unwrap().to_strings();
            assert_eq!(sorted("SELECT * FROM v"), sorted(&query), "seed {seed}: {query}");
        }
    }
}
