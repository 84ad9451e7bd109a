//! What a push promises beside subscriptions that are not read, and what these get.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use laminar_db::{Code, Database, Error, Row, SlowReader, StepId, SubscribeOptions, Subscription};

#[derive(Row, Clone)]
struct Number {
    n: i64,
}

/// A source `numbers`, a view of its rows, and another view without subscription.
fn numbers(settings: &str) -> Database {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE SOURCE numbers (n BIGINT NOT NULL); CREATE MATERIALIZED VIEW listed AS SELECT n FROM numbers").unwrap();
    db.execute("CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM numbers").unwrap();
    db.execute(settings).unwrap();
    db
}

fn push(db: &Database, n: i64) -> Result<(), Error> {
    db.push_rows("numbers", &[Number { n }])
}

fn answer(db: &Database, sql: &str) -> String {
    db.query(sql).unwrap().to_strings().concat().concat()
}

fn blocking(capacity: usize) -> SubscribeOptions {
    SubscribeOptions { slow_reader: SlowReader::Block, capacity, ..SubscribeOptions::default() }
}

fn rows(reader: &mut Subscription) -> usize {
    std::iter::from_fn(|| reader.try_next().unwrap()).map(|step| step.changes.len()).sum()
}

#[test]
fn a_push_beside_a_full_subscription_that_blocks_fails_whole_and_names_it() {
    let db = numbers("SET push_timeout = '20 ms'");
    let mut reader = db.subscribe_with("listed", blocking(2)).unwrap();
    let pushed: Vec<_> = (0..10).map(|n| push(&db, n)).collect();
    assert_eq!(pushed.iter().filter(|pushed| pushed.is_ok()).count(), 2);
    let error = pushed.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.code(), Code::Backpressure);
    assert_eq!(error.message(), "'numbers' is held back by a subscription to 'listed': 2 steps wait to be read");
    assert_eq!(error.detail(), Some("nothing was taken in; all views are current with what was taken in before"));
    // Every view, also one without subscription, has what was accepted and nothing else.
    assert_eq!([answer(&db, "SELECT count(*) FROM listed"), answer(&db, "SELECT n FROM counted")], ["2", "2"]);
    let jobs = db.query("SHOW JOBS").unwrap().to_strings();
    let state = |name: &str| jobs.iter().find(|job| job[0] == name).unwrap()[2].clone();
    assert_eq!(state("numbers"), "held back by a subscription to 'listed': 2 steps wait to be read");
    assert_eq!(state("counted"), "running");
    assert_eq!(rows(&mut reader), 2);
    push(&db, 10).unwrap();
    assert_eq!((rows(&mut reader), answer(&db, "SELECT n FROM counted")), (1, "3".to_owned()));
}

#[test]
fn an_insert_beside_a_full_subscription_that_blocks_fails_in_the_same_way() {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE TABLE t (a INT); CREATE TABLE other (a INT); SET push_timeout = '5 ms'").unwrap();
    let reader = db.subscribe_with("t", blocking(1)).unwrap();
    db.execute("INSERT INTO t VALUES (1)").unwrap();
    let error = db.execute("INSERT INTO t VALUES (2)").err().unwrap();
    assert_eq!((error.code(), answer(&db, "SELECT count(*) FROM t").as_str()), (Code::Backpressure, "1"));
    db.execute("INSERT INTO other VALUES (1)").unwrap();
    drop(reader);
    db.execute("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(answer(&db, "SELECT count(*) FROM t"), "2");
}

#[test]
fn a_push_that_is_held_back_goes_on_as_soon_as_the_subscription_is_read() {
    let db = numbers("SET push_timeout = '60 seconds'");
    let mut reader = db.subscribe_with("listed", blocking(1)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..20).for_each(|n| push(&db, n).unwrap()));
        let mut read = 0;
        while read < 20 {
            read += rows(&mut reader);
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(answer(&db, "SELECT n FROM counted"), "20");
}

#[test]
fn a_subscription_that_is_not_read_holds_nobody_back_and_misses_nothing_within_its_bound() {
    let db = numbers("");
    let mut reader = db.subscribe("listed").unwrap();
    (0..3000).for_each(|n| push(&db, n).unwrap());
    assert_eq!(answer(&db, "SELECT n FROM counted"), "3000");
    assert_eq!(rows(&mut reader), 3000);
}

#[test]
fn a_reader_that_falls_behind_its_bound_is_told_which_steps_are_gone_and_can_begin_anew() {
    let db = numbers("SET subscription_memory = '64 KiB'");
    let mut reader = db.subscribe("listed").unwrap();
    let mut keeping_up = db.subscribe("listed").unwrap();
    let mut dropping = db
        .subscribe_with("listed", SubscribeOptions { slow_reader: SlowReader::DropOldest, ..SubscribeOptions::default() })
        .unwrap();
    let mut kept_up = 0;
    for n in 0..2000 {
        push(&db, n).unwrap();
        kept_up += rows(&mut keeping_up);
        assert!(db.status().history_bytes <= 66 << 10, "{}", db.status().history_bytes);
    }
    assert_eq!((answer(&db, "SELECT n FROM counted"), kept_up), ("2000".to_owned(), 2000));
    let error = reader.try_next().unwrap_err();
    assert_eq!(error.code(), Code::LimitReached);
    assert!(error.message().contains("the reader of 'listed' fell behind"), "{error}");
    assert!(reader.is_finished() && reader.next().is_none());
    let left = rows(&mut dropping) as u64;
    assert_eq!((left > 0, left + dropping.dropped()), (true, 2000));
    assert_eq!(rows(&mut db.subscribe("listed").unwrap()), 2000, "a new one begins with the current rows");
}

#[test]
fn a_large_push_is_not_kept_alive_by_the_slices_that_wait() {
    let db = numbers("SET subscription_memory = '1 MiB'");
    let mut reader = db.subscribe("numbers").unwrap();
    let many: Vec<Number> = (0..200_000).map(|n| Number { n }).collect();
    db.push_rows("numbers", &many).unwrap();
    assert!(db.status().history_bytes <= 2 << 20, "{}", db.status().history_bytes);
    assert_eq!(reader.try_next().unwrap_err().code(), Code::LimitReached);
}

#[test]
fn a_history_that_is_kept_can_be_read_from_any_of_its_steps() {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE SOURCE numbers (n BIGINT NOT NULL)").unwrap();
    db.execute("CREATE MATERIALIZED VIEW total WITH (history = '5 steps') AS SELECT sum(n) AS total FROM numbers").unwrap();
    let steps: Vec<StepId> = (1..=8).map(|n| push(&db, n).map(|()| db.status().step).unwrap()).collect();
    let after = |step: StepId| SubscribeOptions { as_of_step: Some(step), ..SubscribeOptions::default() };
    let mut reader = db.subscribe_with("total", after(steps[4])).unwrap();
    let seen: Vec<StepId> = std::iter::from_fn(|| reader.try_next().unwrap()).map(|changes| changes.step).collect();
    assert_eq!(seen, steps[5..]);
    push(&db, 9).unwrap();
    assert_eq!(rows(&mut reader), 2, "-U and +U");
    let gone = db.subscribe_with("total", after(steps[1])).err().unwrap();
    assert_eq!(gone.code(), Code::LimitReached);
    assert!(gone.message().contains("are not kept: its history begins after step"), "{gone}");
    let early = db.execute(&format!("SUBSCRIBE total AS OF STEP {}", steps[7].0 + 100)).err().unwrap();
    assert_eq!(early.code(), Code::InvalidQuery);
    db.execute(&format!("SUBSCRIBE total AS OF STEP {}", steps[7].0)).unwrap();
    let both = db.execute(&format!("SUBSCRIBE total WITH (snapshot) AS OF STEP {}", steps[7].0)).err().unwrap();
    assert_eq!(both.code(), Code::InvalidQuery);
}

#[test]
fn a_history_without_a_length_that_makes_sense_is_refused() {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE TABLE t (a INT)").unwrap();
    for (sql, code) in [
        ("CREATE MATERIALIZED VIEW v WITH (history = 'long') AS SELECT a FROM t", Code::InvalidOption),
        ("CREATE MATERIALIZED VIEW v WITH (histroy = '5 steps') AS SELECT a FROM t", Code::UnknownOption),
        ("CREATE VIEW v WITH (history = '5 steps') AS SELECT a FROM t", Code::InvalidQuery),
    ] {
        let error = db.execute(sql).err().unwrap();
        assert_eq!(error.code(), code, "{sql}: {error}");
        assert!(error.span().is_some(), "{sql}: {error}");
    }
    db.execute("CREATE STREAM v WITH (history = '10 minutes') AS SELECT a FROM t").unwrap();
}

#[test]
fn a_source_with_a_connector_is_not_read_while_a_subscription_holds_it_back_and_a_run_says_so() {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE SOURCE g (id BIGINT) FROM GENERATOR (rows = 500000); CREATE STREAM s AS SELECT id FROM g").unwrap();
    db.execute("CREATE SOURCE h (id BIGINT) FROM GENERATOR (rows = 500000); SET push_timeout = '20 ms'").unwrap();
    db.execute("CREATE MATERIALIZED VIEW other AS SELECT count(*) AS n FROM h").unwrap();
    let mut reader = db.subscribe_with("s", blocking(1)).unwrap();
    let error = db.run_until_finished(&false.into()).unwrap_err();
    assert_eq!((error.code(), answer(&db, "SELECT n FROM other").as_str()), (Code::Backpressure, "500000"));
    assert!(error.message().contains("'g' is held back by a subscription to 's'"), "{error}");
    let mut read = 0;
    while let Some(changes) = reader.next() {
        read += changes.unwrap().changes.len();
    }
    assert_eq!(read, 500_000);
}

#[test]
fn a_loop_that_runs_beside_a_blocking_reader_goes_on_when_it_reads() {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE SOURCE g (id BIGINT) FROM GENERATOR (rows = 300000); CREATE STREAM s AS SELECT id FROM g").unwrap();
    db.execute("SET push_timeout = '60 seconds'").unwrap();
    let mut reader = db.subscribe_with("s", blocking(1)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| db.run_until_finished(&stop));
        let mut read = 0;
        while read < 300_000 {
            read += rows(&mut reader);
            std::thread::sleep(Duration::from_millis(1));
        }
        running.join().unwrap().unwrap();
        stop.store(true, Ordering::Relaxed);
    });
}

/// Rows that the long loops push: `LAMINAR_PUSH_ROWS=10000000` is the long mode.
fn loop_rows() -> usize {
    std::env::var("LAMINAR_PUSH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(2_000_000)
}

/// Rows of one push of such a loop.
const PUSHED_ROWS: usize = 100;
/// What the process may grow by after the first tenth of a loop.
const GROWTH_BYTES_MAX: usize = 64 << 20;

/// Resident memory in bytes; `None` where that cannot be read.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

/// A source of numbers, what passes them on, and two views that stay small.
fn passing(settings: &str) -> Database {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE SOURCE numbers (n BIGINT NOT NULL); CREATE STREAM passed AS SELECT n FROM numbers").unwrap();
    db.execute("CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM numbers").unwrap();
    db.execute("CREATE MATERIALIZED VIEW digits AS SELECT n % 10 AS digit, count(*) AS n FROM numbers GROUP BY n % 10").unwrap();
    db.execute(settings).unwrap();
    db
}

/// Pushes all rows of a long loop; how many pushes were taken in. `after` looks at each. Prints what `LAMINAR_PUSH_ROWS` is for.
fn push_loop(db: &Database, mut after: impl FnMut(&Result<(), Error>)) -> usize {
    let batch: Vec<Number> = (0..PUSHED_ROWS as i64).map(|n| Number { n }).collect();
    let pushes = loop_rows() / PUSHED_ROWS;
    let (mut taken, mut first, mut most, began) = (0, None, 0, std::time::Instant::now());
    for push in 0..pushes {
        let pushed = db.push_rows("numbers", &batch);
        taken += usize::from(pushed.is_ok());
        after(&pushed);
        let now = resident().unwrap_or(0);
        first = first.or((push >= pushes / 10).then_some(now));
        most = most.max(now);
    }
    let grown = most.saturating_sub(first.unwrap_or(most));
    println!("{} rows in {:?}: {} MiB at most, grown by {} KiB", pushes * PUSHED_ROWS, began.elapsed(), most >> 20, grown >> 10);
    assert!(grown <= GROWTH_BYTES_MAX, "grown by {grown} bytes");
    taken
}

/// Fails unless every view has what so many pushes took in.
fn expect_current(db: &Database, pushes: usize) {
    assert_eq!(answer(db, "SELECT n FROM counted"), (pushes * PUSHED_ROWS).to_string());
    let digits = db.query("SELECT DISTINCT n FROM digits").unwrap().to_strings().concat();
    assert_eq!(digits, [(pushes * PUSHED_ROWS / 10).to_string()]);
}

#[test]
fn a_loop_of_pushes_beside_subscriptions_that_are_never_read_takes_bounded_memory() {
    let db = passing("SET subscription_memory = '1 MiB'");
    let mut failing = db.subscribe("passed").unwrap();
    let dropping = SubscribeOptions { slow_reader: SlowReader::DropOldest, ..SubscribeOptions::default() };
    let mut dropping = db.subscribe_with("passed", dropping).unwrap();
    let taken = push_loop(&db, |pushed| assert!(pushed.is_ok(), "{pushed:?}"));
    assert_eq!(taken, loop_rows() / PUSHED_ROWS);
    expect_current(&db, taken);
    assert_eq!(failing.try_next().unwrap_err().code(), Code::LimitReached);
    let read = rows(&mut dropping) as u64;
    assert!(read > 0 && read + dropping.dropped() == (taken * PUSHED_ROWS) as u64, "{read} + {}", dropping.dropped());
}

#[test]
fn a_loop_of_pushes_beside_a_subscription_that_blocks_takes_in_what_fits_and_nothing_else() {
    let db = passing("SET push_timeout = '0'");
    let mut blocking = db.subscribe_with("passed", blocking(10)).unwrap();
    let mut refused = 0;
    let taken = push_loop(&db, |pushed| {
        if let Err(error) = pushed {
            assert_eq!(error.code(), Code::Backpressure);
            refused += 1;
        }
    });
    assert_eq!((taken, taken + refused), (10, loop_rows() / PUSHED_ROWS));
    expect_current(&db, taken);
    assert_eq!(rows(&mut blocking), taken * PUSHED_ROWS);
    db.push_rows("numbers", &[Number { n: 1 }]).unwrap();
}
