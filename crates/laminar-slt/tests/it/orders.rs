//! Rows in other orders: what does not depend on the order passes, and what does is found, with the order that shows it.

use expect_test::expect;
use laminar_slt::Options;

use super::{run, run_with};

const SOURCE: &str = "statement ok
CREATE SOURCE s (k VARCHAR, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '10' SECOND)
";

const ROWS: &str = "any order
insert INTO s VALUES ('a', 1, '2024-01-01 00:00:08'), ('b', 2, '2024-01-01 00:00:01'), ('a', 3, '2024-01-01 00:00:04'), ('a', 4, '2024-01-01 00:00:13'), ('b', 5, '2024-01-01 00:00:21')
in order
";

/// A test of one view over the rows.
fn test(view: &str, rows: &str) -> String {
    format!(
        "{SOURCE}\nstatement ok\nCREATE MATERIALIZED VIEW v AS {view}\n\n{ROWS}\nend s\n\nquery rowsort\nSELECT * FROM v\n----\n{rows}\n"
    )
}

#[test]
fn windows_within_the_tolerance_of_the_watermark_do_not_depend_on_the_order() {
    let view = "SELECT k, window_start, sum(v) AS v, count(*) AS n FROM s GROUP BY k, TUMBLE(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE";
    let rows = "a 2024-01-01T00:00:00 4 2\na 2024-01-01T00:00:10 4 1\nb 2024-01-01T00:00:00 2 1\nb 2024-01-01T00:00:20 5 1";
    let text = test(view, rows);
    for workers in [1, 3] {
        let report = run_with(&text, &Options { permutations: 50, workers, ..Options::default() });
        assert_eq!(report.render(), "");
        assert_eq!(report.checks, 4, "two statements, a query, and the orders");
    }
    let changes = format!(
        "{text}\nexpect changes v\n+I a 2024-01-01T00:00:00 4 2\n+I b 2024-01-01T00:00:00 2 1\n+I a 2024-01-01T00:00:10 4 1\n+I b 2024-01-01T00:00:20 5 1\n"
    );
    assert_eq!(run(&changes).render(), "");
}

#[test]
fn a_view_that_depends_on_the_order_is_found_with_the_order_that_shows_it() {
    let text = "statement ok
CREATE SOURCE prices (product VARCHAR PRIMARY KEY, price BIGINT)

statement ok
CREATE MATERIALIZED VIEW current_price AS SELECT product, price FROM prices

any order
insert INTO prices VALUES ('tea', 3), ('tea', 4), ('milk', 2)
in order

query rowsort
SELECT * FROM current_price
----
tea 4
milk 2
";
    let report = run(text);
    let shown = report.render();
    expect![[r#"
        test.slt:11: the rows of the query are others than expected
          11 | query rowsort
          12 | SELECT * FROM current_price
            - expected (2 rows)   + came (2 rows)
              milk  2
            - tea   4
            + tea   3
                    ^
          = it passes as it is written, and differs when the rows of `any order` come as
              insert INTO prices VALUES ('milk', 2), ('tea', 4), ('tea', 3)
          = repeat this order: laminar test test.slt --seed 0 --permutations 1
    "#]]
    .assert_eq(&shown);
    let seed = shown.split("--seed ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    let again = run_with(text, &Options { seed, permutations: 1, ..Options::default() });
    assert_eq!(again.render(), shown, "its number repeats an order");
    let as_written = run_with(text, &Options { permutations: 0, ..Options::default() });
    assert_eq!(as_written.render(), "");
}

#[test]
fn blocks_that_promise_nothing_are_refused() {
    let late = "any order\ninsert INTO s VALUES ('a', 1, '2024-01-01 00:00:30'), ('b', 2, '2024-01-01 00:00:19')\nin order\n";
    expect![[r#"
        test.slt:5: a row of `any order` comes behind the watermark as it is written: insert INTO s VALUES ('b', 2, '2024-01-01 00:00:19')
          5 | insert INTO s VALUES ('a', 1, '2024-01-01 00:00:30'), ('b', 2, '2024-01-01 00:00:19')
          6 | in order
          = this one comes before it, and is so much later: insert INTO s VALUES ('a', 1, '2024-01-01 00:00:30')
          = let it come earlier, or behind `in order` if it is to be late
    "#]].assert_eq(&run(&format!("{SOURCE}\n{late}")).render());
    let other = "any order\nstatement ok\nUPDATE s SET v = 1\nin order\n";
    expect![[r#"
        test.slt:5: error[LDB-1010]: only INSERT … VALUES can come in any order
          5 | statement ok
          6 | UPDATE s SET v = 1
          7 | in order
          = hint: end the block with `in order` before other statements; ON CONFLICT and RETURNING stand outside of it
    "#]]
    .assert_eq(&run(&format!("{SOURCE}\n{other}")).render());
    let marked = "statement ok\nCREATE SOURCE m (ts TIMESTAMP, is_last BOOLEAN, WATERMARK FOR ts WITH (strategy = 'punctuated', marker = 'is_last'))\n\nany order\ninsert INTO m VALUES ('2024-01-01', true)\nin order\n";
    expect![[r#"
        test.slt:5: error[LDB-1010]: rows of 'm' cannot come in any order: marked rows say how far its time is
          5 | insert INTO m VALUES ('2024-01-01', true)
          6 | in order
          = hint: the order of such rows is what they say: leave out `any order`
    "#]]
    .assert_eq(&run(marked).render());
}
