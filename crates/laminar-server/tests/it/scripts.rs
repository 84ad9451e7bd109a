//! Scripts that run to their end: bounded inputs, views over views, sinks, subscriptions, late and bad rows.

use super::{run_script, run_with_files};

const TRADES: &[u8] = b"symbol,price,ts
a,10,2024-01-01 00:00:10
b,5,2024-01-01 00:00:20
a,11,2024-01-01 00:00:59
a,12,2024-01-01 00:01:05
b,x,2024-01-01 00:01:10
b,6,2024-01-01 00:01:20
a,9,2024-01-01 00:00:30
a,13,2024-01-01 00:05:00
a,14,2024-01-01 00:00:01
";

const SOURCE: &str =
    "CREATE SOURCE trades (symbol VARCHAR, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE)
  FROM FILE (path = 'trades.csv');\n";

#[track_caller]
fn check(statements: &str, expected: &str) {
    let ran = run_with_files(&format!("{SOURCE}{statements}"), &[("trades.csv", TRADES)], &["--format", "csv"]);
    assert_eq!(ran.out, expected, "{}", ran.err);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_view_of_windows_is_complete_when_its_file_is_read() {
    check(
        "CREATE MATERIALIZED VIEW bars AS SELECT symbol, window_start, count(*) AS n, sum(price) AS total
           FROM trades GROUP BY symbol, TUMBLE(ts, INTERVAL '1' MINUTE);
         SELECT * FROM bars ORDER BY symbol, window_start;",
        "symbol,window_start,n,total
a,2024-01-01 00:00:00,3,30
a,2024-01-01 00:01:00,1,12
a,2024-01-01 00:05:00,1,13
b,2024-01-01 00:00:00,1,5
b,2024-01-01 00:01:00,1,6
",
    );
}

#[test]
fn late_and_bad_rows_can_be_read() {
    check(
        "CREATE MATERIALIZED VIEW bars AS SELECT symbol, count(*) AS n FROM trades GROUP BY symbol, TUMBLE(ts, INTERVAL '1' MINUTE);
         SELECT symbol, ts FROM bars$late;
         SELECT raw, position FROM trades$errors;",
        "symbol,ts\na,2024-01-01 00:00:01\n\nraw,position\n\"b,x,2024-01-01 00:01:10\",trades.csv:6\n",
    );
}

#[test]
fn a_subscription_prints_each_window_once_when_it_closes() {
    check(
        "SUBSCRIBE SELECT window_start, symbol, max(price) AS high FROM trades
           GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), symbol EMIT ON WINDOW CLOSE;",
        "step,op,window_start,symbol,high
2,+I,2024-01-01 00:00:00,a,11
2,+I,2024-01-01 00:00:00,b,5
2,+I,2024-01-01 00:01:00,a,12
2,+I,2024-01-01 00:01:00,b,6
3,+I,2024-01-01 00:05:00,a,13
",
    );
}

#[test]
fn views_over_views_and_tables_follow_their_inputs() {
    check(
        "CREATE TABLE names (symbol VARCHAR PRIMARY KEY, name VARCHAR);
         INSERT INTO names VALUES ('a', 'Ada'), ('b', 'Bob');
         CREATE MATERIALIZED VIEW totals AS SELECT symbol, sum(price) AS total FROM trades GROUP BY symbol;
         CREATE VIEW named AS SELECT n.name, t.total FROM totals t JOIN names n ON n.symbol = t.symbol;
         CREATE MATERIALIZED VIEW large AS SELECT name, total FROM named WHERE total > 20;
         SELECT * FROM large ORDER BY name;
         INSERT INTO names VALUES ('a', 'Adele');
         SELECT * FROM large ORDER BY name;",
        "name,total\nAda,69\n\nname,total\nAdele,69\n",
    );
}

#[test]
fn a_sink_file_is_complete_when_the_run_ends_and_can_be_read_again() {
    let script = format!(
        "{SOURCE}CREATE SINK out AS SELECT symbol, price FROM trades WHERE price > 10 INTO FILE (path = 'out.parquet');
         CREATE SINK copy AS SELECT symbol, price * 2 AS twice FROM trades INTO FILE (path = '${{DIR}}/copy.ndjson') FORMAT NDJSON;
         CREATE SOURCE again FROM FILE (path = 'trades.csv');
         CREATE MATERIALIZED VIEW all_rows AS SELECT count(*) AS n FROM again;
         SELECT * FROM all_rows;"
    );
    let ran = run_with_files(&script, &[("trades.csv", TRADES)], &["--format", "csv"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "n\n9\n"), "{}", ran.err);
    assert!(ran.err.contains("12 rows to sinks") && ran.err.contains("trades$errors"), "{}", ran.err);
}

#[test]
fn a_view_that_is_created_after_a_file_was_read_still_sees_all_of_it() {
    check(
        "CREATE MATERIALIZED VIEW a AS SELECT count(*) AS n FROM trades;
         SELECT * FROM a;
         CREATE MATERIALIZED VIEW b AS SELECT count(*) AS n FROM trades;
         SELECT * FROM b;
         SELECT count(*) AS bad FROM trades$errors;",
        "n\n8\n\nn\n8\n\nbad\n1\n",
    );
}

#[test]
fn every_window_form_means_the_same() {
    let forms = [
        "SELECT window_start, count(*) AS n FROM trades GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
        "SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) AS window_start, count(*) AS n FROM trades GROUP BY TUMBLE(ts, INTERVAL '1 minute')",
        "SELECT window_start, count(*) AS n FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(ts), INTERVAL '60' SECOND)) GROUP BY window_start, window_end",
        "SELECT window_start, count(*) AS n FROM TUMBLE(trades, ts, INTERVAL '1' MINUTE) GROUP BY window_start",
    ];
    for form in forms {
        check(
            &format!("CREATE MATERIALIZED VIEW v AS {form}; SELECT * FROM v ORDER BY 1;"),
            "window_start,n\n2024-01-01 00:00:00,4\n2024-01-01 00:01:00,2\n2024-01-01 00:05:00,1\n",
        );
    }
}

#[test]
fn an_ad_hoc_query_speaks_the_same_windows() {
    let setup = "CREATE TABLE t (ts TIMESTAMP, v BIGINT);
         INSERT INTO t VALUES ('2024-01-01 00:00:10', 1), ('2024-01-01 00:00:40', 2), ('2024-01-01 00:02:00', 3);";
    for (query, expected) in [
        (
            "SELECT window_start AS w, sum(v) AS s FROM t GROUP BY HOP(ts, INTERVAL '30' SECOND, INTERVAL '1' MINUTE) ORDER BY w",
            "w,s\n2023-12-31 23:59:30,1\n2024-01-01 00:00:00,3\n2024-01-01 00:00:30,2\n2024-01-01 00:01:30,3\n2024-01-01 00:02:00,3\n",
        ),
        (
            "SELECT window_start AS w, window_end AS e, sum(v) AS s FROM t GROUP BY SESSION(ts, INTERVAL '30' SECOND) ORDER BY w",
            "w,e,s\n2024-01-01 00:00:10,2024-01-01 00:01:10,3\n2024-01-01 00:02:00,2024-01-01 00:02:30,3\n",
        ),
    ] {
        let ran = run_script(&format!("{setup}{query};"), &["--format", "csv"]);
        assert_eq!(ran.out, expected, "{}", ran.err);
    }
}
