//! ASOF joins of all directions: rows that come, go and are replaced on both sides, late rows, ties, and rows that are forgotten.

use laminar_testkit::oracle::{Query, Test};
use laminar_testkit::random::Sizes;

use crate::graph::check_graph;
use crate::tables::{events, facts, growing_facts, keyed};

/// A join as the engine reads it, and what it must give: of all pairs that meet `pair` the one that comes first in `order`, for each left row.
struct Asof {
    /// Behind `ASOF JOIN r` or `ASOF LEFT JOIN r`.
    on: &'static str,
    pair: &'static str,
    order: &'static str,
}

const BACKWARD: &str = "r.ts DESC";
const FORWARD: &str = "r.ts";
const NEAREST: &str = "abs(CAST(l.ts AS BIGINT) - CAST(r.ts AS BIGINT)), r.ts";

const OF_EVENTS: [Asof; 9] = [
    Asof { on: "l.k = r.k AND l.ts >= r.ts", pair: "l.k = r.k AND l.ts >= r.ts", order: BACKWARD },
    Asof { on: "r.ts < l.ts AND l.k = r.k", pair: "l.k = r.k AND l.ts > r.ts", order: BACKWARD },
    Asof { on: "l.k = r.k AND l.ts <= r.ts", pair: "l.k = r.k AND l.ts <= r.ts", order: FORWARD },
    Asof { on: "l.k = r.k AND r.ts > l.ts", pair: "l.k = r.k AND l.ts < r.ts", order: FORWARD },
    Asof { on: "l.k = r.k AND NEAREST(l.ts, r.ts)", pair: "l.k = r.k AND l.ts IS NOT NULL AND r.ts IS NOT NULL", order: NEAREST },
    Asof {
        on: "l.k = r.k AND l.ts >= r.ts AND l.ts - r.ts <= INTERVAL '7' SECOND",
        pair: "l.k = r.k AND l.ts >= r.ts AND l.ts <= r.ts + INTERVAL '7' SECOND",
        order: BACKWARD,
    },
    Asof {
        on: "l.k = r.k AND l.ts <= r.ts AND r.ts < l.ts + INTERVAL '7' SECOND",
        pair: "l.k = r.k AND l.ts <= r.ts AND r.ts < l.ts + INTERVAL '7' SECOND",
        order: FORWARD,
    },
    Asof {
        on: "l.k = r.k AND NEAREST(r.ts, l.ts) AND r.ts BETWEEN l.ts - INTERVAL '5' SECOND AND l.ts + INTERVAL '5' SECOND",
        pair: "l.k = r.k AND r.ts BETWEEN l.ts - INTERVAL '5' SECOND AND l.ts + INTERVAL '5' SECOND",
        order: NEAREST,
    },
    Asof { on: "l.ts >= r.ts + INTERVAL '3' SECOND", pair: "l.ts >= r.ts + INTERVAL '3' SECOND", order: BACKWARD },
];

/// The greatest columns of `r` count among rows of one time, where NULL is the least.
const TIES: &str = "r.k DESC NULLS LAST, r.a DESC NULLS LAST, r.f DESC NULLS LAST";

/// The rows that are in time: what is compared is not behind the watermark.
fn in_time(table: &str) -> String {
    in_time_by(table, "ts")
}

fn in_time_by(table: &str, compared: &str) -> String {
    format!("(SELECT * FROM {table} WHERE arrival IS NULL OR ts IS NULL OR {compared} >= arrival)")
}

fn check(tables: Vec<laminar_testkit::random::Table>, queries: Vec<Query>) {
    let sizes = Sizes { steps: 3..=8, changes: 0..=6 };
    check_graph(&Test { sizes, ..Test::new(tables, queries) });
}

#[test]
fn asof_joins_of_streams_agree_with_the_oracle() {
    let mut queries = Vec::new();
    for asof in &OF_EVENTS {
        let compared = if asof.on.contains("r.ts + INTERVAL") { "ts + INTERVAL '3' SECOND" } else { "ts" };
        for kind in ["", "LEFT"] {
            let streaming = format!(
                "SELECT l.k, l.a, l.ts, r.k AS other, r.a AS b, r.f, r.ts AS at FROM e AS l ASOF {kind} JOIN g AS r ON {}",
                asof.on
            );
            let sql = format!(
                "SELECT lk, la, lts, rk, ra, rf, rts FROM (SELECT l.k AS lk, l.a AS la, l.ts AS lts, r.k AS rk, r.a AS ra, r.f AS rf, r.ts AS rts, \
                 row_number() OVER (PARTITION BY l.number ORDER BY {}, {TIES}) AS place \
                 FROM (SELECT *, row_number() OVER () AS number FROM {}) AS l {kind} JOIN {} AS r ON {}) AS numbered WHERE place = 1",
                asof.order,
                in_time("e"),
                in_time_by("g", compared),
                asof.pair
            );
            queries.push(Query::pair(streaming, sql));
        }
    }
    check(vec![events("e", 5), events("g", 2)], queries);
}

#[test]
fn asof_joins_with_a_match_condition_keep_all_left_rows() {
    let mut queries = Vec::new();
    for asof in &OF_EVENTS[..4] {
        let matching = asof.on.replace("l.k = r.k AND ", "").replace(" AND l.k = r.k", "");
        let streaming =
            format!("SELECT l.a, l.ts, r.a AS b FROM e AS l ASOF JOIN g AS r MATCH_CONDITION ({matching}) ON l.k = r.k");
        let sql = format!(
            "SELECT la, lts, ra FROM (SELECT l.a AS la, l.ts AS lts, r.a AS ra, \
             row_number() OVER (PARTITION BY l.number ORDER BY {}, {TIES}) AS place \
             FROM (SELECT *, row_number() OVER () AS number FROM {}) AS l LEFT JOIN {} AS r ON {}) AS numbered WHERE place = 1",
            asof.order,
            in_time("e"),
            in_time("g"),
            asof.pair
        );
        queries.push(Query::pair(streaming, sql));
    }
    check(vec![events("e", 5), events("g", 2)], queries);
}

#[test]
fn asof_joins_over_rows_that_change_agree_with_the_oracle() {
    // Whole numbers and days are compared as well; equal rows are there several times.
    let cases = [
        ("t", "u", "l.k = r.k AND l.a >= r.a", "r.a DESC", "r.s, r.b"),
        ("t", "t", "l.s = r.k AND l.day > r.day", "r.day DESC", "r.a, r.b"),
        ("u", "t", "l.k = r.k AND l.day <= r.day", "r.day", "r.a, r.b"),
        ("t", "keyed", "l.k = r.k AND l.a < r.id", "r.id", "r.v"),
        ("keyed", "t", "l.id >= r.a AND r.p", "r.a DESC", "r.k, r.s"),
    ];
    let mut queries = Vec::new();
    for (left, right, on, order, shown) in cases {
        // Of all columns, so that the oracle decides ties by the same.
        let ties =
            |columns: &[&str]| columns.iter().map(|column| format!("r.{column} DESC NULLS LAST")).collect::<Vec<_>>().join(", ");
        let ties = if right == "keyed" { ties(&["id", "k", "v"]) } else { ties(&["k", "a", "b", "f", "d", "s", "p", "day"]) };
        for kind in ["", "LEFT"] {
            let own = if left == "keyed" { "l.id, l.v" } else { "l.a, l.k" };
            let streaming = format!("SELECT {own}, {shown} FROM {left} AS l ASOF {kind} JOIN {right} AS r ON {on}");
            let named = |columns: &str, prefix: &str| {
                columns
                    .split(", ")
                    .enumerate()
                    .map(|(at, column)| format!("{column} AS {prefix}{at}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let sql = format!(
                "SELECT x0, x1, y0{} FROM (SELECT {}, {}, row_number() OVER (PARTITION BY l.number ORDER BY {order}, {ties}) AS place \
                 FROM (SELECT *, row_number() OVER () AS number FROM {left}) AS l {kind} JOIN {right} AS r ON {on}) AS n WHERE place = 1",
                if shown.contains(',') { ", y1" } else { "" },
                named(own, "x"),
                named(shown, "y"),
            );
            queries.push(Query::pair(streaming, sql));
        }
    }
    check(vec![facts("t"), growing_facts("u"), keyed("keyed")], queries);
}

#[test]
fn windows_over_asof_joins_and_temporal_joins_agree_with_the_oracle() {
    let bin = "date_bin(INTERVAL '10 seconds', lts, TIMESTAMP '1970-01-01')";
    let joined = |kind: &str, pair: &str, order: &str| {
        format!(
            "(SELECT l.ts AS lts, r.a AS ra, row_number() OVER (PARTITION BY l.number ORDER BY {order}, {TIES}) AS place \
             FROM (SELECT *, row_number() OVER () AS number FROM {}) AS l {kind} JOIN {} AS r ON {pair}) AS n WHERE place = 1",
            in_time("e"),
            in_time("g"),
        )
    };
    let mut queries = Vec::new();
    let on = "l.k = r.k AND l.ts >= r.ts";
    for (join, kind) in [
        (format!("ASOF JOIN g AS r ON {on}"), ""),
        (format!("ASOF LEFT JOIN g AS r ON {on}"), "LEFT"),
        ("JOIN g FOR SYSTEM_TIME AS OF l.ts AS r ON l.k = r.k".to_owned(), ""),
        ("LEFT JOIN g FOR SYSTEM_TIME AS OF l.ts AS r ON r.k = l.k".to_owned(), "LEFT"),
    ] {
        let rows = joined(kind, on, BACKWARD);
        queries.push(Query::pair(format!("SELECT l.ts, r.a FROM e AS l {join}"), format!("SELECT lts, ra FROM {rows}")));
        let streaming = format!(
            "SELECT window_start AS w, COUNT(*) AS n, SUM(b) AS s FROM (SELECT l.ts, r.a AS b FROM e AS l {join}) AS j \
             GROUP BY TUMBLE(ts, INTERVAL '10' SECOND)"
        );
        let batch = format!("SELECT {bin} AS w, COUNT(*) AS n, SUM(ra) AS s FROM {rows} AND lts IS NOT NULL GROUP BY {bin}");
        queries.push(Query::pair(streaming.clone(), batch.clone()));
        let closed = format!(
            "SELECT * FROM ({batch}) AS w WHERE w + INTERVAL '10 seconds' <= (SELECT least(e, g) FROM progress) \
             AND (SELECT e FROM progress) IS NOT NULL AND (SELECT g FROM progress) IS NOT NULL"
        );
        queries.push(Query::pair(format!("{streaming} EMIT ON WINDOW CLOSE"), closed));
    }
    check(vec![events("e", 5), events("g", 2)], queries);
}
