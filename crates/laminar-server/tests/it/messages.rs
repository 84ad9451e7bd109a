//! What bad input gets: every message is read here as a person reads it.

use expect_test::{Expect, expect};

use super::{run_script, run_with_files};

#[track_caller]
fn check(script: &str, expected: Expect) {
    check_with(script, &[], expected);
}

#[track_caller]
fn check_with(script: &str, files: &[(&str, &[u8])], expected: Expect) {
    let ran = run_with_files(script, files, &["--quiet"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    let message: String = ran.err.lines().filter(|line| !line.contains("rows in,")).map(|line| format!("{line}\n")).collect();
    expected.assert_eq(&message);
}

const SOURCE: &str = "CREATE SOURCE trades (symbol VARCHAR, price BIGINT, ts TIMESTAMP, at TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);\n";

#[test]
fn an_unknown_column_is_shown_with_the_nearest_name() {
    check(
        &format!("{SOURCE}CREATE MATERIALIZED VIEW v AS SELECT pirce FROM trades;"),
        expect![[r#"
        error[LDB-1003]: there is no column 'pirce'
          --> script.sql:2:38
           |
         2 | CREATE MATERIALIZED VIEW v AS SELECT pirce FROM trades;
           |                                      ^^^^^ did you mean 'price'?
    "#]],
    );
}

#[test]
fn an_unknown_table_is_shown_with_the_nearest_name() {
    check(
        &format!("{SOURCE}CREATE STREAM v AS SELECT *\nFROM trade;"),
        expect![[r#"
        error[LDB-1002]: there is no source, table, stream or view 'trade'
          --> script.sql:3:6
           |
         3 | FROM trade;
           |      ^^^^^ did you mean 'trades'?
    "#]],
    );
}

#[test]
fn an_unknown_function_is_shown_with_the_nearest_name() {
    check(
        &format!("{SOURCE}CREATE STREAM v AS SELECT uper(symbol) FROM trades;"),
        expect![[r#"
        error[LDB-1004]: there is no function 'uper'
          --> script.sql:2:27
           |
         2 | CREATE STREAM v AS SELECT uper(symbol) FROM trades;
           |                           ^^^^ did you mean 'upper'?
    "#]],
    );
}

#[test]
fn a_window_over_a_column_without_watermark_says_how_to_declare_one() {
    let query = "CREATE STREAM v AS SELECT count(*) FROM trades GROUP BY TUMBLE(at, INTERVAL '1' MINUTE);";
    check(
        &format!("{SOURCE}{query}"),
        expect![[r#"
        error[LDB-1008]: the window is over 'at', which has no watermark
          --> script.sql:2:1
           |
         2 | CREATE STREAM v AS SELECT count(*) FROM trades GROUP BY TUMBLE(at, INTERVAL '1' MINUTE);
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = detail: without a watermark nothing tells when a window is complete
           = hint: declare it in the source: CREATE SOURCE … (at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '5' SECOND)
    "#]],
    );
    check(
        &format!("CREATE SOURCE plain (at TIMESTAMP);\n{}", query.replace("trades", "plain")),
        expect![[r#"
        error[LDB-1008]: the window is over 'at', which has no watermark
          --> script.sql:2:1
           |
         2 | CREATE STREAM v AS SELECT count(*) FROM plain GROUP BY TUMBLE(at, INTERVAL '1' MINUTE);
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = detail: without a watermark nothing tells when a window is complete
           = hint: declare it in the source: CREATE SOURCE … (at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '5' SECOND)
    "#]],
    );
}

#[test]
fn a_missing_file_is_named() {
    check(
        "CREATE SOURCE s FROM FILE (path = 'nowhere.csv');",
        expect![[r#"
        error[LDB-3001]: there is no file 'nowhere.csv'
          --> script.sql:1:17
           |
         1 | CREATE SOURCE s FROM FILE (path = 'nowhere.csv');
           |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: relative paths start at the directory in which the program runs
    "#]],
    );
}

#[test]
fn a_truncated_parquet_file_is_named() {
    check_with(
        "CREATE SOURCE s FROM FILE (path = 'cut.parquet');",
        &[("cut.parquet", b"PAR1 and then nothing")],
        expect![[r#"
        error[LDB-3002]: 'cut.parquet' is cut off: it has no Parquet footer
          --> script.sql:1:17
           |
         1 | CREATE SOURCE s FROM FILE (path = 'cut.parquet');
           |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = detail: it ends after 21 bytes
           = hint: it is still being written, or was copied in part; copy it again
    "#]],
    );
}

#[test]
fn an_empty_file_without_columns_says_what_to_write() {
    check_with(
        "CREATE SOURCE s FROM FILE (path = 'empty.csv');",
        &[("empty.csv", b"")],
        expect![[r#"
        error[LDB-3002]: 'empty.csv' is empty, so its columns are not known
          --> script.sql:1:17
           |
         1 | CREATE SOURCE s FROM FILE (path = 'empty.csv');
           |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: declare the columns: CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM …
    "#]],
    );
}

#[test]
fn an_append_only_sink_refuses_changes_and_says_what_would_work() {
    check(
        &format!("{SOURCE}CREATE SINK s AS SELECT symbol, sum(price) FROM trades GROUP BY symbol INTO FILE (path = 'out.csv');"),
        expect![[r#"
            error[LDB-1009]: this sink can only append rows, but its query also changes rows that it has emitted before
              --> script.sql:2:72
               |
             2 | CREATE SINK s AS SELECT symbol, sum(price) FROM trades GROUP BY symbol INTO FILE (path = 'out.csv');
               |                                                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = hint: windows: EMIT ON WINDOW CLOSE shows each result once; other queries: EMIT FINAL at the end of bounded input; to see every change, write changelog = 'true' among the sink's options
        "#]],
    );
}

#[test]
fn a_misspelt_option_and_connector_are_named() {
    check(
        "CREATE SOURCE s (a INT) FROM FILE (pth = 'x.csv');",
        expect![[r#"
        error[LDB-1005]: a file source has no option 'pth'
          --> script.sql:1:25
           |
         1 | CREATE SOURCE s (a INT) FROM FILE (pth = 'x.csv');
           |                         ^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: did you mean 'path'? its options are: path, format, follow, poll_interval, batch_rows, on_bad_row, hive_partitioning, compression, encoding, schema_sample_rows, epoch_unit, header, delimiter, quote, null, skip, comment, root
    "#]],
    );
    check(
        "CREATE SOURCE s (a INT) FROM FIEL (path = 'x.csv');",
        expect![[r#"
        error[LDB-1005]: there is no connector 'fiel'
          --> script.sql:1:30
           |
         1 | CREATE SOURCE s (a INT) FROM FIEL (path = 'x.csv');
           |                              ^^^^
           = hint: did you mean 'file'? the connectors of this build are: blackhole, file, generator, memory, nexmark, stdout
    "#]],
    );
}

#[test]
fn what_is_not_built_is_refused_with_a_way_out() {
    check(
        &format!("{SOURCE}CREATE STREAM v AS SELECT now() FROM trades;"),
        expect![[r#"
        error[LDB-1010]: now() in a continuous query is for conditions: a column with it would change all the time
          --> script.sql:2:1
           |
         2 | CREATE STREAM v AS SELECT now() FROM trades;
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: compare it in WHERE or HAVING, as in ts > now() - INTERVAL '5 minutes', or say it in the ad-hoc SELECT that reads the view
    "#]],
    );
    check(
        &format!("{SOURCE}CREATE STREAM v AS SELECT random() FROM trades;"),
        expect![[r#"
        error[LDB-1011]: random() in a continuous query could not be repeated when a row is retracted
          --> script.sql:2:1
           |
         2 | CREATE STREAM v AS SELECT random() FROM trades;
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: compute it before the rows come in, as a column of the source
    "#]],
    );
}

#[test]
fn emit_that_waits_for_windows_needs_one() {
    check(
        &format!("{SOURCE}CREATE STREAM v AS SELECT symbol FROM trades EMIT ON WINDOW CLOSE;"),
        expect![[r#"
        error[LDB-1008]: this EMIT waits for windows, but the query groups by no window
          --> script.sql:2:46
           |
         2 | CREATE STREAM v AS SELECT symbol FROM trades EMIT ON WINDOW CLOSE;
           |                                              ^^^^^^^^^^^^^^^^^^^^
           = hint: group by TUMBLE, HOP, CUMULATE or SESSION, or write EMIT CHANGES
    "#]],
    );
}

#[test]
fn an_error_in_the_fourth_statement_names_its_line_and_keeps_the_first_three() {
    let script = "CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\nSELECT a FROM t;\nSELECT b FROM t;\nSELECT 1;\n";
    let ran = run_script(script, &["--quiet", "--format", "csv"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "a\n1\n"));
    assert!(ran.err.contains("script.sql:4:8"), "{}", ran.err);
}

#[test]
fn dropping_what_others_use_names_them() {
    check(
        &format!("{SOURCE}CREATE STREAM v AS SELECT symbol FROM trades;\nDROP SOURCE trades;"),
        expect![[r#"
        error[LDB-2002]: 'trades' is used by v
          --> script.sql:3:13
           |
         3 | DROP SOURCE trades;
           |             ^^^^^^
           = hint: drop those first, or write CASCADE to drop them too
    "#]],
    );
}

#[test]
fn a_value_that_cannot_be_computed_is_rejected_and_the_rest_goes_on() {
    let ran = run_script(
        "CREATE TABLE t (a BIGINT, b BIGINT);
         CREATE MATERIALIZED VIEW v AS SELECT a, a / b AS q FROM t;
         INSERT INTO t VALUES (6, 3), (1, 0), (8, 2), (9223372036854775807, 1);
         CREATE MATERIALIZED VIEW w AS SELECT a + 1 AS next FROM t;
         SELECT * FROM v ORDER BY a; SELECT raw, reason FROM v$errors; SELECT * FROM w ORDER BY 1; SELECT raw FROM w$errors;",
        &["--format", "csv"],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    expect![[r#"
        a,q
        6,2
        8,4
        9223372036854775807,9223372036854775807

        raw,reason
        "a=1, b=0",division by zero

        next
        2
        7
        9

        raw
        a=9223372036854775807
    "#]]
    .assert_eq(&ran.out);
}
