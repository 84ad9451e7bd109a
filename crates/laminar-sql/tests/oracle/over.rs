//! OVER, top-N and DISTINCT ON. Only columns that the order decides on are shown, so that ties are no difference.

use laminar_testkit::oracle::{Query, Test};
use laminar_testkit::random::Sizes;

use crate::graph::check_graph;
use crate::tables::{facts, growing_facts, keyed};

fn check<const N: usize>(queries: [&str; N]) {
    let tables = vec![facts("t"), growing_facts("u"), keyed("keyed")];
    let sizes = Sizes { steps: 2..=4, changes: 0..=6 };
    check_graph(&Test { sizes, share: 2, ..Test::new(tables, queries.map(Query::same).to_vec()) });
}

#[test]
fn over_agrees_with_the_oracle() {
    check([
        "SELECT k, a, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a) AS n FROM t",
        "SELECT a, b, ROW_NUMBER() OVER (ORDER BY a DESC NULLS LAST, b) AS n FROM u",
        "SELECT k, a, RANK() OVER (PARTITION BY k ORDER BY a DESC) AS r, DENSE_RANK() OVER (PARTITION BY k ORDER BY a DESC) AS d, \
         PERCENT_RANK() OVER (PARTITION BY k ORDER BY a DESC) AS p, CUME_DIST() OVER (PARTITION BY k ORDER BY a DESC) AS c FROM t",
        "SELECT k, a, NTILE(3) OVER (PARTITION BY k ORDER BY a) AS n FROM t",
        "SELECT k, a, SUM(a) OVER (PARTITION BY k ORDER BY a) AS running, COUNT(*) OVER (PARTITION BY k) AS n FROM t",
        "SELECT a, b, SUM(a) OVER (ORDER BY b, a ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) AS s, \
         MIN(a) OVER (ORDER BY b, a ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING) AS m FROM t",
        "SELECT a, MAX(b) OVER (ORDER BY a RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS m, \
         AVG(a) OVER (ORDER BY a DESC GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) AS g FROM t",
        "SELECT day, COUNT(*) OVER (ORDER BY day RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW) AS n FROM t",
        "SELECT d, SUM(d) OVER (ORDER BY d) AS s, COUNT(d) OVER (ORDER BY d RANGE BETWEEN 5 PRECEDING AND 2 FOLLOWING) AS n FROM t",
        "SELECT s, MAX(s) OVER (ORDER BY s ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING) AS m FROM u",
        "SELECT k, b, LAG(b) OVER (PARTITION BY k ORDER BY b) AS before, LEAD(b, 2, -1) OVER (PARTITION BY k ORDER BY b) AS behind FROM t",
        "SELECT a, b, LAG(b) IGNORE NULLS OVER (ORDER BY a, b) AS before, LEAD(b) IGNORE NULLS OVER (ORDER BY a, b) AS behind FROM t",
        "SELECT k, b, FIRST_VALUE(b) OVER (PARTITION BY k ORDER BY b) AS f, \
         LAST_VALUE(b) OVER (PARTITION BY k ORDER BY b ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS l, \
         NTH_VALUE(b, 2) OVER (PARTITION BY k ORDER BY b ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS n FROM t",
        "SELECT k, COUNT(*) AS n, RANK() OVER (ORDER BY COUNT(*) DESC) AS r FROM t GROUP BY k",
        "SELECT a, SUM(a + 1) OVER (PARTITION BY a % 2 ORDER BY -a) AS s, COUNT(*) FILTER (WHERE a > 0) OVER (ORDER BY -a) AS n FROM t",
        "SELECT id, v, ROW_NUMBER() OVER (ORDER BY v DESC, id) AS n, SUM(v) OVER () AS s FROM keyed",
        "SELECT x.id, x.n, u.a FROM (SELECT id, k, RANK() OVER (PARTITION BY k ORDER BY v) AS n FROM keyed) AS x JOIN u ON x.k = u.k",
        "SELECT n, COUNT(*) AS c FROM (SELECT ROW_NUMBER() OVER (PARTITION BY k ORDER BY a) AS n FROM t) AS x GROUP BY n",
    ]);
}

#[test]
fn first_rows_agree_with_the_oracle() {
    check([
        "SELECT k, a FROM t ORDER BY a DESC, k LIMIT 3",
        "SELECT a, k FROM u ORDER BY k NULLS FIRST, a LIMIT 2 OFFSET 1",
        "SELECT a + 1 AS x FROM t ORDER BY a % 2, a LIMIT 4",
        "SELECT k, a FROM (SELECT k, a, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a) AS n FROM t) AS x WHERE n <= 2",
        "SELECT k, a, n FROM (SELECT k, a, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a DESC) AS n FROM t) AS x WHERE n = 2",
        "SELECT k, a, n FROM (SELECT k, a, RANK() OVER (PARTITION BY k ORDER BY a) AS n FROM t) AS x WHERE n < 3 AND a > -2",
        "SELECT k, a, n FROM (SELECT k, a, DENSE_RANK() OVER (ORDER BY k) AS n FROM u) AS x WHERE n <= 2",
        "SELECT k, a, n, s FROM (SELECT k, a, ROW_NUMBER() OVER (PARTITION BY k ORDER BY a) AS n, \
         SUM(a) OVER (PARTITION BY k ORDER BY a ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS s FROM t) AS x WHERE n <= 2",
        "SELECT k, a FROM t QUALIFY RANK() OVER (PARTITION BY k ORDER BY a) <= 1",
        "SELECT DISTINCT ON (k) k, a FROM t ORDER BY k, a DESC",
        "SELECT DISTINCT ON (a % 2) a FROM u ORDER BY a % 2, a",
        "SELECT k, n FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) AS x ORDER BY n DESC, k LIMIT 2",
        "SELECT SUM(a) AS s, COUNT(*) AS n FROM (SELECT a FROM t ORDER BY a DESC LIMIT 3) AS x",
        "SELECT id, v FROM keyed ORDER BY v, id LIMIT 2",
        "SELECT x.id, y.k FROM (SELECT id, k FROM keyed ORDER BY id LIMIT 3) AS x JOIN t AS y ON x.k = y.k",
    ]);
}
