//! Filter and projection: expressions of every kind over rows that come and go.

use laminar_testkit::oracle::{Query, Test, VIEW};

use crate::graph::check_graph;
use crate::tables::{facts, growing_facts, keyed};

#[test]
fn filters_and_projections_agree_with_the_oracle() {
    let queries = [
        "SELECT k, a, b, f, d, s, p, day FROM t",
        "SELECT a + 1 AS x, b, k FROM t WHERE a > 0",
        "SELECT s FROM t",
        "SELECT a, a AS again, 7 AS seven, NULL AS nothing FROM t WHERE k IS NOT NULL",
        "SELECT CASE WHEN a < 0 THEN 'negative' WHEN a IS NULL THEN 'unknown' ELSE k END AS word FROM t",
        "SELECT COALESCE(k, s, 'none') AS name, upper(s) AS loud, length(s) AS n FROM t WHERE s LIKE '%s%' OR s = ''",
        "SELECT a, f * 2 AS twice, d + 1 AS more FROM t WHERE f BETWEEN -500 AND 500 AND NOT p",
        "SELECT CAST(a AS VARCHAR) AS text, CAST(b AS DOUBLE) AS number, day FROM t WHERE a IN (1, 2, NULL)",
        "SELECT x + y AS z FROM (SELECT a AS x, b AS y FROM t WHERE a <> 0) AS inner_t WHERE x + y > 0",
        "SELECT b / NULLIF(a, 0) AS quotient, b % 7 AS rest, abs(a) AS size FROM t",
        "SELECT k FROM t WHERE (a IS DISTINCT FROM 1) AND (p OR p IS NULL)",
        "SELECT a FROM t WHERE false",
        "SELECT k, s FROM t WHERE day >= DATE '2024-01-03'",
        "SELECT u.a, u.k FROM u WHERE u.p = (u.a > 0)",
        "SELECT id * 10 AS tens, v FROM keyed WHERE v > -20",
    ];
    let tables = vec![facts("t"), growing_facts("u"), keyed("keyed")];
    check_graph(&Test::new(tables, queries.map(Query::same).to_vec()));
}

#[test]
fn lists_taken_apart_agree_with_the_oracle() {
    let queries = [
        "SELECT k, unnest(ARRAY[a, a + 1]) AS v FROM t",
        "SELECT s, unnest(CASE WHEN p THEN ARRAY[a, NULL] WHEN a > 0 THEN array_remove(ARRAY[a], a) END) AS v FROM t WHERE k <> 'x'",
        "SELECT unnest(ARRAY[a, a]) AS v, unnest(CASE WHEN p THEN ARRAY[k, s, k] END) AS w, b FROM u",
        "SELECT v, COUNT(*) AS n FROM (SELECT unnest(ARRAY[a, a % 2]) AS v FROM t) AS q WHERE v IS NOT NULL GROUP BY v",
        "SELECT k, unnest(ARRAY[ARRAY[a], ARRAY[a, 1]]) AS v FROM t",
    ];
    check_graph(&Test::new(vec![facts("t"), growing_facts("u")], queries.map(Query::same).to_vec()));
}

/// The oracle cannot read what stands beside an UNNEST in FROM.
fn in_from(sql: &str, batch: &str) -> Query {
    Query { statements: vec![format!("CREATE MATERIALIZED VIEW {VIEW} AS {sql}")], batch: batch.to_owned() }
}

#[test]
fn lists_taken_apart_in_from_agree_with_the_oracle() {
    let lists = "(SELECT k, a, ARRAY[a, a + 2] AS l, CASE WHEN p THEN ARRAY[k, s, k] END AS m FROM t) AS q";
    let queries = [
        in_from(&format!("SELECT q.k, e.v FROM {lists}, UNNEST(q.l) AS e(v)"), &format!("SELECT k, unnest(l) AS v FROM {lists}")),
        in_from(
            &format!("SELECT q.a, e.v, e.w FROM {lists} CROSS JOIN UNNEST(q.l, q.m) AS e(v, w) WHERE e.w IS NOT NULL"),
            &format!("SELECT * FROM (SELECT a, unnest(l) AS v, unnest(m) AS w FROM {lists}) AS r WHERE w IS NOT NULL"),
        ),
        in_from(
            &format!("SELECT q.a, e.v, f.w FROM {lists}, UNNEST(q.l) AS e(v), UNNEST(q.m) AS f(w)"),
            &format!("SELECT a, v, unnest(m) AS w FROM (SELECT a, m, unnest(l) AS v FROM {lists}) AS r"),
        ),
        in_from(
            &format!("SELECT q.a, e.v FROM {lists} LEFT JOIN UNNEST(q.m) AS e(v) ON true"),
            &format!("SELECT a, unnest(coalesce(m, ARRAY[NULL])) AS v FROM {lists}"),
        ),
        in_from(
            &format!("SELECT e.v, COUNT(*) AS n FROM {lists}, UNNEST(q.m) AS e(v) GROUP BY e.v"),
            &format!("SELECT v, COUNT(*) AS n FROM (SELECT unnest(m) AS v FROM {lists}) AS r GROUP BY v"),
        ),
    ];
    check_graph(&Test::new(vec![facts("t"), keyed("keyed")], queries.to_vec()));
}
