//! Inner joins: every mix of rows that come, go and are replaced, with NULL keys, residual conditions and several inputs.

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
