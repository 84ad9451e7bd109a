//! Sub-queries as values: scalar ones, EXISTS, IN and ANY beside other conditions, correlated and not.
//!
//! What they mean is said a second time with joins and counts, which the oracle understands in all of these places.

use laminar_testkit::oracle::{Query, Test};
use laminar_testkit::random::Sizes;

use crate::graph::check_graph;
use crate::tables::{facts, growing_facts, keyed};

/// The rows of `t` as `x`, with how many rows of the sub-query compare as true and how many as NULL: NULL if it has none.
fn compared(condition: &str, correlation: &str) -> String {
    format!(
        "(SELECT t.*, c.true_ones, c.null_ones FROM t LEFT JOIN (SELECT x.a, x.k, \
           SUM(CASE WHEN {condition} THEN 1 ELSE 0 END) AS true_ones, SUM(CASE WHEN ({condition}) IS NULL THEN 1 ELSE 0 END) AS null_ones \
           FROM (SELECT DISTINCT a, k FROM t) AS x JOIN u ON {correlation} GROUP BY x.a, x.k) AS c \
         ON (c.a IS NOT DISTINCT FROM t.a) AND (c.k IS NOT DISTINCT FROM t.k)) AS x"
    )
}

/// ANY is true if one comparison is, NULL if none is but one is NULL; ALL is the same of what is not so.
fn quantified(select: &str, quantifier: &str, op: &str, correlation: &str) -> Query {
    let value = format!("x.a {op} {quantifier} (SELECT u.a FROM u WHERE {correlation})");
    let (condition, found, none) = match quantifier {
        "ANY" => (format!("x.a {op} u.a"), "true", "false"),
        _ => (format!("NOT (x.a {op} u.a)"), "false", "true"),
    };
    let meaning = format!("CASE WHEN true_ones > 0 THEN {found} WHEN null_ones > 0 THEN NULL ELSE {none} END");
    let streaming = select.replace("VALUE", &value).replace("ROWS", "t AS x");
    Query::pair(streaming, select.replace("VALUE", &meaning).replace("ROWS", &compared(&condition, correlation)))
}

#[test]
fn comparisons_with_all_rows_of_a_sub_query_agree_with_the_oracle() {
    let mut queries = Vec::new();
    for select in [
        "SELECT x.a, x.k, VALUE AS v FROM ROWS",
        "SELECT x.a FROM ROWS WHERE VALUE",
        "SELECT x.a FROM ROWS WHERE (VALUE) IS NULL OR x.p",
    ] {
        for (quantifier, op) in [("ANY", "="), ("ALL", "<>"), ("ANY", "<"), ("ALL", ">="), ("ANY", "<>"), ("ALL", "=")] {
            for correlation in ["u.p", "u.k = x.k"] {
                queries.push(quantified(select, quantifier, op, correlation));
            }
        }
    }
    let sizes = Sizes { steps: 2..=4, changes: 0..=6 };
    check_graph(&Test { sizes, share: 2, ..Test::new(vec![facts("t"), growing_facts("u")], queries) });
}

#[test]
fn sub_queries_that_stand_for_values_agree_with_the_oracle() {
    let queries = vec![
        Query::pair(
            "SELECT t.a, (SELECT COUNT(*) FROM u WHERE u.k = t.k) AS n FROM t",
            "SELECT t.a, COALESCE(c.n, 0) AS n FROM t LEFT JOIN (SELECT k, COUNT(*) AS n FROM u GROUP BY k) AS c ON c.k = t.k",
        ),
        Query::pair(
            "SELECT t.a, (SELECT SUM(u.b) FROM u WHERE u.k = t.k AND u.a < t.a) AS n FROM t",
            "SELECT t.a, c.n FROM t LEFT JOIN (SELECT d.k, d.a, SUM(u.b) AS n FROM (SELECT DISTINCT k, a FROM t) AS d \
             JOIN u ON u.k = d.k AND u.a < d.a GROUP BY d.k, d.a) AS c ON c.k = t.k AND c.a = t.a",
        ),
        Query::pair(
            "SELECT t.a FROM t WHERE t.a > (SELECT MIN(a) FROM u)",
            "SELECT t.a FROM t CROSS JOIN (SELECT MIN(a) AS m FROM u) AS least WHERE t.a > least.m",
        ),
        Query::pair(
            "SELECT t.a, (SELECT COUNT(*) FROM u) AS n, (SELECT MAX(v) FROM keyed) AS most FROM t",
            "SELECT t.a, c.n, m.most FROM t CROSS JOIN (SELECT COUNT(*) AS n FROM u) AS c CROSS JOIN (SELECT MAX(v) AS most FROM keyed) AS m",
        ),
        Query::pair(
            "SELECT keyed.id FROM keyed WHERE keyed.v > (SELECT AVG(o.v) FROM keyed AS o WHERE o.k = keyed.k)",
            "SELECT keyed.id FROM keyed JOIN (SELECT k, AVG(v) AS v FROM keyed GROUP BY k) AS means ON means.k = keyed.k WHERE keyed.v > means.v",
        ),
        Query::pair(
            "SELECT t.a, (SELECT v FROM keyed WHERE keyed.id = t.a) AS v FROM t",
            "SELECT t.a, keyed.v FROM t LEFT JOIN keyed ON keyed.id = t.a",
        ),
        Query::pair(
            "SELECT t.a, EXISTS (SELECT 1 FROM u WHERE u.k = t.k) AS v FROM t",
            "SELECT t.a, c.k IS NOT NULL AS v FROM t LEFT JOIN (SELECT DISTINCT k FROM u WHERE k IS NOT NULL) AS c ON c.k = t.k",
        ),
        Query::pair(
            "SELECT t.a FROM t WHERE t.p OR NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k LIMIT 1)",
            "SELECT t.a FROM t LEFT JOIN (SELECT DISTINCT k FROM u WHERE k IS NOT NULL) AS c ON c.k = t.k WHERE t.p OR c.k IS NULL",
        ),
        Query::pair(
            "SELECT t.k, COUNT(*) AS n FROM t GROUP BY t.k HAVING COUNT(*) > (SELECT COUNT(*) FROM u WHERE u.k = t.k)",
            "SELECT g.k, g.n FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) AS g \
             LEFT JOIN (SELECT k, COUNT(*) AS n FROM u GROUP BY k) AS c ON c.k = g.k WHERE g.n > COALESCE(c.n, 0)",
        ),
        Query::pair(
            "SELECT t.a, l.n FROM t CROSS JOIN LATERAL (SELECT COUNT(*) AS n FROM u WHERE u.k = t.k) AS l",
            "SELECT t.a, COALESCE(c.n, 0) AS n FROM t LEFT JOIN (SELECT k, COUNT(*) AS n FROM u GROUP BY k) AS c ON c.k = t.k",
        ),
        Query::pair(
            "SELECT t.a, l.a AS other FROM t LEFT JOIN LATERAL (SELECT u.a FROM u WHERE u.k = t.k AND u.a < t.a) AS l ON true",
            "SELECT t.a, u.a AS other FROM t LEFT JOIN u ON u.k = t.k AND u.a < t.a",
        ),
        Query::pair(
            "SELECT (SELECT COUNT(*) FROM t) AS a, (SELECT MAX(v) FROM keyed) AS b, EXISTS (SELECT 1 FROM u WHERE p) AS c",
            "SELECT a, b, c > 0 AS c FROM (SELECT COUNT(*) AS a FROM t) AS t CROSS JOIN (SELECT MAX(v) AS b FROM keyed) AS k \
             CROSS JOIN (SELECT COUNT(*) AS c FROM u WHERE p) AS u",
        ),
    ];
    let sizes = Sizes { steps: 2..=4, changes: 0..=6 };
    check_graph(&Test { sizes, share: 2, ..Test::new(vec![facts("t"), growing_facts("u"), keyed("keyed")], queries) });
}
