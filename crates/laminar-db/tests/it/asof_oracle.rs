//! Random INSERT, UPDATE and DELETE under ASOF joins: every view against its own query, on several workers.

use laminar_db::Database;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const TABLES: &str = "CREATE TABLE l (id BIGINT PRIMARY KEY, k BIGINT, ts TIMESTAMP(3));
    CREATE TABLE r (id BIGINT PRIMARY KEY, k BIGINT, v BIGINT, ts TIMESTAMP(3));
    CREATE TABLE n (k BIGINT, v BIGINT, seq BIGINT)";

/// The queries of the views: each must hold what its query answers.
const VIEWS: [&str; 12] = [
    "SELECT l.id, r.id AS other, r.v FROM l ASOF JOIN r ON l.k = r.k AND l.ts >= r.ts",
    "SELECT l.id, r.id AS other, r.v FROM l ASOF LEFT JOIN r ON l.k = r.k AND l.ts > r.ts",
    "SELECT l.id, r.v FROM l ASOF JOIN r MATCH_CONDITION (l.ts <= r.ts) ON l.k = r.k",
    "SELECT l.id, r.v FROM l ASOF JOIN r MATCH_CONDITION (r.ts > l.ts)",
    "SELECT l.id, r.v FROM l ASOF LEFT JOIN r ON l.k = r.k AND NEAREST(l.ts, r.ts)",
    "SELECT l.id, r.v FROM l ASOF LEFT JOIN r ON NEAREST(l.ts, r.ts) AND l.ts - r.ts BETWEEN INTERVAL '-2' SECOND AND INTERVAL '2' SECOND",
    "SELECT l.id, r.v FROM l ASOF JOIN r ON l.k = r.k AND l.ts >= r.ts AND r.ts > l.ts - INTERVAL '3' SECOND AND r.v > 2",
    "SELECT l.id, r.id AS other, r.v FROM l ASOF LEFT JOIN r ON l.k = r.k AND l.ts >= r.ts AND l.ts - r.ts <= INTERVAL '2' SECOND",
    "SELECT a.seq, b.v, count(*) AS c FROM n AS a ASOF LEFT JOIN n AS b ON a.k = b.k AND a.seq > b.seq GROUP BY a.seq, b.v",
    "SELECT l.id, k, ts, r.id AS other, r.v FROM l ASOF LEFT JOIN r USING (k, ts)",
    "SELECT l.id, k, r.v FROM l ASOF JOIN r MATCH_CONDITION (NEAREST(l.ts, r.ts)) USING (k)",
    "SELECT l.id, r.v, n.v AS w FROM l ASOF JOIN r ON l.k = r.k AND l.ts >= r.ts ASOF LEFT JOIN n ON r.v >= n.seq",
];

fn cases() -> u64 {
    std::env::var("LAMINAR_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100)
}

fn cell(random: &mut StdRng, bound: i64) -> String {
    if random.random_range(0..7) == 0 { "NULL".to_owned() } else { random.random_range(0..bound).to_string() }
}

fn time(random: &mut StdRng) -> String {
    match random.random_range(0..8) {
        0 => "NULL".to_owned(),
        _ => format!("'2024-01-01 00:00:{:02}.{}'", random.random_range(0..12), random.random_range(0..2) * 500),
    }
}

fn statement(random: &mut StdRng) -> String {
    let (key, other) = (random.random_range(0..12), random.random_range(0..12));
    match random.random_range(0..8) {
        0 | 1 => format!("INSERT INTO l VALUES ({key}, {}, {})", cell(random, 3), time(random)),
        2..=4 => format!(
            "INSERT INTO r VALUES ({key}, {}, {}, {}), ({other}, {}, {}, {})",
            cell(random, 3),
            cell(random, 6),
            time(random),
            cell(random, 3),
            cell(random, 6),
            time(random)
        ),
        5 => format!(
            "INSERT INTO n VALUES ({}, {}, {}), ({}, {}, {})",
            cell(random, 2),
            cell(random, 4),
            cell(random, 6),
            cell(random, 2),
            cell(random, 4),
            cell(random, 6)
        ),
        6 => format!("DELETE FROM {} WHERE id IN ({key}, {other})", ["l", "r"][random.random_range(0..2)]),
        _ => format!("DELETE FROM n WHERE seq = {}", random.random_range(0..6)),
    }
}

fn sorted(db: &Database, query: &str) -> Vec<Vec<String>> {
    let mut rows = db.query(query).unwrap_or_else(|error| panic!("{query}: {error}")).to_strings();
    rows.sort();
    rows
}

fn check(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let db = Database::builder().workers(1 + (seed % 4) as usize).checked().build();
    db.execute(TABLES).unwrap();
    let mut missing: Vec<usize> = (0..VIEWS.len()).collect();
    let steps = 12;
    for step in 0..steps {
        // Views come at different times: those that come later begin with what is there.
        while !missing.is_empty() && (random.random_bool(0.4) || step == steps / 2) {
            let view = missing.remove(random.random_range(0..missing.len()));
            db.execute(&format!("CREATE MATERIALIZED VIEW v{view} AS {}", VIEWS[view])).unwrap();
        }
        let sql = statement(&mut random);
        db.execute(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    for (view, query) in VIEWS.iter().enumerate().filter(|(view, _)| !missing.contains(view)) {
        assert_eq!(sorted(&db, &format!("SELECT * FROM v{view}")), sorted(&db, query), "seed {seed}: {query}");
    }
}

#[test]
fn an_asof_view_holds_what_its_query_answers() {
    (0..cases()).for_each(check);
}
