//! Files in, files out, pushed sources with windows, rejected rows: all of it goes on where it stopped.

use std::fmt::Write;
use std::sync::atomic::AtomicBool;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampNanosecondArray};
use laminar_db::{Database, Turn};
use std::sync::Arc;

use super::{Folder, execute, rows};

fn batch(first: i64, count: i64) -> RecordBatch {
    let numbers = |value: fn(i64) -> i64| -> ArrayRef { Arc::new((first..first + count).map(value).collect::<Int64Array>()) };
    let times = TimestampNanosecondArray::from_iter_values((first..first + count).map(|row| row * 100_000_000));
    let columns = [("k", numbers(|row| row * 7919 % 11)), ("v", numbers(|row| row)), ("ts", Arc::new(times) as ArrayRef)];
    RecordBatch::try_from_iter(columns).unwrap()
}

const STREAMS: &str = "
    CREATE SOURCE s (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND);
    CREATE MATERIALIZED VIEW closed AS SELECT k, window_start, count(*) AS n, sum(v) AS v FROM s
        GROUP BY k, TUMBLE(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE;
    CREATE MATERIALIZED VIEW open AS SELECT window_start, max(v) AS v FROM s GROUP BY HOP(ts, INTERVAL '5' SECOND, INTERVAL '20' SECOND);
    CREATE MATERIALIZED VIEW sessions AS SELECT k, window_start, count(*) AS n FROM s GROUP BY k, SESSION(ts, INTERVAL '2' SECOND);
    CREATE MATERIALIZED VIEW divided AS SELECT v, 100 / (v - 5) AS q FROM s WHERE v < 20;
    CREATE MATERIALIZED VIEW late_ones AS SELECT count(*) AS n FROM closed$late;
    CREATE MATERIALIZED VIEW ranked AS SELECT k, v, rank() OVER (PARTITION BY k ORDER BY v DESC) AS r FROM s;
    CREATE MATERIALIZED VIEW top AS SELECT v FROM s ORDER BY v DESC LIMIT 3;";

const VIEWS: [&str; 9] = ["closed", "open", "sessions", "divided", "late_ones", "ranked", "top", "divided$errors", "closed$late"];

fn all(db: &Database) -> Vec<Vec<Vec<String>>> {
    let of = |view: &&str| match *view {
        // The step is part of where a row stood, and steps are cut anew.
        "divided$errors" => rows(db, "SELECT raw, reason FROM divided$errors"),
        view => rows(db, &format!("SELECT * FROM {view}")),
    };
    VIEWS.iter().map(of).collect()
}

#[test]
fn windows_sessions_and_rejected_rows_go_on_whatever_the_number_of_workers() {
    let memory = Database::open(":memory:").unwrap();
    execute(&memory, STREAMS);
    let folder = Folder::new();
    execute(&folder.open(), STREAMS);
    for (round, (first, count)) in [(0, 40), (40, 100), (20, 10), (140, 3), (300, 50), (100, 5)].into_iter().enumerate() {
        let db = folder.open_with(1 + round % 3);
        for db in [&memory, &db] {
            db.push("s", batch(first, count)).unwrap();
        }
        assert_eq!(all(&db), all(&memory), "round {round}");
        if round % 2 == 0 {
            db.checkpoint().unwrap();
        }
    }
    let db = folder.open();
    assert_eq!(all(&db), all(&memory));
    assert!(!rows(&db, "SELECT * FROM late_ones").is_empty() && !rows(&db, "SELECT raw FROM divided$errors").is_empty());
    for db in [&memory, &db] {
        db.end_source("s").unwrap();
    }
    assert_eq!(all(&db), all(&memory));
    drop(db);
    let db = folder.open();
    assert_eq!(all(&db), all(&memory));
    assert!(db.push("s", batch(0, 1)).is_err(), "an end is kept too");
}

fn csv(rows: std::ops::Range<i64>) -> String {
    rows.fold("a,b,ts\n".to_owned(), |mut text, row| {
        let bad = if row % 1000 == 999 { "bad" } else { "" };
        writeln!(text, "{bad}{row},{},2024-01-01T00:{:02}:{:02}", row % 7, row / 600 % 60, row / 10 % 60).unwrap();
        text
    })
}

const FILES: &str = "
    CREATE SOURCE f (a BIGINT, b BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts) FROM FILE (path = '{in}');
    CREATE MATERIALIZED VIEW sums AS SELECT b, count(*) AS n, sum(a) AS a FROM f GROUP BY b;
    CREATE STREAM minutes AS SELECT b, window_start, count(*) AS n FROM f GROUP BY b, TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE;
    CREATE SINK out FROM minutes INTO FILE (path = '{out}');
    CREATE SINK even AS SELECT a FROM f WHERE a % 2 = 0 INTO FILE (path = '{even}');";

fn files(folder: &Folder, what: &str) -> String {
    FILES
        .replace("{in}", &folder.file("in.csv"))
        .replace("{out}", &folder.file(&format!("{what}.csv")))
        .replace("{even}", &folder.file(&format!("{what}-even.ndjson")))
}

/// The lines of the sinks' files; several workers write those of one step in another order.
fn written(folder: &Folder, what: &str) -> [Vec<String>; 2] {
    [format!("{what}.csv"), format!("{what}-even.ndjson")].map(|name| {
        let text = std::fs::read_to_string(folder.file(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    })
}

#[test]
fn a_file_that_is_read_in_pieces_gives_the_same_views_and_files_as_in_one_go() {
    let folder = Folder::new();
    std::fs::write(folder.file("in.csv"), csv(0..90_000)).unwrap();
    let memory = Database::open(":memory:").unwrap();
    execute(&memory, &files(&folder, "whole"));
    memory.run_until_finished(&AtomicBool::new(false)).unwrap();
    let expected = (rows(&memory, "SELECT * FROM sums"), rows(&memory, "SELECT raw, reason FROM f$errors"));
    assert_eq!(expected.1.len(), 90);
    drop(memory);

    execute(&folder.open(), &files(&folder, "pieces"));
    let mut finished = false;
    let mut runs = 0;
    while !finished {
        let db = folder.open_with(1 + runs % 2);
        for turn in 0..=runs % 3 {
            finished = db.turn().unwrap() == Turn::Finished;
            if (runs + turn) % 2 == 0 {
                db.checkpoint().unwrap();
            }
        }
        runs += 1;
        assert!(runs < 100, "it comes to an end");
    }
    assert!(runs > 2, "{runs} runs");
    let db = folder.open();
    db.checkpoint().unwrap();
    assert_eq!((rows(&db, "SELECT * FROM sums"), rows(&db, "SELECT raw, reason FROM f$errors")), expected);
    for (pieces, whole) in written(&folder, "pieces").into_iter().zip(written(&folder, "whole")) {
        assert_eq!(pieces.len(), whole.len());
        assert!(pieces == whole, "the same rows in both files");
    }
    assert_eq!(db.turn().unwrap(), Turn::Finished, "nothing is read again");
}

#[test]
fn a_file_that_has_gone_stops_its_source_alone_and_the_source_goes_on_when_it_is_back() {
    let folder = Folder::new();
    let text = csv(0..90_000);
    std::fs::write(folder.file("in.csv"), &text).unwrap();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (a BIGINT)");
    execute(&db, &format!("CREATE SOURCE f FROM FILE (path = '{}', retry = 'never')", folder.file("in.csv")));
    execute(&db, "CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n, sum(b) AS b FROM f");
    db.turn().unwrap();
    db.checkpoint().unwrap();
    let some = rows(&db, "SELECT n FROM n");
    drop(db);
    std::fs::rename(folder.file("in.csv"), folder.file("away.csv")).unwrap();
    let db = folder.open();
    while db.turn().unwrap() != Turn::Finished {}
    assert_eq!(rows(&db, "SELECT n FROM n"), some);
    assert!(db.status().object("f").unwrap().failed.is_some());
    execute(&db, "INSERT INTO t VALUES (1); CHECKPOINT");
    drop(db);
    std::fs::rename(folder.file("away.csv"), folder.file("in.csv")).unwrap();
    let db = folder.open();
    db.run_until_finished(&AtomicBool::new(false)).unwrap();
    let memory = Database::open(":memory:").unwrap();
    execute(&memory, &format!("CREATE SOURCE f FROM FILE (path = '{}')", folder.file("in.csv")));
    execute(&memory, "CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n, sum(b) AS b FROM f");
    memory.run_until_finished(&AtomicBool::new(false)).unwrap();
    assert_eq!(rows(&db, "SELECT * FROM n"), rows(&memory, "SELECT * FROM n"));
}

#[test]
fn a_view_that_was_created_later_keeps_its_own_reader_of_a_file() {
    let folder = Folder::new();
    std::fs::write(folder.file("in.csv"), csv(0..90_000)).unwrap();
    let db = folder.open();
    execute(&db, &format!("CREATE SOURCE f FROM FILE (path = '{}')", folder.file("in.csv")));
    execute(
        &db,
        "CREATE MATERIALIZED VIEW one AS SELECT count(*) AS n FROM f; CREATE MATERIALIZED VIEW same AS SELECT count(*) AS n FROM f",
    );
    (0..4).for_each(|_| assert_ne!(db.turn().unwrap(), Turn::Finished));
    execute(&db, "CREATE MATERIALIZED VIEW two AS SELECT count(*) AS n FROM f");
    db.turn().unwrap();
    db.checkpoint().unwrap();
    let seen = |db: &Database| ["one", "same", "two"].map(|view| rows(db, &format!("SELECT n FROM {view}")));
    let before = seen(&db);
    assert!(before[0] == before[1] && before[0] != before[2], "{before:?}");
    drop(db);
    let db = folder.open();
    assert_eq!(seen(&db), before);
    db.run_until_finished(&AtomicBool::new(false)).unwrap();
    let whole = seen(&db);
    assert!(whole[0] == whole[1] && whole[0] == whole[2], "{whole:?}");
}

#[test]
fn a_sink_for_late_rows_comes_back_without_its_writer_and_a_dropped_sink_keeps_its_file() {
    let folder = Folder::new();
    let db = folder.open();
    let late = folder.file("late.csv");
    execute(
        &db,
        &format!(
            "CREATE SOURCE s (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts); CREATE SINK l INTO FILE (path = '{late}');
             CREATE STREAM w AS SELECT k, window_start, count(*) AS n FROM s GROUP BY k, TUMBLE(ts, INTERVAL '1' SECOND)
                EMIT ON WINDOW CLOSE LATE DATA TO l"
        ),
    );
    db.push("s", batch(100, 20)).unwrap();
    db.push("s", batch(0, 3)).unwrap();
    execute(&db, "DROP STREAM w; CHECKPOINT");
    drop(db);
    let db = folder.open();
    assert_eq!(rows(&db, "SHOW SINKS").len(), 1);
    execute(&db, "CREATE TABLE t (a BIGINT)");
    let out = folder.file("out.csv");
    execute(
        &db,
        &format!(
            "CREATE SINK o FROM t INTO FILE (path = '{out}', changelog = 'true'); INSERT INTO t VALUES (1), (2); DROP SINK o, l"
        ),
    );
    drop(db);
    drop(folder.open());
    let lines = |path: &str| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(&late), lines(&out)), (4, 3));
}

#[test]
fn rows_of_a_tables_file_are_there_once_wherever_it_was_left() {
    let folder = Folder::new();
    std::fs::write(folder.file("in.csv"), csv(0..90_000)).unwrap();
    execute(
        &folder.open_with(2),
        &format!("CREATE TABLE t (a BIGINT, b BIGINT, ts TIMESTAMP) FROM FILE (path = '{}')", folder.file("in.csv")),
    );
    let mut runs = 0;
    loop {
        let db = folder.open_with(1 + runs % 3);
        let mut finished = false;
        for turn in 0..=runs % 3 {
            finished = db.turn().unwrap() == Turn::Finished;
            if (runs + turn) % 2 == 0 {
                db.checkpoint().unwrap();
            }
        }
        runs += 1;
        if finished {
            break;
        }
        assert!(runs < 100, "it comes to an end");
    }
    let db = folder.open();
    assert_eq!(rows(&db, "SELECT count(*), count(DISTINCT a) FROM t"), [["89910", "89910"]]);
}

/// What `SHOW JOBS` says of an object.
fn state_of(db: &Database, name: &str) -> String {
    rows(db, "SHOW JOBS").into_iter().find(|row| row[0] == name).unwrap().remove(2)
}

#[test]
fn a_source_whose_file_is_away_says_so_holds_up_nothing_and_goes_on_by_itself_when_it_is_back() {
    let folder = Folder::new();
    std::fs::write(folder.file("in.csv"), csv(0..90_000)).unwrap();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (a BIGINT); CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM t");
    execute(&db, &format!("CREATE SOURCE f FROM FILE (path = '{}')", folder.file("in.csv")));
    execute(&db, "CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n, count(DISTINCT a) AS d FROM f");
    db.turn().unwrap();
    db.checkpoint().unwrap();
    let some = rows(&db, "SELECT n FROM n");
    drop(db);
    std::fs::rename(folder.file("in.csv"), folder.file("away.csv")).unwrap();
    for _ in 0..2 {
        // Also a database that is closed meanwhile knows where the source stood.
        let db = folder.open();
        (0..10).for_each(|_| assert_ne!(db.turn().unwrap(), Turn::Finished));
        let state = state_of(&db, "f");
        assert!(state.starts_with("retrying in ") && state.contains("because there is no file"), "{state}");
        let retrying = db.status().object("f").unwrap().retrying.clone().unwrap();
        assert!(retrying.attempts > 0 && retrying.again_in.as_secs() < 10, "{retrying:?}");
        assert_eq!(rows(&db, "SELECT n FROM n"), some);
        execute(&db, "INSERT INTO t VALUES (1); CHECKPOINT");
    }
    let db = folder.open();
    db.turn().unwrap();
    assert_eq!(rows(&db, "SELECT n FROM m"), [["2"]]);
    std::fs::rename(folder.file("away.csv"), folder.file("in.csv")).unwrap();
    db.run_until_finished(&AtomicBool::new(false)).unwrap();
    assert_eq!(state_of(&db, "f"), "ended");
    assert_eq!(rows(&db, "SELECT n, d FROM n"), [["90000", "90000"]], "each row once");
}

#[test]
fn what_a_sink_cannot_write_waits_and_so_does_the_checkpoint() {
    let folder = Folder::new();
    let out = folder.file("out/rows.csv");
    let db = folder.open();
    execute(&db, "CREATE TABLE t (a BIGINT)");
    execute(
        &db,
        &format!("CREATE SINK o FROM t INTO FILE (path = '{out}', changelog = 'true'); INSERT INTO t VALUES (1); CHECKPOINT"),
    );
    std::fs::rename(folder.file("out"), folder.file("away")).unwrap();
    std::fs::write(folder.file("out"), "in the way").unwrap();
    execute(&db, "INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)");
    let state = state_of(&db, "o");
    assert!(state.starts_with("retrying in ") && state.contains("cannot be written"), "{state}");
    let error = db.checkpoint().unwrap_err();
    assert!(error.message().contains("no checkpoint can be made while rows wait for sink 'o'"), "{error}");
    drop(db);
    // What waited was not in the checkpoint: it comes again.
    let db = folder.open();
    execute(&db, "INSERT INTO t VALUES (4)");
    assert!(state_of(&db, "o").starts_with("retrying in "), "{}", state_of(&db, "o"));
    std::fs::remove_file(folder.file("out")).unwrap();
    std::fs::rename(folder.file("away"), folder.file("out")).unwrap();
    while state_of(&db, "o").starts_with("retrying") {
        db.turn_or_wait(std::time::Duration::from_millis(20)).unwrap();
    }
    execute(&db, "INSERT INTO t VALUES (5); CHECKPOINT");
    let text = std::fs::read_to_string(&out).unwrap();
    let mut lines: Vec<&str> = text.lines().skip(1).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["+I,1", "+I,2", "+I,3", "+I,4", "+I,5"]);
}
