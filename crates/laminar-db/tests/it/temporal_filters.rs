//! Conditions about the time: every view against its own query, under random changes, a clock that moves, restarts of readers, and
//! several workers; what is refused; what a stream of changes shows.

use std::sync::Arc;

use laminar_db::core::time::ManualClock;
use laminar_db::{Database, Turn};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SECOND: i64 = 1_000_000_000;
/// 2024-01-01.
const BEGIN: i64 = 1_704_067_200 * SECOND;

const TABLES: &str =
    "CREATE TABLE t (id BIGINT PRIMARY KEY, k BIGINT, ts TIMESTAMP, until TIMESTAMP(3), at TIMESTAMPTZ, day DATE);
    CREATE TABLE d (k BIGINT, since TIMESTAMP)";

/// The queries of the views: each must hold what its query answers, whatever time it is.
const VIEWS: [&str; 20] = [
    "SELECT id FROM t WHERE ts > now() - INTERVAL '5 seconds'",
    "SELECT id FROM t WHERE now() - INTERVAL '5 seconds' <= ts AND k > 0",
    "SELECT id, ts FROM t WHERE ts <= now()",
    "SELECT id FROM t WHERE now() BETWEEN ts AND until",
    "SELECT id FROM t WHERE at < CURRENT_TIMESTAMP AND at + INTERVAL '3 seconds' >= CURRENT_TIMESTAMP",
    "SELECT id FROM t WHERE now() - ts < INTERVAL '4 seconds'",
    "SELECT id FROM t WHERE until > now() AND at IS NOT NULL",
    "SELECT k, count(*) AS c, max(ts) AS latest FROM t WHERE ts > now() - INTERVAL '5 seconds' GROUP BY k",
    "SELECT k, max(ts) AS latest FROM t GROUP BY k HAVING max(ts) > now() - INTERVAL '3 seconds'",
    "SELECT t.id, d.since FROM t JOIN d ON t.k = d.k WHERE ts > now() - INTERVAL '6 seconds' AND since <= now()",
    "SELECT t.id FROM t LEFT JOIN d ON t.k = d.k AND d.since > now() - INTERVAL '4 seconds' WHERE d.k IS NULL",
    "SELECT id FROM t WHERE k > 1 OR ts > now() - INTERVAL '2 seconds'",
    "SELECT id FROM t WHERE NOT (ts > now() - INTERVAL '2 seconds')",
    "SELECT id FROM t WHERE day = CURRENT_DATE",
    "SELECT id FROM t WHERE ts > date_trunc('minute', now()) AND ts < now()",
    "SELECT id FROM t WHERE ts + INTERVAL '1 month' > now() + INTERVAL '1 month' - INTERVAL '3 seconds'",
    "SELECT id FROM t WHERE ts > now() - INTERVAL '5 seconds' ORDER BY ts DESC, id LIMIT 2",
    "SELECT window_start, count(*) AS c FROM t WHERE ts > now() - INTERVAL '7 seconds' GROUP BY TUMBLE(ts, INTERVAL '2' SECOND)",
    "SELECT id FROM t WHERE ts > now() - INTERVAL '5 seconds' UNION ALL SELECT k FROM d WHERE since > now()",
    "SELECT a.id FROM t AS a JOIN d ON a.k = d.k AND a.ts + (d.since - d.since) + INTERVAL '5 seconds' > now()",
];

fn cases() -> u64 {
    std::env::var("LAMINAR_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100)
}

/// A time around `now`.
fn time(random: &mut StdRng, now: i64) -> String {
    if random.random_range(0..9) == 0 {
        return "NULL".to_owned();
    }
    let millis = (now - BEGIN) / 1_000_000 + random.random_range(-14..14) * 500;
    format!("TIMESTAMP '2024-01-01 00:00:00' + INTERVAL '{millis} milliseconds'")
}

fn cell(random: &mut StdRng) -> String {
    if random.random_range(0..7) == 0 { "NULL".to_owned() } else { random.random_range(0..3).to_string() }
}

fn statement(random: &mut StdRng, now: i64) -> String {
    let (key, other) = (random.random_range(0..16), random.random_range(0..16));
    match random.random_range(0..8) {
        0..=3 => {
            let day = ["NULL", "'2023-12-31'", "'2024-01-01'", "'2024-01-02'"][random.random_range(0..4)];
            let times = [time(random, now), time(random, now), time(random, now)].join(", ");
            format!("INSERT INTO t VALUES ({key}, {}, {times}, {day})", cell(random))
        }
        4 => format!("UPDATE t SET ts = {} WHERE id IN ({key}, {other})", time(random, now)),
        5 => format!("DELETE FROM t WHERE id IN ({key}, {other})"),
        6 => format!("INSERT INTO d VALUES ({}, {})", cell(random), time(random, now)),
        _ => format!("DELETE FROM d WHERE k = {}", random.random_range(0..3)),
    }
}

fn sorted(db: &Database, query: &str) -> Vec<Vec<String>> {
    let mut rows = db.query(query).unwrap_or_else(|error| panic!("{query}: {error}")).to_strings();
    rows.sort();
    rows
}

fn check_random(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let clock = ManualClock::at(BEGIN + random.random_range(0..2) * 86_390 * SECOND);
    let builder = Database::builder().clock(Arc::new(clock.clone()));
    let db = builder.workers(1 + (seed % 4) as usize).checked().build();
    db.execute(TABLES).unwrap();
    let now = || laminar_db::core::time::Clock::now(&clock);
    let mut missing: Vec<usize> = (0..VIEWS.len()).collect();
    let steps = 16;
    for step in 0..steps {
        // Views come at different times: those that come later begin with what is there.
        while !missing.is_empty() && (random.random_bool(0.5) || step == steps / 2) {
            let view = missing.remove(random.random_range(0..missing.len()));
            db.execute(&format!("CREATE MATERIALIZED VIEW v{view} AS {}", VIEWS[view]))
                .unwrap_or_else(|error| panic!("{}: {error}", VIEWS[view]));
        }
        for _ in 0..random.random_range(0..3) {
            let sql = statement(&mut random, now());
            // A key that is there already.
            let _ = db.execute(&sql);
        }
        if random.random_range(0..6) == 0 {
            db.execute(&format!("SET workers = {}", random.random_range(1..5))).unwrap();
        }
        clock.advance([0, 1, SECOND / 2, SECOND, 3 * SECOND][random.random_range(0..5)]);
        for (view, query) in VIEWS.iter().enumerate().filter(|(view, _)| !missing.contains(view)) {
            if random.random_bool(0.3) || step == steps - 1 {
                assert_eq!(
                    sorted(&db, &format!("SELECT * FROM v{view}")),
                    sorted(&db, query),
                    "seed {seed}, step {step}: {query}"
                );
            }
        }
    }
}

#[test]
fn a_view_with_now_holds_what_its_query_answers_at_any_time() {
    (0..cases()).for_each(check_random);
}

fn open(sql: &str) -> (Database, ManualClock) {
    let clock = ManualClock::at(BEGIN);
    let db = Database::builder().clock(Arc::new(clock.clone())).checked().build();
    db.execute(sql).unwrap();
    (db, clock)
}

#[test]
fn a_subscriber_sees_rows_come_and_go() {
    let (db, clock) = open(
        "CREATE SOURCE s (a BIGINT, ts TIMESTAMP);
         CREATE STREAM recent AS SELECT a FROM s WHERE ts > now() - INTERVAL '5 seconds' AND ts <= now()",
    );
    let mut changes = db.subscribe("recent").unwrap();
    db.execute("INSERT INTO s VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-01 00:00:02'), (3, '2023-12-31 23:59:55')")
        .unwrap();
    let mut seen = Vec::new();
    for second in 0..9 {
        while db.turn().unwrap() == Turn::Progressed {}
        while let Some(change) = changes.try_next().unwrap() {
            seen.push(format!("{second}s: {}", change.changes.print().trim()));
        }
        clock.advance(SECOND);
    }
    assert_eq!(seen, ["0s: +1 | 1", "2s: +1 | 2", "5s: -1 | 1", "7s: -1 | 2"]);
}

/// Each is refused with a message that says `why`.
#[track_caller]
fn refused(sql: &str, why: &str) {
    let (db, _) = open(&format!("{TABLES}; CREATE SOURCE s (a BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts)"));
    let error = db.execute(sql).map(|_| ()).unwrap_err();
    assert!(error.message().contains(why) && error.hint().is_some(), "{sql}: {error}");
}

#[test]
fn what_cannot_be_told_beforehand_is_refused_by_name() {
    for (query, why) in [
        ("SELECT id, now() FROM t", "is for conditions"),
        ("SELECT count(*) FILTER (WHERE ts > now()) FROM t", "is for conditions"),
        ("SELECT id FROM t WHERE extract(hour FROM now()) = k", "becomes true or false"),
        ("SELECT id FROM t WHERE ts > now() AND (until > now() OR ts < now())", "becomes true or false"),
        ("SELECT id FROM t WHERE CURRENT_TIME > '12:00'", "current_time"),
        ("SELECT t.id, d.k FROM t LEFT JOIN d ON t.k = d.k AND t.ts > now()", "in ON of such a join"),
        ("SELECT id FROM t WHERE ts > now() EMIT FINAL", "no final result"),
    ] {
        refused(&format!("CREATE MATERIALIZED VIEW v AS {query}"), why);
    }
    let windows =
        "SELECT window_start, count(*) FROM s WHERE ts > now() - INTERVAL '1 hour' GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)";
    refused(&format!("CREATE STREAM v AS {windows}"), "which has no watermark");
}

#[test]
fn explain_says_what_waits_and_what_bounds_it() {
    let (db, clock) = open("CREATE SOURCE s (a BIGINT, ts TIMESTAMP)");
    let says = |sql: &str, parts: &[&str]| {
        let rows = db.query(sql).unwrap().to_strings();
        let text: String = rows.iter().map(|row| format!("{}\n", row.join(" | "))).collect();
        assert!(parts.iter().all(|part| text.contains(part)), "{sql}: {text}");
    };
    let recent = "SELECT a FROM s WHERE ts > now() - INTERVAL '5 minutes' AND a > 1";
    says(&format!("EXPLAIN GRAPH {recent}"), &["TemporalFilter where ", "now()"]);
    says(&format!("EXPLAIN STATE {recent}"), &["rows that are shown or will be", "rows while "]);
    says("EXPLAIN STATE SELECT a FROM s WHERE ts <= now()", &["rows that are not shown yet", "rows until "]);
    db.execute("CREATE MATERIALIZED VIEW later AS SELECT a FROM s WHERE ts < now()").unwrap();
    db.execute("INSERT INTO s VALUES (1, '2024-01-01 00:01:30')").unwrap();
    says("EXPLAIN WHY later", &["the time of none has come"]);
    clock.advance(100 * SECOND);
    assert_eq!(sorted(&db, "SELECT * FROM later"), [["1"]]);
    db.execute("CREATE MATERIALIZED VIEW ended AS SELECT a FROM s WHERE ts > now() + INTERVAL '1 hour'").unwrap();
    db.execute("INSERT INTO s VALUES (2, '2024-01-01')").unwrap();
    says("EXPLAIN WHY ended", &["the time of all was over"]);
}
