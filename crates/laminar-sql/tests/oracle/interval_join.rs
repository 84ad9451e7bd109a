//! Joins whose conditions bound how far apart the times of two rows can be: rows are forgotten, late ones meet none, and what is shown
//! is what all rows in time give.

use laminar_testkit::oracle::{Query, Test};
use laminar_testkit::random::Sizes;

use crate::graph::check_graph;
use crate::tables::{events, keyed};

/// The rows of `table` that are in time.
fn in_time(table: &str) -> String {
    format!("(SELECT * FROM {table} WHERE arrival IS NULL OR ts IS NULL OR ts >= arrival)")
}

/// A query over the streams `e` and `g`, of which only the rows in time count.
fn query(select: &str) -> Query {
    let batch = select.replace("{e}", &in_time("e")).replace("{g}", &in_time("g"));
    Query::pair(select.replace("{e}", "e").replace("{g}", "g"), batch)
}

/// Conditions on the times of `x` and `y`, and whether they bound them on both sides.
const WITHIN: [&str; 10] = [
    "x.ts BETWEEN y.ts - INTERVAL '10' SECOND AND y.ts + INTERVAL '10' SECOND",
    "x.ts >= y.ts - INTERVAL '3' SECOND AND x.ts < y.ts + INTERVAL '7' SECOND",
    "x.ts > y.ts + INTERVAL '5' SECOND AND y.ts + INTERVAL '20' SECOND >= x.ts",
    "x.ts <= y.ts AND y.ts - INTERVAL '12' SECOND <= x.ts",
    "x.ts = y.ts",
    "x.ts >= y.ts",
    "y.ts > x.ts + INTERVAL '4' SECOND",
    "x.ts - y.ts BETWEEN INTERVAL '-6' SECOND AND INTERVAL '6' SECOND",
    "date_trunc('minute', x.ts) = date_trunc('minute', y.ts)",
    "x.ts + INTERVAL '8' SECOND > y.ts AND y.ts + INTERVAL '1' SECOND >= x.ts AND x.a < y.a",
];

fn tables() -> Vec<laminar_testkit::random::Table> {
    vec![events("e", 5), events("g", 2)]
}

fn check(queries: Vec<Query>) {
    let sizes = Sizes { steps: 3..=8, changes: 0..=5 };
    check_graph(&Test { sizes, ..Test::new(tables(), queries) });
}

#[test]
fn interval_joins_agree_with_the_oracle() {
    let select = |within: &&str| {
        query(&format!(
            "SELECT x.k, x.a, y.a AS b, x.ts, y.ts AS other FROM {{e}} AS x JOIN {{g}} AS y ON x.k = y.k AND {within}"
        ))
    };
    let mut queries: Vec<Query> = WITHIN.iter().map(select).collect();
    let in_where = |within: &&str| query(&format!("SELECT x.a, y.a AS b FROM {{e}} AS x, {{g}} AS y WHERE {within}"));
    queries.extend(WITHIN.iter().map(in_where));
    check(queries);
}

#[test]
fn outer_interval_joins_agree_with_the_oracle() {
    let mut queries = Vec::new();
    for within in WITHIN {
        for kind in ["LEFT", "RIGHT", "FULL"] {
            // A FULL JOIN of the oracle needs an equality.
            queries.push(query(&format!(
                "SELECT x.k, x.a, y.k AS l, y.a AS b, x.ts, y.ts AS other FROM {{e}} AS x {kind} JOIN {{g}} AS y ON x.k = y.k AND {within}"
            )));
        }
    }
    check(queries);
}

#[test]
fn semi_and_anti_interval_joins_agree_with_the_oracle() {
    let mut queries = Vec::new();
    for within in WITHIN {
        for exists in ["EXISTS", "NOT EXISTS"] {
            queries.push(query(&format!(
                "SELECT x.k, x.a, x.ts FROM {{e}} AS x WHERE {exists} (SELECT 1 FROM {{g}} AS y WHERE y.k = x.k AND {within})"
            )));
        }
    }
    queries.push(query("SELECT x.a, x.ts FROM {e} AS x WHERE x.ts IN (SELECT y.ts FROM {g} AS y)"));
    check(queries);
}

#[test]
fn windows_over_interval_joins_agree_with_the_oracle() {
    let within = "x.k = y.k AND x.ts BETWEEN y.ts - INTERVAL '4' SECOND AND y.ts + INTERVAL '6' SECOND";
    let bin = |column: &str| format!("date_bin(INTERVAL '10 seconds', {column}, TIMESTAMP '1970-01-01')");
    let mut queries = Vec::new();
    for (kind, column, lag) in [("JOIN", "ts", 4), ("JOIN", "other", 6), ("LEFT JOIN", "ts", 4), ("RIGHT JOIN", "other", 6)] {
        let joined = |e: &str, g: &str| {
            format!("SELECT x.k AS k, x.ts AS ts, y.ts AS other, y.a AS b FROM {e} AS x {kind} {g} AS y ON {within}")
        };
        let batch = format!(
            "SELECT {bin} AS w, COUNT(*) AS n, SUM(b) AS s FROM ({}) AS j WHERE {column} IS NOT NULL GROUP BY {bin}",
            joined(&in_time("e"), &in_time("g")),
            bin = bin(column)
        );
        let windowed = |emit: &str| {
            let window = format!("TUMBLE({column}, INTERVAL '10' SECOND)");
            format!(
                "SELECT window_start AS w, COUNT(*) AS n, SUM(b) AS s FROM ({}) AS j GROUP BY {window} {emit}",
                joined("e", "g")
            )
        };
        queries.push(Query::pair(windowed(""), batch.clone()));
        let closed = format!(
            "SELECT * FROM ({batch}) AS w WHERE w + INTERVAL '10 seconds' + INTERVAL '{lag} seconds' <= (SELECT least(e, g) FROM progress) \
             AND (SELECT e FROM progress) IS NOT NULL AND (SELECT g FROM progress) IS NOT NULL"
        );
        queries.push(Query::pair(windowed("EMIT ON WINDOW CLOSE"), closed));
    }
    check(queries);
}

#[test]
fn interval_joins_over_joins_with_tables_agree_with_the_oracle() {
    let queries = [
        "SELECT x.a, y.a AS b FROM {e} AS x JOIN {g} AS y ON x.k = y.k AND x.ts >= y.ts - INTERVAL '5' SECOND AND x.ts <= y.ts + INTERVAL '5' SECOND \
         JOIN keyed ON keyed.k = x.k",
        "SELECT x.a, y.a AS b, z.a AS c FROM {e} AS x JOIN {g} AS y ON x.k = y.k AND x.ts BETWEEN y.ts AND y.ts + INTERVAL '9' SECOND \
         JOIN {e} AS z ON z.k = x.k AND z.ts BETWEEN x.ts AND x.ts + INTERVAL '9' SECOND",
    ];
    let tables = vec![events("e", 5), events("g", 2), keyed("keyed")];
    let sizes = Sizes { steps: 3..=8, changes: 0..=5 };
    check_graph(&Test { sizes, ..Test::new(tables, queries.map(query).to_vec()) });
}
