//! Real processes that are killed at any moment: what they were told is done is there, once.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::{Database, Durability, IoMethod, Settings};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Folder, rows};

/// Where the child finds its directory, and what it does there.
const DIRECTORY: &str = "LAMINAR_CRASH_DIRECTORY";
const WORKERS: &str = "LAMINAR_CRASH_WORKERS";

const OBJECTS: &str = "
    CREATE SOURCE IF NOT EXISTS s (n BIGINT NOT NULL);
    CREATE TABLE IF NOT EXISTS t (k BIGINT PRIMARY KEY, n BIGINT);
    CREATE MATERIALIZED VIEW IF NOT EXISTS seen AS SELECT count(*) AS n, count(DISTINCT n) AS d, max(n) AS last FROM s;
    CREATE MATERIALIZED VIEW IF NOT EXISTS groups AS SELECT n % 17 AS g, count(*) AS n, sum(n) AS total FROM s GROUP BY n % 17;
    CREATE MATERIALIZED VIEW IF NOT EXISTS joined AS SELECT count(*) AS n FROM s JOIN t ON s.n = t.n;";

fn number(n: i64) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![n])) as ArrayRef)]).unwrap()
}

fn open(folder: &str, workers: usize) -> Database {
    // The bytes are the same, whichever way they are written.
    let io_method = if workers == 1 { IoMethod::Sync } else { IoMethod::IoUring };
    let settings =
        Settings { checkpoint_interval: Some(30_000_000), durability: Durability::Full, io_method, ..Settings::default() };
    let builder = Database::builder().settings(settings).workers(workers);
    builder.open(folder).unwrap_or_else(|error| panic!("{error}"))
}

/// What the child does until it is killed: it pushes number after number, and says each when it was told that it is there.
#[test]
fn child_that_pushes_until_it_is_killed() {
    let (Ok(folder), Ok(workers)) = (std::env::var(DIRECTORY), std::env::var(WORKERS)) else { return };
    let db = open(&folder, workers.parse().unwrap());
    db.execute(OBJECTS).unwrap();
    let next = rows(&db, "SELECT coalesce(last, 0) + 1 FROM seen")[0][0].parse().unwrap();
    for n in next.. {
        db.push("s", number(n)).unwrap();
        println!("\npushed {n}");
        if n % 3 == 0 {
            db.execute(&format!("INSERT INTO t VALUES ({}, {n})", n % 50)).unwrap();
            println!("\ninserted {n}");
        }
    }
}

struct Killed {
    pushed: i64,
    inserted: i64,
}

/// Starts the child, lets it work for some time, kills it, and gives what it was told last.
fn run_and_kill(folder: &Folder, workers: usize, lives: Duration) -> Killed {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durable::crash::child_that_pushes_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, folder.data())
        .env(WORKERS, workers.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut told = Killed { pushed: 0, inserted: 0 };
        for line in output.lines().map_while(Result::ok) {
            let last = |what: &str| line.strip_prefix(what).and_then(|number| number.parse::<i64>().ok());
            told.pushed = last("pushed ").unwrap_or(told.pushed);
            told.inserted = last("inserted ").unwrap_or(told.inserted);
        }
        told
    });
    std::thread::sleep(lives);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn nothing_that_was_acknowledged_is_missing_or_there_twice_however_often_the_process_is_killed() {
    let kills = std::env::var("LAMINAR_CRASHES").ok().and_then(|kills| kills.parse().ok()).unwrap_or(25);
    let mut random = StdRng::seed_from_u64(std::env::var("LAMINAR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1));
    let folder = Folder::new();
    let (mut pushed, mut inserted, mut worked) = (0, 0, 0);
    for kill in 0..kills {
        let lives = Duration::from_millis(random.random_range(20..400));
        let told = run_and_kill(&folder, 1 + kill % 2, lives);
        worked += usize::from(told.pushed > pushed);
        (pushed, inserted) = (pushed.max(told.pushed), inserted.max(told.inserted));
        let db = open(&folder.data(), 1);
        // Each statement is there or not; nothing is pushed before all of them are.
        if rows(&db, "SHOW ALL").len() < 5 {
            assert_eq!(pushed, 0, "kill {kill}");
            continue;
        }
        let seen = rows(&db, "SELECT n, d, coalesce(last, 0) FROM seen");
        let last: i64 = seen[0][2].parse().unwrap();
        assert_eq!(seen[0], [&last.to_string(); 3].map(String::clone), "kill {kill}: each number once");
        assert!(last >= pushed && last <= pushed + 1, "kill {kill}: {pushed} were acknowledged, {last} are there");
        let groups = rows(&db, "SELECT coalesce(sum(n), 0), coalesce(sum(total), 0) FROM groups");
        assert_eq!(groups[0], [last.to_string(), (last * (last + 1) / 2).to_string()], "kill {kill}");
        let table = rows(&db, "SELECT coalesce(max(n), 0) FROM t");
        assert!(table[0][0].parse::<i64>().unwrap() >= inserted, "kill {kill}: {inserted} was acknowledged: {table:?}");
        assert_eq!(rows(&db, "SELECT n FROM joined"), rows(&db, "SELECT count(*) FROM t"), "kill {kill}");
        // What was there once must stay, although the process was killed before it could say so.
        pushed = last;
    }
    // How many, depends on how busy the machine is.
    assert!(worked > 0, "the process got to work in none of {kills} lives");
}
