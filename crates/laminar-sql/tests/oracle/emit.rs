//! Views over views, and emission without windows: what is stored is the same.

use laminar_testkit::oracle::{Query, Test, VIEW};

use crate::graph::check_graph;
use crate::tables::{facts, keyed};

#[test]
fn views_over_views_and_streams_agree_with_the_oracle() {
    let chain = |statements: &[&str], last: &str, batch: &str| {
        let last = format!("CREATE MATERIALIZED VIEW {VIEW} AS {last}");
        Query { statements: statements.iter().map(|sql| (*sql).to_owned()).chain([last]).collect(), batch: batch.to_owned() }
    };
    let queries = vec![
        chain(
            &["CREATE MATERIALIZED VIEW counts AS SELECT k, COUNT(*) AS n FROM t GROUP BY k"],
            "SELECT n, COUNT(*) AS groups FROM counts GROUP BY n",
            "SELECT n, COUNT(*) AS groups FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) AS counts GROUP BY n",
        ),
        chain(
            &["CREATE STREAM positive AS SELECT k, a FROM t WHERE a > 0"],
            "SELECT k, SUM(a) AS total FROM positive GROUP BY k",
            "SELECT k, SUM(a) AS total FROM t WHERE a > 0 GROUP BY k",
        ),
        chain(
            &[
                "CREATE MATERIALIZED VIEW totals AS SELECT k, SUM(b) AS total FROM t GROUP BY k",
                "CREATE STREAM named AS SELECT keyed.id, totals.total FROM totals JOIN keyed ON totals.k = keyed.k",
            ],
            "SELECT COUNT(*) AS n, MAX(total) AS most FROM named",
            "SELECT COUNT(*) AS n, MAX(total) AS most FROM (SELECT k, SUM(b) AS total FROM t GROUP BY k) AS totals \
             JOIN keyed ON totals.k = keyed.k",
        ),
        Query::pair("SELECT k, COUNT(*) AS n FROM t GROUP BY k EMIT CHANGES", "SELECT k, COUNT(*) AS n FROM t GROUP BY k"),
        Query::pair("SELECT k, MAX(v) AS v FROM keyed GROUP BY k EMIT ON UPDATE", "SELECT k, MAX(v) AS v FROM keyed GROUP BY k"),
    ];
    check_graph(&Test { share: 2, ..Test::new(vec![facts("t"), keyed("keyed")], queries) });
}
