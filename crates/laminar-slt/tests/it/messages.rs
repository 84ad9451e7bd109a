//! What the author of a test reads when it fails.

use expect_test::{Expect, expect};
use laminar_slt::Options;

use super::{run, run_with};

#[track_caller]
fn check(text: &str, shown: &Expect) {
    shown.assert_eq(&run(text).render());
}

const MINUTES: &str = "statement ok
CREATE SOURCE clicks (page VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)

statement ok
CREATE MATERIALIZED VIEW minutes AS
SELECT page, window_start, count(*) AS n FROM clicks GROUP BY page, TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE

insert INTO clicks VALUES ('/', '2024-01-01 10:00:07'), ('/', '2024-01-01 10:00:03'), ('/about', '2024-01-01 10:00:09')
";

#[test]
fn rows_that_differ_stand_beside_each_other_with_the_time() {
    let late =
        "insert INTO clicks VALUES ('/', '2024-01-01 10:01:04'), ('/', '2024-01-01 10:01:05'), ('/', '2024-01-01 10:00:30')";
    check(
        &format!(
            "{MINUTES}\n{late}\n\nquery TPI rowsort\nSELECT * FROM minutes\n----\n/ 2024-01-01T10:00:00 3\n/about 2024-01-01T10:00:00 1\n"
        ),
        &expect![[r#"
            test.slt:12: the rows of the query are others than expected
              12 | query TPI rowsort
              13 | SELECT * FROM minutes
                - expected (2 rows)   + came (2 rows)
                - /       2024-01-01T10:00:00  3
                + /       2024-01-01T10:00:00  2
                                               ^
                  /about  2024-01-01T10:00:00  1
              = the watermark of clicks is 2024-01-01 10:01:00; late rows: 1 of minutes; the clock shows 2024-01-01 00:00:00
        "#]],
    );
    check(
        &format!("{MINUTES}\nexpect changes minutes\n+I / 2024-01-01T10:00:00 2\n"),
        &expect![[r#"
        test.slt:10: the changes of 'minutes' since the last look are others than expected
          10 | expect changes minutes
            - expected (1 row)   + came (0 rows)
            - +I  /  2024-01-01T10:00:00  2
          = the watermark of clicks is 2024-01-01 10:00:04; the clock shows 2024-01-01 00:00:00
    "#]],
    );
}

#[test]
fn a_statement_that_fails_ends_the_test_and_shows_where() {
    check(
        "query I\nSELECT 1\n----\n2\n\nstatement ok\nCREATE TABLE t (a BIGINT)\n\nstatement ok\nSELECT a,\n  b FROM t\n\nquery I\nSELECT 1\n----\n1\n",
        &expect![[r#"
            test.slt:1: the rows of the query are others than expected
              1 | query I
              2 | SELECT 1
                - expected (1 row)   + came (1 row)
                - 2
                + 1

            test.slt:9: error[LDB-1003]: there is no column 'b'
              --> test.slt:11:3
               |
            11 |   b FROM t
               |   ^
               = hint: the columns are: a
              = the record below it is not run
        "#]],
    );
}

#[test]
fn what_ends_otherwise_is_told() {
    check(
        "statement error LDB-1003\nSELECT 1\n",
        &expect![[r#"
        test.slt:1: the statement works, expected was an error
          1 | statement error LDB-1003
          2 | SELECT 1
    "#]],
    );
    check(
        "statement error LDB-1003\nSELECT nothing.x FROM nothing\n",
        &expect![[r#"
        test.slt:1: error[LDB-1002]: there is no source, table, stream or view 'nothing'
          --> test.slt:2:23
           |
         2 | SELECT nothing.x FROM nothing
           |                       ^^^^^^^
           = hint: nothing exists yet: begin with CREATE SOURCE or CREATE TABLE
          = expected was another error, with: LDB-1003
    "#]],
    );
    check(
        "statement count 3\nVALUES (1)\n",
        &expect![[r#"
        test.slt:1: rows that the statement has changed: 1, expected: 3
          1 | statement count 3
          2 | VALUES (1)
    "#]],
    );
    check(
        "query T\nSELECT 1\n----\n1\n",
        &expect![[r#"
        test.slt:1: the columns are of the types I, expected were T
          1 | query T
          2 | SELECT 1
          = I whole numbers, R other numbers, T texts, P points in time, D dates, B booleans, ? everything else
    "#]],
    );
    check(
        "statement ok\nSUBSCRIBE SELECT 1\n",
        &expect![[r#"
        test.slt:1: error[LDB-1010]: a test reads no endless rows
          --> test.slt:2:1
           |
         2 | SUBSCRIBE SELECT 1
           | ^^^^^^^^^^^^^^^^^^
           = hint: `expect changes <view>` shows what has changed since the last look
    "#]],
    );
}

#[test]
fn directives_that_cannot_be_done_say_why() {
    check(
        "advance clock to '2023-01-01'\n",
        &expect![[r#"
        test.slt:1: error[LDB-1011]: the clock shows 2024-01-01 00:00:00 and does not go back to 2023-01-01 00:00:00
          1 | advance clock to '2023-01-01'
          = hint: `start clock at` lets it begin earlier
    "#]],
    );
    check(
        "advance clock 5s\n\nstart clock at '2023-01-01'\n",
        &expect![[r#"
        test.slt:3: error[LDB-1011]: the clock has begun already
          3 | start clock at '2023-01-01'
          = hint: `start clock at` stands before everything else; `advance clock to` moves it on
    "#]],
    );
    check(
        "statement ok\nCREATE TABLE t (a BIGINT)\n\nadvance watermark t to 10:00:00\n",
        &expect![[r#"
        test.slt:4: error[LDB-1008]: TABLE 't' has no watermark that could be moved
          4 | advance watermark t to 10:00:00
          = hint: a source, or a table that is APPEND ONLY, has one if it is created with WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
    "#]],
    );
    check(
        "end clicks\n",
        &expect![[r#"
        test.slt:1: error[LDB-1002]: there is no source, table, stream, view or sink 'clicks'
          1 | end clicks
          = hint: nothing exists yet: begin with CREATE SOURCE or CREATE TABLE
    "#]],
    );
    check(
        "expect changes nothing\n+I 1\n",
        &expect![[r#"
        test.slt:1: error[LDB-1002]: there is no source, table, stream, view or sink 'nothing'
          1 | expect changes nothing
          = hint: nothing exists yet: begin with CREATE SOURCE or CREATE TABLE
    "#]],
    );
    check(
        "load nothing.sql\n",
        &expect![[r#"
        test.slt:1: the script cannot be loaded
          1 | load nothing.sql
        error[LDB-3001]: 'no-such-folder/nothing.sql' cannot be read: No such file or directory (os error 2)
          = hint: the path begins at the folder of the test
    "#]],
    );
    check(
        "statment ok\nSELECT 1\n",
        &expect![[r#"
        test.slt:1: error[LDB-1001]: 'statment' is no directive
          1 | statment ok
          2 | SELECT 1
          = hint: did you mean 'statement'?
    "#]],
    );
    check(
        "statement ok\nCREATE SOURCE s (a BIGINT) FROM GENERATOR ()\n\nexpect changes s\n",
        &expect![[r#"
        test.slt:4: error[LDB-4001]: a source of this test never ends
          4 | expect changes s
          = hint: give the source an end: `rows = 1000` of a generator, a file without `follow`; or push its rows with `insert`
    "#]],
    );
}

#[test]
fn rows_that_came_can_be_written_into_the_file() {
    let text = "# As it was.\nquery I rowsort\nVALUES (3), (1), (2)\n----\n\nstatement ok\nCREATE TABLE t (a BIGINT)\n\nexpect no changes t\n\nstatement ok\nINSERT INTO t VALUES (1)\n\nexpect no changes t\n\nquery I\nSELECT a FROM t\n----\n7\n8\n\n# The end.\n";
    let report = run_with(text, &Options { update: true, ..Options::default() });
    assert_eq!(report.render(), "");
    let updated = report.updated.expect("some rows differ");
    let expected = text
        .replace("----\n\nstatement", "----\n1\n2\n3\n\nstatement")
        .replace("(1)\n\nexpect no changes t\n", "(1)\n\nexpect changes t\n+I 1\n")
        .replace("7\n8\n", "1\n");
    assert_eq!(updated, expected);
    let again = run_with(&updated, &Options { update: true, ..Options::default() });
    assert!(again.updated.is_none() && again.failures.is_empty(), "{}", again.render());
}

#[test]
fn a_script_is_loaded_without_its_connectors() {
    let folder = tempfile::tempdir().unwrap();
    let load = |script: &str, test: &str| {
        std::fs::write(folder.path().join("pipeline.sql"), script).unwrap();
        let text = format!("load pipeline.sql\n\n{test}");
        let report = laminar_slt::run_text("test.slt", &text, folder.path(), &Options::default());
        report.render().replace(&folder.path().display().to_string(), "DIR")
    };
    let pipeline = "CREATE SOURCE s (a BIGINT) FROM FILE (path = 'no-such-file.csv');
        CREATE MATERIALIZED VIEW v AS SELECT sum(a) AS a FROM s;
        CREATE SINK out FROM v INTO FILE (path = 'out.parquet');
        SELECT * FROM v;
        SUBSCRIBE v;";
    assert_eq!(load(pipeline, "insert INTO s VALUES (1), (2)\n\nquery I\nSELECT a FROM v\n----\n3\n"), "");
    assert!(!folder.path().join("out.parquet").exists());
    expect![[r#"
        test.slt:1: the script cannot be loaded
          1 | load pipeline.sql
        error[LDB-1010]: the columns of source 's' are known only to its connector
          --> DIR/pipeline.sql:1:17
           |
         1 | CREATE SOURCE s FROM FILE (path = 'a.csv');
           |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: a test reads no connectors: declare the columns in CREATE SOURCE
    "#]]
    .assert_eq(&load("CREATE SOURCE s FROM FILE (path = 'a.csv');", ""));
    expect![[r#"
        test.slt:1: the script cannot be loaded
          1 | load pipeline.sql
        error[LDB-1003]: there is no column 'b'
          --> DIR/pipeline.sql:3:25
           |
         3 | CREATE VIEW v AS SELECT b FROM t;
           |                         ^
           = hint: the columns are: a
          = the record below it is not run
    "#]]
    .assert_eq(&load("CREATE TABLE t (a BIGINT);\n\nCREATE VIEW v AS SELECT b FROM t;", "statement ok\nSELECT 1\n"));
}

/// What failed, as text: it must hold `expected`.
#[track_caller]
fn holds(text: &str, expected: &str) {
    let shown = run(text).render();
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn a_record_without_an_empty_line_before_it_is_pointed_at() {
    let text = "statement ok\nCREATE TABLE t (a BIGINT)\nexpect no changes t\n";
    holds(text, "an empty line must stand before the next record, as in front of `expect no changes t`");
    let text = "statement ok\nCREATE TABLE t (a BIGINT)\nquery I\nSELECT * FROM t\n----\n";
    holds(text, "an empty line must stand before the next record, as in front of `query I`");
}

#[test]
fn a_test_that_checks_nothing_and_a_watermark_that_goes_back_fail() {
    holds("# only a comment\n", "nothing is checked");
    holds("", "nothing is checked");
    let back = format!("{MINUTES}\nadvance watermark clicks to 10:05:00\n\nadvance watermark clicks to 10:04:59\n");
    holds(&back, "the watermark of 'clicks' is 2024-01-01 10:05:00 already, and never goes back");
}

#[test]
fn update_writes_rows_and_leaves_everything_else_as_it_was() {
    let before = "statement ok\r\nCREATE TABLE t (a VARCHAR)\r\n\r\ninsert INTO t VALUES (' ')\r\n\r\n# why\r\nquery T\r\nSELECT a FROM t\r\n----\r\nold\r\nrows\r\n\r\nexpect  no changes t";
    let report = run_with(before, &Options { update: true, ..Options::default() });
    let after = "statement ok\r\nCREATE TABLE t (a VARCHAR)\r\n\r\ninsert INTO t VALUES (' ')\r\n\r\n# why\r\nquery T\r\nSELECT a FROM t\r\n----\r\n(blank)\r\n\r\nexpect changes t\r\n+I (blank)";
    assert_eq!((report.updated.as_deref(), report.render().as_str()), (Some(after), ""));
    assert_eq!(run(after).render(), "");
}

#[test]
fn update_says_that_what_it_wrote_depends_on_the_order() {
    let text = "statement ok\nCREATE SOURCE s (a BIGINT)\n\nstatement ok\nCREATE MATERIALIZED VIEW v AS SELECT a FROM s LIMIT 1\n\nany order\n\ninsert INTO s VALUES (1), (2), (3), (4)\n\nin order\n\nquery I\nSELECT a FROM v\n----\n9\n";
    let report = run_with(text, &Options { update: true, ..Options::default() });
    assert!(report.updated.as_ref().is_some_and(|wrote| wrote.ends_with("----\n1\n")), "{:?}", report.updated);
    assert!(report.render().contains("it passes as it is written, and differs"), "{}", report.render());
}

#[test]
fn what_follows_without_an_empty_line_is_never_taken_for_rows_and_overwritten() {
    let text = "statement ok\nCREATE TABLE t (a BIGINT)\n\nexpect changes t\ninsert INTO t VALUES (1)\n";
    let report = run_with(text, &Options { update: true, ..Options::default() });
    assert_eq!(report.updated, None);
    assert!(report.render().contains("this is no change: `insert INTO t VALUES (1)`"), "{}", report.render());
    let text = "query I\nSELECT 1\n----\n1\nquery I\nSELECT 2\n----\n2\n";
    let report = run_with(text, &Options { update: true, ..Options::default() });
    assert_eq!(report.updated, None);
    assert!(report.render().contains("as in front of `query I`"), "{}", report.render());
}
