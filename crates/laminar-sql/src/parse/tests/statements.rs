//! What each form of each statement means.
//!
//! Long because each statement is shown with what it was read as.

use expect_test::expect;

use super::*;

#[test]
fn a_source_has_columns_a_watermark_and_a_connector() {
    check(
        "CREATE SOURCE trades (symbol VARCHAR NOT NULL, price DOUBLE, volume BIGINT, ts TIMESTAMP,
                      WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
         FROM FILE (path = 'trades.parquet') FORMAT PARQUET;",
        expect![
            "source trades (symbol VARCHAR not null, price DOUBLE, volume BIGINT, ts TIMESTAMP) watermark ts - 5000000000ns connector file {path=trades.parquet} format parquet {}"
        ],
    );
    check(
        "CREATE SOURCE IF NOT EXISTS t (a INT, b TIMESTAMPTZ(3), c NUMERIC(10,2), d TEXT[])",
        expect!["source t if_not_exists (a INT, b TIMESTAMPTZ(3), c NUMERIC(10,2), d TEXT[])"],
    );
    check(
        "CREATE OR REPLACE SOURCE \"Big\" (\"Col\" TIMESTAMP WITH TIME ZONE NULL, WATERMARK FOR \"Col\")",
        expect!["source Big or_replace (Col TIMESTAMP WITH TIME ZONE) watermark Col - 0ns"],
    );
    check("create source t from file (path = 'x.parquet')", expect!["source t () connector file {path=x.parquet}"]);
    check(
        "CREATE SOURCE t (WATERMARK FOR ts AS ts - INTERVAL '1 minute') FROM FILE (path = 'x.parquet')",
        expect!["source t () watermark ts - 60000000000ns connector file {path=x.parquet}"],
    );
}

#[test]
fn lookup_tables() {
    check(
        "CREATE LOOKUP TABLE u (id BIGINT, name VARCHAR, PRIMARY KEY (id)) FROM FILE (path = 'u.csv', retry = forever) FORMAT CSV WITH (cache_rows = 10, cache_ttl = '10 minutes');
         CREATE OR REPLACE LOOKUP TABLE u (PRIMARY KEY (a, b)) WITH (connector = 'file', path = 'u.csv', cache_rows = 10);
         DROP LOOKUP TABLE IF EXISTS u; SHOW LOOKUP TABLES; SHOW CREATE LOOKUP TABLE u; ALTER LOOKUP TABLE u RENAME TO v",
        expect![[r#"
            lookup table u (id BIGINT not null, name VARCHAR) key (id) connector file {path=u.csv, retry=forever} format csv {} cache [cache_rows = 10, cache_ttl = 10 minutes]
            lookup table u or_replace () key (a, b) connector file {path=u.csv} cache [cache_rows = 10]
            drop lookup table (u) if_exists=true cascade=false
            show lookup tables
            show create lookup table u
            rename lookup table u to v if_exists=false"#]],
    );
    check(
        "CREATE LOOKUP TABLE u FROM FILE (path = 'u.csv'); CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY); CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY) FROM FILE (path = 'u.csv') WITH (path = 'v.csv');
         CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY DEFAULT 1) FROM FILE (path = 'u.csv'); CREATE LOOKUP TABLE u (id BIGINT, PRIMARY KEY (ident)) FROM FILE (path = 'u.csv'); CREATE LOOKUP u (id BIGINT)",
        expect![[r#"
            error[LDB-1011]: lookup table 'u' has no key to ask by
              --> 1:21
               |
             1 | CREATE LOOKUP TABLE u FROM FILE (path = 'u.csv'); CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY); CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY) FROM FILE (path = 'u.csv') WITH (path = 'v.csv');
               |                     ^
               = hint: write PRIMARY KEY behind a column, or (PRIMARY KEY (id)) if the columns are to be found in the data
            error[LDB-1001]: expected FROM connector (…), but the statement ends
              --> 1:96
               |
             1 | CREATE LOOKUP TABLE u FROM FILE (path = 'u.csv'); CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY); CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY) FROM FILE (path = 'u.csv') WITH (path = 'v.csv');
               |                                                                                                ^
               = hint: a lookup table says where its rows stand, as in FROM FILE (path = 'users.csv'); rows that the database keeps are in a TABLE
            error[LDB-1005]: the option 'path' stands behind the connector
              --> 1:177
               |
             1 | CREATE LOOKUP TABLE u FROM FILE (path = 'u.csv'); CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY); CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY) FROM FILE (path = 'u.csv') WITH (path = 'v.csv');
               |                                                                                                                                                                                 ^^^^^^^^^^^^^^
               = hint: write the connector's options in its own parentheses: FROM FILE (path = '…')
            error[LDB-1010]: DEFAULT, GENERATED or CHECK in a lookup table is not built yet
              --> 2:55
               |
             2 |          CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY DEFAULT 1) FROM FILE (path = 'u.csv'); CREATE LOOKUP TABLE u (id BIGINT, PRIMARY KEY (ident)) FROM FILE (path = 'u.csv'); CREATE LOOKUP u (id BIGINT)
               |                                                       ^^^^^^^^^
               = hint: compute columns and filter rows in the view that looks them up
            error[LDB-1003]: there is no column 'ident' for the key
              --> 2:141
               |
             2 |          CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY DEFAULT 1) FROM FILE (path = 'u.csv'); CREATE LOOKUP TABLE u (id BIGINT, PRIMARY KEY (ident)) FROM FILE (path = 'u.csv'); CREATE LOOKUP u (id BIGINT)
               |                                                                                                                                             ^^^^^
            error[LDB-1001]: expected SOURCE, TABLE, LOOKUP TABLE, STREAM, MATERIALIZED VIEW, VIEW, SINK, SUBSCRIPTION or INDEX, but found 'LOOKUP'
              --> 2:184
               |
             2 |          CREATE LOOKUP TABLE u (id BIGINT PRIMARY KEY DEFAULT 1) FROM FILE (path = 'u.csv'); CREATE LOOKUP TABLE u (id BIGINT, PRIMARY KEY (ident)) FROM FILE (path = 'u.csv'); CREATE LOOKUP u (id BIGINT)
               |                                                                                                                                                                                        ^^^^^^"#]],
    );
}

#[test]
fn an_index_may_have_a_name() {
    check(
        "CREATE INDEX i ON t (a, b); CREATE INDEX IF NOT EXISTS ON public.t USING hash (\"A\"); DROP INDEX i; SHOW INDEXES; SHOW CREATE INDEX i; ALTER INDEX i RENAME TO j",
        expect![[r#"
            index i on t (a, b)
            index t_A_idx if_not_exists on t (A)
            drop index (i) if_exists=false cascade=false
            show indexs
            show create index i
            rename index i to j if_exists=false"#]],
    );
    check(
        "CREATE INDEX i ON t; CREATE INDEX i ON t (); CREATE INDEX i (a); CREATE INDEX i ON t (a) TABLESPACE x; CREATE INDEX CONCURRENTLY i ON t (a); CREATE OR REPLACE INDEX i ON t (a); CREATE INDEX i ON t (a b)",
        expect![[r#"
            error[LDB-1001]: expected '(', but the statement ends
              --> 1:20
               |
             1 | CREATE INDEX i ON t; CREATE INDEX i ON t (); CREATE INDEX i (a); CREATE INDEX i ON t (a) TABLESPACE x; CREATE INDEX CONCURRENTLY i ON t (a); CREATE OR REPLACE INDEX i ON t (a); CREATE INDEX i ON t (a b)
               |                    ^
            error[LDB-1001]: an index of no column
              --> 1:42
               |
             1 | CREATE INDEX i ON t; CREATE INDEX i ON t (); CREATE INDEX i (a); CREATE INDEX i ON t (a) TABLESPACE x; CREATE INDEX CONCURRENTLY i ON t (a); CREATE OR REPLACE INDEX i ON t (a); CREATE INDEX i ON t (a b)
               |                                          ^
               = hint: name one, as in (item)
            error[LDB-1001]: expected ON, but found '('
              --> 1:61
               |
             1 | CREATE INDEX i ON t; CREATE INDEX i ON t (); CREATE INDEX i (a); CREATE INDEX i ON t (a) TABLESPACE x; CREATE INDEX CONCURRENTLY i ON t (a); CREATE OR REPLACE INDEX i ON t (a); CREATE INDEX i ON t (a b)
               |                                                             ^
            error[LDB-1010]: this clause of an index is not built yet
              --> 1:90
               |
             1 | CREATE INDEX i ON t; CREATE INDEX i ON t (); CREATE INDEX i (a); CREATE INDEX i ON t (a) TABLESPACE x; CREATE INDEX CONCURRENTLY i ON t (a); CREATE OR REPLACE INDEX i ON t (a); CREATE INDEX i ON t (a b)
               |                                                                                          ^^^^^^^^^^
               = hint: leave it out
            error[LDB-1010]: CREATE INDEX CONCURRENTLY is not built yet
              --> 1:117
               |
             1 | CREATE INDEX i ON t; CREATE INDEX i ON t (); CREATE INDEX i (a); CREATE INDEX i ON t (a) TABLESPACE x; CREATE INDEX CONCURRENTLY i ON t (a); CREATE OR REPLACE INDEX i ON t (a); CREATE INDEX i ON t (a b)
               |                                                                                                                     ^^^^^^^^^^^^
               = hint: leave CONCURRENTLY out
            error[LDB-1001]: an index is not replaced
              --> 1:142
               |
             1 | CREATE INDEX i ON t; CREATE INDEX i ON t (); CREATE INDEX i (a); CREATE INDEX i ON t (a) TABLESPACE x; CREATE INDEX CONCURRENTLY i ON t (a); CREATE OR REPLACE INDEX i ON t (a); CREATE INDEX i ON t (a b)
               |                                                                                                                                              ^^^^^^^^^^^^^^^^^^^^^^^
               = hint: DROP INDEX it first, or write CREATE INDEX IF NOT EXISTS
            error[LDB-1001]: expected ',' or ')', but found 'b'
              --> 1:201
               |
             1 | CREATE INDEX i ON t; CREATE INDEX i ON t (); CREATE INDEX i (a); CREATE INDEX i ON t (a) TABLESPACE x; CREATE INDEX CONCURRENTLY i ON t (a); CREATE OR REPLACE INDEX i ON t (a); CREATE INDEX i ON t (a b)
               |                                                                                                                                                                                                         ^"#]],
    );
}

#[test]
fn the_name_of_an_index_is_put_into_its_statement() {
    let said = |text: &str| match parse_statement(text).unwrap().statement {
        Statement::CreateIndex(create) => create.named_text(text),
        other => panic!("{other:?}"),
    };
    assert_eq!(said("CREATE INDEX ON t (a, b)"), "CREATE INDEX t_a_b_idx ON t (a, b)");
    assert_eq!(said("create index if not exists on \"T\" (a)"), "create index if not exists \"T_a_idx\" on \"T\" (a)");
    assert_eq!(said("CREATE INDEX i ON t (a)"), "CREATE INDEX i ON t (a)");
}

#[test]
fn a_connector_is_written_in_several_ways() {
    check(
        "CREATE SOURCE t (a INT) FROM KAFKA (bootstrap.servers = 'k:9092', 'group.id' = 'g', max-rows = 10, follow, level = -1.5,
         from = earliest, every = INTERVAL '5' SECOND, \"Key\" = E'\\t') FORMAT JSON (ignore_errors = true)",
        expect![
            "source t (a INT) connector kafka {bootstrap.servers=k:9092, group.id=g, max-rows=10, follow=true, level=-1.5, from=earliest, every=5s, key=	} format json {ignore_errors=true}"
        ],
    );
    check(
        "CREATE SOURCE t (a INT) WITH (connector = 'FILE', path = 'a.csv', format = 'csv', format.header = false)",
        expect!["source t (a INT) connector file {path=a.csv} format csv {header=false}"],
    );
    check(
        "CREATE SOURCE t (a INT) WITH ('connector'='file', 'path'='a.csv') FORMAT CSV (delimiter = ';')",
        expect!["source t (a INT) connector file {path=a.csv} format csv {delimiter=;}"],
    );
    check(
        "CREATE SOURCE t (a INT) FROM GENERATOR FORMAT JSON",
        expect!["source t (a INT) connector generator {} format json {}"],
    );
}

#[test]
fn a_table_has_a_key() {
    check(
        "CREATE TABLE instruments (symbol VARCHAR PRIMARY KEY, sector VARCHAR)",
        expect!["table instruments (symbol VARCHAR not null, sector VARCHAR) key (symbol)"],
    );
    check(
        "CREATE TABLE t (a INT, b INT NOT NULL, c INT, PRIMARY KEY (b, a))",
        expect!["table t (a INT not null, b INT not null, c INT) key (b, a)"],
    );
    check(
        "CREATE TABLE t (a INT) FROM FILE (path = 'a.csv') FORMAT CSV",
        expect!["table t (a INT) key () connector file {path=a.csv} format csv {}"],
    );
}

#[test]
fn streams_and_views_have_queries_with_clauses() {
    check("CREATE STREAM s AS SELECT a FROM t EMIT CHANGES", expect!["stream s as SELECT a FROM t | emit Changes"]);
    check(
        "CREATE CONTINUOUS QUERY s AS SELECT a FROM t EMIT ON WINDOW CLOSE;",
        expect!["stream s as SELECT a FROM t | emit OnWindowClose"],
    );
    check(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT a, count(*) FROM t GROUP BY a",
        expect!["materialized view v if_not_exists as SELECT a, count(*) FROM t GROUP BY a"],
    );
    check(
        "CREATE OR REPLACE VIEW v AS (SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 3",
        expect!["view v or_replace as (SELECT 1) UNION ALL (SELECT 2) ORDER BY 1 LIMIT 3"],
    );
    check(
        "CREATE VIEW public.v (x, \"Y\") AS SELECT a, b FROM t",
        expect![[r#"view v as SELECT * FROM (SELECT a, b FROM t) AS "v" ("x", "Y")"#]],
    );
    check(
        "CREATE VIEW v AS WITH c AS (SELECT 1 AS a) SELECT * FROM c",
        expect!["view v as WITH c AS (SELECT 1 AS a) SELECT * FROM c"],
    );
    check("CREATE VIEW v AS VALUES (1, 'a'), (2, 'b')", expect!["view v as VALUES (1, 'a'), (2, 'b')"]);
}

#[test]
fn every_emission_has_its_words() {
    for clause in [
        "ON WATERMARK",
        "AFTER WATERMARK",
        "ON WINDOW CLOSE",
        "FINAL",
        "ON UPDATE",
        "CHANGES",
        "EVERY INTERVAL '5' SECOND",
        "PERIODICALLY INTERVAL '1 minute'",
        "every interval 2 hours",
    ] {
        let statement = parse_statement(&format!("SELECT a FROM t emit {clause}"));
        let Ok(Statement::Select(query)) = statement.map(|statement| statement.statement) else {
            panic!("{clause} is not read");
        };
        assert!(query.emit.is_some(), "{clause}");
    }
    check(
        "SELECT a FROM t EMIT EVERY INTERVAL '5' SECOND ALLOW LATENESS INTERVAL '1' MINUTE LATE DATA TO late",
        expect!["SELECT a FROM t | emit Every(5000000000) | lateness 60000000000ns | late to late"],
    );
    check(
        "SELECT a FROM t LATE DATA TO late ALLOW LATENESS '90s' EMIT FINAL",
        expect!["SELECT a FROM t | emit Final | lateness 90000000000ns | late to late"],
    );
}

#[test]
fn the_words_of_the_clauses_are_still_names() {
    check("SELECT emit, late, allow FROM t", expect!["SELECT emit, late, allow FROM t"]);
    check(
        "SELECT t.emit AS emit FROM public.emit AS emit WHERE emit > 1 ORDER BY emit",
        expect!["SELECT t.emit AS emit FROM public.emit AS emit WHERE emit > 1 ORDER BY emit"],
    );
    check("SELECT * FROM t JOIN u emit ON emit.a = t.a", expect!["SELECT * FROM t JOIN u emit ON emit.a = t.a"]);
    check("SELECT * FROM emit emit CHANGES", expect!["SELECT * FROM emit | emit Changes"]);
}

#[test]
fn a_sink_writes_an_object_a_query_or_the_late_rows_of_others() {
    check("CREATE SINK out INTO FILE (path = 'late.csv')", expect!["sink out of late rows connector file {path=late.csv}"]);
    check("CREATE SINK out WITH (connector = 'file', path = 'x')", expect!["sink out of late rows connector file {path=x}"]);
    check(
        "CREATE SINK out FROM bars INTO FILE (path = 'bars.parquet')",
        expect!["sink out of bars connector file {path=bars.parquet}"],
    );
    check(
        "CREATE SINK out AS SELECT a FROM t EMIT CHANGES INTO FILE (path = 'x.csv') FORMAT CSV (header = true)",
        expect!["sink out of SELECT a FROM t | emit Changes connector file {path=x.csv} format csv {header=true}"],
    );
    check(
        "CREATE SINK IF NOT EXISTS out FROM bars WITH (connector = 'file', path = 'x')",
        expect!["sink out if_not_exists of bars connector file {path=x}"],
    );
    check(
        "CREATE SINK out AS WITH c AS (SELECT 1) SELECT * FROM c WITH (connector = 'file', path = 'x')",
        expect!["sink out of WITH c AS (SELECT 1) SELECT * FROM c connector file {path=x}"],
    );
}

#[test]
fn rows_are_inserted() {
    check("INSERT INTO t VALUES (1, 'a;b'), (2, NULL)", expect!["insert t () VALUES (1, 'a;b'), (2, NULL)"]);
    check("INSERT INTO t (a, \"B\") SELECT x, y FROM u WHERE x > -1", expect!["insert t (a, B) SELECT x, y FROM u WHERE x > -1"]);
    check("INSERT INTO t (SELECT 1)", expect!["insert t () (SELECT 1)"]);
}

#[test]
fn objects_are_dropped() {
    check("DROP TABLE t", expect!["drop table (t) if_exists=false cascade=false"]);
    check("DROP MATERIALIZED VIEW IF EXISTS a, b CASCADE", expect!["drop materialized view (a, b) if_exists=true cascade=true"]);
    check(
        "DROP CONTINUOUS QUERY s RESTRICT; DROP SINK s; DROP VIEW v; DROP SOURCE s; DROP STREAM s",
        expect![[r#"
        drop stream (s) if_exists=false cascade=false
        drop sink (s) if_exists=false cascade=false
        drop view (v) if_exists=false cascade=false
        drop source (s) if_exists=false cascade=false
        drop stream (s) if_exists=false cascade=false"#]],
    );
}

#[test]
fn things_are_shown() {
    check(
        "SHOW TABLES; SHOW SOURCES; SHOW STREAMS; SHOW VIEWS; SHOW MATERIALIZED VIEWS; SHOW SINKS; SHOW JOBS; SHOW ALL",
        expect![[r#"
            show tables
            show sources
            show streams
            show views
            show materialized views
            show sinks
            show Jobs
            show All"#]],
    );
    check(
        "SHOW CREATE VIEW v; SHOW CREATE MATERIALIZED VIEW v; SHOW CREATE t; SHOW COLUMNS FROM t",
        expect![[r#"
        show create view v
        show create materialized view v
        show create any t
        show columns t"#]],
    );
    check(
        "SHOW idle_timeout; SHOW transaction isolation level; SHOW TIME ZONE; SHOW a.b",
        expect![[r#"
        show setting idle_timeout
        show setting transaction_isolation
        show setting timezone
        show setting a.b"#]],
    );
    check(
        "DESCRIBE t; DESC TABLE t; DESCRIBE \"table\"; DESCRIBE source",
        expect![[r#"
        describe t
        describe t
        describe table
        describe source"#]],
    );
}

#[test]
fn statements_are_explained() {
    check(
        "EXPLAIN SELECT 1; EXPLAIN AST SELECT 1; EXPLAIN GRAPH CREATE VIEW v AS SELECT 1; EXPLAIN PLAN FOR SELECT 1",
        expect![[r#"
            explain Plan SELECT 1
            explain Ast SELECT 1
            explain Graph view v as SELECT 1
            explain Plan SELECT 1"#]],
    );
    check("EXPLAIN AST DROP TABLE t", expect!["explain Ast drop table (t) if_exists=false cascade=false"]);
}

#[test]
fn objects_are_explained_and_verified() {
    check(
        "EXPLAIN STATE SELECT 1; EXPLAIN STATE FOR CREATE STREAM s AS SELECT 1; EXPLAIN STATE v; EXPLAIN STATE FOR MATERIALIZED VIEW v; EXPLAIN WHY v; EXPLAIN WHY view; EXPLAIN ANALYZE FOR SINK s",
        expect![[r#"
            explain State SELECT 1
            explain State stream s as SELECT 1
            explain State None v
            explain State Some(MaterializedView) v
            explain Why None v
            explain Why None view
            explain Analyze Some(Sink) s"#]],
    );
    check(
        "VERIFY VIEW v; VERIFY MATERIALIZED VIEW w; CHECKPOINT; SHOW CHECKPOINTS",
        expect![[r#"
        verify v
        verify w
        checkpoint
        show Checkpoints"#]],
    );
}

#[test]
fn subscriptions_follow_objects_and_queries() {
    check(
        "SUBSCRIBE v; SUBSCRIBE TO v WITH (snapshot); SUBSCRIBE v WITH (snapshot = false) AS OF STEP 12",
        expect![[r#"
        subscribe v snapshot=None step=None
        subscribe v snapshot=Some(true) step=None
        subscribe v snapshot=Some(false) step=Some(12)"#]],
    );
    check(
        "SUBSCRIBE SELECT a FROM t EMIT CHANGES WITH (SNAPSHOT true)",
        expect![[r#"
        error[LDB-1001]: expected '=' and the value of option 'snapshot', but found 'true'
          --> 1:55
           |
         1 | SUBSCRIBE SELECT a FROM t EMIT CHANGES WITH (SNAPSHOT true)
           |                                                       ^^^^"#]],
    );
    check(
        "SUBSCRIBE (SELECT a FROM t) AS OF STEP 1 WITH (snapshot = off)",
        expect!["subscribe (SELECT a FROM t) snapshot=Some(false) step=Some(1)"],
    );
    check(
        "SUBSCRIBE v WHERE a > 1 AND b = 'x' WITH (snapshot)",
        expect![[r#"subscribe SELECT * FROM "v" WHERE a > 1 AND b = 'x' snapshot=Some(true) step=None"#]],
    );
}

#[test]
fn a_subscription_with_a_name_is_created_read_and_acknowledged() {
    check(
        "CREATE SUBSCRIPTION s ON v; CREATE SUBSCRIPTION IF NOT EXISTS s FROM v WITH (snapshot = false, history = '5 steps'); \
         CREATE SUBSCRIPTION s ON v WITH (retention = '1 day')",
        expect![[r#"
            subscription s on v snapshot=None history=None
            subscription s if_not_exists on v snapshot=Some(false) history=Some("5 steps")
            subscription s on v snapshot=None history=Some("1 day")"#]],
    );
    check(
        "FETCH 10 FROM s; FETCH ALL IN s; FETCH NEXT FROM s; FETCH FORWARD 5 FROM s; FETCH FROM s; ACK s; ACK s THROUGH STEP 12; \
         DROP SUBSCRIPTION IF EXISTS s; SHOW SUBSCRIPTIONS; SHOW CREATE SUBSCRIPTION s; ALTER SUBSCRIPTION s RENAME TO t",
        expect![[r#"
            fetch Some(10) from s
            fetch None from s
            fetch Some(1) from s
            fetch Some(5) from s
            fetch Some(1) from s
            ack s through None
            ack s through Some(12)
            drop subscription (s) if_exists=true cascade=false
            show subscriptions
            show create subscription s
            rename subscription s to t if_exists=false"#]],
    );
    check(
        "CREATE SUBSCRIPTION s; CREATE SUBSCRIPTION s ON v WITH (snapshto); CREATE SUBSCRIPTION s ON v WITH (history = '1 step', retention = '1d'); \
         FETCH 0 FROM s; FETCH s; ACK s THROUGH 3; ACK s THROUGH STEP x",
        expect![[r#"
            error[LDB-1001]: expected ON and the name of what is read, but the statement ends
              --> 1:22
               |
             1 | CREATE SUBSCRIPTION s; CREATE SUBSCRIPTION s ON v WITH (snapshto); CREATE SUBSCRIPTION s ON v WITH (history = '1 step', retention = '1d'); FETCH 0 FROM s; FETCH s; ACK s THROUGH 3; ACK s THROUGH STEP x
               |                      ^
            error[LDB-1005]: a subscription has no option 'snapshto'
              --> 1:57
               |
             1 | CREATE SUBSCRIPTION s; CREATE SUBSCRIPTION s ON v WITH (snapshto); CREATE SUBSCRIPTION s ON v WITH (history = '1 step', retention = '1d'); FETCH 0 FROM s; FETCH s; ACK s THROUGH 3; ACK s THROUGH STEP x
               |                                                         ^^^^^^^^ did you mean 'snapshot'?
            error[LDB-1006]: history and retention are the same option
              --> 1:121
               |
             1 | CREATE SUBSCRIPTION s; CREATE SUBSCRIPTION s ON v WITH (snapshto); CREATE SUBSCRIPTION s ON v WITH (history = '1 step', retention = '1d'); FETCH 0 FROM s; FETCH s; ACK s THROUGH 3; ACK s THROUGH STEP x
               |                                                                                                                         ^^^^^^^^^^^^^^^^
            error[LDB-1001]: expected how many rows, at least 1, but found '0'
              --> 1:146
               |
             1 | CREATE SUBSCRIPTION s; CREATE SUBSCRIPTION s ON v WITH (snapshto); CREATE SUBSCRIPTION s ON v WITH (history = '1 step', retention = '1d'); FETCH 0 FROM s; FETCH s; ACK s THROUGH 3; ACK s THROUGH STEP x
               |                                                                                                                                                  ^
            error[LDB-1001]: expected FROM and the subscription's name, but found 's'
              --> 1:162
               |
             1 | CREATE SUBSCRIPTION s; CREATE SUBSCRIPTION s ON v WITH (snapshto); CREATE SUBSCRIPTION s ON v WITH (history = '1 step', retention = '1d'); FETCH 0 FROM s; FETCH s; ACK s THROUGH 3; ACK s THROUGH STEP x
               |                                                                                                                                                                  ^
            error[LDB-1001]: expected STEP, but found '3'
              --> 1:179
               |
             1 | CREATE SUBSCRIPTION s; CREATE SUBSCRIPTION s ON v WITH (snapshto); CREATE SUBSCRIPTION s ON v WITH (history = '1 step', retention = '1d'); FETCH 0 FROM s; FETCH s; ACK s THROUGH 3; ACK s THROUGH STEP x
               |                                                                                                                                                                                   ^
            error[LDB-1001]: expected the number of a step, but found 'x'
              --> 1:201
               |
             1 | CREATE SUBSCRIPTION s; CREATE SUBSCRIPTION s ON v WITH (snapshto); CREATE SUBSCRIPTION s ON v WITH (history = '1 step', retention = '1d'); FETCH 0 FROM s; FETCH s; ACK s THROUGH 3; ACK s THROUGH STEP x
               |                                                                                                                                                                                                         ^"#]],
    );
}

#[test]
fn a_backup_goes_into_a_directory() {
    check(
        "BACKUP TO '/srv/backup'; BACKUP '/srv/backup'; BACKUP TO x",
        expect![[r#"
        backup to /srv/backup
        error[LDB-1001]: expected TO, but found '/srv/backup'
          --> 1:33
           |
         1 | BACKUP TO '/srv/backup'; BACKUP '/srv/backup'; BACKUP TO x
           |                                 ^^^^^^^^^^^^^
        error[LDB-1001]: expected the directory in quotes, but found 'x'
          --> 1:58
           |
         1 | BACKUP TO '/srv/backup'; BACKUP '/srv/backup'; BACKUP TO x
           |                                                          ^"#]],
    );
}

#[test]
fn settings_are_set() {
    check(
        "SET a = 1; SET a TO 'x'; SET SESSION a.b = -2; SET a TO DEFAULT; RESET a; SET TIME ZONE 'UTC'",
        expect![[r#"
        set a Some("1")
        set a Some("x")
        set a.b Some("-2")
        set a None
        set a None
        set timezone Some("UTC")"#]],
    );
    check(
        "SET search_path = a, b; SET idle_timeout = INTERVAL '5' SECOND; SET role = x",
        expect![[r#"
        set search_path Some("a, b")
        set idle_timeout Some("5s")
        set role Some("x")"#]],
    );
}

#[test]
fn expressions_are_postgresql() {
    check(
        "SELECT a::INT, INTERVAL '5 seconds', INTERVAL '5' SECOND, x ILIKE 'a%', ARRAY[1,2][1], E'a\\nb', $1 FROM t",
        expect![[
            r#"SELECT a::INT, INTERVAL '5 seconds', INTERVAL '5' SECOND, x ILIKE 'a%', ARRAY[1, 2][1], E'a\nb', $1 FROM t"#
        ]],
    );
    check(
        "SELECT price>-1, a=-b, a<-1, 2^3, 7%2, 'a' || 'b', j->'a'->>'b', a NOTNULL, path, line FROM t",
        expect![
            "SELECT price > -1, a = -b, a < -1, 2 ^ 3, 7 % 2, 'a' || 'b', j -> 'a' ->> 'b', a IS NOT NULL, path, line FROM t"
        ],
    );
    check(
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM t QUALIFY r = 1",
        expect![
            "SELECT row_number() OVER (PARTITION BY a ORDER BY b DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM t QUALIFY r = 1"
        ],
    );
    check(
        "SELECT * EXCLUDE (a), count(*) FILTER (WHERE b) FROM t JOIN d ON d.k = t.k OFFSET 2 FETCH FIRST 5 ROWS ONLY",
        expect!["SELECT * EXCLUDE (a), count(*) FILTER (WHERE b) FROM t JOIN d ON d.k = t.k LIMIT 5 OFFSET 2"],
    );
    check(
        "SELECT DISTINCT ON (a) a FROM t LEFT JOIN u USING (k), LATERAL (SELECT 1) x, UNNEST(t.l) AS y(z)",
        expect!["SELECT DISTINCT ON (a) a FROM t LEFT JOIN u USING(k), LATERAL (SELECT 1) x, UNNEST(t.l) AS y (z)"],
    );
    check(
        "SELECT 1_000, $$it's; here$$, U&'\\0041', X'ff', date '2020-01-01', TIMESTAMP '2020-01-01 00:00:00' AT TIME ZONE 'UTC'",
        expect![
            "SELECT 1000, $$it's; here$$, U&'A', X'ff', DATE '2020-01-01', TIMESTAMP '2020-01-01 00:00:00' AT TIME ZONE 'UTC'"
        ],
    );
}

#[test]
fn a_script_has_statements_and_comments() {
    let text = "-- first; not a statement\nSELECT 1; /* a; /* b; */ c */\n;;  SELEC 2;\nSELECT 'a;b'\n";
    check(
        text,
        expect![[r#"
        SELECT 1
        error[LDB-1001]: no statement begins with 'selec'
          --> 3:5
           |
         3 | ;;  SELEC 2;
           |     ^^^^^ did you mean 'SELECT'?
        SELECT 'a;b'"#]],
    );
    let spans: Vec<_> =
        parse_script(text).into_iter().flatten().map(|s| (text[s.span.start..s.span.end] == s.text, s.text)).collect();
    assert_eq!(spans, [(true, "SELECT 1".to_owned()), (true, "SELECT 'a;b'".to_owned())]);
    check("", expect![""]);
    check("-- nothing", expect![""]);
}

#[test]
fn variables_are_filled_in_before_parsing() {
    let text = "CREATE SOURCE s FROM FILE (path = '${DIR}/a');\nSELECT ${WHAT} FROM t;\nSELECT x FROM FROM ${T:-t};\nSELECT a FROM ${T:-t}";
    let lookup = |name: &str| (name == "DIR").then(|| "/data/long/path".to_owned());
    let shown = parse_script_with(text, &lookup).into_iter().map(|statement| match statement {
        Ok(statement) => format!("{} <- {}", show(&statement.statement), &text[statement.span.start..statement.span.end]),
        Err(error) => render(&error, text, Some("s.sql")),
    });
    expect![[r#"
        source s () connector file {path=/data/long/path/a} <- CREATE SOURCE s FROM FILE (path = '${DIR}/a')
        error[LDB-1001]: variable 'WHAT' is not set
          --> s.sql:2:8
           |
         2 | SELECT ${WHAT} FROM t;
           |        ^^^^^^^
           = hint: set it, or write ${WHAT:-default}
        error[LDB-1001]: expected a table, but found 'FROM'
          --> s.sql:3:15
           |
         3 | SELECT x FROM FROM ${T:-t};
           |               ^^^^
           = hint: if it is a name, quote it: "from"
        SELECT a FROM t <- SELECT a FROM ${T:-t}"#]]
    .assert_eq(&shown.collect::<Vec<_>>().join("\n"));
}

#[test]
fn later_errors_find_their_place_in_the_script() {
    let text = "SELECT 1;\n  SELECT ${C} FROM t";
    let statements = parse_script_with(text, &|_| Some("a_long_column".to_owned()));
    let Some(Ok(second)) = statements.into_iter().nth(1) else { panic!("the second statement is read") };
    let start = second.text.find("a_long").expect("the column is there");
    let error =
        laminar_core::Error::new(laminar_core::Code::UnknownColumn, "no").at(laminar_core::Span { start, end: start + 13 });
    expect![[r#"
        error[LDB-1003]: no
          --> 2:10
           |
         2 |   SELECT ${C} FROM t
           |          ^^^^"#]]
    .assert_eq(&render(&second.in_script(error), text, None));
}

#[test]
fn one_statement_is_one() {
    for (text, expected) in [("", "there is no statement"), ("SELECT 1; SELECT 2", "expected one statement, but found 2")] {
        assert_eq!(parse_statement(text).map(|_| ()).map_err(|error| error.message().to_owned()), Err(expected.to_owned()));
    }
    assert!(parse_statement("SELECT 1;").is_ok());
}

#[test]
fn rows_are_changed_by_a_query_that_finds_them() {
    check(
        "UPDATE t SET a = a + 1, \"B\" = DEFAULT WHERE a > 2; UPDATE public.t AS x SET (a, b) = (1, x.b || 'c') FROM u JOIN v ON u.k = v.k WHERE u.a IS DISTINCT FROM x.a RETURNING *",
        expect![[r#"
            change t set (a, B default) by SELECT "t"."__row" AS "__row", a + 1 AS "__set_0", NULL AS "__set_1" FROM "__changed" AS "t" WHERE a > 2
            change t set (a, b) by SELECT "x"."__row" AS "__row", 1 AS "__set_0", x.b || 'c' AS "__set_1" FROM "__changed" AS "x", u JOIN v ON u.k = v.k WHERE u.a IS DISTINCT FROM x.a returning SELECT * FROM "__returned" AS "x""#]],
    );
    check(
        "DELETE FROM t; DELETE FROM ONLY t x USING u WHERE u.a = x.a RETURNING x.a AS gone, 1",
        expect![[r#"
        change t set () by SELECT "t"."__row" AS "__row" FROM "__changed" AS "t"
        change t set () by SELECT "x"."__row" AS "__row" FROM "__changed" AS "x", u WHERE u.a = x.a returning SELECT x.a AS gone, 1 FROM "__returned" AS "x""#]],
    );
    check(
        "TRUNCATE TABLE a, b; TRUNCATE c",
        expect![[r#"
        truncate (a, b)
        truncate (c)"#]],
    );
    check(
        "INSERT INTO t AS x (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE x.b < 1 OR x.b > 2 RETURNING b;
         INSERT INTO t SELECT 1 ON CONFLICT DO NOTHING",
        expect![[r#"
            insert t (a) VALUES (1) conflict (a) set (b) by SELECT "x"."__row" AS "__row", excluded.b AS "__set_0" FROM "__changed" AS "x", "__excluded" AS "excluded" WHERE "x"."__row" = "excluded"."__row" AND (x.b < 1 OR x.b > 2) returning SELECT b FROM "__returned" AS "x"
            insert t () SELECT 1 conflict () nothing"#]],
    );
}

#[test]
fn wrong_changes_of_rows_say_what_is_wrong() {
    check(
        "UPDATE t SET a = 1, a = 2; UPDATE t SET (a, b) = (1); UPDATE t SET t.a = 1; UPDATE t STE a = 1; UPDATE t SET a = 1 WERE a = 2",
        expect![[r#"
            error[LDB-1011]: column 'a' is set twice
              --> 1:21
               |
             1 | UPDATE t SET a = 1, a = 2; UPDATE t SET (a, b) = (1); UPDATE t SET t.a = 1; UPDATE t STE a = 1; UPDATE t SET a = 1 WERE a = 2
               |                     ^
            error[LDB-1011]: 1 values for 2 columns
              --> 1:51
               |
             1 | UPDATE t SET a = 1, a = 2; UPDATE t SET (a, b) = (1); UPDATE t SET t.a = 1; UPDATE t STE a = 1; UPDATE t SET a = 1 WERE a = 2
               |                                                   ^
            error[LDB-1003]: 't.a' is no column that can be set
              --> 1:68
               |
             1 | UPDATE t SET a = 1, a = 2; UPDATE t SET (a, b) = (1); UPDATE t SET t.a = 1; UPDATE t STE a = 1; UPDATE t SET a = 1 WERE a = 2
               |                                                                    ^^^
               = hint: write the column's name alone: it is one of the table that is changed
            error[LDB-1001]: expected SET, but found 'STE'
              --> 1:86
               |
             1 | UPDATE t SET a = 1, a = 2; UPDATE t SET (a, b) = (1); UPDATE t SET t.a = 1; UPDATE t STE a = 1; UPDATE t SET a = 1 WERE a = 2
               |                                                                                      ^^^ did you mean 'SET'?
            error[LDB-1001]: expected end of statement, but found 'WERE'
              --> 1:116
               |
             1 | UPDATE t SET a = 1, a = 2; UPDATE t SET (a, b) = (1); UPDATE t SET t.a = 1; UPDATE t STE a = 1; UPDATE t SET a = 1 WERE a = 2
               |                                                                                                                    ^^^^ did you mean 'WHERE'?"#]],
    );
    check(
        "INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1; INSERT INTO t VALUES (1) ON CONFLICT (a) UPDATE SET a = 1; DELETE t; UPDATE t SET a = 1 WHERE b = 2 LIMIT 1",
        expect![[r#"
            error[LDB-1011]: DO UPDATE does not say of which key
              --> 1:26
               |
             1 | INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1; INSERT INTO t VALUES (1) ON CONFLICT (a) UPDATE SET a = 1; DELETE t; UPDATE t SET a = 1 WHERE b = 2 LIMIT 1
               |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = hint: write the key's columns: ON CONFLICT (column) DO UPDATE …
            error[LDB-1001]: expected DO, but found 'UPDATE'
              --> 1:100
               |
             1 | INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1; INSERT INTO t VALUES (1) ON CONFLICT (a) UPDATE SET a = 1; DELETE t; UPDATE t SET a = 1 WHERE b = 2 LIMIT 1
               |                                                                                                    ^^^^^^
            error[LDB-1001]: expected FROM, but found 't'
              --> 1:125
               |
             1 | INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1; INSERT INTO t VALUES (1) ON CONFLICT (a) UPDATE SET a = 1; DELETE t; UPDATE t SET a = 1 WHERE b = 2 LIMIT 1
               |                                                                                                                             ^
            error[LDB-1001]: expected end of statement, but found 'LIMIT'
              --> 1:159
               |
             1 | INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1; INSERT INTO t VALUES (1) ON CONFLICT (a) UPDATE SET a = 1; DELETE t; UPDATE t SET a = 1 WHERE b = 2 LIMIT 1
               |                                                                                                                                                               ^^^^^"#]],
    );
}

#[test]
fn columns_of_a_table_have_rules() {
    check(
        "CREATE TABLE t (a INT DEFAULT 1 + 2 NOT NULL, b INT GENERATED ALWAYS AS (a * (2 + t.a)) STORED PRIMARY KEY, c BOOLEAN DEFAULT a IS NOT NULL CHECK (c),
                         CHECK (a > b), CONSTRAINT k CHECK (c IS NOT NULL), CHECK (b < a), check BIGINT NULL DEFAULT NULL)",
        expect![[r#"table t (a INT not null, b INT not null, c BOOLEAN, check BIGINT) key (b) defaults [a = SELECT 1 + 2 AS "__value"; c = SELECT a IS NOT NULL AS "__value"; check = SELECT NULL AS "__value"] generated [b = SELECT a * (2 + t.a) AS "__value" FROM "__returned" AS "t"] checks [t_c_check: c; t_check: a > b; k: c IS NOT NULL; t_check1: b < a]"#]],
    );
    check(
        "CREATE TABLE t (a INT UNIQUE CONSTRAINT u UNIQUE NULLS NOT DISTINCT, b INT DEFAULT 1 UNIQUE NULLS DISTINCT NOT NULL, unique INT,
                         UNIQUE (b, a), UNIQUE NULLS NOT DISTINCT (a), CONSTRAINT v UNIQUE (unique), CHECK (a > b))",
        expect![[r#"table t (a INT, b INT not null, unique INT) key () defaults [b = SELECT 1 AS "__value"] checks [t_check: a > b] uniques [t_a_key: (a); u: (a) with nulls; t_b_key: (b); t_b_a_key: (b, a); t_a_key1: (a) with nulls; v: (unique)]"#]],
    );
    check(
        "CREATE TABLE t (a INT, UNIQUE ()); CREATE TABLE t (a INT, UNIQUE (a, a)); CREATE TABLE t (aa INT, UNIQUE (ab));
         CREATE TABLE t (a INT UNIQUE (a)); CREATE TABLE t (a INT CONSTRAINT c UNIQUE, CONSTRAINT c CHECK (a > 1)); CREATE SOURCE t (a INT UNIQUE)",
        expect![[r#"
            error[LDB-1011]: the constraint UNIQUE has no columns
              --> 1:24
               |
             1 | CREATE TABLE t (a INT, UNIQUE ()); CREATE TABLE t (a INT, UNIQUE (a, a)); CREATE TABLE t (aa INT, UNIQUE (ab));
               |                        ^^^^^^^^^
            error[LDB-1011]: column 'a' is named twice
              --> 1:70
               |
             1 | CREATE TABLE t (a INT, UNIQUE ()); CREATE TABLE t (a INT, UNIQUE (a, a)); CREATE TABLE t (aa INT, UNIQUE (ab));
               |                                                                      ^
            error[LDB-1003]: there is no column 'ab' for the key
              --> 1:107
               |
             1 | CREATE TABLE t (a INT, UNIQUE ()); CREATE TABLE t (a INT, UNIQUE (a, a)); CREATE TABLE t (aa INT, UNIQUE (ab));
               |                                                                                                           ^^ did you mean 'aa'?
            error[LDB-1001]: expected ',' or ')', but found '('
              --> 2:39
               |
             2 |          CREATE TABLE t (a INT UNIQUE (a)); CREATE TABLE t (a INT CONSTRAINT c UNIQUE, CONSTRAINT c CHECK (a > 1)); CREATE SOURCE t (a INT UNIQUE)
               |                                       ^
            error[LDB-1011]: two constraints are called 'c'
              --> 2:67
               |
             2 |          CREATE TABLE t (a INT UNIQUE (a)); CREATE TABLE t (a INT CONSTRAINT c UNIQUE, CONSTRAINT c CHECK (a > 1)); CREATE SOURCE t (a INT UNIQUE)
               |                                                                   ^^^^^^^^^^^^^^^^^^^
            error[LDB-1010]: DEFAULT, GENERATED, CHECK or UNIQUE in a source is not built yet
              --> 2:140
               |
             2 |          CREATE TABLE t (a INT UNIQUE (a)); CREATE TABLE t (a INT CONSTRAINT c UNIQUE, CONSTRAINT c CHECK (a > 1)); CREATE SOURCE t (a INT UNIQUE)
               |                                                                                                                                            ^^^^^^
               = hint: compute columns and filter rows in a view, or write CREATE TABLE"#]],
    );
    check(
        "CREATE TABLE t (a, \"B\") AS SELECT 1, 2; CREATE TABLE IF NOT EXISTS t AS VALUES (1); INSERT INTO t VALUES (1, DEFAULT), (default, 2); INSERT INTO t DEFAULT VALUES RETURNING a",
        expect![[r#"
            table t () key () as SELECT * FROM (SELECT 1, 2) AS "t" ("a", "B")
            table t if_not_exists () key () as VALUES (1)
            insert t () VALUES (1, NULL), (NULL, 2) defaults at [(0, 1), (1, 0)]
            insert t () SELECT returning SELECT a FROM "__returned" AS "t""#]],
    );
}

#[test]
fn an_object_is_renamed_by_its_kind() {
    check("ALTER TABLE t RENAME TO u", expect!["rename table t to u if_exists=false"]);
    check(
        "alter materialized view if exists public.\"V\" rename to w; ALTER CONTINUOUS QUERY q RENAME TO \"r\"",
        expect![[r#"
            rename materialized view V to w if_exists=true
            rename stream q to r if_exists=false"#]],
    );
}

#[test]
fn an_object_gets_another_query() {
    check(
        "ALTER MATERIALIZED VIEW v AS SELECT a FROM t; alter view if exists v (b) as SELECT a FROM t",
        expect![[r#"
        alter materialized view v as SELECT a FROM t if_exists=false
        alter view v as SELECT * FROM (SELECT a FROM t) AS "v" ("b") if_exists=true"#]],
    );
    check(
        "EXPLAIN ALTER STREAM s AS SELECT 1; EXPLAIN GRAPH ALTER VIEW v AS SELECT 1",
        expect![[r#"
        explain Alter alter stream s as SELECT 1 if_exists=false
        explain Graph alter view v as SELECT 1 if_exists=false"#]],
    );
    check(
        "ALTER TABLE t AS SELECT 1; ALTER VIEW v; ALTER VIEW v AS; EXPLAIN ALTER VIEW v RENAME TO w",
        expect![[r#"
        error[LDB-1010]: ALTER TABLE … AS is not built yet
          --> 1:1
           |
         1 | ALTER TABLE t AS SELECT 1; ALTER VIEW v; ALTER VIEW v AS; EXPLAIN ALTER VIEW v RENAME TO w
           | ^^^^^^^^^^^^^^^^
           = hint: RENAME TO is built, and AS query of a view or stream; for the rest drop the object and create it again
        error[LDB-1001]: expected RENAME TO or AS query, but the statement ends
          --> 1:40
           |
         1 | ALTER TABLE t AS SELECT 1; ALTER VIEW v; ALTER VIEW v AS; EXPLAIN ALTER VIEW v RENAME TO w
           |                                        ^
        error[LDB-1001]: expected a query, but the statement ends
          --> 1:57
           |
         1 | ALTER TABLE t AS SELECT 1; ALTER VIEW v; ALTER VIEW v AS; EXPLAIN ALTER VIEW v RENAME TO w
           |                                                         ^
        error[LDB-1011]: the statement has no query to explain
          --> 1:67
           |
         1 | ALTER TABLE t AS SELECT 1; ALTER VIEW v; ALTER VIEW v AS; EXPLAIN ALTER VIEW v RENAME TO w
           |                                                                   ^^^^^^^^^^^^^^^^^^^^^^^^
           = hint: explain a SELECT, an INSERT, a SUBSCRIBE, or the CREATE of a stream, view or sink"#]],
    );
}

#[test]
fn a_statement_is_said_under_another_name() {
    let check = |text: &str, to: &str, expected: &str| assert_eq!(renamed(text, to).unwrap().text, expected, "{text}");
    check("CREATE TABLE t (t BIGINT)", "u", "CREATE TABLE u (t BIGINT)");
    check("CREATE OR REPLACE VIEW \"T\" AS SELECT 1 AS t -- t", "U u", "CREATE OR REPLACE VIEW \"U u\" AS SELECT 1 AS t");
    check("CREATE SINK public.s INTO FILE (path = 's.csv')", "s2", "CREATE SINK public.s2 INTO FILE (path = 's.csv')");
    assert!(renamed("SELECT 1", "u").is_err() && renamed("CREATE TABLE t (a BIGINT)", "").is_err());
}
