//! What is said about wrong text, and where.

use expect_test::expect;

use super::*;

#[test]
fn misspelt_keywords_are_guessed() {
    check(
        "SELCT 1; CRAETE TABLE t (a INT)",
        expect![[r#"
        error[LDB-1001]: no statement begins with 'selct'
          --> 1:1
           |
         1 | SELCT 1; CRAETE TABLE t (a INT)
           | ^^^^^ did you mean 'SELECT'?
        error[LDB-1001]: no statement begins with 'craete'
          --> 1:10
           |
         1 | SELCT 1; CRAETE TABLE t (a INT)
           |          ^^^^^^ did you mean 'CREATE'?"#]],
    );
    check(
        "SELECT a FORM t",
        expect![[r#"
        error[LDB-1001]: expected end of statement, but found 't'
          --> 1:10
           |
         1 | SELECT a FORM t
           |          ^^^^ did you mean 'FROM'?"#]],
    );
    check(
        "SELECT a FROM t WEHRE a > 1",
        expect![[r#"
        error[LDB-1001]: expected end of statement, but found 'a'
          --> 1:17
           |
         1 | SELECT a FROM t WEHRE a > 1
           |                 ^^^^^ did you mean 'WHERE'?"#]],
    );
    check(
        "SELECT a FROM t GRUOP BY a",
        expect![[r#"
        error[LDB-1001]: expected end of statement, but found 'BY'
          --> 1:17
           |
         1 | SELECT a FROM t GRUOP BY a
           |                 ^^^^^ did you mean 'GROUP'?"#]],
    );
    check(
        "SELECT a FROM orders 5",
        expect![[r#"
        error[LDB-1001]: expected end of statement, but found '5'
          --> 1:22
           |
         1 | SELECT a FROM orders 5
           |                      ^"#]],
    );
    check(
        "CREATE SORUCE s (a INT); CREATE MATERIALISED VIEW v AS SELECT 1; DROP TABEL t; SHOW TABELS; EXPLAIN SELETC 1",
        expect![[r#"
            error[LDB-1001]: expected SOURCE, TABLE, LOOKUP TABLE, STREAM, MATERIALIZED VIEW, VIEW, SINK, SUBSCRIPTION or INDEX, but found 'SORUCE'
              --> 1:8
               |
             1 | CREATE SORUCE s (a INT); CREATE MATERIALISED VIEW v AS SELECT 1; DROP TABEL t; SHOW TABELS; EXPLAIN SELETC 1
               |        ^^^^^^ did you mean 'CREATE SOURCE'?
            error[LDB-1001]: expected SOURCE, TABLE, LOOKUP TABLE, STREAM, MATERIALIZED VIEW, VIEW, SINK, SUBSCRIPTION or INDEX, but found 'MATERIALISED'
              --> 1:33
               |
             1 | CREATE SORUCE s (a INT); CREATE MATERIALISED VIEW v AS SELECT 1; DROP TABEL t; SHOW TABELS; EXPLAIN SELETC 1
               |                                 ^^^^^^^^^^^^ did you mean 'CREATE MATERIALIZED VIEW'?
            error[LDB-1001]: expected SOURCE, TABLE, LOOKUP TABLE, STREAM, MATERIALIZED VIEW, VIEW, SINK, SUBSCRIPTION or INDEX, but found 'TABEL'
              --> 1:71
               |
             1 | CREATE SORUCE s (a INT); CREATE MATERIALISED VIEW v AS SELECT 1; DROP TABEL t; SHOW TABELS; EXPLAIN SELETC 1
               |                                                                       ^^^^^ did you mean 'TABLE'?
            error[LDB-1001]: expected what to show, but found 'TABELS'
              --> 1:85
               |
             1 | CREATE SORUCE s (a INT); CREATE MATERIALISED VIEW v AS SELECT 1; DROP TABEL t; SHOW TABELS; EXPLAIN SELETC 1
               |                                                                                     ^^^^^^ did you mean 'SHOW TABLES'?
            error[LDB-1001]: no statement begins with 'seletc'
              --> 1:101
               |
             1 | CREATE SORUCE s (a INT); CREATE MATERIALISED VIEW v AS SELECT 1; DROP TABEL t; SHOW TABELS; EXPLAIN SELETC 1
               |                                                                                                     ^^^^^^ did you mean 'SELECT'?"#]],
    );
    check(
        "INSERT INOT t VALUES (1)",
        expect![[r#"
        error[LDB-1001]: expected INTO, but found 'INOT'
          --> 1:8
           |
         1 | INSERT INOT t VALUES (1)
           |        ^^^^ did you mean 'INTO'?"#]],
    );
    check(
        "CREATE SOURCE s (a INT, WATERMRK FOR a AS a)",
        expect![[r#"
            error[LDB-1001]: expected WATERMARK, but found 'WATERMRK'
              --> 1:25
               |
             1 | CREATE SOURCE s (a INT, WATERMRK FOR a AS a)
               |                         ^^^^^^^^ did you mean 'WATERMARK'?"#]],
    );
}

#[test]
fn the_text_says_what_is_missing() {
    check(
        "SELECT",
        expect![[r#"
        error[LDB-1001]: expected an expression, but the statement ends
          --> 1:7
           |
         1 | SELECT
           |       ^"#]],
    );
    check(
        "SELECT a FROM",
        expect![[r#"
        error[LDB-1001]: expected a name, but the statement ends
          --> 1:14
           |
         1 | SELECT a FROM
           |              ^"#]],
    );
    check(
        "SELECT (1 + 2",
        expect![[r#"
        error[LDB-1001]: expected ')', but the statement ends
          --> 1:14
           |
         1 | SELECT (1 + 2
           |              ^"#]],
    );
    check(
        "SELECT 'abc",
        expect![[r#"
        error[LDB-1001]: unterminated string literal
          --> 1:8
           |
         1 | SELECT 'abc
           |        ^"#]],
    );
    check(
        "SELECT 1; SELECT \"abc",
        expect![[r#"
            SELECT 1
            error[LDB-1001]: a quoted name has no end
              --> 1:18
               |
             1 | SELECT 1; SELECT "abc
               |                  ^"#]],
    );
    check(
        "SELECT 1 /* abc",
        expect![[r#"
            error[LDB-1001]: a comment has no end
              --> 1:16
               |
             1 | SELECT 1 /* abc
               |                ^"#]],
    );
    check(
        "CREATE VIEW v",
        expect![[r#"
        error[LDB-1001]: expected AS, but the statement ends
          --> 1:14
           |
         1 | CREATE VIEW v
           |              ^"#]],
    );
    check(
        "CREATE VIEW v AS",
        expect![[r#"
        error[LDB-1001]: expected a query, but the statement ends
          --> 1:17
           |
         1 | CREATE VIEW v AS
           |                 ^"#]],
    );
    check(
        "CREATE VIEW v AS DROP TABLE t",
        expect![[r#"
        error[LDB-1001]: expected a query, but found 'DROP'
          --> 1:18
           |
         1 | CREATE VIEW v AS DROP TABLE t
           |                  ^^^^"#]],
    );
    check(
        "CREATE SOURCE",
        expect![[r#"
        error[LDB-1001]: expected the source's name, but the statement ends
          --> 1:14
           |
         1 | CREATE SOURCE
           |              ^"#]],
    );
    check(
        "CREATE SOURCE s",
        expect![[r#"
        error[LDB-1011]: source 's' has neither columns nor a connector
          --> 1:15
           |
         1 | CREATE SOURCE s
           |               ^
           = hint: declare its columns, or say where rows come from: FROM FILE (path = '…')"#]],
    );
    check(
        "CREATE SINK s FROM t",
        expect![[r#"
        error[LDB-1001]: expected INTO connector (…) or WITH (connector = …), but the statement ends
          --> 1:21
           |
         1 | CREATE SINK s FROM t
           |                     ^"#]],
    );
    check(
        "CREATE SINK s FROM t FORMAT CSV",
        expect![[r#"
        error[LDB-1001]: expected INTO connector before its format, but found 'FORMAT'
          --> 1:22
           |
         1 | CREATE SINK s FROM t FORMAT CSV
           |                      ^^^^^^"#]],
    );
    check(
        "INSERT INTO t",
        expect![[r#"
        error[LDB-1001]: expected a query, but the statement ends
          --> 1:14
           |
         1 | INSERT INTO t
           |              ^"#]],
    );
    check(
        "5",
        expect![[r#"
        error[LDB-1001]: expected a statement, but found '5'
          --> 1:1
           |
         1 | 5
           | ^"#]],
    );
    check(
        "SELECT a\nFROM t\nSELECT b",
        expect![[r#"
        error[LDB-1001]: expected end of statement, but found 'SELECT'
          --> 3:1
           |
         3 | SELECT b
           | ^^^^^^
           = hint: if a new statement begins here, end the one before it with ';'"#]],
    );
    check(
        "CREATE TABLE t (a INT)\nCREATE TABLE u (b INT)",
        expect![[r#"
        error[LDB-1001]: expected end of statement, but found 'CREATE'
          --> 2:1
           |
         2 | CREATE TABLE u (b INT)
           | ^^^^^^
           = hint: if a new statement begins here, end the one before it with ';'"#]],
    );
    check(
        "SELECT 1 ! ~",
        expect![[r#"
            error[LDB-1001]: '!' cannot stand here
              --> 1:10
               |
             1 | SELECT 1 ! ~
               |          ^"#]],
    );
}

#[test]
fn emission_is_explained() {
    check(
        "SELECT a FROM t EMIT",
        expect![[r#"
        error[LDB-1001]: EMIT does not say when
          --> 1:17
           |
         1 | SELECT a FROM t EMIT
           |                 ^^^^
           = hint: EMIT has the forms ON WATERMARK, ON WINDOW CLOSE, FINAL, ON UPDATE, CHANGES, and EVERY INTERVAL '…'; quote a name "emit""#]],
    );
    check(
        "SELECT a FROM t EMIT SOMETIMES",
        expect![[r#"
        error[LDB-1001]: there is no 'EMIT SOMETIMES'
          --> 1:17
           |
         1 | SELECT a FROM t EMIT SOMETIMES
           |                 ^^^^^^^^^^^^^^
           = hint: EMIT has the forms ON WATERMARK, ON WINDOW CLOSE, FINAL, ON UPDATE, CHANGES, and EVERY INTERVAL '…'; quote a name "emit""#]],
    );
    check(
        "SELECT a FROM t EMIT ON WATERMRK",
        expect![[r#"
        error[LDB-1001]: there is no 'EMIT ON WATERMRK'
          --> 1:17
           |
         1 | SELECT a FROM t EMIT ON WATERMRK
           |                 ^^^^^^^^^^^^^^^^ did you mean 'EMIT ON WATERMARK'?"#]],
    );
    check(
        "SELECT a FROM t EMIT ON WINDOW CLOES LATE DATA TO x",
        expect![[r#"
        error[LDB-1001]: there is no 'EMIT ON WINDOW CLOES'
          --> 1:17
           |
         1 | SELECT a FROM t EMIT ON WINDOW CLOES LATE DATA TO x
           |                 ^^^^^^^^^^^^^^^^^^^^ did you mean 'EMIT ON WINDOW CLOSE'?"#]],
    );
    check(
        "SELECT a FROM t EMIT EVERY 5",
        expect![[r#"
        error[LDB-1008]: the time between two emissions is not an interval
          --> 1:28
           |
         1 | SELECT a FROM t EMIT EVERY 5
           |                            ^
           = hint: write an interval, as in INTERVAL '5' SECOND"#]],
    );
    check(
        "SELECT a FROM t EMIT EVERY INTERVAL '0' SECOND",
        expect![[r#"
        error[LDB-1008]: the time between two emissions must be more than 0
          --> 1:17
           |
         1 | SELECT a FROM t EMIT EVERY INTERVAL '0' SECOND
           |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"#]],
    );
    check(
        "SELECT a FROM t EMIT EVERY INTERVAL '1' MONTH",
        expect![[r#"
        error[LDB-1008]: the time between two emissions cannot be counted in months
          --> 1:28
           |
         1 | SELECT a FROM t EMIT EVERY INTERVAL '1' MONTH
           |                            ^^^^^^^^^^^^^^^^^^
           = hint: write it in days or less: months differ in length"#]],
    );
    check(
        "SELECT a FROM t EMIT CHANGES EMIT FINAL",
        expect![[r#"
        error[LDB-1001]: EMIT stands here a second time
          --> 1:30
           |
         1 | SELECT a FROM t EMIT CHANGES EMIT FINAL
           |                              ^^^^^^^^^^"#]],
    );
    check(
        "SELECT a FROM t EMIT CHANGES WHERE a > 1",
        expect![[r#"
            error[LDB-1001]: expected end of statement, but found 'WHERE'
              --> 1:30
               |
             1 | SELECT a FROM t EMIT CHANGES WHERE a > 1
               |                              ^^^^^
               = hint: EMIT stands once, at the end of the statement and outside of parentheses"#]],
    );
    check(
        "SELECT a FROM (SELECT a FROM t EMIT CHANGES)",
        expect![[r#"
            error[LDB-1001]: EMIT stands inside of parentheses
              --> 1:32
               |
             1 | SELECT a FROM (SELECT a FROM t EMIT CHANGES)
               |                                ^^^^
               = hint: EMIT belongs to the whole statement and stands at its end"#]],
    );
    check(
        "SELECT a FROM t ALLOW LATENESS INTERVAL '-1' SECOND",
        expect![[r#"
        error[LDB-1008]: the lateness must not be negative
          --> 1:17
           |
         1 | SELECT a FROM t ALLOW LATENESS INTERVAL '-1' SECOND
           |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"#]],
    );
    check(
        "SELECT a FROM t ALLOW LATENESS",
        expect![[r#"
        error[LDB-1001]: expected an expression, but the statement ends
          --> 1:31
           |
         1 | SELECT a FROM t ALLOW LATENESS
           |                               ^
           = hint: write ALLOW LATENESS INTERVAL '…' at the end of the statement"#]],
    );
    check(
        "SELECT a FROM t LATENESS INTERVAL '1' SECOND",
        expect![[r#"
        error[LDB-1001]: expected end of statement, but found 'INTERVAL'
          --> 1:26
           |
         1 | SELECT a FROM t LATENESS INTERVAL '1' SECOND
           |                          ^^^^^^^^
           = hint: write ALLOW LATENESS INTERVAL '…' at the end of the statement"#]],
    );
}

#[test]
fn a_mistake_in_a_sub_query_is_found_there() {
    check(
        "SELECT a FROM (SELECT b FROM t WHERE) x",
        expect![[r#"
        error[LDB-1001]: expected an expression, but found ')'
          --> 1:37
           |
         1 | SELECT a FROM (SELECT b FROM t WHERE) x
           |                                     ^"#]],
    );
    check(
        "SELECT a FROM (SELECT b FORM t) x JOIN (SELECT 1) y ON true",
        expect![[r#"
        error[LDB-1001]: expected ')', but found 't'
          --> 1:25
           |
         1 | SELECT a FROM (SELECT b FORM t) x JOIN (SELECT 1) y ON true
           |                         ^^^^ did you mean 'FROM'?"#]],
    );
    check(
        "SELECT a FROM (SELECT b FROM (SELECT c, FROM t) AS u) AS v",
        expect![[r#"
            error[LDB-1001]: expected an expression, but found 'FROM'
              --> 1:41
               |
             1 | SELECT a FROM (SELECT b FROM (SELECT c, FROM t) AS u) AS v
               |                                         ^^^^"#]],
    );
    check(
        "SELECT (SELECT max(b FROM t) FROM u",
        expect![[r#"
        error[LDB-1001]: expected ')', but found 'FROM'
          --> 1:22
           |
         1 | SELECT (SELECT max(b FROM t) FROM u
           |                      ^^^^"#]],
    );
    check(
        "WITH w AS (SELECT 1 AS) SELECT * FROM w",
        expect![[r#"
        error[LDB-1001]: expected an identifier after AS, but found ')'
          --> 1:23
           |
         1 | WITH w AS (SELECT 1 AS) SELECT * FROM w
           |                       ^"#]],
    );
    check(
        "SELECT a FROM t WHERE a IN (SELECT b FROM u GROUP BY)",
        expect![[r#"
        error[LDB-1001]: expected an expression, but found ')'
          --> 1:53
           |
         1 | SELECT a FROM t WHERE a IN (SELECT b FROM u GROUP BY)
           |                                                     ^"#]],
    );
    check(
        "SELECT CASE WHEN a > THEN 1 END FROM t",
        expect![[r#"
            error[LDB-1001]: expected an expression, but found 'THEN'
              --> 1:22
               |
             1 | SELECT CASE WHEN a > THEN 1 END FROM t
               |                      ^^^^"#]],
    );
}

#[test]
fn a_clause_is_not_taken_for_a_name() {
    check(
        "SELECT a, FROM t",
        expect![[r#"
        error[LDB-1001]: expected an expression, but found 'FROM'
          --> 1:11
           |
         1 | SELECT a, FROM t
           |           ^^^^"#]],
    );
    check(
        "SELECT a FROM t WHERE b = GROUP BY a",
        expect![[r#"
        error[LDB-1001]: expected an expression, but found 'GROUP'
          --> 1:27
           |
         1 | SELECT a FROM t WHERE b = GROUP BY a
           |                           ^^^^^
           = hint: if it is a name, quote it: "group""#]],
    );
    check(
        "SELECT a FROM t ORDER BY a, LIMIT 5",
        expect![[r#"
        error[LDB-1001]: expected an expression, but found 'LIMIT'
          --> 1:29
           |
         1 | SELECT a FROM t ORDER BY a, LIMIT 5
           |                             ^^^^^
           = hint: if it is a name, quote it: "limit""#]],
    );
    check(
        "SELECT * FROM JOIN u ON true",
        expect![[r#"
        error[LDB-1001]: expected a table, but found 'JOIN'
          --> 1:15
           |
         1 | SELECT * FROM JOIN u ON true
           |               ^^^^
           = hint: if it is a name, quote it: "join""#]],
    );
    check(
        "SELECT *, FROM",
        expect![[r#"
        error[LDB-1001]: expected an expression, but found 'FROM'
          --> 1:11
           |
         1 | SELECT *, FROM
           |           ^^^^"#]],
    );
    check(
        "SELECT * FROM",
        expect![[r#"
        error[LDB-1001]: expected a name, but the statement ends
          --> 1:14
           |
         1 | SELECT * FROM
           |              ^"#]],
    );
}

#[test]
fn depth_has_a_bound() {
    for text in [
        format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT * FROM {}t{}", "(".repeat(500), ")".repeat(500)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(500), " END".repeat(500)),
        format!("SELECT {}1", "- ".repeat(5_000)),
        format!("SELECT {}1", "NOT ".repeat(5_000)),
        format!("SELECT 1{}", "::INT".repeat(5_000)),
        format!("SELECT {}", vec!["1"; 5_000].join(" + ")),
        format!("SELECT 1 WHERE {}", vec!["a = 1"; 5_000].join(" OR ")),
        format!("SELECT 1{}", " UNION ALL SELECT 1 FROM t".repeat(5_000)),
        format!("SELECT ARRAY{}", "[".repeat(5_000)),
    ] {
        let error = parse_statement(&text).expect_err("it nests too deeply");
        assert_eq!(error.code(), laminar_core::Code::LimitReached, "{error}");
    }
}

#[test]
fn length_has_none() {
    let rows = format!("INSERT INTO t VALUES {}", vec!["(1, 'a', NULL)"; 20_000].join(", "));
    assert!(parse_statement(&rows).is_ok());
    let names = format!("SELECT {} FROM t", vec!["a + 1"; 5_000].join(", "));
    assert!(parse_statement(&names).is_ok());
    let cases = format!("SELECT CASE {} END", "WHEN a = 1 THEN 2 ".repeat(5_000));
    assert!(parse_statement(&cases).is_ok());
    let nested = format!("SELECT * FROM {}t{}", "(".repeat(24), ")".repeat(24));
    assert!(parse_statement(&nested).is_ok());
}

#[test]
fn long_chains_are_read() {
    for (part, joint) in [("1", " + "), ("a = 1", " OR "), ("SELECT 1", " UNION ALL ")] {
        let text = format!("SELECT {}", vec![part; 900].join(joint));
        let text = text.replace("SELECT SELECT", "SELECT");
        assert!(parse_statement(&text).is_ok());
    }
}
