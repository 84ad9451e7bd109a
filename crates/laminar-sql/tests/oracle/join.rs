//! Joins: every mix of rows that come, go and are replaced, with NULL keys, residual conditions and several inputs.

use laminar_testkit::oracle::{Query, Test};
use laminar_testkit::random::Sizes;

use crate::graph::check_graph;
use crate::tables::{facts, growing_facts, keyed};

#[test]
fn inner_joins_agree_with_the_oracle() {
    let queries = [
        "SELECT t.a, t.s, keyed.v FROM t JOIN keyed ON t.k = keyed.k",
        "SELECT t.a, u.a AS other FROM t JOIN u ON t.k = u.k AND t.p = u.p",
        "SELECT t.s, keyed.id FROM t JOIN keyed ON t.a = keyed.id",
        "SELECT t.b, u.b AS other FROM t JOIN u ON t.k = u.k AND t.b < u.b",
        "SELECT x.a, y.s FROM t AS x JOIN t AS y ON x.k = y.s",
        "SELECT t.a, keyed.v FROM t JOIN keyed ON t.a + 1 = keyed.id WHERE keyed.v > 0 AND t.p",
        "SELECT t.a, keyed.id FROM t, keyed WHERE t.a < keyed.id AND keyed.v < 0",
        "SELECT t.a, u.a AS b, keyed.v FROM t JOIN u ON t.k = u.k JOIN keyed ON u.k = keyed.k",
        "SELECT keyed.k, COUNT(*) AS n, SUM(t.a) AS total FROM t JOIN keyed ON t.k = keyed.k GROUP BY keyed.k",
        "SELECT counts.n, keyed.v FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) AS counts JOIN keyed ON counts.k = keyed.k",
        "SELECT t.d, u.f FROM t JOIN u ON t.day = u.day AND t.a = u.a",
        "SELECT t.k, t.a, t.b, u.s FROM t JOIN u ON t.f = u.f OR t.a = u.a",
        "SELECT u.k, keyed.v FROM u JOIN keyed ON u.k = keyed.k",
        "SELECT t.k, u.k AS other FROM t CROSS JOIN u WHERE t.a = 1",
    ];
    let tables = vec![facts("t"), growing_facts("u"), keyed("keyed")];
    let sizes = Sizes { steps: 2..=4, changes: 0..=6 };
    check_graph(&Test { sizes, ..Test::new(tables, queries.map(Query::same).to_vec()) });
}

#[test]
fn outer_joins_agree_with_the_oracle() {
    let queries = [
        "SELECT t.a, t.k, keyed.v FROM t LEFT JOIN keyed ON t.k = keyed.k",
        "SELECT t.a, u.a AS other, u.p FROM t LEFT JOIN u ON t.k = u.k AND t.p = u.p",
        "SELECT t.a, t.k, keyed.id FROM t RIGHT JOIN keyed ON t.k = keyed.k AND t.a < keyed.id",
        "SELECT t.a, t.k, keyed.id, keyed.k AS other FROM t FULL JOIN keyed ON t.k = keyed.k",
        "SELECT t.a, u.a AS other FROM t FULL JOIN u ON t.a = u.a AND t.k = u.k AND t.b < u.b",
        "SELECT t.a, keyed.id FROM t LEFT JOIN keyed ON t.a = keyed.id AND t.p",
        "SELECT t.a, keyed.id FROM t LEFT JOIN keyed ON t.a = keyed.id AND keyed.v > 0",
        "SELECT t.k, keyed.id FROM t LEFT JOIN keyed ON t.a < keyed.id AND keyed.v < 0",
        "SELECT keyed.id, u.a FROM keyed FULL JOIN u ON keyed.id = u.a AND keyed.k IS NOT DISTINCT FROM u.k",
        "SELECT t.a, u.a AS other FROM t LEFT JOIN u ON t.k IS NOT DISTINCT FROM u.k",
        "SELECT t.a, u.a AS other FROM t FULL JOIN u ON (t.k IS NOT DISTINCT FROM u.k) AND (t.p IS NOT DISTINCT FROM u.p)",
        "SELECT x.a, y.s FROM t AS x LEFT JOIN t AS y ON x.k = y.s",
        "SELECT t.a, u.a AS b, keyed.v FROM t LEFT JOIN u ON t.k = u.k LEFT JOIN keyed ON u.k = keyed.k",
        "SELECT t.a, u.a AS b, keyed.v FROM t FULL JOIN u ON t.k = u.k FULL JOIN keyed ON t.k = keyed.k",
        "SELECT keyed.k, COUNT(t.a) AS n, SUM(t.a) AS total FROM keyed LEFT JOIN t ON t.k = keyed.k GROUP BY keyed.k",
        "SELECT counts.n, keyed.v FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) AS counts RIGHT JOIN keyed ON counts.k = keyed.k",
        "SELECT t.a, keyed.v FROM t LEFT JOIN keyed ON t.k = keyed.k WHERE keyed.v IS NULL OR keyed.v > 0",
        "SELECT t.a, keyed.v FROM t LEFT JOIN keyed ON t.k = keyed.k WHERE keyed.v > 0",
        "SELECT COALESCE(t.k, u.k) AS k, t.a, u.a AS b FROM t FULL JOIN u ON t.k = u.k WHERE COALESCE(t.k, u.k) IS NOT NULL",
        "SELECT keyed.id, n.c FROM keyed LEFT JOIN (SELECT COUNT(*) AS c FROM t) AS n ON true",
    ];
    let tables = vec![facts("t"), growing_facts("u"), keyed("keyed")];
    let sizes = Sizes { steps: 2..=4, changes: 0..=6 };
    check_graph(&Test { sizes, ..Test::new(tables, queries.map(Query::same).to_vec()) });
}

/// Conditions on rows of `t` out of these parts, as one would write them.
fn conditions(column: &str, other: &str, condition: &str) -> Vec<String> {
    let subquery = format!("SELECT {other} FROM u WHERE {condition}");
    vec![
        format!("{column} IN ({subquery})"),
        format!("{column} NOT IN ({subquery})"),
        format!("EXISTS ({subquery} AND {other} = {column})"),
        format!("NOT EXISTS ({subquery} AND {other} = {column})"),
        format!("EXISTS ({subquery})"),
        format!("NOT EXISTS ({subquery})"),
    ]
}

#[test]
fn semi_and_anti_joins_agree_with_the_oracle() {
    let mut queries: Vec<Query> = Vec::new();
    for (column, other) in [("t.k", "u.k"), ("t.a", "u.a + 1"), ("t.s", "u.k")] {
        for condition in ["true", "u.p", "u.k IS NOT NULL AND u.a > 0"] {
            let select = |condition| Query::same(format!("SELECT t.a, t.k FROM t WHERE {condition}"));
            queries.extend(conditions(column, other, condition).into_iter().map(select));
        }
    }
    for condition in
        ["EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.a < t.a)", "NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.b > t.b)"]
    {
        queries.push(Query::same(format!("SELECT t.k, COUNT(*) AS n FROM t WHERE {condition} GROUP BY t.k")));
    }
    let more = [
        "SELECT keyed.id FROM keyed WHERE keyed.k IN (SELECT k FROM t GROUP BY k HAVING COUNT(*) > 1)",
        "SELECT keyed.id FROM keyed WHERE keyed.k NOT IN (SELECT k FROM t WHERE k IS NOT NULL) AND keyed.v > 0",
        "SELECT keyed.id FROM keyed WHERE keyed.k IN (SELECT k FROM t) AND keyed.k NOT IN (SELECT s FROM u WHERE s IS NOT NULL)",
        "SELECT k FROM t INTERSECT SELECT k FROM u",
        "SELECT k FROM t EXCEPT SELECT k FROM u",
        "SELECT k, a FROM t INTERSECT SELECT k, a FROM u",
        "SELECT k, p FROM t EXCEPT SELECT k, p FROM u",
        "SELECT k FROM t EXCEPT (SELECT k FROM u INTERSECT SELECT k FROM keyed)",
        "SELECT n, COUNT(*) AS c FROM (SELECT k AS n FROM t EXCEPT SELECT k FROM keyed) AS rest GROUP BY n",
        "SELECT u.a FROM u WHERE u.k IN (SELECT k FROM keyed)",
    ];
    queries.extend(more.map(Query::same));
    let tables = vec![facts("t"), growing_facts("u"), keyed("keyed")];
    let sizes = Sizes { steps: 2..=4, changes: 0..=6 };
    check_graph(&Test { sizes, ..Test::new(tables, queries) });
}
