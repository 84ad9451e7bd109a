//! Windows in views against the ad-hoc answers of their queries; and FILL against what a model makes of the windows that have rows.

use std::collections::BTreeMap;

use laminar_db::Database;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn cases() -> u64 {
    std::env::var("LAMINAR_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100)
}

fn rows(db: &Database, query: &str) -> Vec<Vec<String>> {
    db.query(query).unwrap_or_else(|error| panic!("{query}: {error}")).to_strings()
}

fn sorted(db: &Database, query: &str) -> Vec<Vec<String>> {
    let mut rows = rows(db, query);
    rows.sort();
    rows
}

fn cell(random: &mut StdRng, bound: i64) -> String {
    if random.random_range(0..7) == 0 { "NULL".to_owned() } else { random.random_range(0..bound).to_string() }
}

/// Windows of 10 seconds without FILL, with times as seconds: what the model begins with.
const SECONDS: &str = "CAST(extract(epoch FROM window_start) AS BIGINT) AS second";

/// How a window can show its columns: n, and v.
const FILLS: [(&str, Fill, Fill); 6] = [
    ("FILL (NULL)", Fill::Value("NULL"), Fill::Value("NULL")),
    ("FILL (0, PREVIOUS)", Fill::Value("0"), Fill::Previous),
    ("FILL (NEXT)", Fill::Next, Fill::Next),
    ("FILL (LINEAR)", Fill::Linear, Fill::Linear),
    ("FILL (PREV, LINEAR)", Fill::Previous, Fill::Linear),
    ("FILL (-1, 2 + 3)", Fill::Value("-1"), Fill::Value("5")),
];

#[derive(Debug, Clone, Copy)]
enum Fill {
    Value(&'static str),
    Previous,
    Next,
    Linear,
}

impl Fill {
    /// What stands `part` of the way from one value to another.
    fn between(self, from: &str, to: &str, (at, all): (i64, i64)) -> String {
        match self {
            Fill::Value(value) => value.to_owned(),
            Fill::Previous => from.to_owned(),
            Fill::Next => to.to_owned(),
            Fill::Linear => match (from.parse::<f64>(), to.parse::<f64>()) {
                (Ok(from), Ok(to)) => (from + (to - from) * at as f64 / all as f64).round().to_string(),
                _ => "NULL".to_owned(),
            },
        }
    }
}

/// Rows (second, key, n, v) with those that a FILL adds.
fn model(windows: &[Vec<String>], step: i64, fills: [Fill; 2]) -> Vec<Vec<String>> {
    let mut keys: BTreeMap<String, BTreeMap<i64, [String; 2]>> = BTreeMap::new();
    for row in windows {
        let values = [row[2].clone(), row[3].clone()];
        keys.entry(row[1].clone()).or_default().insert(row[0].parse().unwrap(), values);
    }
    let mut all = Vec::new();
    for (key, windows) in keys {
        let mut last: Option<(i64, [String; 2])> = None;
        for (second, values) in windows {
            if let Some((from, before)) = last {
                let gap = (second - from) / step;
                for at in 1..gap {
                    let filled = |column: usize| fills[column].between(&before[column], &values[column], (at, gap));
                    all.push(vec![(from + at * step).to_string(), key.clone(), filled(0), filled(1)]);
                }
            }
            all.push(vec![second.to_string(), key.clone(), values[0].clone(), values[1].clone()]);
            last = Some((second, values));
        }
    }
    all.sort();
    all
}

/// A random FILL and the window that it fills, with the distance of its starts.
fn clause(random: &mut StdRng) -> (&'static str, [Fill; 2], &'static str, i64) {
    let (fill, n, v) = FILLS[random.random_range(0..FILLS.len())];
    let (window, step) = [
        ("TUMBLE(ts, INTERVAL '10' SECOND)", 10),
        ("HOP(ts, INTERVAL '5' SECOND, INTERVAL '15' SECOND)", 5),
        ("TUMBLE(ts, INTERVAL '4' SECOND, INTERVAL '1' SECOND)", 4),
    ][random.random_range(0..3)];
    (fill, [n, v], window, step)
}

/// Queries over `t` of which each view must hold what it answers.
const VIEWS: [&str; 12] = [
    "SELECT window_start, window_end, k, count(*) AS n, sum(v) AS v FROM t GROUP BY TUMBLE(ts, INTERVAL '10' SECOND), k FILL (0, LINEAR)",
    "SELECT k, max(d) AS d, avg(d) AS e FROM t GROUP BY k, HOP(ts, INTERVAL '2' SECOND, INTERVAL '4' SECOND) FILL (LINEAR)",
    "SELECT window_time, count(*) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '3' SECOND) HAVING count(*) > 1 OR sum(v) > 4 FILL (0)",
    "SELECT DISTINCT k, n FROM (SELECT k, count(*) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '3' SECOND), k FILL (PREVIOUS)) AS x WHERE n > 1",
    "SELECT window_start, k + 1 AS k, min(v) + max(v) AS m FROM TUMBLE(t, ts, INTERVAL '5' SECOND) GROUP BY window_start, k FILL (NEXT)",
    "SELECT window_start, sum(v) AS v FROM t WHERE v < 5 GROUP BY TUMBLE(ts, INTERVAL '1' MONTH) FILL (NULL)",
    "SELECT window_start, window_end, count(*) AS n FROM t GROUP BY TUMBLE(ts, INTERVAL '1' HOUR, 'Europe/Berlin') FILL (PREVIOUS)",
    "SELECT window_start, string_agg(v, ',' ORDER BY v) AS v FROM t GROUP BY TUMBLE(ts, INTERVAL '6' SECOND) FILL ('none') ORDER BY 1 LIMIT 5",
    "SELECT window_start, k, count(*) AS n, sum(v) AS v, GROUPING(k) AS g FROM t GROUP BY TUMBLE(ts, INTERVAL '10' SECOND), ROLLUP (k)",
    "SELECT window_end, k, max(v) AS v FROM t GROUP BY CUBE (HOP(ts, INTERVAL '5' SECOND, INTERVAL '10' SECOND), k)",
    "SELECT window_start, v, count(DISTINCT k) AS k FROM t GROUP BY GROUPING SETS ((TUMBLE(ts, INTERVAL '1' DAY), v), (v), (TUMBLE(ts, INTERVAL '1' DAY)))",
    "SELECT window_start, window_end, sum(v) AS v FROM t GROUP BY TUMBLE(ts, INTERVAL '2' MONTH, INTERVAL '-1 month 30 seconds')",
];

fn statement(random: &mut StdRng) -> String {
    let time = |random: &mut StdRng| match random.random_range(0..9) {
        0 => "NULL".to_owned(),
        1 => format!("'2024-0{}-01 00:00:01'", random.random_range(1..6)),
        // Around the moment at which clocks are turned in Berlin.
        _ => format!("'2024-03-31 {}:{:02}'", ["00:59", "01:00"][random.random_range(0..2)], random.random_range(0..60)),
    };
    match random.random_range(0..6) {
        0..4 => {
            let values = (0..random.random_range(1..5)).map(|_| {
                let (id, k, v, d) = (random.random_range(0..16), cell(random, 3), cell(random, 9), cell(random, 5));
                format!("({id}, {k}, {v}, {d}, {})", time(random))
            });
            format!("INSERT INTO t VALUES {}", values.collect::<Vec<_>>().join(", "))
        }
        4 => format!("UPDATE t SET v = v + 1, ts = ts + INTERVAL '7 seconds' WHERE k = {}", random.random_range(0..3)),
        _ => format!("DELETE FROM t WHERE id % 5 = {}", random.random_range(0..5)),
    }
}

fn check_tables(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let db = Database::builder().workers(1 + (seed % 4) as usize).checked().build();
    db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, k BIGINT, v BIGINT, d DOUBLE, ts TIMESTAMP)").unwrap();
    let mut missing: Vec<usize> = (0..VIEWS.len()).collect();
    for step in 0..10 {
        while !missing.is_empty() && (random.random_bool(0.4) || step == 5) {
            let view = missing.remove(random.random_range(0..missing.len()));
            db.execute(&format!("CREATE MATERIALIZED VIEW v{view} AS {}", VIEWS[view])).unwrap();
        }
        let sql = statement(&mut random);
        db.execute(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        for (view, query) in VIEWS.iter().enumerate().filter(|(view, _)| !missing.contains(view)) {
            assert_eq!(sorted(&db, &format!("SELECT * FROM v{view}")), sorted(&db, query), "seed {seed}, step {step}: {query}");
        }
        let (fill, fills, window, distance) = clause(&mut random);
        let seconds = "FROM t WHERE ts >= '2024-03-31 00:59:00' AND ts < '2024-03-31 01:10:00'";
        let query = format!("SELECT {SECONDS}, k, count(v) AS n, sum(v) AS v {seconds} GROUP BY {window}, k");
        let expected = model(&rows(&db, &query), distance, fills);
        assert_eq!(sorted(&db, &format!("{query} {fill}")), expected, "seed {seed}, step {step}: {query} {fill}");
    }
}

#[test]
fn views_with_windows_hold_what_they_answer_and_what_the_model_says() {
    (0..cases()).for_each(check_tables);
}

/// How windows of a stream are shown.
const EMISSIONS: [&str; 5] = [
    "",
    "EMIT ON WINDOW CLOSE",
    "EMIT FINAL",
    "EMIT ON WATERMARK ALLOW LATENESS INTERVAL '20' SECOND",
    "EMIT ON WINDOW CLOSE ALLOW LATENESS INTERVAL '7' SECOND",
];

fn check_streams(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let db = Database::builder().workers(1 + (seed % 4) as usize).checked().build();
    let emission = EMISSIONS[random.random_range(0..EMISSIONS.len())];
    let (fill, fills, window, distance) = clause(&mut random);
    let query = format!("SELECT {SECONDS}, k, count(v) AS n, sum(v) AS v FROM s GROUP BY {window}, k");
    db.execute(&format!(
        "CREATE SOURCE s (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
         CREATE MATERIALIZED VIEW plain AS {query} {emission};
         CREATE MATERIALIZED VIEW filled AS {query} {fill} {emission}"
    ))
    .unwrap();
    let mut second = 0;
    for step in 0..12 {
        let rows_of_step: Vec<String> = (0..random.random_range(1..10))
            .map(|_| {
                second += [0, 1, 3, 40][random.random_range(0..4)];
                let late = if random.random_bool(0.2) { random.random_range(0..60) } else { random.random_range(0..5) };
                let time = format!("TIMESTAMP '2024-01-01' + INTERVAL '{} seconds'", second - late);
                format!("({}, {}, {time})", cell(&mut random, 3), cell(&mut random, 9))
            })
            .collect();
        db.execute(&format!("INSERT INTO s VALUES {}", rows_of_step.join(", "))).unwrap();
        if random.random_range(0..5) == 0 {
            db.execute(&format!("SET workers = {}", random.random_range(1..5))).unwrap();
        }
        let expected = model(&rows(&db, "SELECT * FROM plain"), distance, fills);
        assert_eq!(sorted(&db, "SELECT * FROM filled"), expected, "seed {seed}, step {step}: {query} {fill} {emission}");
    }
}

#[test]
fn windows_of_streams_are_filled_whatever_is_shown_of_them_and_when() {
    (0..cases()).for_each(check_streams);
}

#[test]
fn windows_that_close_are_filled_once_and_only_the_last_of_each_key_is_kept() {
    let db = Database::builder().workers(2).checked().build();
    db.execute(
        "CREATE SOURCE s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
         CREATE STREAM counts AS SELECT window_start, k, count(*) AS n FROM s GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), k FILL (0) EMIT ON WINDOW CLOSE;
         CREATE MATERIALIZED VIEW shown AS SELECT k, count(*) AS windows, sum(n) AS n FROM counts GROUP BY k",
    )
    .unwrap();
    for minute in 0..200 {
        let time = format!("TIMESTAMP '2024-01-01' + INTERVAL '{minute} minutes'");
        let second = if minute % 10 == 0 { format!(", (2, {time}), (2, {time})") } else { String::new() };
        db.execute(&format!("INSERT INTO s VALUES (1, {time}){second}")).unwrap();
    }
    assert_eq!(sorted(&db, "SELECT * FROM shown"), [["1", "199", "199"], ["2", "191", "40"]]);
    let state = rows(&db, "SHOW STATE");
    let kept: i64 = state.iter().filter(|row| row[0] == "counts").map(|row| row[2].parse::<i64>().unwrap()).sum();
    assert!(kept <= 8, "{state:?}");
    // No row is ever taken back, so that what can only append can take them.
    let filled = "SELECT window_start, k, count(*) AS n FROM s GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), k FILL (0)";
    let graph = |emission: &str| rows(&db, &format!("EXPLAIN GRAPH CREATE STREAM x AS {filled} {emission}")).concat().join("\n");
    assert!(!graph("EMIT ON WINDOW CLOSE").contains("retract"), "{}", graph("EMIT ON WINDOW CLOSE"));
    assert!(graph("EMIT CHANGES").contains("retract"), "{}", graph("EMIT CHANGES"));
}

#[test]
fn a_gap_that_is_too_long_stays_as_it_is() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE TABLE t (v BIGINT, ts TIMESTAMP);
         CREATE MATERIALIZED VIEW filled AS SELECT window_start, sum(v) AS v FROM t GROUP BY TUMBLE(ts, INTERVAL '1' SECOND) FILL (0);
         INSERT INTO t VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-02 03:46:41'), (3, '2025-01-01')",
    )
    .unwrap();
    // Between the first two there are 100000 windows, between the last two many more.
    assert_eq!(rows(&db, "SELECT count(*), sum(v) FROM filled"), [["100003", "6"]]);
}
