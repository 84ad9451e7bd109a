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
    check(&format!("{SOURCE}CREATE MATERIALIZED VIEW v AS SELECT pirce FROM trades;"), expect![[""]]);
}

#[test]
fn an_unknown_table_is_shown_with_the_nearest_name() {
    check(&format!("{SOURCE}CREATE STREAM v AS SELECT *\nFROM trade;"), expect![[""]]);
}

#[test]
fn an_unknown_function_is_shown_with_the_nearest_name() {
    check(&format!("{SOURCE}CREATE STREAM v AS SELECT uper(symbol) FROM trades;"), expect![[""]]);
}

#[test]
fn a_window_over_a_column_without_watermark_says_how_to_declare_one() {
    let query = "CREATE STREAM v AS SELECT count(*) FROM trades GROUP BY TUMBLE(at, INTERVAL '1' MINUTE);";
    check(&format!("{SOURCE}{query}"), expect![[""]]);
    check(&format!("CREATE SOURCE plain (at TIMESTAMP);\n{}", query.replace("trades", "plain")), expect![[""]]);
}

#[test]
fn a_missing_file_is_named() {
    check("CREATE SOURCE s FROM FILE (path = 'nowhere.csv');", expect![[""]]);
}

#[test]
fn a_truncated_parquet_file_is_named() {
    check_with("CREATE SOURCE s FROM FILE (path = 'cut.parquet');", &[("cut.parquet", b"PAR1 and then nothing")], expect![[""]]);
}

#[test]
fn an_empty_file_without_columns_says_what_to_write() {
    check_with("CREATE SOURCE s FROM FILE (path = 'empty.csv');", &[("empty.csv", b"")], expect![[""]]);
}

#[test]
fn an_append_only_sink_refuses_changes_and_says_what_would_work() {
    check(
        &format!("{SOURCE}CREATE SINK s AS SELECT symbol, sum(price) FROM trades GROUP BY symbol INTO FILE (path = 'out.csv');"),
        expect![[""]],
    );
}

#[test]
fn a_misspelt_option_and_connector_are_named() {
    check("CREATE SOURCE s (a INT) FROM FILE (pth = 'x.csv');", expect![[""]]);
    check("CREATE SOURCE s (a INT) FROM FIEL (path = 'x.csv');", expect![[""]]);
}

#[test]
fn what_is_not_built_is_refused_with_a_way_out() {
    check(&format!("{SOURCE}CREATE STREAM v AS SELECT * FROM trades ORDER BY price LIMIT 3;"), expect![[""]]);
    check(
        &format!("{SOURCE}CREATE STREAM v AS SELECT a.price FROM trades a LEFT JOIN trades b ON a.symbol = b.symbol;"),
        expect![[""]],
    );
    check(&format!("{SOURCE}CREATE STREAM v AS SELECT row_number() OVER (ORDER BY ts) FROM trades;"), expect![[""]]);
    check(&format!("{SOURCE}CREATE STREAM v AS SELECT random() FROM trades;"), expect![[""]]);
}

#[test]
fn emit_that_waits_for_windows_needs_one() {
    check(&format!("{SOURCE}CREATE STREAM v AS SELECT symbol FROM trades EMIT ON WINDOW CLOSE;"), expect![[""]]);
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
    check(&format!("{SOURCE}CREATE STREAM v AS SELECT symbol FROM trades;\nDROP SOURCE trades;"), expect![[""]]);
}

#[test]
fn a_value_that_cannot_be_computed_is_put_aside_and_the_rest_goes_on() {
    let ran = run_script(
        "CREATE TABLE t (a BIGINT, b BIGINT);
         CREATE MATERIALIZED VIEW v AS SELECT a, a / b AS q FROM t;
         INSERT INTO t VALUES (6, 3), (1, 0), (8, 2), (9223372036854775807, 1);
         CREATE MATERIALIZED VIEW w AS SELECT a + 1 AS next FROM t;
         SELECT * FROM v ORDER BY a; SELECT raw, reason FROM v$errors; SELECT * FROM w ORDER BY 1; SELECT raw FROM w$errors;",
        &["--format", "csv"],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    expect![[""]].assert_eq(&ran.out);
}
