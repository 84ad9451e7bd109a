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

#[test]
fn a_script_may_begin_with_a_byte_order_mark_and_an_error_stands_where_an_editor_shows_it() {
    for script in ["\u{feff}SELECT 1 AS a;", "\u{feff}-- a comment\nSELECT 1 AS a;", "\u{feff}\r\nSELECT 1 AS a;\r\n"] {
        let ran = run_script(script, &["--format", "csv"]);
        assert_eq!((ran.out.as_str(), ran.code), ("a\n1\n", 0), "{script:?}: {}", ran.err);
    }
    let ran = run_script("\u{feff}SELECT 1 AS a;\nSELEKT 2;", &["--format", "csv"]);
    assert!(ran.code == 1 && ran.err.contains("script.sql:2:1") && ran.err.contains("SELECT"), "{}", ran.err);
}

#[test]
fn a_default_may_hold_a_variable_and_counts_for_what_is_empty() {
    for (script, expected) in [
        ("SELECT '${SLT_NONE:-${SLT_NEITHER:-x}}' AS a;", "a\nx\n"),
        ("SELECT '${EMPTY:-x}' AS a;", "a\nx\n"),
        ("SELECT '${SLT_NONE:-${SET}}' AS a;", "a\ny\n"),
        ("SELECT '${SET:-${SLT_NONE}}' AS a;", "a\ny\n"),
    ] {
        let ran = run_script(script, &["--format", "csv", "--var", "EMPTY=", "--var", "SET=y"]);
        assert_eq!((ran.out.as_str(), ran.code), (expected, 0), "{script}: {}", ran.err);
    }
    let ran = run_script("SELECT '${SLT_NONE:-${SLT_NEITHER}}' AS a;", &["--format", "csv"]);
    assert!(ran.code == 1 && ran.err.contains("'SLT_NEITHER' is not set"), "{}", ran.err);
}

/// A gzip file of stored blocks that is cut off in the middle: far enough for its columns to be known.
fn cut_gzip(rows: usize) -> Vec<u8> {
    let text: String = std::iter::once("a\n".to_owned()).chain((0..rows).map(|row| format!("{row:09}\n"))).collect();
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for block in text.as_bytes().chunks(50_000) {
        let length = block.len() as u16;
        file.push(0);
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&(!length).to_le_bytes());
        file.extend_from_slice(block);
    }
    file.truncate(file.len() / 2);
    file
}

#[test]
fn a_select_after_a_source_that_stopped_says_that_its_answer_is_partial() {
    let script = "CREATE SOURCE s FROM FILE (path = 'cut.csv.gz');
        CREATE MATERIALIZED VIEW v AS SELECT count(*) > 0 AS some FROM s;
        SELECT * FROM v;
        DROP SOURCE s CASCADE;";
    let ran = run_with_files(script, &[("cut.csv.gz", &cut_gzip(400_000))], &["--format", "csv", "--quiet"]);
    assert_eq!((ran.out.as_str(), ran.code), ("some\ntrue\n", 1), "{}", ran.err);
    let notices: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("NOTICE: ")).collect();
    assert!(notices.len() == 1 && notices[0].contains("the answer is partial: source 's' has stopped: LDB-"), "{}", ran.err);
}

#[test]
fn rows_in_error_beyond_ten_thousand_are_all_there_and_who_reads_is_told_of_those_that_are_forgotten() {
    let bad: String = std::iter::once("a,b\n0,0\n".to_owned()).chain((1..=12_000).map(|row| format!("{row}\n"))).collect();
    let read = "CREATE SOURCE s FROM FILE (path = 'bad.csv'); CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM s;";
    let select = "SELECT count(*) AS bad FROM s$errors;";
    let ran = run_with_files(&format!("{read}{select}"), &[("bad.csv", bad.as_bytes())], &["--format", "csv", "--quiet"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.code), ("bad\n12000\n", "", 0));
    let few = format!("SET side_output_memory = '64 KiB'; {read}{select}");
    let ran = run_with_files(&few, &[("bad.csv", bad.as_bytes())], &["--format", "csv", "--quiet"]);
    assert!(ran.code == 0 && ran.err.starts_with("NOTICE: of the 12000 rows of s$errors the newest "), "{}", ran.err);
}

#[test]
fn a_script_that_is_not_utf8_is_refused_by_its_encoding() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("script.sql");
    let utf16: Vec<u8> = [0xfeff_u16].into_iter().chain("SELECT 1;".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (bytes, said) in [(utf16.as_slice(), "it is in UTF-16"), (b"SELECT '\xff';", "byte 9 is not UTF-8")] {
        std::fs::write(&file, bytes).expect("the script of the test");
        let ran = super::finished(super::laminar().arg("run").arg(&file).output().expect("the binary runs"));
        assert!(ran.code == 2 && ran.err.contains(said) && ran.err.contains("save it as UTF-8"), "{}", ran.err);
    }
}

#[test]
fn what_has_ended_and_is_not_kept_has_no_new_readers() {
    let read = "CREATE STREAM s AS SELECT symbol FROM trades;
         CREATE MATERIALIZED VIEW a AS SELECT count(*) AS n FROM s;
         SELECT * FROM a;\n";
    for late in [
        "CREATE MATERIALIZED VIEW b AS SELECT count(*) AS n FROM s;",
        "CREATE STREAM b AS SELECT symbol FROM trades UNION ALL SELECT symbol FROM s;",
        "CREATE SINK b FROM s INTO FILE (path = 'b.csv');",
        "CREATE SINK b AS SELECT symbol FROM s WHERE symbol = 'a' INTO FILE (path = 'b.csv');",
    ] {
        let ran = run_with_files(&format!("{SOURCE}{read}{late}"), &[("trades.csv", TRADES)], &["--format", "csv"]);
        assert_eq!((ran.out.as_str(), ran.code), ("n\n8\n", 1), "{late}: {}", ran.err);
        assert!(ran.err.contains("LDB-4002") && ran.err.contains("stream 's' has ended"), "{late}: {}", ran.err);
    }
    // The source's file is read once more, and what is kept is there.
    let again = "CREATE MATERIALIZED VIEW b AS SELECT count(*) AS n FROM trades; SELECT * FROM b;
         CREATE MATERIALIZED VIEW c AS SELECT n FROM a; SELECT * FROM c;";
    check(&format!("{read}{again}"), "n\n8\n\nn\n8\n\nn\n8\n");
}

#[test]
fn a_script_ends_with_its_inputs_and_shows_what_holds_then() {
    let rows: &[u8] = b"a,until\n1,2000-01-01T00:00:00\n2,2200-01-01T00:00:00\n3,\n";
    let script = "CREATE SOURCE offers (a BIGINT, until TIMESTAMP) FROM FILE (path = 'offers.csv');
         CREATE MATERIALIZED VIEW valid AS SELECT a FROM offers WHERE until > now();
         CREATE MATERIALIZED VIEW ended AS SELECT a FROM offers WHERE until <= now();
         SELECT * FROM valid; SELECT * FROM ended;";
    let ran = run_with_files(script, &[("offers.csv", rows)], &["--quiet", "--format", "csv"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out, "a\n2\n\na\n1\n");
}
