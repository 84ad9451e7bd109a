//! How a watermark follows from rows: `WATERMARK FOR … WITH (strategy = …)`.

use std::sync::Arc;

use laminar_db::core::time::ManualClock;
use laminar_db::{Code, Database};

const SECOND: i64 = 1_000_000_000;

/// A source with such a watermark, windows of ten seconds over it, and a clock that is moved by hand.
fn source(watermark: &str) -> (Database, ManualClock) {
    let clock = ManualClock::at(0);
    let db = Database::builder().clock(Arc::new(clock.clone())).checked().build();
    db.execute(&format!("CREATE SOURCE s (ts TIMESTAMP, is_last BOOLEAN, WATERMARK FOR ts {watermark})")).unwrap();
    db.execute(
        "CREATE MATERIALIZED VIEW closed AS SELECT window_start, count(*) AS n FROM s
         GROUP BY TUMBLE(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE",
    )
    .unwrap();
    (db, clock)
}

/// Inserts a row whose time is so many seconds after the beginning of 1970.
fn row(db: &Database, seconds: i64, is_last: bool) {
    db.execute(&format!("INSERT INTO s VALUES (TIMESTAMP '1970-01-01 00:00:{seconds:02}', {is_last})")).unwrap();
}

/// How many rows each window had that is closed.
fn closed(db: &Database) -> Vec<String> {
    db.query("SELECT n FROM closed ORDER BY window_start").unwrap().to_strings().concat()
}

#[test]
fn without_a_strategy_the_watermark_stays_behind_the_latest_time() {
    for watermark in ["AS ts - INTERVAL '5' SECOND", "AS ts - INTERVAL '5' SECOND WITH (strategy = 'bounded')"] {
        let (db, _) = source(watermark);
        [3, 14, 7].into_iter().for_each(|seconds| row(&db, seconds, false));
        assert!(closed(&db).is_empty());
        row(&db, 15, false);
        assert_eq!(closed(&db), ["2"]);
    }
}

#[test]
fn ascending_times_close_windows_at_once() {
    let (db, _) = source("WITH (strategy = 'ascending')");
    [3, 9, 10].into_iter().for_each(|seconds| row(&db, seconds, false));
    assert_eq!(closed(&db), ["2"]);
}

#[test]
fn a_marked_row_says_that_its_time_is_reached() {
    let (db, _) = source("WITH (strategy = 'punctuated', marker = 'is_last')");
    [3, 25, 8].into_iter().for_each(|seconds| row(&db, seconds, false));
    assert!(closed(&db).is_empty(), "the times alone say nothing");
    row(&db, 10, true);
    assert_eq!(closed(&db), ["2"]);
}

#[test]
fn a_periodic_watermark_is_told_now_and_then() {
    let (db, clock) = source("WITH (strategy = 'periodic', every = '2 seconds')");
    clock.advance(3 * SECOND);
    row(&db, 3, false);
    row(&db, 12, false);
    assert!(closed(&db).is_empty(), "two seconds have not passed");
    clock.advance(2 * SECOND);
    row(&db, 13, false);
    assert_eq!(closed(&db), ["1"]);
}

#[test]
fn processing_time_goes_with_the_clock() {
    let (db, clock) = source("AS ts - INTERVAL '1' SECOND WITH (strategy = 'processing_time')");
    row(&db, 3, false);
    clock.advance(10 * SECOND);
    row(&db, 12, false);
    assert!(closed(&db).is_empty(), "the clock shows 10, and the watermark is a second behind");
    clock.advance(SECOND);
    row(&db, 12, false);
    assert_eq!(closed(&db), ["1"]);
}

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
