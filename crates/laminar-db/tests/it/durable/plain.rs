//! Statements and pushes, with and without checkpoints.

use std::path::Path;

use laminar_db::core::time::Watermark;
use laminar_db::{Code, Database};

use super::{Folder, execute, rows};

#[test]
fn what_was_inserted_updated_and_deleted_is_there_again() {
    let folder = Folder::new();
    let db = folder.open();
    execute(
        &db,
        "CREATE TABLE t (k BIGINT PRIMARY KEY, v VARCHAR(9) DEFAULT 'none', size BIGINT GENERATED ALWAYS AS (length(v)) STORED);
         CREATE MATERIALIZED VIEW sizes AS SELECT size, count(*) AS n FROM t GROUP BY size;
         INSERT INTO t (k, v) VALUES (1, 'a'), (2, 'bb'), (3, 'ccc'); INSERT INTO t (k) VALUES (4);
         UPDATE t SET v = 'dd' WHERE k = 1; DELETE FROM t WHERE k = 3",
    );
    let expected = (rows(&db, "SELECT * FROM t"), rows(&db, "SELECT * FROM sizes"));
    assert_eq!(expected.0, [["1", "dd", "2"], ["2", "bb", "2"], ["4", "none", "4"]]);
    drop(db);
    for round in 0..4 {
        let db = folder.open();
        assert_eq!((rows(&db, "SELECT * FROM t"), rows(&db, "SELECT * FROM sizes")), expected, "round {round}");
        if round == 1 {
            execute(&db, "CHECKPOINT");
        }
    }
    let db = folder.open();
    execute(&db, "INSERT INTO t (k, v) VALUES (5, 'eeeee')");
    drop(db);
    assert_eq!(rows(&folder.open(), "SELECT n FROM sizes WHERE size = 5"), [["1"]]);
    let error = folder.open().execute("INSERT INTO t (k, v) VALUES (6, '0123456789')").err().unwrap();
    assert!(error.message().contains("VARCHAR(9)") || error.message().contains('9'), "{error}");
}

#[test]
fn a_table_that_is_append_only_keeps_its_watermark_and_its_idle_timeout() {
    let folder = Folder::new();
    let create = "CREATE TABLE c (n BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) APPEND ONLY;
         CREATE MATERIALIZED VIEW minutes AS SELECT window_start, count(*) AS n FROM c GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE;
         INSERT INTO c VALUES (1, '2024-01-01 00:00:10'), (2, '2024-01-01 00:01:10')";
    execute(&folder.open(), create);
    for round in 0..4 {
        let db = folder.open();
        assert_eq!(rows(&db, "SELECT n FROM minutes"), [["1"]], "round {round}");
        // Late for its window, also in a database that was opened again.
        execute(&db, "INSERT INTO c VALUES (3, '2024-01-01 00:00:20')");
        assert_eq!(rows(&db, "SELECT n FROM minutes"), [["1"]], "round {round}");
        assert_eq!(rows(&db, "SELECT count(*) FROM minutes$late"), [[(round + 1).to_string()]]);
        if round % 2 == 1 {
            execute(&db, "CHECKPOINT");
        }
    }
    let db = folder.open();
    execute(&db, "INSERT INTO c VALUES (4, '2024-01-01 00:02:10')");
    assert_eq!(rows(&db, "SELECT n FROM minutes ORDER BY window_start"), [["1"], ["1"]]);
}

#[test]
fn definitions_come_back_with_their_names_and_what_was_dropped_does_not() {
    let folder = Folder::new();
    let db = folder.open();
    execute(
        &db,
        "CREATE TABLE gone (a BIGINT); CREATE TABLE old (a BIGINT); INSERT INTO old VALUES (1);
         CREATE TABLE made AS SELECT 1 AS a, 'x' AS b, NULL AS c; DROP TABLE gone; ALTER TABLE old RENAME TO new;
         CREATE VIEW v AS SELECT a FROM new; CREATE OR REPLACE VIEW v AS SELECT a + 1 AS a FROM new;
         CREATE MATERIALIZED VIEW m AS SELECT sum(a) AS s FROM v; INSERT INTO new VALUES (5)",
    );
    let shown = |db: &Database| (rows(db, "SHOW ALL"), rows(db, "SHOW CREATE v"), rows(db, "SHOW CREATE new"));
    let (before, sums) = (shown(&db), rows(&db, "SELECT * FROM m"));
    assert_eq!(sums, [["8"]]);
    drop(db);
    for checkpoint in [false, true, false] {
        let db = folder.open();
        assert_eq!(shown(&db), before);
        assert_eq!(rows(&db, "SELECT * FROM m"), sums);
        assert_eq!(rows(&db, "SELECT * FROM made"), [["1", "x", "NULL"]]);
        if checkpoint {
            execute(&db, "CHECKPOINT");
        }
    }
    let db = folder.open();
    execute(&db, "DROP MATERIALIZED VIEW m; CHECKPOINT; CREATE TABLE gone (b BIGINT)");
    drop(db);
    let db = folder.open();
    assert_eq!(rows(&db, "DESCRIBE gone").len(), 1);
    assert_eq!(db.query("SELECT * FROM m").unwrap_err().code(), Code::UnknownObject);
}

#[test]
fn a_view_that_was_replaced_keeps_its_number_although_it_reads_what_came_after_it() {
    let folder = Folder::new();
    let db = folder.open();
    execute(
        &db,
        "CREATE VIEW v AS SELECT 1 AS a; CREATE TABLE t (a BIGINT); CREATE OR REPLACE VIEW v AS SELECT a + 1 AS a FROM t;
         CREATE MATERIALIZED VIEW m AS SELECT sum(a) AS s FROM v; INSERT INTO t VALUES (1), (2); CHECKPOINT; INSERT INTO t VALUES (3)",
    );
    drop(db);
    for _ in 0..2 {
        let db = folder.open();
        assert_eq!(rows(&db, "SELECT s FROM m"), [["9"]]);
        execute(&db, "CHECKPOINT; CREATE TABLE u (a BIGINT); DROP TABLE u");
    }
    let db = folder.open();
    execute(&db, "DROP VIEW v CASCADE");
    drop(db);
    assert_eq!(rows(&folder.open(), "SHOW ALL").len(), 1);
}

#[test]
fn a_statement_that_failed_leaves_nothing_in_the_directory() {
    let folder = Folder::new();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (a BIGINT CHECK (a > 0))");
    for sql in [
        "INSERT INTO t VALUES (1), (0)",
        "CREATE MATERIALIZED VIEW v AS SELECT nothing FROM t",
        "CREATE TABLE t2 AS SELECT a / 0 FROM (VALUES (1)) AS x (a)",
        "DROP TABLE nothing",
    ] {
        assert!(db.execute(sql).is_err(), "{sql}");
    }
    db.fail_statements_at(Some(2));
    assert!(db.execute("CREATE MATERIALIZED VIEW v AS SELECT a FROM t").is_err());
    db.fail_statements_at(None);
    let before = rows(&db, "SHOW ALL");
    drop(db);
    let db = folder.open();
    assert_eq!((rows(&db, "SHOW ALL"), rows(&db, "SELECT * FROM t").len()), (before, 0));
}

#[test]
fn one_process_at_a_time_has_the_directory_open() {
    let folder = Folder::new();
    let db = folder.open();
    let error = Database::open(&folder.data()).err().unwrap();
    assert_eq!(error.code(), Code::ObjectInUse);
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(db);
    folder.open();
}

#[test]
fn a_database_in_memory_has_no_checkpoints_and_an_idle_one_makes_none() {
    let error = Database::open(":memory:").unwrap().execute("CHECKPOINT").err().unwrap();
    assert_eq!((error.code(), error.message()), (Code::InvalidQuery, "a database in memory has no checkpoints"));
    let folder = Folder::new();
    let db = folder.open();
    assert_eq!(db.checkpoint().unwrap(), 0, "nothing has happened");
    execute(&db, "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1)");
    assert_eq!(db.checkpoint().unwrap(), 1);
    assert_eq!(db.checkpoint().unwrap(), 1);
    execute(&db, "SELECT * FROM t; INSERT INTO t VALUES (2)");
    assert_eq!(db.checkpoint().unwrap(), 2);
    assert_eq!(db.query("SHOW CHECKPOINTS").unwrap().to_strings().len(), 2);
    drop(db);
    let db = folder.open();
    assert_eq!(rows(&db, "SELECT * FROM t"), [["1"], ["2"]]);
    assert_eq!(db.checkpoint().unwrap(), 2, "nothing has happened since");
    execute(&db, "INSERT INTO t VALUES (3)");
    assert_eq!(db.checkpoint().unwrap(), 3, "numbers go on");
}

#[test]
fn a_script_goes_on_behind_the_statements_that_were_done() {
    let folder = Folder::new();
    let script =
        "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1); UPDATE t SET a = a + 1; INSERT INTO t SELECT a FROM t WHERE a > 99";
    let parsed: Vec<_> = laminar_db::parse_script(script).into_iter().map(Result::unwrap).collect();
    for done in 0..=parsed.len() {
        let db = folder.open();
        assert_eq!(db.script(), parsed[..done].iter().map(|statement| statement.text.clone()).collect::<Vec<_>>());
        if let Some(next) = parsed.get(done) {
            db.run_in_script(next).map(|_| ()).unwrap();
        }
        if done == 2 {
            db.checkpoint().unwrap();
        }
    }
    let db = folder.open();
    assert_eq!(rows(&db, "SELECT * FROM t"), [["2"]]);
    let failing = laminar_db::parse_script("CREATE TABLE t (b BIGINT)").remove(0).unwrap();
    assert!(db.run_in_script(&failing).is_err());
    execute(&db, "INSERT INTO t VALUES (7)");
    drop(db);
    assert_eq!(folder.open().script().len(), parsed.len(), "what failed was not done");
}

#[test]
fn a_damaged_manifest_or_block_is_stepped_over_with_a_notice_while_an_older_checkpoint_is_whole() {
    let folder = Folder::new();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1); CHECKPOINT; INSERT INTO t VALUES (2); CHECKPOINT");
    drop(db);
    let damage = |file: &Path| {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).unwrap();
    };
    let data = folder.path().join("data");
    damage(&data.join("checkpoints/0000000002/MANIFEST"));
    let db = folder.open();
    assert_eq!(rows(&db, "SELECT a FROM t"), [["1"], ["2"]]);
    let notices = db.opening_notices();
    assert!(notices.iter().any(|notice| notice.message().contains("0000000002")), "{notices:?}");
    db.checkpoint().unwrap();
    let blocks = || {
        let folders = std::fs::read_dir(data.join("blocks")).unwrap().map(|folder| folder.unwrap().path());
        let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|block| block.unwrap().path());
        files.collect::<std::collections::BTreeSet<_>>()
    };
    let before = blocks();
    execute(&db, "INSERT INTO t VALUES (3); CHECKPOINT; INSERT INTO t VALUES (4)");
    drop(db);
    // Those that only the newest one has.
    let new: Vec<_> = blocks().difference(&before).cloned().collect();
    assert!(!new.is_empty());
    new.iter().for_each(|block| damage(block));
    let db = folder.open();
    assert_eq!(rows(&db, "SELECT a FROM t"), [["1"], ["2"], ["3"], ["4"]]);
    let told = |notice: &laminar_db::Notice| {
        notice.message().contains("cannot be used: the block") && notice.message().contains("is damaged")
    };
    assert!(db.opening_notices().iter().any(told), "{:?}", db.opening_notices());
    execute(&db, "INSERT INTO t VALUES (5); CHECKPOINT");
    drop(db);
    assert_eq!(rows(&folder.open(), "SELECT count(*) FROM t"), [["5"]]);
    blocks().iter().for_each(|block| damage(block));
    let error = Database::open(&folder.data()).err().unwrap();
    assert_ne!(error.code(), Code::Internal, "{error}");
    assert!(error.to_string().contains("blocks/"), "{error}");
}

#[test]
fn a_view_goes_on_whatever_was_planned_before_its_statement() {
    let folder = Folder::new();
    let query =
        "SELECT window_start, count(*) AS n, sum(v) AS v FROM s GROUP BY TUMBLE(ts, INTERVAL '2' SECOND) FILL (0, PREVIOUS)";
    let db = folder.open();
    execute(&db, "CREATE SOURCE s (v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)");
    execute(&db, &format!("CREATE MATERIALIZED VIEW m AS {query}; EXPLAIN GRAPH {query}"));
    execute(&db, &format!("CREATE OR REPLACE MATERIALIZED VIEW m AS {query}"));
    execute(&db, "INSERT INTO s VALUES (1, '1970-01-01 00:00:01'), (2, '1970-01-01 00:00:05'); CHECKPOINT");
    let expected = rows(&db, "SELECT * FROM m");
    assert_eq!(expected.len(), 3);
    drop(db);
    assert_eq!(rows(&folder.open(), "SELECT * FROM m"), expected);
}

#[test]
fn a_watermark_that_was_moved_by_hand_stays_where_it_is() {
    let folder = Folder::new();
    let late = |db: &Database| rows(db, "SELECT count(*) FROM \"m$late\"");
    let insert = "INSERT INTO s VALUES ('1970-01-01 00:00:30')";
    {
        let db = folder.open();
        execute(
            &db,
            "SET checkpoint_interval = 'never';
             CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts);
             CREATE MATERIALIZED VIEW m AS
                 SELECT window_start, count(*) AS n FROM s GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE",
        );
        execute(&db, insert);
        db.advance_watermark("s", Watermark(60_000_000_000)).unwrap();
        // An earlier one changes nothing.
        db.advance_watermark("s", Watermark(1)).unwrap();
        assert_eq!(rows(&db, "SELECT n FROM m"), [["1"]]);
    }
    {
        let db = folder.open();
        assert_eq!(rows(&db, "SELECT n FROM m"), [["1"]], "the log says it");
        execute(&db, insert);
        assert_eq!(late(&db), [["1"]]);
        execute(&db, "CHECKPOINT");
        assert_eq!(rows(&db, "SHOW CHECKPOINTS")[0][2], "1970-01-01 00:01:00");
    }
    let db = folder.open();
    assert_eq!(rows(&db, "SHOW CHECKPOINTS")[0][2], "1970-01-01 00:01:00");
    execute(&db, insert);
    assert_eq!((late(&db), rows(&db, "SELECT n FROM m")), (vec![vec!["2".to_owned()]], vec![vec!["1".to_owned()]]));
}
