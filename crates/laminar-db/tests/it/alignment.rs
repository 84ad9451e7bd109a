//! Alignment groups: a source that is too far ahead of the slowest of its group is not read for a while, and nothing stands still for ever.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use laminar_db::core::time::ManualClock;
use laminar_db::{Code, Database, SlowReader, SubscribeOptions, Turn};

/// A file of rows whose times are these minutes of 1970.
fn write(folder: &Path, name: &str, minutes: impl IntoIterator<Item = i64>) {
    let mut text = "ts\n".to_owned();
    for minute in minutes {
        writeln!(text, "1970-01-{:02} {:02}:{:02}:00", 1 + minute / 1440, minute / 60 % 24, minute % 60).unwrap();
    }
    std::fs::write(folder.join(format!("{name}.csv")), text).unwrap();
}

/// A source over a file that is read ten rows at a time, one of the group `g`, and the windows over it.
fn source(db: &Database, folder: &Path, name: &str, follow: bool) {
    let follow = if follow { ", follow = 'true', poll_interval = '1 ms'" } else { "" };
    db.execute(&format!(
        "CREATE SOURCE {name} (ts TIMESTAMP, WATERMARK FOR ts AS ts)
         FROM FILE (path = '{}/{name}.csv', batch_rows = 10{follow})
         WITH (watermark_alignment_group = 'g', watermark_alignment_max_drift = '30 minutes');
         CREATE MATERIALIZED VIEW {name}_minutes AS SELECT window_start, count(*) AS n FROM {name}
         GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE",
        folder.display()
    ))
    .unwrap();
}

fn rows(db: &Database, name: &str) -> u64 {
    db.status().object(name).unwrap().rows
}

fn state(db: &Database, name: &str) -> String {
    db.query("SHOW JOBS").unwrap().to_strings().into_iter().find(|job| job[0] == name).unwrap()[2].clone()
}

/// So many rounds, with pauses where there is nothing to do.
fn rounds(db: &Database, count: usize) {
    for _ in 0..count {
        if db.turn_or_wait(Duration::from_millis(2)).unwrap() == Turn::Finished {
            return;
        }
    }
}

#[test]
fn a_source_that_is_ahead_waits_for_the_slowest_until_that_goes_on_or_ends() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "fast", 0..1000);
    write(folder.path(), "slow", 0..20);
    let db = Database::open(":memory:").unwrap();
    source(&db, folder.path(), "fast", false);
    source(&db, folder.path(), "slow", true);
    rounds(&db, 60);
    // 19 + 30 minutes, and what one batch goes beyond.
    assert_eq!((rows(&db, "slow"), rows(&db, "fast")), (20, 60));
    assert_eq!(state(&db, "fast"), "waits for 'slow', whose watermark is too far behind");
    assert_eq!(db.status().object("fast").unwrap().waits_for.as_deref(), Some("slow"));
    assert_eq!((state(&db, "slow"), state(&db, "fast_minutes")), ("running".to_owned(), "running".to_owned()));
    write(folder.path(), "slow", 0..120);
    rounds(&db, 200);
    assert_eq!((rows(&db, "slow"), rows(&db, "fast")), (120, 160));
    db.execute("DROP SOURCE slow CASCADE").unwrap();
    rounds(&db, 200);
    assert_eq!((rows(&db, "fast"), state(&db, "fast").as_str()), (1000, "ended"));
}

#[test]
fn a_run_over_files_ends_and_gives_what_it_gives_without_a_group() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a", 0..500);
    write(folder.path(), "b", (0..300).map(|minute| minute * 7));
    write(folder.path(), "c", 400..420);
    let answers = [false, true].map(|aligned| {
        let db = Database::open(":memory:").unwrap();
        for name in ["a", "b", "c"] {
            if aligned {
                source(&db, folder.path(), name, false);
            } else {
                db.execute(&format!(
                    "CREATE SOURCE {name} (ts TIMESTAMP, WATERMARK FOR ts AS ts) FROM FILE (path = '{}/{name}.csv');
                     CREATE MATERIALIZED VIEW {name}_minutes AS SELECT window_start, count(*) AS n FROM {name}
                     GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE",
                    folder.path().display()
                ))
                .unwrap();
            }
        }
        db.run_until_finished(&false.into()).unwrap();
        ["a", "b", "c"].map(|name| db.query(&format!("SELECT count(*), sum(n) FROM {name}_minutes")).unwrap().to_strings())
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0][0], [["500", "500"]]);
}

#[test]
fn the_slowest_is_read_until_the_others_may_go_on_so_little_waits_in_windows_over_both() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "fast", (0..300).map(|minute| minute * 10));
    write(folder.path(), "slow", 0..3_000);
    let db = Database::open(":memory:").unwrap();
    source(&db, folder.path(), "fast", false);
    source(&db, folder.path(), "slow", false);
    db.execute(
        "CREATE MATERIALIZED VIEW both AS SELECT window_start, count(*) AS n FROM (SELECT ts FROM fast UNION ALL SELECT ts FROM slow)
         GROUP BY TUMBLE(ts, INTERVAL '10' MINUTE) EMIT ON WINDOW CLOSE",
    )
    .unwrap();
    let mut most = 0;
    while db.turn().unwrap() != Turn::Finished {
        let open = db.query("SHOW STATE").unwrap().to_strings();
        let open = open.iter().filter(|row| row[0].starts_with("both") && row[1].contains("window"));
        most = most.max(open.map(|row| row[2].parse::<u64>().unwrap()).sum());
    }
    // Thirty minutes of drift, and a batch of each: windows of ten minutes each.
    assert!((1..=20).contains(&most), "{most}");
    assert_eq!(db.query("SELECT sum(n) FROM both").unwrap().to_strings(), [["3300"]]);
}

#[test]
fn a_silent_source_and_one_that_nobody_reads_hold_nobody() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "fast", 0..500);
    write(folder.path(), "silent", [0]);
    let clock = ManualClock::at(0);
    let db = Database::builder().clock(Arc::new(clock.clone())).build();
    db.execute("SET idle_timeout = '5 seconds'").unwrap();
    source(&db, folder.path(), "fast", false);
    source(&db, folder.path(), "silent", true);
    db.execute(&format!(
        "CREATE SOURCE unread (ts TIMESTAMP, WATERMARK FOR ts AS ts) FROM FILE (path = '{}/silent.csv')
         WITH (watermark_alignment_group = 'g', watermark_alignment_max_drift = '1 minute')",
        folder.path().display()
    ))
    .unwrap();
    let rounds = || {
        for _ in 0..200 {
            db.turn().unwrap();
        }
    };
    rounds();
    assert_eq!(rows(&db, "fast"), 40);
    // It has waited for longer than the idle timeout, which is not its own silence: its watermark does not move.
    for _ in 0..4 {
        clock.advance(1_000_000_000);
        rounds();
    }
    assert_eq!(
        (rows(&db, "fast"), db.status().object("fast").unwrap().watermark.to_string()),
        (40, "1970-01-01 00:39:00".to_owned())
    );
    clock.advance(1_000_000_000);
    rounds();
    assert_eq!(rows(&db, "fast"), 500);
    assert_eq!(db.status().object("fast_minutes").unwrap().late, 0);
}

#[test]
fn a_source_that_waits_is_not_silent() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "fast", 0..500);
    write(folder.path(), "slow", 0..2);
    let clock = ManualClock::at(0);
    let db = Database::builder().clock(Arc::new(clock.clone())).build();
    db.execute("SET idle_timeout = '5 seconds'").unwrap();
    source(&db, folder.path(), "fast", false);
    source(&db, folder.path(), "slow", true);
    for more in 3..20 {
        (0..20).for_each(|_| _ = db.turn().unwrap());
        clock.advance(2_000_000_000);
        write(folder.path(), "slow", 0..more);
    }
    (0..20).for_each(|_| _ = db.turn().unwrap());
    assert_eq!(db.status().object("fast").unwrap().watermark.to_string(), "1970-01-01 00:49:00");
}

#[test]
fn a_source_that_a_subscription_holds_back_is_not_silent_either() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "fast", 0..500);
    let clock = ManualClock::at(0);
    let db = Database::builder().clock(Arc::new(clock.clone())).build();
    db.execute("SET idle_timeout = '5 seconds'").unwrap();
    source(&db, folder.path(), "fast", false);
    db.execute("CREATE STREAM passed AS SELECT ts FROM fast").unwrap();
    let blocking = SubscribeOptions { slow_reader: SlowReader::Block, capacity: 1, ..SubscribeOptions::default() };
    let mut reader = db.subscribe_with("passed", blocking).unwrap();
    let watermark = || db.status().object("fast").unwrap().watermark.to_string();
    (0..20).for_each(|_| _ = db.turn().unwrap());
    let before = watermark();
    for _ in 0..20 {
        clock.advance(1_000_000_000);
        db.turn().unwrap();
    }
    assert_eq!(watermark(), before);
    let mut read = 0;
    while read < 500 {
        read += std::iter::from_fn(|| reader.try_next().unwrap()).map(|step| step.changes.len()).sum::<usize>();
        db.turn().unwrap();
    }
    assert_eq!(db.status().object("fast_minutes").unwrap().late, 0);
}

#[test]
fn groups_that_make_no_sense_are_refused_where_they_stand() {
    let (group, drift) = ("watermark_alignment_group = 'g'", "watermark_alignment_max_drift = '1 minute'");
    let generator = "FROM GENERATOR (rows = 1)";
    let watermark = ", WATERMARK FOR ts AS ts";
    for (columns, rest, code, part) in [
        (watermark, format!("WITH ({group}, {drift})"), Code::InvalidOption, "its rows are pushed"),
        ("", format!("{generator} WITH ({group}, {drift})"), Code::InvalidWindow, "'s' has none"),
        (watermark, format!("{generator} WITH ({group})"), Code::InvalidOption, "max_drift' is missing"),
        (watermark, format!("{generator} WITH ({drift})"), Code::InvalidOption, "group' is missing"),
        (watermark, format!("{generator} WITH ({group}, watermark_alignment_max_drift = 'far')"), Code::InvalidOption, "'far'"),
        (
            watermark,
            format!("{generator} WITH ({group}, {drift}, watermark_alignment_x = 1)"),
            Code::UnknownOption,
            "alignment_x",
        ),
        (watermark, format!("{generator} WITH (rows = 2)"), Code::UnknownOption, "stands behind the connector"),
        (watermark, format!("FROM GENERATOR (rows = 1, {group}) WITH ({group})"), Code::InvalidOption, "given twice"),
    ] {
        let db = Database::open(":memory:").unwrap();
        let sql = format!("CREATE SOURCE s (ts TIMESTAMP{columns}) {rest}");
        let error = db.execute(&sql).err().unwrap_or_else(|| panic!("{sql} is refused"));
        assert_eq!(error.code(), code, "{sql}: {error}");
        assert!(
            error.message().contains(part) && error.span().is_some() && error.hint().is_some() | part.contains("twice"),
            "{error:?}"
        );
    }
}

#[test]
fn the_options_stand_wherever_options_of_a_source_stand() {
    let options = "watermark_alignment_group = 'g', watermark_alignment_max_drift = '1 minute'";
    for rest in [
        format!("FROM GENERATOR (rows = 1, {options})"),
        format!("FROM GENERATOR (rows = 1) WITH ({options})"),
        format!("WITH ({options}) FROM GENERATOR (rows = 1)"),
        format!("WITH (connector = 'generator', rows = 1, {options})"),
    ] {
        let db = Database::open(":memory:").unwrap();
        db.execute(&format!("CREATE SOURCE s (ts TIMESTAMP, WATERMARK FOR ts AS ts) {rest}")).unwrap();
    }
}
