//! Clauses for which sqlparser has no place: how they travel, and what of them is refused.

use expect_test::expect;

use super::*;

#[test]
fn fill_is_a_condition_behind_having() {
    check(
        "SELECT a, count(*) FROM t GROUP BY a FILL (PREVIOUS)",
        expect![[r#"SELECT a, count(*) FROM t GROUP BY a HAVING __fill_windows(37, 51, 2, 'previous', NULL)"#]],
    );
    check(
        "SELECT a, count(*), sum(b) FROM t GROUP BY a HAVING a > 1 OR b < 2 FILL (0, LINEAR) ORDER BY a LIMIT 5",
        expect![[
            r#"SELECT a, count(*), sum(b) FROM t GROUP BY a HAVING (a > 1 OR b < 2) AND __fill_windows(67, 82, 3, 'value', 0, 'linear', NULL) ORDER BY a LIMIT 5"#
        ]],
    );
    check(
        "SELECT * FROM (SELECT max(b) AS m FROM t GROUP BY f(a) FILL (NULL)) AS x JOIN (SELECT min(b) FROM t GROUP BY \"by\" FILL ('x')) AS y ON true",
        expect![[
            r#"SELECT * FROM (SELECT max(b) AS m FROM t GROUP BY f(a) HAVING __fill_windows(55, 65, 1, 'value', NULL)) AS x JOIN (SELECT min(b) FROM t GROUP BY "by" HAVING __fill_windows(114, 123, 1, 'value', 'x')) AS y ON true"#
        ]],
    );
}

#[test]
fn fill_is_a_name_elsewhere() {
    check(
        "SELECT fill(a), fill FROM fill GROUP BY fill(a), fill HAVING fill (a) > 1 OR fill (b) ORDER BY fill (c)",
        expect![[r#"SELECT fill(a), fill FROM fill GROUP BY fill(a), fill HAVING fill(a) > 1 OR fill(b) ORDER BY fill(c)"#]],
    );
    check(
        "SELECT a FROM t AS fill (a) WHERE a IN (SELECT b FROM u GROUP BY b) AND fill (a)",
        expect![[r#"SELECT a FROM t AS fill (a) WHERE a IN (SELECT b FROM u GROUP BY b) AND fill(a)"#]],
    );
}

#[test]
fn a_wrong_fill_is_refused() {
    let clauses = ["FILL ()", "FILL (NEAREST)", "FILL (*)", "FILL (value => 1)"];
    let shown = clauses.map(|clause| outcome(&format!("SELECT k, count(*) FROM t GROUP BY k {clause}")));
    expect![[r#"
        error[LDB-1001]: FILL says nothing of what stands in windows without rows
          --> 1:38
           |
         1 | SELECT k, count(*) FROM t GROUP BY k FILL ()
           |                                      ^^^^
           = hint: write FILL (PREVIOUS), FILL (NEXT), FILL (LINEAR), FILL (NULL), or a value: one for all columns with aggregates, or one for each
        error[LDB-1001]: FILL does not know 'NEAREST'
          --> 1:38
           |
         1 | SELECT k, count(*) FROM t GROUP BY k FILL (NEAREST)
           |                                      ^^^^^^^^^^^^^
           = hint: write FILL (PREVIOUS), FILL (NEXT), FILL (LINEAR), FILL (NULL), or a value: one for all columns with aggregates, or one for each
        error[LDB-1001]: FILL takes a list of values
          --> 1:38
           |
         1 | SELECT k, count(*) FROM t GROUP BY k FILL (*)
           |                                      ^^^^
           = hint: write FILL (PREVIOUS), FILL (NEXT), FILL (LINEAR), FILL (NULL), or a value: one for all columns with aggregates, or one for each
        error[LDB-1001]: FILL takes a list of values
          --> 1:38
           |
         1 | SELECT k, count(*) FROM t GROUP BY k FILL (value => 1)
           |                                      ^^^^^^^^^^^^^^^^
           = hint: write FILL (PREVIOUS), FILL (NEXT), FILL (LINEAR), FILL (NULL), or a value: one for all columns with aggregates, or one for each"#]]
    .assert_eq(&shown.join("\n"));
    check(
        "SELECT * FROM t GROUP BY k FILL (0)",
        expect![[r#"
            error[LDB-1001]: FILL gives values to columns of the SELECT list, but the list has a *
              --> 1:28
               |
             1 | SELECT * FROM t GROUP BY k FILL (0)
               |                            ^^^^^^^
               = hint: write the names of the columns"#]],
    );
}

#[test]
fn several_keys_of_rollup_and_cube_are_one() {
    check(
        "SELECT count(*) FROM t GROUP BY ROLLUP ((a, b), c), CUBE (d)",
        expect![[r#"SELECT count(*) FROM t GROUP BY GROUPING SETS ((a, b, c), (a, b), ()), CUBE (d)"#]],
    );
    check(
        "SELECT count(*) FROM t GROUP BY CUBE (TUMBLE(ts, INTERVAL '1' MINUTE), a)",
        expect![[
            r#"SELECT count(*) FROM t GROUP BY GROUPING SETS ((__window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns'), a), (a), (__window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns')), ())"#
        ]],
    );
}

#[test]
fn exclude_is_a_key_of_partition_by() {
    check(
        "SELECT sum(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM t",
        expect![[
            r#"SELECT sum(a) OVER (PARTITION BY b, ('__exclude current row') ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t"#
        ]],
    );
    check(
        "SELECT sum(a) OVER (ORDER BY c, f(d) DESC RANGE 1 PRECEDING EXCLUDE TIES) FROM t",
        expect![[r#"SELECT sum(a) OVER (PARTITION BY ('__exclude ties') ORDER BY c, f(d) DESC RANGE 1 PRECEDING) FROM t"#]],
    );
    check(
        "SELECT sum(a) OVER w FROM t WINDOW w AS (GROUPS UNBOUNDED PRECEDING EXCLUDE GROUP)",
        expect![[r#"SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY ('__exclude group') GROUPS UNBOUNDED PRECEDING)"#]],
    );
    check(
        "SELECT sum(a) OVER (PARTITION BY b ROWS UNBOUNDED PRECEDING EXCLUDE NO OTHERS) FROM t",
        expect![[r#"SELECT sum(a) OVER (PARTITION BY b ROWS UNBOUNDED PRECEDING) FROM t"#]],
    );
    check("SELECT * EXCLUDE (a), exclude FROM t", expect![[r#"SELECT * EXCLUDE (a), exclude FROM t"#]]);
    check(
        "SELECT sum(a) OVER (ORDER BY b EXCLUDE TIES) FROM t",
        expect![[r#"
            error[LDB-1001]: expected ROWS, RANGE, GROUPS, but found 'EXCLUDE'
              --> 1:32
               |
             1 | SELECT sum(a) OVER (ORDER BY b EXCLUDE TIES) FROM t
               |                                ^^^^^^^"#]],
    );
}
