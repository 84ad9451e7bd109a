//! How each window syntax is rewritten, and which windows are refused.

use expect_test::expect;

use super::*;

#[test]
fn a_window_in_group_by_becomes_two_keys() {
    check(
        "SELECT symbol, window_start, window_end AS we, count(*) FROM trades GROUP BY symbol, TUMBLE(ts, INTERVAL '1' MINUTE)
         HAVING window_end > now() ORDER BY window_start, we",
        expect![
            "SELECT symbol, __window_start(ts, 'tumble size=60000000000 unit=ns') AS window_start, __window_end(ts, 'tumble size=60000000000 unit=ns') AS we, count(*) FROM trades GROUP BY symbol, __window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns') HAVING __window_end(ts, 'tumble size=60000000000 unit=ns') > now() ORDER BY window_start, we"
        ],
    );
    check(
        "SELECT TUMBLE_START(ts, INTERVAL '1 minute'), TUMBLE_END() AS e FROM t GROUP BY tumble(ts, INTERVAL '1' MINUTE)",
        expect![
            "SELECT __window_start(ts, 'tumble size=60000000000 unit=ns') AS window_start, __window_end(ts, 'tumble size=60000000000 unit=ns') AS e FROM t GROUP BY __window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns')"
        ],
    );
    check(
        "SELECT TUMBLE(ts, INTERVAL '1' MINUTE) AS w, date_trunc('hour', window_end) FROM t GROUP BY w",
        expect![
            "SELECT __window_start(ts, 'tumble size=60000000000 unit=ns') AS w, date_trunc('hour', __window_end(ts, 'tumble size=60000000000 unit=ns')) FROM t GROUP BY __window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns')"
        ],
    );
    check(
        "SELECT HOP(ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE), count(*) FROM t GROUP BY 1 ORDER BY 1",
        expect![
            "SELECT __window_start(ts, 'hop size=60000000000 slide=10000000000 unit=ns') AS window_start, count(*) FROM t GROUP BY __window_start(ts, 'hop size=60000000000 slide=10000000000 unit=ns'), __window_end(ts, 'hop size=60000000000 slide=10000000000 unit=ns') ORDER BY 1"
        ],
    );
    check(
        "SELECT count(*) FROM t GROUP BY GROUPING SETS ((SESSION(ts, '30 minutes'), a), (a)), ROLLUP(a)",
        expect![
            "SELECT count(*) FROM t GROUP BY GROUPING SETS ((__window_start(ts, 'session gap=1800000000000 unit=ns'), __window_end(ts, 'session gap=1800000000000 unit=ns'), a), (a)), ROLLUP (a)"
        ],
    );
    check(
        "SELECT window_start AS w, a AS window_end FROM t GROUP BY TUMBLE(ts, '1 day'), a ORDER BY window_end, TUMBLE_START()",
        expect![
            "SELECT __window_start(ts, 'tumble size=86400000000000 unit=ns') AS w, a AS window_end FROM t GROUP BY __window_start(ts, 'tumble size=86400000000000 unit=ns'), __window_end(ts, 'tumble size=86400000000000 unit=ns'), a ORDER BY window_end, __window_start(ts, 'tumble size=86400000000000 unit=ns')"
        ],
    );
}

#[test]
fn every_kind_of_window_has_a_form() {
    let windows = [
        "TUMBLE(ts, INTERVAL '1' MINUTE, INTERVAL '10' SECOND)",
        "TUMBLE(ts, INTERVAL '1' DAY, 'europe/berlin')",
        "TUMBLE(ts, INTERVAL '1' DAY, INTERVAL '-2' HOUR, 'America/New_York')",
        "TUMBLE(ts, INTERVAL '1' MONTH)",
        "TUMBLE(ts, INTERVAL '1' QUARTER, 'UTC')",
        "TUMBLE(date_trunc('second', ts), INTERVAL '1 year')",
        "HOP(ts, INTERVAL '1' MINUTE, INTERVAL '10' SECOND)",
        "SLIDE(ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE)",
        "HOP(ts, INTERVAL '5' SECOND, INTERVAL '5' SECOND)",
        "HOP(ts, INTERVAL '1' MONTH, INTERVAL '1' YEAR)",
        "SESSION(ts, INTERVAL '30' MINUTE)",
        "CUMULATE(ts, INTERVAL '1' HOUR, INTERVAL '1' DAY)",
    ];
    let shown = windows.map(|window| outcome(&format!("SELECT count(*) FROM t GROUP BY {window}")));
    expect![[r#"
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'tumble size=60000000000 unit=ns offset=10000000000'), __window_end(ts, 'tumble size=60000000000 unit=ns offset=10000000000')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'tumble size=86400000000000 unit=ns zone=Europe/Berlin'), __window_end(ts, 'tumble size=86400000000000 unit=ns zone=Europe/Berlin')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'tumble size=86400000000000 unit=ns offset=-7200000000000 zone=America/New_York'), __window_end(ts, 'tumble size=86400000000000 unit=ns offset=-7200000000000 zone=America/New_York')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'tumble size=1 unit=months'), __window_end(ts, 'tumble size=1 unit=months')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'tumble size=3 unit=months'), __window_end(ts, 'tumble size=3 unit=months')
        SELECT count(*) FROM t GROUP BY __window_start(date_trunc('second', ts), 'tumble size=12 unit=months'), __window_end(date_trunc('second', ts), 'tumble size=12 unit=months')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'hop size=60000000000 slide=10000000000 unit=ns'), __window_end(ts, 'hop size=60000000000 slide=10000000000 unit=ns')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'hop size=60000000000 slide=10000000000 unit=ns'), __window_end(ts, 'hop size=60000000000 slide=10000000000 unit=ns')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'tumble size=5000000000 unit=ns'), __window_end(ts, 'tumble size=5000000000 unit=ns')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'hop size=12 slide=1 unit=months'), __window_end(ts, 'hop size=12 slide=1 unit=months')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'session gap=1800000000000 unit=ns'), __window_end(ts, 'session gap=1800000000000 unit=ns')
        SELECT count(*) FROM t GROUP BY __window_start(ts, 'cumulate step=3600000000000 size=86400000000000 unit=ns'), __window_end(ts, 'cumulate step=3600000000000 size=86400000000000 unit=ns')"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn a_table_function_becomes_a_derived_table() {
    check(
        "SELECT window_start, sum(price) FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '10' MINUTES)) GROUP BY window_start, window_end",
        expect![
            "SELECT window_start, sum(price) FROM (SELECT *, __window_start(ts, 'tumble size=600000000000 unit=ns') AS window_start, __window_end(ts, 'tumble size=600000000000 unit=ns') AS window_end FROM trades) AS trades GROUP BY window_start, window_end"
        ],
    );
    check(
        "SELECT * FROM TABLE(SESSION(TABLE bids PARTITION BY (a, b), DESCRIPTOR(ts), INTERVAL '5' MINUTE)) AS s",
        expect![
            "SELECT * FROM (SELECT *, __window_start(ts, 'session gap=300000000000 unit=ns', a, b) AS window_start, __window_end(ts, 'session gap=300000000000 unit=ns', a, b) AS window_end FROM bids) AS s"
        ],
    );
    check(
        "SELECT * FROM TABLE(SESSION(TABLE bids PARTITION BY a, DESCRIPTOR(ts), INTERVAL '5' MINUTE))",
        expect![
            "SELECT * FROM (SELECT *, __window_start(ts, 'session gap=300000000000 unit=ns', a) AS window_start, __window_end(ts, 'session gap=300000000000 unit=ns', a) AS window_end FROM bids) AS bids"
        ],
    );
    check(
        "SELECT * FROM TABLE(HOP(DATA => TABLE b, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' MINUTE, SLIDE => INTERVAL '5' MINUTE))",
        expect![
            "SELECT * FROM (SELECT *, __window_start(ts, 'hop size=600000000000 slide=300000000000 unit=ns') AS window_start, __window_end(ts, 'hop size=600000000000 slide=300000000000 unit=ns') AS window_end FROM b) AS b"
        ],
    );
    check(
        "SELECT * FROM TABLE(CUMULATE(TABLE b, DESCRIPTOR(ts), INTERVAL '2' MINUTES, INTERVAL '10' MINUTES)) c (x, y, s, e)",
        expect![
            "SELECT * FROM (SELECT *, __window_start(ts, 'cumulate step=120000000000 size=600000000000 unit=ns') AS window_start, __window_end(ts, 'cumulate step=120000000000 size=600000000000 unit=ns') AS window_end FROM b) c (x, y, s, e)"
        ],
    );
    check(
        "SELECT t.a FROM TUMBLE(t, ts, INTERVAL '1' MINUTE)",
        expect![
            "SELECT t.a FROM (SELECT *, __window_start(ts, 'tumble size=60000000000 unit=ns') AS window_start, __window_end(ts, 'tumble size=60000000000 unit=ns') AS window_end FROM t) AS t"
        ],
    );
    check(
        "SELECT * FROM HOP((SELECT * FROM t WHERE a > 1), ts, INTERVAL '1' MINUTE, INTERVAL '2' MINUTE) h",
        expect![
            "SELECT * FROM (SELECT *, __window_start(ts, 'hop size=120000000000 slide=60000000000 unit=ns') AS window_start, __window_end(ts, 'hop size=120000000000 slide=60000000000 unit=ns') AS window_end FROM (SELECT * FROM t WHERE a > 1)) h"
        ],
    );
}

#[test]
fn windows_are_found_everywhere() {
    check(
        "WITH w AS (SELECT window_end, count(*) AS n FROM t GROUP BY TUMBLE(ts, '1m'))
         SELECT a.window_end FROM w a JOIN TUMBLE(u, ts, INTERVAL '1' MINUTE) b ON a.window_end = b.window_end
         WHERE EXISTS (SELECT window_start FROM v GROUP BY TUMBLE(ts, '2m')) AND n > (SELECT max(k) FROM (SELECT count(*) AS k FROM x GROUP BY HOP(ts, '1m', '2m')))",
        expect!["WITH w AS (SELECT __window_end(ts, 'tumble size=60000000000 unit=ns') AS window_end, count(*) AS n FROM t GROUP BY __window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns')) SELECT a.window_end FROM w a JOIN (SELECT *, __window_start(ts, 'tumble size=60000000000 unit=ns') AS window_start, __window_end(ts, 'tumble size=60000000000 unit=ns') AS window_end FROM u) b ON a.window_end = b.window_end WHERE EXISTS (SELECT __window_start(ts, 'tumble size=120000000000 unit=ns') AS window_start FROM v GROUP BY __window_start(ts, 'tumble size=120000000000 unit=ns'), __window_end(ts, 'tumble size=120000000000 unit=ns')) AND n > (SELECT max(k) FROM (SELECT count(*) AS k FROM x GROUP BY __window_start(ts, 'hop size=120000000000 slide=60000000000 unit=ns'), __window_end(ts, 'hop size=120000000000 slide=60000000000 unit=ns')))"],
    );
    check(
        "SELECT window_start FROM a GROUP BY TUMBLE(ts, '1m') UNION ALL (SELECT window_start FROM b GROUP BY TUMBLE(ts, '1m')) ORDER BY window_start",
        expect![
            "SELECT __window_start(ts, 'tumble size=60000000000 unit=ns') AS window_start FROM a GROUP BY __window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns') UNION ALL (SELECT __window_start(ts, 'tumble size=60000000000 unit=ns') AS window_start FROM b GROUP BY __window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns')) ORDER BY window_start"
        ],
    );
    check(
        "INSERT INTO x SELECT window_start FROM a GROUP BY TUMBLE(ts, '1m')",
        expect![
            "insert x () SELECT __window_start(ts, 'tumble size=60000000000 unit=ns') AS window_start FROM a GROUP BY __window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns')"
        ],
    );
    check(
        "SELECT window_start, (SELECT max(window_start) FROM o) FROM bars GROUP BY TUMBLE(bars.window_start, '1h')",
        expect![
            "SELECT __window_start(bars.window_start, 'tumble size=3600000000000 unit=ns') AS window_start, (SELECT max(window_start) FROM o) FROM bars GROUP BY __window_start(bars.window_start, 'tumble size=3600000000000 unit=ns'), __window_end(bars.window_start, 'tumble size=3600000000000 unit=ns')"
        ],
    );
    check(
        "SELECT window_start, rank() OVER (PARTITION BY window_end ORDER BY count(*)) r FROM a GROUP BY TUMBLE(ts, '1m'), b QUALIFY window_end > '2020-01-01'",
        expect![
            "SELECT __window_start(ts, 'tumble size=60000000000 unit=ns') AS window_start, rank() OVER (PARTITION BY __window_end(ts, 'tumble size=60000000000 unit=ns') ORDER BY count(*)) AS r FROM a GROUP BY __window_start(ts, 'tumble size=60000000000 unit=ns'), __window_end(ts, 'tumble size=60000000000 unit=ns'), b QUALIFY __window_end(ts, 'tumble size=60000000000 unit=ns') > '2020-01-01'"
        ],
    );
    check(
        "SELECT TUMBLE(window_start, INTERVAL '1' HOUR) FROM bars GROUP BY TUMBLE(window_start, INTERVAL '1' HOUR)",
        expect![
            "SELECT __window_start(window_start, 'tumble size=3600000000000 unit=ns') AS window_start FROM bars GROUP BY __window_start(window_start, 'tumble size=3600000000000 unit=ns'), __window_end(window_start, 'tumble size=3600000000000 unit=ns')"
        ],
    );
}

#[test]
fn a_quoted_name_is_no_window() {
    check("SELECT \"TUMBLE\"(a), my.tumble(b), hop FROM t", expect![[r#"SELECT "TUMBLE"(a), my.tumble(b), hop FROM t"#]]);
}

#[test]
fn windows_that_cannot_work_are_refused() {
    let windows = [
        "TUMBLE(ts)",
        "TUMBLE()",
        "TUMBLE(ts, 5)",
        "TUMBLE(ts, a)",
        "TUMBLE(INTERVAL '1' MINUTE, ts)",
        "TUMBLE(ts, INTERVAL '0' SECOND)",
        "TUMBLE(ts, INTERVAL '-1' SECOND)",
        "TUMBLE(ts, INTERVAL '1 month 1 day')",
        "TUMBLE(ts, INTERVAL '1' MONTH, INTERVAL '28' DAY)",
        "TUMBLE(ts, INTERVAL '1' DAY, INTERVAL '1' MONTH)",
        "TUMBLE(ts, INTERVAL '1' DAY, 'Europe/Berlni')",
        "TUMBLE(ts, INTERVAL '1' DAY, 'UTC', INTERVAL '1' HOUR)",
        "TUMBLE(ts, INTERVAL '1' SECOND, INTERVAL '1' HOUR, INTERVAL '1' HOUR)",
        "TUMBLE(ts, INTERVAL 'soon')",
        "TUMBLE(ts, INTERVAL '1-2' YEAR TO MONTH)",
        "HOP(ts, INTERVAL '1' SECOND)",
        "HOP(ts, INTERVAL '1' SECOND, INTERVAL '1' MONTH)",
        "HOP(ts, INTERVAL '1 second', INTERVAL '365 days')",
        "CUMULATE(ts, INTERVAL '7' SECOND, INTERVAL '1' MINUTE)",
        "CUMULATE(ts, INTERVAL '1' DAY, INTERVAL '1' HOUR)",
        "SESSION(ts, INTERVAL '1' MONTH)",
        "SESSION(ts, INTERVAL '1' DAY, INTERVAL '1' HOUR)",
        "SESSION(ts, INTERVAL '1' DAY, 'Europe/Berlin')",
        "TUMBLE(ts, '1m'), TUMBLE(ts, '2m')",
        "TUMBLE(*)",
    ];
    let shown = windows.map(|window| outcome(&format!("SELECT count(*) FROM t GROUP BY {window}")));
    expect![[r#"
        error[LDB-1008]: TUMBLE has 0 intervals behind the time, but takes 1 interval
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts)
           |                                 ^^^^^^^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: TUMBLE has no arguments
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE()
           |                                 ^^^^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: the length of a window is an interval
          --> 1:44
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, 5)
           |                                            ^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: the length of a window is an interval
          --> 1:44
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, a)
           |                                            ^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: the first argument of TUMBLE is the event time column
          --> 1:49
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(INTERVAL '1' MINUTE, ts)
           |                                                 ^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: the lengths of a window must be greater than zero
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '0' SECOND)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: the lengths of a window must be greater than zero
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '-1' SECOND)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: a window mixes months with shorter units
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1 month 1 day')
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: use months, quarters and years alone, or weeks and shorter units alone: months differ in length
        error[LDB-1008]: windows of months cannot be shifted by 28d, since months have 28 to 31 days
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MONTH, INTERVAL '28' DAY)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write the months of the offset as months, and less than 28 days beside them
        error[LDB-1008]: the offset of a window cannot be counted in months
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY, INTERVAL '1' MONTH)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write it in days
        error[LDB-1008]: there is no time zone 'Europe/Berlni'
          --> 1:62
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY, 'Europe/Berlni')
           |                                                              ^^^^^^^^^^^^^^^ did you mean 'Europe/Berlin'?
        error[LDB-1008]: the time zone is the last argument
          --> 1:78
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY, 'UTC', INTERVAL '1' HOUR)
           |                                                                              ^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: TUMBLE has 3 intervals behind the time, but takes 1 interval
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' SECOND, INTERVAL '1' HOUR, INTERVAL '1' HOUR)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: 'soon' lacks a unit of time
          --> 1:53
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL 'soon')
           |                                                     ^^^^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: an interval here has one unit, as in INTERVAL '90' SECOND
          --> 1:53
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1-2' YEAR TO MONTH)
           |                                                     ^^^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)
        error[LDB-1008]: HOP has 1 interval behind the time, but takes 2 intervals
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY HOP(ts, INTERVAL '1' SECOND)
           |                                 ^^^^^^^^^^^^^^^^^^^^
           = hint: write HOP(ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE): slide and size
        error[LDB-1008]: a window mixes months with shorter units
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY HOP(ts, INTERVAL '1' SECOND, INTERVAL '1' MONTH)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: use months, quarters and years alone, or weeks and shorter units alone: months differ in length
        error[LDB-1008]: a window of 365d would have 31536000 panes of 1s
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY HOP(ts, INTERVAL '1 second', INTERVAL '365 days')
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: at most 100000 are possible: choose a step larger than 1s
        error[LDB-1008]: the step 7s does not divide the size 1m
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY CUMULATE(ts, INTERVAL '7' SECOND, INTERVAL '1' MINUTE)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: choose a size that is a multiple of the step
        error[LDB-1008]: the step 1d is more than the size 1h
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY CUMULATE(ts, INTERVAL '1' DAY, INTERVAL '1' HOUR)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: rows between two windows would be lost; write the smaller interval first
        error[LDB-1008]: the gap of a session cannot be counted in months
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY SESSION(ts, INTERVAL '1' MONTH)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write it in days
        error[LDB-1008]: SESSION has 2 intervals behind the time, but takes 1 interval
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY SESSION(ts, INTERVAL '1' DAY, INTERVAL '1' HOUR)
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write SESSION(ts, INTERVAL '30' MINUTE)
        error[LDB-1008]: a session has no time zone
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY SESSION(ts, INTERVAL '1' DAY, 'Europe/Berlin')
           |                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: leave it out: a gap is the same everywhere
        error[LDB-1008]: GROUP BY has more than one window
          --> 1:51
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(ts, '1m'), TUMBLE(ts, '2m')
           |                                                   ^^^^^^^^^^^^^^^
           = hint: compute the shorter one in a view or a sub-query, and the longer one over its window_start
        error[LDB-1008]: '*' is no argument of TUMBLE
          --> 1:33
           |
         1 | SELECT count(*) FROM t GROUP BY TUMBLE(*)
           |                                 ^^^^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn windows_in_the_wrong_place_are_refused() {
    check(
        "SELECT TUMBLE(ts, '1m') FROM t",
        expect![[r#"
            error[LDB-1008]: TUMBLE stands outside of GROUP BY and FROM
              --> 1:8
               |
             1 | SELECT TUMBLE(ts, '1m') FROM t
               |        ^^^^^^^^^^^^^^^
               = hint: write it in GROUP BY, or in FROM: FROM TUMBLE(t, ts, …)"#]],
    );
    check(
        "SELECT count(*) FROM t WHERE HOP_END(ts, '1m', '2m') > now() GROUP BY a",
        expect![[r#"
        error[LDB-1008]: there is no HOP in GROUP BY to which HOP_END belongs
          --> 1:30
           |
         1 | SELECT count(*) FROM t WHERE HOP_END(ts, '1m', '2m') > now() GROUP BY a
           |                              ^^^^^^^^^^^^^^^^^^^^^^
           = hint: write GROUP BY HOP(ts, …), or window_end of a window in FROM"#]],
    );
    check(
        "SELECT TUMBLE_START(ts, '5m') FROM t GROUP BY TUMBLE(ts, '1m')",
        expect![[r#"
        error[LDB-1008]: TUMBLE_START is not the window of GROUP BY
          --> 1:8
           |
         1 | SELECT TUMBLE_START(ts, '5m') FROM t GROUP BY TUMBLE(ts, '1m')
           |        ^^^^^^^^^^^^^^^^^^^^^
           = hint: write window_start or window_end"#]],
    );
    check(
        "SELECT SESSION_END() FROM t GROUP BY TUMBLE(ts, '1m')",
        expect![[r#"
        error[LDB-1008]: SESSION_END is not the window of GROUP BY
          --> 1:8
           |
         1 | SELECT SESSION_END() FROM t GROUP BY TUMBLE(ts, '1m')
           |        ^^^^^^^^^^^
           = hint: write window_start or window_end"#]],
    );
    check(
        "SELECT * FROM TUMBLE(t, ts)",
        expect![[r#"
        error[LDB-1008]: TUMBLE has 0 intervals behind the time, but takes 1 interval
          --> 1:15
           |
         1 | SELECT * FROM TUMBLE(t, ts)
           |               ^^^^^^^^^^^^
           = hint: write TUMBLE(ts, INTERVAL '1' MINUTE)"#]],
    );
    check(
        "SELECT * FROM TUMBLE(t)",
        expect![[r#"
        error[LDB-1008]: TUMBLE in FROM needs a table, its time column and a length
          --> 1:15
           |
         1 | SELECT * FROM TUMBLE(t)
           |               ^^^^^^^^
           = hint: write TUMBLE(t, ts, INTERVAL …) or TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL …))"#]],
    );
    check(
        "SELECT * FROM TUMBLE('t', ts, '1m')",
        expect![[r#"
        error[LDB-1008]: the first argument of TUMBLE in FROM is a table or a sub-query
          --> 1:22
           |
         1 | SELECT * FROM TUMBLE('t', ts, '1m')
           |                      ^^^
           = hint: write TUMBLE(t, ts, INTERVAL …) or TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL …))"#]],
    );
    check(
        "SELECT * FROM TABLE(TUMBLE(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
        expect![[r#"
        error[LDB-1008]: TUMBLE has no PARTITION BY
          --> 1:49
           |
         1 | SELECT * FROM TABLE(TUMBLE(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
           |                                                 ^
           = hint: write the columns in GROUP BY"#]],
    );
    check(
        "SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(a, b), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))",
        expect![[r#"
        error[LDB-1008]: DESCRIPTOR names one column
          --> 1:21
           |
         1 | SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(a, b), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))
           |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write DESCRIPTOR(ts)"#]],
    );
    check(
        "SELECT * FROM TABLE(HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(a), SIZ => INTERVAL '1' MINUTE))",
        expect![[r#"
        error[LDB-1008]: windows have no argument 'SIZ'
          --> 1:21
           |
         1 | SELECT * FROM TABLE(HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(a), SIZ => INTERVAL '1' MINUTE))
           |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean 'SIZE'?"#]],
    );
    check(
        "SELECT f(TABLE t)",
        expect![[r#"
        error[LDB-1001]: TABLE stands only inside of TABLE(TUMBLE(TABLE t, …))
          --> 1:10
           |
         1 | SELECT f(TABLE t)
           |          ^^^^^^^"#]],
    );
    check(
        "SELECT * FROM a, LATERAL TUMBLE(t, ts, '1m')",
        expect![[r#"
        error[LDB-1010]: LATERAL TUMBLE is not built yet
          --> 1:26
           |
         1 | SELECT * FROM a, LATERAL TUMBLE(t, ts, '1m')
           |                          ^^^^^^"#]],
    );
}
