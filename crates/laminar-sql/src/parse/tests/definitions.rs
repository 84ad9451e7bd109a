//! What is said about definitions and options that cannot be.

use expect_test::expect;

use super::*;

#[test]
fn definitions_are_checked() {
    check(
        "CREATE SOURCE s (a INT, a INT)",
        expect![[r#"
        error[LDB-1011]: there are two columns 'a'
          --> 1:25
           |
         1 | CREATE SOURCE s (a INT, a INT)
           |                         ^"#]],
    );
    check(
        "CREATE SOURCE s (a INT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts AS ts)",
        expect![[r#"
        error[LDB-1010]: a source with a primary key has no watermark: a row can be replaced however old it is
          --> 1:51
           |
         1 | CREATE SOURCE s (a INT PRIMARY KEY, ts TIMESTAMP, WATERMARK FOR ts AS ts)
           |                                                   ^^^^^^^^^^^^^^^^^^^^^^
           = hint: leave out the watermark: a materialized view keeps windows over such a source current without one; or leave out the key"#]],
    );
    check(
        "CREATE SOURCE s (a)",
        expect![[r#"
        error[LDB-1001]: expected the type of column 'a', but found ')'
          --> 1:19
           |
         1 | CREATE SOURCE s (a)
           |                   ^"#]],
    );
    check(
        "CREATE SOURCE s (a INT DEFAULT 1)",
        expect![[r#"
            error[LDB-1010]: DEFAULT, GENERATED, CHECK or UNIQUE in a source is not built yet
              --> 1:24
               |
             1 | CREATE SOURCE s (a INT DEFAULT 1)
               |                        ^^^^^^^^^
               = hint: compute columns and filter rows in a view, or write CREATE TABLE"#]],
    );
    check(
        "CREATE SOURCE s (ts TIMESTAMP, p AS PROCTIME())",
        expect![[r#"
        error[LDB-1010]: AS in a definition of columns is not built yet
          --> 1:34
           |
         1 | CREATE SOURCE s (ts TIMESTAMP, p AS PROCTIME())
           |                                  ^^
           = hint: compute the column in a view"#]],
    );
    check(
        "CREATE TABLE t (a INT, PRIMARY KEY (b1), bb INT)",
        expect![[r#"
        error[LDB-1003]: there is no column 'b1' for the key
          --> 1:37
           |
         1 | CREATE TABLE t (a INT, PRIMARY KEY (b1), bb INT)
           |                                     ^^ did you mean 'bb'?"#]],
    );
    check(
        "CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)",
        expect![[r#"
        error[LDB-1011]: there is a second primary key
          --> 1:36
           |
         1 | CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)
           |                                    ^^^^^^^^^^^^^^^^^
           = hint: write one key over several columns as PRIMARY KEY (a, b)"#]],
    );
    check(
        "CREATE TABLE t (a INT, PRIMARY KEY (a, a)); CREATE TABLE t (a INT, PRIMARY KEY ()); CREATE TABLE t ()",
        expect![[r#"
        error[LDB-1011]: column 'a' is in the key twice
          --> 1:40
           |
         1 | CREATE TABLE t (a INT, PRIMARY KEY (a, a)); CREATE TABLE t (a INT, PRIMARY KEY ()); CREATE TABLE t ()
           |                                        ^
        error[LDB-1011]: the primary key has no columns
          --> 1:68
           |
         1 | CREATE TABLE t (a INT, PRIMARY KEY (a, a)); CREATE TABLE t (a INT, PRIMARY KEY ()); CREATE TABLE t ()
           |                                                                    ^^^^^^^^^^^^^^
        error[LDB-1011]: table 't' has no columns
          --> 1:98
           |
         1 | CREATE TABLE t (a INT, PRIMARY KEY (a, a)); CREATE TABLE t (a INT, PRIMARY KEY ()); CREATE TABLE t ()
           |                                                                                                  ^
           = hint: declare them, as in CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR)"#]],
    );
    check(
        "CREATE TABLE t (a INT, CHECK (a > 1)); CREATE TABLE t (a INT, CONSTRAINT k PRIMARY KEY (a)); CREATE TABLE t AS SELECT 1",
        expect![[r#"
            table t (a INT) key () checks [t_a_check: a > 1]
            error[LDB-1010]: CONSTRAINT in a definition of columns is not built yet
              --> 1:63
               |
             1 | CREATE TABLE t (a INT, CHECK (a > 1)); CREATE TABLE t (a INT, CONSTRAINT k PRIMARY KEY (a)); CREATE TABLE t AS SELECT 1
               |                                                               ^^^^^^^^^^
               = hint: declare the key without a name: PRIMARY KEY (…)
            table t () key () as SELECT 1"#]],
    );
    check(
        "CREATE TABLE t (ts TIMESTAMP, WATERMARK FOR ts AS ts)",
        expect![[r#"
        error[LDB-1008]: a table has no watermark: its rows can change at any time
          --> 1:31
           |
         1 | CREATE TABLE t (ts TIMESTAMP, WATERMARK FOR ts AS ts)
           |                               ^^^^^^^^^^^^^^^^^^^^^^
           = hint: write APPEND ONLY behind the columns, if rows are only ever inserted; or CREATE SOURCE"#]],
    );
    check(
        "CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts + INTERVAL '5' SECOND)",
        expect![[r#"
        error[LDB-1008]: a watermark is its column, or its column minus an interval
          --> 1:52
           |
         1 | CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts + INTERVAL '5' SECOND)
           |                                                    ^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"#]],
    );
    check(
        "CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS other - INTERVAL '5' SECOND)",
        expect![[r#"
        error[LDB-1008]: a watermark is its column, or its column minus an interval
          --> 1:52
           |
         1 | CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS other - INTERVAL '5' SECOND)
           |                                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"#]],
    );
    check(
        "CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts - 5)",
        expect![[r#"
        error[LDB-1008]: the distance of a watermark is not an interval
          --> 1:52
           |
         1 | CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts - 5)
           |                                                    ^^^^^^
           = hint: write an interval, as in INTERVAL '5' SECOND"#]],
    );
    check(
        "CREATE OR REPLACE VIEW IF NOT EXISTS v AS SELECT 1",
        expect![[r#"
        error[LDB-1001]: OR REPLACE and IF NOT EXISTS contradict each other
          --> 1:1
           |
         1 | CREATE OR REPLACE VIEW IF NOT EXISTS v AS SELECT 1
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write one of them"#]],
    );
    check(
        "CREATE VIEW other.v AS SELECT 1",
        expect![[r#"
        error[LDB-1010]: there are no schemas but 'public'
          --> 1:13
           |
         1 | CREATE VIEW other.v AS SELECT 1
           |             ^^^^^^^
           = hint: write 'v' alone"#]],
    );
}

#[test]
fn options_are_checked() {
    check(
        "CREATE SOURCE s WITH (path = 'x')",
        expect![[r#"
        error[LDB-1006]: the option 'connector' is missing
          --> 1:17
           |
         1 | CREATE SOURCE s WITH (path = 'x')
           |                 ^^^^^^^^^^^^^^^^^
           = hint: write WITH (connector = 'file', …) or FROM FILE (…)"#]],
    );
    check(
        "CREATE SOURCE s (a INT) WITH (changelog = 'perhaps')",
        expect![[r#"
        error[LDB-1006]: changelog is true or false, not 'perhaps'
          --> 1:31
           |
         1 | CREATE SOURCE s (a INT) WITH (changelog = 'perhaps')
           |                               ^^^^^^^^^^^^^^^^^^^^^"#]],
    );
    check(
        "CREATE SOURCE s FROM FILE (path = 'x', PATH = 'y')",
        expect![[r#"
        error[LDB-1006]: option 'path' is given twice
          --> 1:40
           |
         1 | CREATE SOURCE s FROM FILE (path = 'x', PATH = 'y')
           |                                        ^^^^^^^^^^"#]],
    );
    check(
        "CREATE SOURCE s FROM FILE (path 'x')",
        expect![[r#"
        error[LDB-1001]: expected '=' and the value of option 'path', but found 'x'
          --> 1:33
           |
         1 | CREATE SOURCE s FROM FILE (path 'x')
           |                                 ^^^"#]],
    );
    check(
        "CREATE SOURCE s FROM FILE (path = (1))",
        expect![[r#"
        error[LDB-1001]: expected the value of option 'path', but found '('
          --> 1:35
           |
         1 | CREATE SOURCE s FROM FILE (path = (1))
           |                                   ^
           = hint: quote it: 'value'"#]],
    );
    check(
        "CREATE SOURCE s FROM FILE (format = csv) FORMAT CSV",
        expect![[r#"
        error[LDB-1006]: the format is given twice
          --> 1:42
           |
         1 | CREATE SOURCE s FROM FILE (format = csv) FORMAT CSV
           |                                          ^^^^^^^^^^
           = hint: write FORMAT or the option, not both"#]],
    );
    check(
        "CREATE SOURCE s INTO FILE (path = 'x')",
        expect![[r#"
        error[LDB-1001]: expected FROM, but found 'INTO'
          --> 1:17
           |
         1 | CREATE SOURCE s INTO FILE (path = 'x')
           |                 ^^^^"#]],
    );
    check(
        "SUBSCRIBE v WITH (snapshto); SUBSCRIBE v WITH (snapshot = maybe); SUBSCRIBE v AS OF STEP x",
        expect![[r#"
        error[LDB-1005]: SUBSCRIBE has no option 'snapshto'
          --> 1:19
           |
         1 | SUBSCRIBE v WITH (snapshto); SUBSCRIBE v WITH (snapshot = maybe); SUBSCRIBE v AS OF STEP x
           |                   ^^^^^^^^ did you mean 'snapshot'?
        error[LDB-1006]: snapshot cannot be 'maybe'
          --> 1:48
           |
         1 | SUBSCRIBE v WITH (snapshto); SUBSCRIBE v WITH (snapshot = maybe); SUBSCRIBE v AS OF STEP x
           |                                                ^^^^^^^^^^^^^^^^
           = hint: write true or false
        error[LDB-1001]: expected the number of a step, but found 'x'
          --> 1:90
           |
         1 | SUBSCRIBE v WITH (snapshto); SUBSCRIBE v WITH (snapshot = maybe); SUBSCRIBE v AS OF STEP x
           |                                                                                          ^"#]],
    );
}
