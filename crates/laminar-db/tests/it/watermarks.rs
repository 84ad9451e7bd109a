//! Watermarks for each key and each partition, and those that are refused. How one follows from rows: `watermark_strategies.slt` of laminar-slt.

use std::sync::Arc;

use laminar_db::core::time::ManualClock;
use laminar_db::{Code, Database};

const SECOND: i64 = 1_000_000_000;

#[test]
fn strategies_that_make_no_sense_are_refused_where_they_stand() {
    for (watermark, code, part) in [
        ("WITH (strategy = 'guess')", Code::InvalidOption, "'guess'"),
        ("WITH (strategy = 'periodic')", Code::InvalidOption, "'every' is missing"),
        ("WITH (strategy = 'periodic', every = 'soon')", Code::InvalidOption, "'soon'"),
        ("WITH (strategy = 'punctuated', marker = 'ts')", Code::UnknownColumn, "no BOOLEAN column 'ts'"),
        ("WITH (strategy = 'ascending', every = '1 s')", Code::UnknownOption, "has no option 'every'"),
        ("AS ts - INTERVAL '1' SECOND WITH (strategy = 'ascending')", Code::InvalidWindow, "stays behind nothing"),
    ] {
        let db = Database::open(":memory:").unwrap();
        let sql = format!("CREATE SOURCE s (ts TIMESTAMP, is_last BOOLEAN, WATERMARK FOR ts {watermark})");
        let error = db.execute(&sql).err().unwrap_or_else(|| panic!("{sql} is refused"));
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(part) && error.span().is_some(), "{error}");
    }
}

/// A source of devices with such a watermark and settings, and windows of ten seconds a device.
fn devices(settings: &str, watermark: &str) -> (Database, ManualClock) {
    let clock = ManualClock::at(0);
    let db = Database::builder().clock(Arc::new(clock.clone())).checked().build();
    db.execute(settings).unwrap();
    db.execute(&format!("CREATE SOURCE s (device VARCHAR, ts TIMESTAMP, WATERMARK FOR ts {watermark})")).unwrap();
    db.execute(
        "CREATE MATERIALIZED VIEW closed AS SELECT device, window_start, count(*) AS n FROM s
         GROUP BY device, TUMBLE(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE",
    )
    .unwrap();
    (db, clock)
}

fn reading(db: &Database, device: &str, seconds: i64) {
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    db.execute(&format!("INSERT INTO s VALUES ('{device}', TIMESTAMP '1970-01-01 00:{minutes:02}:{seconds:02}')")).unwrap();
}

fn answer(db: &Database, sql: &str) -> Vec<String> {
    db.query(sql).unwrap().to_strings().into_iter().map(|row| row.join(" ")).collect()
}

const CLOSED: &str = "SELECT device, n FROM closed ORDER BY device, window_start";

#[test]
fn a_fast_device_does_not_make_the_rows_of_a_slow_one_late() {
    let per_key = "AS ts - INTERVAL '2' SECOND WITH (per = 'key', key = 'device')";
    for (watermark, late) in [("AS ts - INTERVAL '2' SECOND", 2), (per_key, 0)] {
        let (db, _) = devices("", watermark);
        reading(&db, "slow", 3);
        for seconds in [20, 40, 60] {
            reading(&db, "fast", seconds);
        }
        [4, 5].into_iter().for_each(|seconds| reading(&db, "slow", seconds));
        assert_eq!(db.status().object("closed").unwrap().late, late, "{watermark}");
        reading(&db, "slow", 12);
        let slow = if late == 0 { "slow 3" } else { "slow 1" };
        assert!(answer(&db, CLOSED).contains(&slow.to_owned()), "{:?}", answer(&db, CLOSED));
    }
}

#[test]
fn a_device_that_is_silent_no_longer_holds_the_others() {
    let (db, clock) = devices("SET idle_timeout = '5 seconds'", "WITH (strategy = 'ascending', per = 'key', key = 'device')");
    reading(&db, "slow", 3);
    reading(&db, "fast", 20);
    clock.advance(4 * SECOND);
    reading(&db, "fast", 31);
    assert!(answer(&db, CLOSED).is_empty());
    clock.advance(SECOND);
    reading(&db, "fast", 32);
    assert_eq!(answer(&db, CLOSED), ["fast 1", "slow 1"]);
    // Back again, it is judged by what was promised without it, and counts from now on.
    reading(&db, "slow", 5);
    reading(&db, "slow", 35);
    reading(&db, "fast", 90);
    assert_eq!(db.status().object("closed").unwrap().late, 1);
    assert_eq!(answer(&db, CLOSED), ["fast 1", "slow 1"]);
    let state = answer(&db, "SHOW STATE");
    assert!(state.iter().any(|row| row.starts_with("s source 2 ")), "{state:?}");
}

#[test]
fn keys_may_be_several_columns() {
    let (db, _) = devices("", "WITH (strategy = 'ascending', per = 'key', key = 'device, ts')");
    reading(&db, "a", 3);
    reading(&db, "a", 30);
    assert!(answer(&db, CLOSED).is_empty(), "each time is a key of its own here, so the first holds all others");
}

#[test]
fn rows_of_more_keys_than_there_may_be_stand_in_errors_with_the_name_of_the_option() {
    let (db, _) = devices("", "WITH (strategy = 'ascending', per = 'key', key = 'device', max_keys = 2)");
    ["a", "b", "c", "a", "d"].into_iter().for_each(|device| reading(&db, device, 3));
    let errors = answer(&db, "SELECT raw, reason FROM s$errors");
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("c") && errors[1].contains("d"), "{errors:?}");
    assert!(errors.iter().all(|row| row.contains("max_keys")), "{errors:?}");
    ["a", "b"].into_iter().for_each(|device| reading(&db, device, 13));
    assert_eq!(answer(&db, CLOSED), ["a 2", "b 1"]);
}

#[test]
fn keys_and_partitions_that_make_no_sense_are_refused_where_they_stand() {
    for (watermark, rest, code, part) in [
        ("WITH (per = 'device')", "", Code::InvalidOption, "no watermark per 'device'"),
        ("WITH (per = 'key')", "", Code::InvalidOption, "'key' is missing"),
        ("WITH (key = 'device')", "", Code::InvalidOption, "'key' goes with per = 'key'"),
        ("WITH (per = 'key', key = 'devise')", "", Code::UnknownColumn, "no column 'devise'"),
        ("WITH (per = 'key', key = 'device, x')", "", Code::UnknownColumn, "no column 'x'"),
        ("WITH (per = 'key', key = 'device', max_keys = 'many')", "", Code::InvalidOption, "not 'many'"),
        ("WITH (per = 'key', key = 'device', max_keys = 0)", "", Code::InvalidOption, "not '0'"),
        ("WITH (per = 'key', key = 'device')", "WITH (changelog = 'true')", Code::NotSupported, "taken back"),
        ("WITH (per = 'partition')", "", Code::InvalidOption, "come from no partition"),
        ("WITH (strategy = 'processing_time', per = 'key', key = 'device')", "", Code::InvalidOption, "the same for all"),
    ] {
        let db = Database::open(":memory:").unwrap();
        let sql = format!("CREATE SOURCE s (device VARCHAR, ts TIMESTAMP, WATERMARK FOR ts {watermark}) {rest}");
        let error = db.execute(&sql).err().unwrap_or_else(|| panic!("{sql} is refused"));
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(part) && error.span().is_some() && error.hint().is_some(), "{error}");
    }
}

/// A folder with a file for each list of seconds.
fn files(seconds: &[&[i64]]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (number, seconds) in seconds.iter().enumerate() {
        let lines: String = seconds.iter().map(|seconds| format!("f{number},1970-01-01 00:00:{seconds:02}\n")).collect();
        std::fs::write(folder.path().join(format!("{number}.csv")), format!("device,ts\n{lines}")).unwrap();
    }
    folder
}

/// Windows of ten seconds over the files of a folder.
fn over_files(folder: &tempfile::TempDir, watermark: &str, options: &str) -> Database {
    let db = Database::builder().checked().build();
    db.execute(&format!(
        "CREATE SOURCE s (device VARCHAR, ts TIMESTAMP, WATERMARK FOR ts {watermark})
         FROM FILE (path = '{}/*.csv', batch_rows = 2{options});
         CREATE MATERIALIZED VIEW closed AS SELECT device, window_start, count(*) AS n FROM s
         GROUP BY device, TUMBLE(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE",
        folder.path().display()
    ))
    .unwrap();
    db
}

#[test]
fn files_that_are_read_one_after_the_other_are_not_late_for_each_other() {
    let folder = files(&[&[1, 11, 21, 31], &[2, 12, 22, 32], &[3, 13, 23, 33]]);
    for (watermark, late) in [("WITH (strategy = 'ascending')", 6), ("WITH (strategy = 'ascending', per = 'partition')", 0)] {
        let db = over_files(&folder, watermark, "");
        db.run_until_finished(&false.into()).unwrap();
        assert_eq!(db.status().object("closed").unwrap().late, late, "{watermark}");
        assert_eq!(answer(&db, "SELECT count(*) FROM closed"), [(12 - late).to_string()]);
    }
}

#[test]
fn files_that_grow_side_by_side_are_not_late_for_each_other() {
    let folder = files(&[&[1, 11, 21, 31, 41], &[2], &[3, 13]]);
    let db = over_files(&folder, "WITH (strategy = 'ascending', per = 'partition')", ", follow = 'true', poll_interval = '1 ms'");
    let rows = |db: &Database| db.status().object("s").unwrap().rows;
    let read_until = |count: u64| {
        while rows(&db) < count {
            db.turn_or_wait(std::time::Duration::from_millis(5)).unwrap();
        }
        db.turn().unwrap();
    };
    read_until(8);
    assert_eq!(answer(&db, "SELECT count(*) FROM closed"), ["0"]);
    let mut slow = std::fs::OpenOptions::new().append(true).open(folder.path().join("1.csv")).unwrap();
    std::io::Write::write_all(&mut slow, b"f1,1970-01-01 00:00:12\n").unwrap();
    read_until(9);
    assert_eq!(answer(&db, CLOSED), ["f0 1", "f1 1", "f2 1"]);
    assert_eq!(db.status().object("closed").unwrap().late, 0);
}
