//! WITH RECURSIVE as views over tables that change: after every step a view holds what its query answers.

use laminar_db::{Code, Database};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What is kept. Edges are few and their ends fewer, so that circles come and go.
const QUERIES: [&str; 12] = [
    // Circles: what has only itself as a reason goes with its last reason outside.
    "WITH RECURSIVE r(a, b) AS (SELECT a, b FROM edges UNION SELECT r.a, e.b FROM r JOIN edges e ON r.b = e.a) SELECT * FROM r",
    "WITH RECURSIVE r AS (SELECT n FROM roots UNION SELECT e.b FROM r JOIN edges e ON e.a = r.n) SELECT n FROM r",
    // Each way, as often as there is one.
    "WITH RECURSIVE p(n, depth, cost) AS (SELECT n, 0, 0 FROM roots
     UNION ALL SELECT e.b, depth + 1, cost + w FROM p JOIN edges e ON e.a = p.n WHERE depth < 3) SELECT * FROM p",
    "WITH RECURSIVE p(n, depth) AS (SELECT n, 0 FROM roots
     UNION SELECT e.b, depth + 1 FROM p JOIN edges e ON e.a = p.n WHERE depth < 4)
     SELECT n, min(depth) AS depth, count(*) AS ways FROM p GROUP BY n",
    // What the term reads changes as well: other tables, outer joins, EXISTS, groups.
    "WITH RECURSIVE r(n) AS (SELECT n FROM roots UNION
     SELECT e.b FROM r JOIN edges e ON e.a = r.n WHERE NOT EXISTS (SELECT 1 FROM closed c WHERE c.n = e.b)) SELECT n FROM r",
    "WITH RECURSIVE r(n) AS (SELECT n FROM roots UNION
     SELECT e.b FROM r JOIN edges e ON e.a = r.n WHERE e.b IN (SELECT n FROM closed) OR e.w > 3) SELECT n FROM r",
    "WITH RECURSIVE r(n, depth) AS (SELECT n, 0 FROM roots UNION ALL
     SELECT e.b, depth + 1 FROM r LEFT JOIN edges e ON e.a = r.n AND e.w > 1 WHERE depth < 2) SELECT n, depth FROM r",
    "WITH RECURSIVE r(n, depth) AS (SELECT n, 0 FROM roots UNION ALL
     SELECT DISTINCT e.b, depth + 1 FROM r JOIN edges e ON e.a = r.n WHERE depth < 3) SELECT n, depth FROM r",
    "WITH RECURSIVE r(n, total, depth) AS (SELECT n, CAST(n AS BIGINT), 0 FROM roots UNION ALL
     SELECT e.b, CAST(sum(w) AS BIGINT), depth + 1 FROM r JOIN edges e ON e.a = r.n WHERE depth < 3 GROUP BY e.b, depth)
     SELECT n, total, depth FROM r",
    "WITH RECURSIVE heavy AS (SELECT a, b, max(w) AS w FROM edges GROUP BY a, b HAVING count(*) > 1),
     r(a, b) AS (SELECT a, b FROM heavy UNION SELECT r.a, h.b FROM r JOIN heavy h ON h.a = r.b) SELECT r.a, count(*) AS n FROM r GROUP BY r.a",
    // One recursion reads another.
    "WITH RECURSIVE r(n) AS (SELECT n FROM roots UNION SELECT e.b FROM r JOIN edges e ON e.a = r.n),
     s(n) AS (SELECT n FROM closed UNION SELECT e.a FROM s JOIN edges e ON e.b = s.n WHERE e.w < 3)
     SELECT n, 'reached' AS what FROM r UNION ALL SELECT n, 'leads' FROM s UNION ALL SELECT r.n, 'both' FROM r JOIN s ON r.n = s.n",
    // Rows alone, without tables.
    "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n * 2 FROM t WHERE n < 50) SELECT t.n, closed.n AS c FROM t LEFT JOIN closed ON closed.n = t.n",
];

fn cases() -> u64 {
    std::env::var("LAMINAR_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

fn sorted(db: &Database, query: &str) -> Vec<Vec<String>> {
    let mut rows = db.query(query).unwrap_or_else(|error| panic!("{query}: {error}")).to_strings();
    rows.sort();
    rows
}

fn node(random: &mut StdRng) -> String {
    if random.random_bool(0.05) { "NULL".to_owned() } else { random.random_range(0..6).to_string() }
}

/// One statement that changes the tables.
fn change(random: &mut StdRng) -> String {
    match random.random_range(0..10) {
        0..=3 => {
            let edges = (0..random.random_range(1..4)).map(|_| (node(random), node(random), random.random_range(0..5)));
            let edges: Vec<String> = edges.collect::<Vec<_>>().iter().map(|(a, b, w)| format!("({a}, {b}, {w})")).collect();
            format!("INSERT INTO edges VALUES {}", edges.join(", "))
        }
        4..=6 => format!("DELETE FROM edges WHERE a = {} AND b <> {}", random.random_range(0..6), random.random_range(0..6)),
        7 => format!("UPDATE edges SET b = {} WHERE w = {}", random.random_range(0..6), random.random_range(0..5)),
        8 => match random.random_bool(0.6) {
            true => format!("INSERT INTO roots VALUES ({})", node(random)),
            false => format!("DELETE FROM roots WHERE n = {}", random.random_range(0..6)),
        },
        _ => match random.random_bool(0.6) {
            true => format!("INSERT INTO closed VALUES ({})", node(random)),
            false => format!("DELETE FROM closed WHERE n = {}", random.random_range(0..6)),
        },
    }
}

fn check_random(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let db = Database::builder().workers_in_turn(1 + (seed % 4) as usize).checked().build();
    db.execute("CREATE TABLE edges (a INT, b INT, w INT); CREATE TABLE roots (n INT); CREATE TABLE closed (n INT)").unwrap();
    db.execute("INSERT INTO roots VALUES (0)").unwrap();
    let mut missing: Vec<usize> = (0..QUERIES.len()).collect();
    let steps = 14;
    for step in 0..steps {
        while !missing.is_empty() && (random.random_bool(0.5) || step == steps / 2) {
            let view = missing.remove(random.random_range(0..missing.len()));
            db.execute(&format!("CREATE MATERIALIZED VIEW v{view} AS {}", QUERIES[view])).unwrap();
        }
        let statement = change(&mut random);
        db.execute(&statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        if random.random_range(0..6) == 0 {
            db.execute(&format!("SET workers = {}", random.random_range(1..5))).unwrap();
        }
        for (view, query) in QUERIES.iter().enumerate().filter(|(view, _)| !missing.contains(view)) {
            let shown = sorted(&db, &format!("SELECT * FROM v{view}"));
            assert_eq!(shown, sorted(&db, query), "seed {seed}, step {step}, after {statement}: {query}");
        }
    }
}

#[test]
fn views_of_recursive_queries_hold_what_their_queries_answer() {
    (0..cases()).for_each(check_random);
}

#[test]
fn a_reader_sees_each_row_of_a_recursion_once_a_step() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE TABLE edges (a INT, b INT); INSERT INTO edges VALUES (1, 2), (2, 3), (3, 2), (3, 4);
         CREATE MATERIALIZED VIEW reached AS WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT b FROM r JOIN edges ON a = n) SELECT n FROM r",
    )
    .unwrap();
    let mut changes = db.subscribe("reached").unwrap();
    let mut told = || -> usize { std::iter::from_fn(|| changes.try_next().unwrap()).map(|step| step.changes.len()).sum() };
    assert_eq!(told(), 4);
    // A shorter way to what was there already, and the end of the longer one: nothing to tell of 3.
    db.execute("INSERT INTO edges VALUES (1, 3)").unwrap();
    assert_eq!(told(), 0);
    db.execute("DELETE FROM edges WHERE a = 1 AND b = 2").unwrap();
    assert_eq!(told(), 0, "2 follows from 3 now");
    db.execute("DELETE FROM edges WHERE a = 1").unwrap();
    assert_eq!(told(), 3, "2, 3 and 4, though 2 and 3 still follow from each other");
}

#[test]
fn a_recursion_without_an_end_stops_its_view_alone_and_says_what_to_do() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE TABLE starts (n BIGINT);
         CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM starts;
         CREATE MATERIALIZED VIEW endless AS WITH RECURSIVE t(n) AS (SELECT n FROM starts UNION SELECT n + 1 FROM t) SELECT n FROM t;
         INSERT INTO starts VALUES (1)",
    )
    .unwrap();
    assert_eq!(sorted(&db, "SELECT n FROM counted"), [["1"]]);
    let error = db.query("SELECT * FROM endless").unwrap_err();
    assert_eq!(error.code(), Code::LimitReached);
    assert!(error.to_string().contains("did not come to its end within 10000 rounds"), "{error}");
    assert!(error.to_string().contains("WHERE depth < 100"), "{error}");
}
