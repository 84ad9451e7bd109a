//! What is refused by name, because it is not built or would be lost.

use expect_test::expect;

use super::*;

#[test]
fn what_is_not_built_is_refused_by_name() {
    check(
        "CREATE UNIQUE INDEX i ON v (a); CREATE FUNCTION f() AS 'x'; CREATE SECRET s",
        expect![[r#"
            error[LDB-1010]: CREATE UNIQUE INDEX is not built yet
              --> 1:1
               |
             1 | CREATE UNIQUE INDEX i ON v (a); CREATE FUNCTION f() AS 'x'; CREATE SECRET s
               | ^^^^^^^^^^^^^^^^^^^
               = hint: declare UNIQUE (…) or a PRIMARY KEY in CREATE TABLE
            error[LDB-1010]: CREATE FUNCTION is not built yet
              --> 1:33
               |
             1 | CREATE UNIQUE INDEX i ON v (a); CREATE FUNCTION f() AS 'x'; CREATE SECRET s
               |                                 ^^^^^^^^^^^^^^^
            error[LDB-1010]: CREATE SECRET is not built yet
              --> 1:61
               |
             1 | CREATE UNIQUE INDEX i ON v (a); CREATE FUNCTION f() AS 'x'; CREATE SECRET s
               |                                                             ^^^^^^^^^^^^^
               = hint: put secrets into variables: ${NAME}"#]],
    );
    check(
        "ALTER TABLE t ADD COLUMN a INT; MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE; COPY t FROM STDIN; BEGIN; COMMIT",
        expect![[r#"
            error[LDB-1010]: ALTER TABLE … ADD is not built yet
              --> 1:1
               |
             1 | ALTER TABLE t ADD COLUMN a INT; MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE; COPY t FROM STDIN; BEGIN; COMMIT
               | ^^^^^^^^^^^^^^^^^
               = hint: RENAME TO is built, and AS query of a view or stream; for the rest drop the object and create it again
            error[LDB-1010]: MERGE is not built yet
              --> 1:33
               |
             1 | ALTER TABLE t ADD COLUMN a INT; MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE; COPY t FROM STDIN; BEGIN; COMMIT
               |                                 ^^^^^
               = hint: INSERT … ON CONFLICT (key) DO UPDATE, and DELETE … USING
            error[LDB-1010]: COPY is not built yet
              --> 1:88
               |
             1 | ALTER TABLE t ADD COLUMN a INT; MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE; COPY t FROM STDIN; BEGIN; COMMIT
               |                                                                                        ^^^^
               = hint: CREATE SOURCE or CREATE SINK with the FILE connector
            error[LDB-1010]: BEGIN is not built yet
              --> 1:107
               |
             1 | ALTER TABLE t ADD COLUMN a INT; MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE; COPY t FROM STDIN; BEGIN; COMMIT
               |                                                                                                           ^^^^^
               = hint: every statement is a transaction by itself
            error[LDB-1010]: COMMIT is not built yet
              --> 1:114
               |
             1 | ALTER TABLE t ADD COLUMN a INT; MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE; COPY t FROM STDIN; BEGIN; COMMIT
               |                                                                                                                  ^^^^^^
               = hint: every statement is a transaction by itself"#]],
    );
    check(
        "DECLARE c CURSOR FOR SUBSCRIBE v; SELECT * FROM v AS OF STEP 5; FLUSH; WAIT FOR v; VACUUM; GRANT x TO y",
        expect![[r#"
            error[LDB-1010]: DECLARE is not built yet
              --> 1:1
               |
             1 | DECLARE c CURSOR FOR SUBSCRIBE v; SELECT * FROM v AS OF STEP 5; FLUSH; WAIT FOR v; VACUUM; GRANT x TO y
               | ^^^^^^^
               = hint: CREATE SUBSCRIPTION, and FETCH from it; or SUBSCRIBE without a cursor
            error[LDB-1010]: SELECT … AS OF STEP is not built yet
              --> 1:51
               |
             1 | DECLARE c CURSOR FOR SUBSCRIBE v; SELECT * FROM v AS OF STEP 5; FLUSH; WAIT FOR v; VACUUM; GRANT x TO y
               |                                                   ^^^^^^^^^^^^
               = hint: SUBSCRIBE object AS OF STEP n tells the changes since a step; a backup (BACKUP TO) keeps the rows of one
            error[LDB-1010]: FLUSH is not built yet
              --> 1:65
               |
             1 | DECLARE c CURSOR FOR SUBSCRIBE v; SELECT * FROM v AS OF STEP 5; FLUSH; WAIT FOR v; VACUUM; GRANT x TO y
               |                                                                 ^^^^^
               = hint: a query sees every row that was inserted before it
            error[LDB-1010]: WAIT is not built yet
              --> 1:72
               |
             1 | DECLARE c CURSOR FOR SUBSCRIBE v; SELECT * FROM v AS OF STEP 5; FLUSH; WAIT FOR v; VACUUM; GRANT x TO y
               |                                                                        ^^^^
               = hint: a query sees every row that was inserted before it
            error[LDB-1010]: VACUUM is not built yet
              --> 1:84
               |
             1 | DECLARE c CURSOR FOR SUBSCRIBE v; SELECT * FROM v AS OF STEP 5; FLUSH; WAIT FOR v; VACUUM; GRANT x TO y
               |                                                                                    ^^^^^^
            error[LDB-1010]: GRANT is not built yet
              --> 1:92
               |
             1 | DECLARE c CURSOR FOR SUBSCRIBE v; SELECT * FROM v AS OF STEP 5; FLUSH; WAIT FOR v; VACUUM; GRANT x TO y
               |                                                                                            ^^^^^"#]],
    );
    check(
        "EXPLAIN ANALYZE SELECT 1; SHOW USERS; DROP TYPE i; SET LOCAL a = 1; EXPLAIN DROP TABLE t; EXPLAIN EXPLAIN SELECT 1",
        expect![[r#"
            error[LDB-1010]: EXPLAIN ANALYZE tells of an object that runs, not of a query
              --> 1:17
               |
             1 | EXPLAIN ANALYZE SELECT 1; SHOW USERS; DROP TYPE i; SET LOCAL a = 1; EXPLAIN DROP TABLE t; EXPLAIN EXPLAIN SELECT 1
               |                 ^^^^^^
               = hint: CREATE MATERIALIZED VIEW v AS the query, then EXPLAIN ANALYZE v; EXPLAIN GRAPH or STATE tell of a query
            error[LDB-1010]: SHOW USERS is not built yet
              --> 1:27
               |
             1 | EXPLAIN ANALYZE SELECT 1; SHOW USERS; DROP TYPE i; SET LOCAL a = 1; EXPLAIN DROP TABLE t; EXPLAIN EXPLAIN SELECT 1
               |                           ^^^^^^^^^^
            error[LDB-1010]: DROP TYPE is not built yet
              --> 1:39
               |
             1 | EXPLAIN ANALYZE SELECT 1; SHOW USERS; DROP TYPE i; SET LOCAL a = 1; EXPLAIN DROP TABLE t; EXPLAIN EXPLAIN SELECT 1
               |                                       ^^^^^^^^^
            error[LDB-1010]: SET LOCAL is not built yet
              --> 1:52
               |
             1 | EXPLAIN ANALYZE SELECT 1; SHOW USERS; DROP TYPE i; SET LOCAL a = 1; EXPLAIN DROP TABLE t; EXPLAIN EXPLAIN SELECT 1
               |                                                    ^^^^^^^^^
            error[LDB-1011]: the statement has no query to explain
              --> 1:77
               |
             1 | EXPLAIN ANALYZE SELECT 1; SHOW USERS; DROP TYPE i; SET LOCAL a = 1; EXPLAIN DROP TABLE t; EXPLAIN EXPLAIN SELECT 1
               |                                                                             ^^^^^^^^^^^^
               = hint: explain a SELECT, an INSERT, a SUBSCRIBE, or the CREATE of a stream, view or sink
            error[LDB-1011]: EXPLAIN cannot explain itself
              --> 1:99
               |
             1 | EXPLAIN ANALYZE SELECT 1; SHOW USERS; DROP TYPE i; SET LOCAL a = 1; EXPLAIN DROP TABLE t; EXPLAIN EXPLAIN SELECT 1
               |                                                                                                   ^^^^^^^"#]],
    );
    check(
        "REPLAY v$late INTO t; EXPLAIN WHY SELECT 1; EXPLAIN VERBOSE SELECT 1",
        expect![[r#"
        replay v$late into t
        error[LDB-1010]: EXPLAIN WHY tells of an object that runs, not of a query
          --> 1:35
           |
         1 | REPLAY v$late INTO t; EXPLAIN WHY SELECT 1; EXPLAIN VERBOSE SELECT 1
           |                                   ^^^^^^
           = hint: CREATE MATERIALIZED VIEW v AS the query, then EXPLAIN WHY v; EXPLAIN GRAPH or STATE tell of a query
        error[LDB-1010]: EXPLAIN VERBOSE is not built yet
          --> 1:45
           |
         1 | REPLAY v$late INTO t; EXPLAIN WHY SELECT 1; EXPLAIN VERBOSE SELECT 1
           |                                             ^^^^^^^^^^^^^^^
           = hint: EXPLAIN has the forms PLAN, AST, GRAPH and STATE of a query, and STATE, WHY and ANALYZE of an object"#]],
    );
    check(
        "INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT k DO NOTHING; UPDATE t SET (a, b) = (SELECT 1, 2); WITH c AS (SELECT 1) DELETE FROM t; INSERT INTO t DEFAULT VALUES",
        expect![[r#"
            error[LDB-1010]: ON CONFLICT ON CONSTRAINT is not built yet
              --> 1:38
               |
             1 | INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT k DO NOTHING; UPDATE t SET (a, b) = (SELECT 1, 2); WITH c AS (SELECT 1) DELETE FROM t; INSERT INTO t DEFAULT VALUES
               |                                      ^^^^^^^^^^^^^
               = hint: name the key's columns: ON CONFLICT (column)
            error[LDB-1010]: a sub-query for several columns is not built yet
              --> 1:89
               |
             1 | INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT k DO NOTHING; UPDATE t SET (a, b) = (SELECT 1, 2); WITH c AS (SELECT 1) DELETE FROM t; INSERT INTO t DEFAULT VALUES
               |                                                                                         ^^^^^^^^^^^
               = hint: set each column by a sub-query of its own, or join the sub-query in FROM
            error[LDB-1010]: a statement inside of a query is not built yet
              --> 1:124
               |
             1 | INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT k DO NOTHING; UPDATE t SET (a, b) = (SELECT 1, 2); WITH c AS (SELECT 1) DELETE FROM t; INSERT INTO t DEFAULT VALUES
               |                                                                                                                            ^^^^^^^^^^^^^
               = hint: write the statement by itself, with its queries in FROM, USING or sub-queries
            insert t () SELECT"#]],
    );
}

#[test]
fn clauses_that_nothing_would_read_are_refused() {
    check(
        "SELECT * FROM d FOR SYSTEM_TIME AS OF now() AS d",
        expect![[r#"
        error[LDB-1010]: FOR SYSTEM_TIME AS OF is built for what stands behind JOIN and LEFT JOIN alone
          --> 1:15
           |
         1 | SELECT * FROM d FOR SYSTEM_TIME AS OF now() AS d
           |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write l JOIN t FOR SYSTEM_TIME AS OF l.ts ON l.k = t.k, or read the table as it is now"#]],
    );
    check(
        "SELECT * FROM t RIGHT JOIN d FOR SYSTEM_TIME AS OF t.ts AS d ON d.k = t.k",
        expect![[r#"
        error[LDB-1010]: FOR SYSTEM_TIME AS OF is built for what stands behind JOIN and LEFT JOIN alone
          --> 1:28
           |
         1 | SELECT * FROM t RIGHT JOIN d FOR SYSTEM_TIME AS OF t.ts AS d ON d.k = t.k
           |                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write l JOIN t FOR SYSTEM_TIME AS OF l.ts ON l.k = t.k, or read the table as it is now"#]],
    );
    check(
        "SELECT * FROM t JOIN d FOR SYSTEM_TIME AS OF t.ts AS d USING (k)",
        expect![[r#"
        error[LDB-1010]: a join FOR SYSTEM_TIME AS OF without ON is not built yet
          --> 1:22
           |
         1 | SELECT * FROM t JOIN d FOR SYSTEM_TIME AS OF t.ts AS d USING (k)
           |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write ON l.k = t.k"#]],
    );
    check(
        "SELECT * FROM t ASOF RIGHT JOIN u ON t.k = u.k AND t.ts >= u.ts",
        expect![[r#"
            error[LDB-1010]: an ASOF JOIN that is neither inner nor LEFT is not built yet
              --> 1:33
               |
             1 | SELECT * FROM t ASOF RIGHT JOIN u ON t.k = u.k AND t.ts >= u.ts
               |                                 ^
               = hint: begin with the side of which all rows are kept: r ASOF LEFT JOIN l"#]],
    );
    check(
        "SELECT * FROM t ASOF INNER JOIN u MATCH_CONDITION (t.ts >= u.ts) ON t.k = u.k",
        expect![[r#"
        error[LDB-1010]: ASOF INNER JOIN … MATCH_CONDITION is not built yet: with MATCH_CONDITION all left rows are kept
          --> 1:17
           |
         1 | SELECT * FROM t ASOF INNER JOIN u MATCH_CONDITION (t.ts >= u.ts) ON t.k = u.k
           |                 ^^^^
           = hint: leave MATCH_CONDITION out and write ASOF JOIN r ON l.k = r.k AND l.ts >= r.ts, which is inner"#]],
    );
    check(
        "SELECT * FROM t JOIN u",
        expect![[r#"
        error[LDB-1001]: the join does not say which rows belong together
          --> 1:22
           |
         1 | SELECT * FROM t JOIN u
           |                      ^
           = hint: write ON or USING behind it, or CROSS JOIN"#]],
    );
    check(
        "SELECT * FROM t TABLESAMPLE (10)",
        expect![[r#"
        error[LDB-1010]: TABLESAMPLE is not built yet
          --> 1:15
           |
         1 | SELECT * FROM t TABLESAMPLE (10)
           |               ^
           = hint: filter with WHERE"#]],
    );
    check(
        "SELECT * FROM generate_series(1, 2) WITH ORDINALITY",
        expect![[r#"
        error[LDB-1010]: WITH ORDINALITY is not built yet
          --> 1:15
           |
         1 | SELECT * FROM generate_series(1, 2) WITH ORDINALITY
           |               ^^^^^^^^^^^^^^^
           = hint: number the rows with row_number() OVER (…)"#]],
    );
    check(
        "SELECT * INTO x FROM t",
        expect![[r#"
        error[LDB-1010]: SELECT INTO is not built yet
          --> 1:15
           |
         1 | SELECT * INTO x FROM t
           |               ^
           = hint: write INSERT INTO … SELECT, or CREATE MATERIALIZED VIEW"#]],
    );
    check(
        "SELECT * FROM t FOR UPDATE",
        expect![[r#"
            error[LDB-1010]: FOR UPDATE is not built yet
              --> 1:1
               |
             1 | SELECT * FROM t FOR UPDATE
               | ^^^^^^^^^^^^^^^
               = hint: leave it out: a query never waits for writers"#]],
    );
    check(
        "SELECT * FROM (SELECT * FROM t FETCH FIRST 5 ROWS WITH TIES)",
        expect![[r#"
            error[LDB-1001]: WITH TIES needs an ORDER BY, which says which rows are equal
              --> 1:44
               |
             1 | SELECT * FROM (SELECT * FROM t FETCH FIRST 5 ROWS WITH TIES)
               |                                            ^
               = hint: write FETCH FIRST n ROWS ONLY, or an ORDER BY before it"#]],
    );
    check(
        "SELECT * FROM t LIMIT 3 FETCH FIRST ROW ONLY",
        expect![[r#"
        error[LDB-1001]: LIMIT and FETCH say the same
          --> 1:1
           |
         1 | SELECT * FROM t LIMIT 3 FETCH FIRST ROW ONLY
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: write one of them"#]],
    );
}

#[test]
fn a_word_of_the_language_is_no_name() {
    check(
        "SELECT a FROM FROM t",
        expect![[r#"
            error[LDB-1001]: expected a table, but found 'FROM'
              --> 1:15
               |
             1 | SELECT a FROM FROM t
               |               ^^^^
               = hint: if it is a name, quote it: "from""#]],
    );
    check(
        "SELECT a FROM WHERE b > 1",
        expect![[r#"
            error[LDB-1001]: expected a table, but found 'WHERE'
              --> 1:15
               |
             1 | SELECT a FROM WHERE b > 1
               |               ^^^^^
               = hint: if it is a name, quote it: "where""#]],
    );
    check(
        "SELECT FROM t",
        expect![[r#"
            error[LDB-1001]: expected an expression, but found 'FROM'
              --> 1:8
               |
             1 | SELECT FROM t
               |        ^^^^"#]],
    );
    check(
        "SELECT a FROM t WHERE GROUP BY a",
        expect![[r#"
            error[LDB-1001]: expected an expression, but found 'GROUP'
              --> 1:23
               |
             1 | SELECT a FROM t WHERE GROUP BY a
               |                       ^^^^^
               = hint: if it is a name, quote it: "group""#]],
    );
    check("SELECT \"from\" FROM \"where\"", expect![[r#"SELECT "from" FROM "where""#]]);
}
