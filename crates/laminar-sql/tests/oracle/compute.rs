//! Filter and projection: expressions of every kind over rows that come and go.

use laminar_testkit::oracle::{Query, Test};

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
