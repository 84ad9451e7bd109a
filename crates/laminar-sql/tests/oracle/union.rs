//! UNION ALL keeps every row; UNION keeps one of each.

use laminar_testkit::oracle::{Query, Test};

use crate::graph::check_graph;
use crate::tables::{facts, growing_facts, keyed};

#[test]
fn unions_agree_with_the_oracle() {
    let queries = [
        "SELECT k, a FROM t UNION ALL SELECT k, a FROM u",
        "SELECT k, a FROM t UNION ALL SELECT k, a FROM t",
        "SELECT k, a FROM t UNION ALL SELECT k, a FROM u UNION ALL SELECT k, id FROM keyed",
        "SELECT k, a, b FROM t WHERE a > 0 UNION ALL SELECT k, v, id FROM keyed WHERE v < 0",
        "SELECT k, a FROM t UNION SELECT k, a FROM u",
        "SELECT a FROM t UNION SELECT id FROM keyed",
        "SELECT f FROM t UNION ALL SELECT a FROM u",
        "SELECT x, COUNT(*) AS n FROM (SELECT k AS x FROM t UNION ALL SELECT k FROM keyed) AS both_of_them GROUP BY x",
        "SELECT DISTINCT k, p FROM t",
    ];
    let tables = vec![facts("t"), growing_facts("u"), keyed("keyed")];
    check_graph(&Test::new(tables, queries.map(Query::same).to_vec()));
}
