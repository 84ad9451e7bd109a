//! GROUP BY over the results of windows: groups of windows that have closed are forgotten, and what was shown of them stays.

use laminar_db::Database;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How windows below are shown, as the end of their query.
const EMISSIONS: [&str; 4] =
    ["", "EMIT ON WINDOW CLOSE", "EMIT ON WATERMARK ALLOW LATENESS INTERVAL '20' SECOND", "ALLOW LATENESS INTERVAL '10' SECOND"];

/// What is asked of them; `{}` is the view of windows.
const VIEWS: [&str; 4] = [
    "SELECT window_start, window_end, max(n) AS most, count(*) AS c FROM {} GROUP BY window_start, window_end",
    "SELECT window_end, sum(n) AS n FROM {} WHERE n > 1 GROUP BY window_end",
    "SELECT date_trunc('minute', window_start) AS minute, k, sum(n) AS n FROM {} GROUP BY 1, k",
    "SELECT w, max(n) AS most FROM (SELECT window_start AS w, n FROM {} UNION ALL SELECT window_start, n FROM {}) AS x GROUP BY w",
];

fn cases() -> u64 {
    std::env::var("LAMINAR_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100)
}

fn sorted(db: &Database, query: &str) -> Vec<Vec<String>> {
    let mut rows = db.query(query).unwrap_or_else(|error| panic!("{query}: {error}")).to_strings();
    rows.sort();
    rows
}

fn check_random(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let db = Database::builder().workers(1 + (seed % 4) as usize).checked().build();
    let emission = EMISSIONS[random.random_range(0..EMISSIONS.len())];
    let window = [
        "TUMBLE(ts, INTERVAL '10' SECOND)",
        "HOP(ts, INTERVAL '5' SECOND, INTERVAL '15' SECOND)",
        "SESSION(ts, INTERVAL '4' SECOND)",
    ][random.random_range(0..3)];
    db.execute(&format!(
        "CREATE SOURCE s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
         CREATE MATERIALIZED VIEW windows AS SELECT k, window_start, window_end, count(*) AS n FROM s GROUP BY k, {window} {emission}"
    ))
    .unwrap();
    let mut missing: Vec<usize> = (0..VIEWS.len()).collect();
    let mut second = 0;
    for step in 0..12 {
        // Views come at different times: those that come later begin with windows that have closed.
        while !missing.is_empty() && (random.random_bool(0.4) || step == 6) {
            let view = missing.remove(random.random_range(0..missing.len()));
            db.execute(&format!("CREATE MATERIALIZED VIEW v{view} AS {}", VIEWS[view].replace("{}", "windows"))).unwrap();
        }
        let rows: Vec<String> = (0..random.random_range(1..12))
            .map(|_| {
                second += random.random_range(0..6);
                let late = if random.random_bool(0.2) { random.random_range(0..40) } else { random.random_range(0..5) };
                format!("({}, TIMESTAMP '2024-01-01' + INTERVAL '{} seconds')", random.random_range(0..3), second - late)
            })
            .collect();
        db.execute(&format!("INSERT INTO s VALUES {}", rows.join(", "))).unwrap();
        if random.random_range(0..6) == 0 {
            db.execute(&format!("SET workers = {}", random.random_range(1..5))).unwrap();
        }
        for (view, query) in VIEWS.iter().enumerate().filter(|(view, _)| !missing.contains(view)) {
            let (view, query) = (format!("SELECT * FROM v{view}"), query.replace("{}", "windows"));
            assert_eq!(sorted(&db, &view), sorted(&db, &query), "seed {seed}, step {step}, {emission}: {query}");
        }
    }
}

#[test]
fn views_over_closed_windows_hold_what_their_queries_answer() {
    (0..cases()).for_each(check_random);
}

#[test]
fn groups_of_closed_windows_are_forgotten() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE SOURCE s (k BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
         CREATE STREAM counts AS SELECT k, window_start, window_end, count(*) AS n FROM s GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE);
         CREATE STREAM most AS SELECT window_start, window_end, max(n) AS most FROM counts GROUP BY window_start, window_end;
         CREATE MATERIALIZED VIEW shown AS SELECT count(*) AS windows, sum(most) AS n FROM most",
    )
    .unwrap();
    for minute in 0..500 {
        let time = format!("TIMESTAMP '2024-01-01' + INTERVAL '{minute} minutes'");
        db.execute(&format!("INSERT INTO s VALUES (1, {time}), (2, {time}), (2, {time})")).unwrap();
    }
    assert_eq!(sorted(&db, "SELECT * FROM shown"), [["499", "998"]]);
    let state = db.query("SHOW STATE").unwrap().to_strings();
    let kept: i64 = state.iter().filter(|row| row[0] == "most").map(|row| row[2].parse::<i64>().unwrap()).sum();
    assert!(kept <= 16, "{state:?}");
}
