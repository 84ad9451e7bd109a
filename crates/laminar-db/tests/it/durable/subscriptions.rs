//! Subscriptions with a name: a reader that dies, alone or with its database, goes on behind what it has acknowledged; nothing is missing and nothing comes twice.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{Code, Database, Durability, Settings};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Folder, execute, rows};

/// What a reader is given, in order.
#[track_caller]
fn fetch(db: &Database, sql: &str) -> Vec<Vec<String>> {
    db.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).to_strings()
}

/// Without the step.
fn told(rows: &[Vec<String>]) -> Vec<String> {
    rows.iter().map(|row| row[1..].join(" ")).collect()
}

fn shown(db: &Database) -> Vec<String> {
    rows(db, "SHOW SUBSCRIPTIONS").remove(0)
}

#[test]
fn a_reader_goes_on_behind_what_it_has_acknowledged_when_the_directory_is_opened_again() {
    for checkpoints in [false, true] {
        let folder = Folder::new();
        let db = folder.open();
        execute(
            &db,
            "CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT); INSERT INTO t VALUES (1, 10), (2, 20);
             CREATE MATERIALIZED VIEW sums AS SELECT k % 2 AS g, sum(v) AS v FROM t GROUP BY k % 2;
             CREATE SUBSCRIPTION s ON sums",
        );
        let mut first = told(&fetch(&db, "FETCH 1 FROM s"));
        first.sort();
        assert_eq!(first, ["+I 0 20", "+I 1 10"], "the rows that there are come first, all together");
        assert_eq!(fetch(&db, "FETCH ALL FROM s").len(), 2, "and again, until they are acknowledged");
        execute(&db, "ACK s; INSERT INTO t VALUES (3, 5); INSERT INTO t VALUES (4, 7)");
        let maybe = |db: &Database| {
            if checkpoints {
                execute(db, "CHECKPOINT")
            }
        };
        maybe(&db);
        drop(db);
        let db = folder.open();
        let given = fetch(&db, "FETCH 2 FROM s");
        assert_eq!(told(&given), ["-U 1 10", "+U 1 15"]);
        drop(db);
        let db = folder.open();
        assert_eq!(fetch(&db, "FETCH 2 FROM s"), given, "not acknowledged: the same rows of the same step");
        execute(&db, &format!("ACK s THROUGH STEP {}", given[0][0]));
        maybe(&db);
        drop(db);
        let db = folder.open();
        assert_eq!(told(&fetch(&db, "FETCH ALL FROM s")), ["-U 0 20", "+U 0 27"]);
        execute(&db, "ACK s; ACK s");
        assert_eq!(fetch(&db, "FETCH ALL FROM s").len(), 0);
        drop(db);
        let db = folder.open();
        assert_eq!(fetch(&db, "FETCH ALL FROM s").len(), 0);
        let error = db.execute("ACK s").err().unwrap();
        assert!(error.message().contains("nothing has been fetched"), "{error}");
        execute(&db, "DROP SUBSCRIPTION s");
        drop(db);
        assert_eq!(rows(&folder.open(), "SHOW SUBSCRIPTIONS").len(), 0);
    }
}

#[test]
fn rows_that_were_given_before_a_crash_can_still_be_acknowledged_after_it() {
    let folder = Folder::new();
    let db = folder.open();
    execute(&db, "CREATE TABLE t (k BIGINT); INSERT INTO t VALUES (1); CREATE SUBSCRIPTION s ON t; CHECKPOINT");
    let step = fetch(&db, "FETCH ALL FROM s")[0][0].clone();
    execute(&db, "INSERT INTO t VALUES (2)");
    drop(db);
    let db = folder.open();
    execute(&db, "INSERT INTO t VALUES (3)");
    execute(&db, &format!("ACK s THROUGH STEP {step}"));
    drop(db);
    assert_eq!(told(&fetch(&folder.open(), "FETCH ALL FROM s")), ["+I 2", "+I 3"]);
}

#[test]
fn more_than_may_wait_is_told_with_its_steps_and_the_reader_begins_anew() {
    let folder = Folder::new();
    let db = folder.open();
    execute(
        &db,
        "CREATE TABLE t (k BIGINT); CREATE SUBSCRIPTION s ON t WITH (snapshot = false, history = '3 steps');
         CREATE SUBSCRIPTION other ON t WITH (snapshot = false)",
    );
    (0..3).for_each(|k| execute(&db, &format!("INSERT INTO t VALUES ({k})")));
    assert_eq!(fetch(&db, "FETCH ALL FROM s").len(), 3);
    execute(&db, "INSERT INTO t VALUES (3)");
    let mut db = Some(db);
    for _ in 0..2 {
        let db = db.take().unwrap_or_else(|| folder.open());
        let error = db.query("FETCH ALL FROM s").unwrap_err();
        assert_eq!(error.code(), Code::LimitReached);
        assert!(error.message().contains("are not kept any more"), "{error}");
        assert!(error.hint().unwrap().contains("DROP SUBSCRIPTION s"), "{error:?}");
        assert_eq!(db.execute("ACK s").err().unwrap().code(), Code::LimitReached);
        assert!(rows(&db, "SHOW SUBSCRIPTIONS").iter().any(|row| row[0] == "s" && row[8].starts_with("lost")));
        db.checkpoint().unwrap();
    }
    let db = folder.open();
    assert_eq!(fetch(&db, "FETCH ALL FROM other").len(), 4, "a reader that is slow costs the others nothing");
    execute(&db, "DROP SUBSCRIPTION s; CREATE SUBSCRIPTION s ON t WITH (history = '3 steps')");
    assert_eq!(fetch(&db, "FETCH ALL FROM s").len(), 4);
    // Rows that were not acknowledged are given anew, so that nothing can be lost by waiting.
    (4..20).for_each(|k| execute(&db, &format!("INSERT INTO t VALUES ({k})")));
    assert_eq!(fetch(&db, "FETCH ALL FROM s").len(), 20);
}

#[test]
fn what_waits_for_readers_is_bounded() {
    let folder = Folder::new();
    let db = folder.open();
    execute(
        &db,
        "SET subscription_memory = '256 KiB'; CREATE SOURCE n (n BIGINT); CREATE STREAM m AS SELECT n FROM n; CREATE SUBSCRIPTION s ON m",
    );
    for first in 0..200 {
        let numbers = (first * 1000..(first + 1) * 1000).collect::<Int64Array>();
        db.push("n", RecordBatch::try_from_iter([("n", Arc::new(numbers) as ArrayRef)]).unwrap()).unwrap();
        let waiting: u64 = shown(&db)[6].parse().unwrap();
        assert!(waiting <= (256 << 10) + 20_000, "{waiting} bytes wait");
    }
    assert!(db.status().history_bytes < 300 << 10);
    assert_eq!(db.query("FETCH 1 FROM s").unwrap_err().code(), Code::LimitReached);
}

#[test]
fn steps_that_only_a_damaged_checkpoint_knew_are_told_as_lost() {
    let folder = Folder::new();
    let db = folder.open();
    execute(
        &db,
        "CREATE TABLE t (k BIGINT); CREATE SUBSCRIPTION s ON t WITH (snapshot = false); CHECKPOINT; INSERT INTO t VALUES (1)",
    );
    assert_eq!(fetch(&db, "FETCH ALL FROM s").len(), 1);
    execute(&db, "ACK s; INSERT INTO t VALUES (2)");
    drop(db);
    let manifest = folder.path().join("data/checkpoints/0000000002/MANIFEST");
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&manifest, bytes).unwrap();
    let error = folder.open().query("FETCH ALL FROM s").unwrap_err();
    assert_eq!(error.code(), Code::LimitReached, "{error}");
}

/// A reader that keeps what it was told together with the last step, as a program does with its own database.
#[derive(Default)]
struct Reader {
    state: BTreeMap<String, i64>,
    /// Given and not acknowledged.
    given: Vec<Vec<String>>,
}

impl Reader {
    fn fetch(&mut self, db: &Database, name: &str, rows: u64) {
        let begins = rows_of(db, name)[2].is_empty();
        let given = fetch(db, &format!("FETCH {rows} FROM {name}"));
        if !begins && !self.given.is_empty() {
            let same = given.len().min(self.given.len());
            assert_eq!(given[..same], self.given[..same], "what was not acknowledged comes again");
        }
        self.given = given;
    }

    fn acknowledge(&mut self, db: &Database, name: &str) {
        let Some(last) = self.given.last() else { return };
        if rows_of(db, name)[2].is_empty() {
            self.state.clear();
        }
        execute(db, &format!("ACK {name} THROUGH STEP {}", last[0]));
        for row in self.given.drain(..) {
            let weight = if row[1].starts_with('+') { 1 } else { -1 };
            let count = self.state.entry(row[2..].join(" ")).or_default();
            *count += weight;
        }
        self.state.retain(|_, count| *count != 0);
    }
}

fn rows_of(db: &Database, name: &str) -> Vec<String> {
    rows(db, "SHOW SUBSCRIPTIONS").into_iter().find(|row| row[0] == name).unwrap()
}

#[test]
fn what_readers_acknowledge_adds_up_to_the_view_whatever_happens_in_between() {
    let cases = std::env::var("LAMINAR_ORACLE_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40) / 4;
    let seed = std::env::var("LAMINAR_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in seed.map_or(0..cases, |seed| seed..seed + 1) {
        one_history(seed);
    }
}

/// A file is read in pieces beside statements, so that steps are cut anew at each restart.
fn one_history(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let folder = Folder::new();
    let lines: String = (0..30_000).map(|row| format!("{},{}\n", row % 5, row)).collect();
    std::fs::write(folder.file("in.csv"), format!("g,v\n{lines}")).unwrap();
    let mut db = folder.open_with(1 + (seed % 3) as usize);
    execute(
        &db,
        &format!(
            "CREATE TABLE t (k BIGINT PRIMARY KEY, g BIGINT, v BIGINT);
             CREATE SOURCE f FROM FILE (path = '{}', batch_rows = 500);
             CREATE MATERIALIZED VIEW both AS SELECT g, count(*) AS n, sum(v) AS v FROM
                (SELECT g, v FROM f UNION ALL SELECT g, v FROM t) AS x GROUP BY g;
             CREATE STREAM few AS SELECT v FROM f WHERE v % 1000 = 0;
             CREATE SUBSCRIPTION a ON both; CREATE SUBSCRIPTION b ON few; CREATE SUBSCRIPTION c ON both WITH (snapshot = false)",
            folder.file("in.csv")
        ),
    );
    let mut readers = ["a", "b", "c"].map(|name| (name, Reader::default()));
    for _ in 0..60 {
        let reader = random.random_range(0..3);
        match random.random_range(0..10) {
            0..2 => {
                let (k, g, v) = (random.random_range(0..9), random.random_range(0..5), random.random_range(0..100));
                execute(&db, &format!("INSERT INTO t VALUES ({k}, {g}, {v})"));
            }
            2..4 => {
                db.turn().unwrap();
            }
            4 => execute(&db, "CHECKPOINT"),
            5..7 => readers[reader].1.fetch(&db, readers[reader].0, random.random_range(1..6)),
            7..9 => readers[reader].1.acknowledge(&db, readers[reader].0),
            _ => {
                drop(db);
                db = folder.open_with(random.random_range(1..4));
            }
        }
    }
    while db.turn().unwrap() != laminar_db::Turn::Finished {}
    for (name, reader) in &mut readers {
        loop {
            reader.fetch(&db, name, 1000);
            if reader.given.is_empty() {
                break;
            }
            reader.acknowledge(&db, name);
        }
    }
    let mut expected: Vec<String> = rows(&db, "SELECT * FROM both").iter().map(|row| row.join(" ")).collect();
    expected.sort();
    for name in [0, 2] {
        let state: Vec<String> = readers[name].1.state.keys().cloned().collect();
        assert_eq!(state, expected, "seed {seed}, reader {}", readers[name].0);
        assert!(readers[name].1.state.values().all(|count| *count == 1), "seed {seed}");
    }
    let few: BTreeMap<String, i64> = (0..30).map(|n| ((n * 1000).to_string(), 1)).collect();
    assert_eq!(readers[1].1.state, few, "seed {seed}");
}

/// Where the child finds its directory.
const DIRECTORY: &str = "LAMINAR_SUBSCRIPTION_DIRECTORY";

fn open(folder: &str) -> Database {
    let settings = Settings { checkpoint_interval: Some(30_000_000), durability: Durability::Full, ..Settings::default() };
    Database::builder().settings(settings).open(folder).unwrap_or_else(|error| panic!("{error}"))
}

/// What the child does until it is killed: it pushes numbers, reads them, says what it was given and what was acknowledged.
#[test]
fn child_that_reads_until_it_is_killed() {
    let Ok(folder) = std::env::var(DIRECTORY) else { return };
    let db = open(&folder);
    execute(
        &db,
        "CREATE SOURCE IF NOT EXISTS s (n BIGINT NOT NULL); CREATE STREAM IF NOT EXISTS seen AS SELECT n FROM s;
         CREATE MATERIALIZED VIEW IF NOT EXISTS last AS SELECT max(n) AS n FROM s;
         CREATE SUBSCRIPTION IF NOT EXISTS r ON seen",
    );
    println!("\nacknowledged {}", shown(&db)[2]);
    let next: i64 = rows(&db, "SELECT coalesce(max(n), 0) + 1 FROM last")[0][0].parse().unwrap();
    for n in next.. {
        let number = Arc::new(Int64Array::from(vec![n])) as ArrayRef;
        db.push("s", RecordBatch::try_from_iter([("n", number)]).unwrap()).unwrap();
        if n % 3 == 0 {
            for row in fetch(&db, "FETCH 4 FROM r") {
                println!("\ngiven {} {}", row[0], row[2]);
            }
            execute(&db, "ACK r");
            println!("\nacknowledged {}", shown(&db)[2]);
        }
    }
}

#[test]
fn a_reader_that_is_killed_between_fetch_and_ack_is_given_the_same_rows_again_and_none_is_missing_or_there_twice() {
    let kills = std::env::var("LAMINAR_CRASHES").ok().and_then(|kills| kills.parse().ok()).unwrap_or(15);
    let mut random = StdRng::seed_from_u64(std::env::var("LAMINAR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7));
    let folder = Folder::new();
    // Steps and numbers; those that were acknowledged, and those that were given and perhaps acknowledged.
    let (mut kept, mut open_rows): (Vec<(u64, i64)>, Vec<(u64, i64)>) = (Vec::new(), Vec::new());
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durable::subscriptions::child_that_reads_until_it_is_killed", "--nocapture"])
            .env(DIRECTORY, folder.data())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || output.lines().map_while(Result::ok).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(random.random_range(100..700)));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut given_again = Vec::new();
        for line in reader.join().unwrap() {
            if let Some(row) = line.strip_prefix("given ") {
                let (step, n) = row.split_once(' ').unwrap();
                // The last line may lack its end.
                let (Ok(step), Ok(n)) = (step.parse(), n.parse()) else { continue };
                given_again.push((step, n));
            } else if let Some(step) = line.strip_prefix("acknowledged ").and_then(|step| step.parse::<u64>().ok()) {
                let given =
                    if given_again.is_empty() { std::mem::take(&mut open_rows) } else { std::mem::take(&mut given_again) };
                // What the process before was given, and had acknowledged without being able to say it.
                let (acknowledged, rest): (Vec<_>, Vec<_>) = given.into_iter().partition(|(given, _)| *given <= step);
                kept.extend(acknowledged);
                open_rows = rest;
            }
            let same = open_rows.len().min(given_again.len());
            assert_eq!(open_rows[..same], given_again[..same], "kill {kill}: the same rows again");
        }
        if !given_again.is_empty() {
            open_rows = given_again;
        }
    }
    let numbers: Vec<i64> = kept.iter().map(|(_, n)| *n).collect();
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>(), "each number once, in order");
    assert!(!numbers.is_empty(), "the process got to work in none of {kills} lives");
}
