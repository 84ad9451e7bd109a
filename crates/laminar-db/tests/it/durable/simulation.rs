//! Whole databases on a disk that stops, tears, loses, fills up and fails, held against databases in memory that do the same on none.
//!
//! `LAMINAR_SIM_SEED=<seed>` repeats one seed, `LAMINAR_SIM_SEEDS=100000` is the long mode.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use laminar_db::core::time::ManualClock;
use laminar_db::{Code, Database, Durability, Error, Result, Settings, StatementOutcome};
use laminar_storage::disk::{Disk, SimulatedDisk};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::oracle::{Action, TABLES, action, difference, perform};
use super::rows;

const PATH: &str = "/data/db";
/// What a push into `s` changes, whatever views there are.
const SEEN: &str = "CREATE MATERIALIZED VIEW seen AS SELECT count(*) AS n, max(ts) AS last FROM s";
/// What a sync says that fails.
const DEVICE_FAILED: &str = "the device failed to write";

fn seeds(count: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("LAMINAR_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LAMINAR_SIM_SEEDS").unwrap_or(count),
    }
}

/// Runs `check` for each seed, and says how to repeat the one that fails.
fn for_seeds(count: u64, test: &str, check: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for seed in seeds(count) {
        if let Err(panic) = std::panic::catch_unwind(|| check(seed)) {
            eprintln!("LAMINAR_SIM_SEED={seed} cargo nextest run --workspace -E 'test({test})' repeats it");
            std::panic::resume_unwind(panic);
        }
    }
}

/// What was done to a database whose disk may stop.
struct Simulation {
    disk: SimulatedDisk,
    random: StdRng,
    clock: Arc<ManualClock>,
    /// A database in memory that has done what is on the disk for sure.
    known: Database,
    views: Vec<usize>,
    /// What may be on the disk, in this order: a crash leaves the first of them, as many as it likes. With the views that there are behind each.
    pending: Vec<(Action, Vec<usize>)>,
    time: i64,
}

/// How a life of a database goes on.
enum Next {
    Goes,
    /// The machine has stopped, or the database takes nothing more.
    Ends,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(1_700_000_000_000_000_000));
        let known = Database::builder().clock(clock.clone()).build();
        let (disk, random) = (SimulatedDisk::new(seed), StdRng::seed_from_u64(seed));
        Self { disk, random, clock, known, views: Vec::new(), pending: Vec::new(), time: 0 }
    }

    fn try_open(&mut self, durability: Durability) -> Result<Database> {
        let settings = Settings { durability, checkpoint_interval: None, ..Settings::default() };
        let builder = Database::builder().settings(settings).clock(self.clock.clone());
        builder.workers_in_turn(self.random.random_range(1..4)).open_on(PATH, Arc::new(self.disk.clone()))
    }

    /// Opens after a crash, perhaps with more crashes while it is being opened, and holds what is there against what must be.
    fn reopen(&mut self, durability: Durability) -> Database {
        for _ in 0..self.random.random_range(0..2) {
            self.disk.stop_after(self.random.random_range(0..60));
            let opened = self.try_open(durability);
            self.disk.crash();
            drop(opened);
        }
        let db = self.try_open(durability).unwrap_or_else(|error| panic!("a database opens after a crash: {error}"));
        for notice in db.opening_notices() {
            assert!(notice.message().contains("was not finished"), "nothing is damaged: {}", notice.message());
        }
        self.settle(&db);
        db
    }

    /// Finds out how much of what may be on the disk is there: some first part of it, and nothing else.
    fn settle(&mut self, db: &Database) {
        let first = self.difference(db);
        let mut last = first.clone();
        for (action, views) in std::mem::take(&mut self.pending) {
            if last.is_none() {
                break;
            }
            // One that was refused for its own reasons while the machine stopped changes nothing.
            if perform(&self.known, &action).is_ok() {
                self.views = views;
            }
            last = self.difference(db);
        }
        if let Some(last) = last {
            panic!(
                "what is there is not what was done: {}\n\nat the end of what may be there: {last}",
                first.unwrap_or_default()
            );
        }
    }

    /// What the database holds that it must not, or the other way round.
    fn difference(&self, db: &Database) -> Option<String> {
        let [here, there] = [db, &self.known].map(|db| rows(db, "SHOW ALL"));
        if here != there {
            return Some(format!("these objects are there\n{here:?}\ninstead of\n{there:?}"));
        }
        // Before its first life is through, there may be none of them.
        if !here.iter().any(|object| object[0] == "seen") {
            return None;
        }
        let [here, there] = [db, &self.known].map(|db| rows(db, "SELECT * FROM seen"));
        if here == there {
            difference(db, &self.known, &self.views)
        } else {
            Some(format!("s has seen {here:?} instead of {there:?}"))
        }
    }

    /// Acts until the machine stops, the disk fails or enough has been done.
    fn live(&mut self, db: &Database, durability: Durability) {
        match self.random.random_range(0..4) {
            0 => self.disk.fail_sync_after(self.random.random_range(0..12)),
            1 => {}
            _ => self.disk.stop_after(self.random.random_range(0..120)),
        }
        for statement in TABLES.split_inclusive(';').chain([SEEN]) {
            let name = statement.split_whitespace().nth(if statement.contains("MATERIALIZED") { 3 } else { 2 });
            if rows(&self.known, "SHOW ALL").iter().any(|object| Some(object[0].as_str()) == name) || name.is_none() {
                continue;
            }
            let action = Action::Statement(statement.to_owned());
            if matches!(self.act(db, durability, action, self.views.clone()), Next::Ends) {
                return;
            }
        }
        for _ in 0..self.random.random_range(1..16) {
            let next = match self.random.random_range(0..12) {
                0..2 => self.checkpoint(db),
                2 => {
                    self.change_room();
                    Next::Goes
                }
                _ => {
                    let mut views = self.views_at_last();
                    let action = action(&mut self.random, &mut views, &mut self.time);
                    self.act(db, durability, action, views)
                }
            };
            if matches!(next, Next::Ends) {
                return;
            }
        }
    }

    fn views_at_last(&self) -> Vec<usize> {
        self.pending.last().map_or(&self.views, |(_, views)| views).clone()
    }

    fn change_room(&mut self) {
        let room = self.disk.bytes() + self.random.random_range(0..4_000);
        self.disk.limit_bytes(self.random.random_bool(0.5).then_some(room));
    }

    /// Does something; `views` are those that there are when it is done.
    fn act(&mut self, db: &Database, durability: Durability, action: Action, views: Vec<usize>) -> Next {
        let error = match perform(db, &action) {
            Ok(()) => {
                self.pending.push((action, views));
                if durability == Durability::Full {
                    self.all_is_there();
                }
                return Next::Goes;
            }
            Err(error) => error,
        };
        assert_ne!(error.code(), Code::Internal, "{action:?}: {error}");
        if self.is_lost(db, &error) {
            self.pending.push((action, views));
            return Next::Ends;
        }
        if durability == Durability::Full {
            if error.code() != Code::DiskFull {
                let here = perform(&self.known, &action).expect_err("what fails on the disk for its own reasons fails in memory");
                assert_eq!(here.code(), error.code(), "{action:?}: {error}");
            }
            let difference = self.difference(db);
            assert_eq!(difference, None, "{action:?} failed, and is there in part: {error}");
        }
        Next::Goes
    }

    /// What may be on the disk is there for sure.
    fn all_is_there(&mut self) {
        for (action, views) in std::mem::take(&mut self.pending) {
            perform(&self.known, &action)
                .unwrap_or_else(|error| panic!("{action:?} is done on the disk, and fails in memory: {error}"));
            self.views = views;
        }
    }

    fn checkpoint(&mut self, db: &Database) -> Next {
        match db.checkpoint() {
            Ok(_) => {
                self.all_is_there();
                Next::Goes
            }
            Err(error) if self.is_lost(db, &error) => Next::Ends,
            Err(error) => {
                assert_eq!(error.code(), Code::DiskFull, "{error}");
                Next::Goes
            }
        }
    }

    /// Whether the machine has stopped or the disk has failed; after the latter nothing is taken any more.
    fn is_lost(&self, db: &Database, error: &Error) -> bool {
        if self.disk.has_stopped() {
            return true;
        }
        let failed = error.to_string().contains(DEVICE_FAILED);
        if failed {
            let later =
                db.execute("INSERT INTO t VALUES (1000, 1, 1)").map(drop).expect_err("nothing is taken after a sync that failed");
            assert!(later.to_string().contains(DEVICE_FAILED), "{later}");
        }
        failed
    }
}

/// Views over tables hold what their queries give.
fn verify(db: &Database, views: &[usize]) {
    for view in views {
        match db.execute(&format!("VERIFY VIEW v{view}")).map(|mut outcomes| outcomes.pop()) {
            Ok(Some(StatementOutcome::Rows(result))) => {
                let result = result.to_strings();
                assert!(result.len() == 1 && result[0][0].starts_with("equal"), "v{view}: {result:?}");
            }
            Ok(_) => panic!("v{view}: VERIFY VIEW answers with rows"),
            Err(error) => assert_eq!(error.code(), Code::NotSupported, "v{view}: {error}"),
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_once_whatever_the_disk_does() {
    for_seeds(300, "what_was_acknowledged_is_there_once", |seed| {
        let mut simulation = Simulation::new(seed);
        for _ in 0..4 {
            let durability = [Durability::Full, Durability::Full, Durability::None][simulation.random.random_range(0..3)];
            let db = simulation.reopen(durability);
            simulation.live(&db, durability);
            // The machine stops before the database could end in order.
            simulation.disk.limit_bytes(None);
            simulation.disk.crash();
            drop(db);
        }
        let db = simulation.reopen(Durability::Full);
        verify(&db, &simulation.views);
    });
}

#[test]
fn a_flipped_bit_is_named_or_makes_no_difference() {
    let (named, harmless) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for_seeds(100, "a_flipped_bit_is_named", |seed| {
        let mut simulation = Simulation::new(seed);
        let db = simulation.try_open(Durability::Full).unwrap();
        for statement in TABLES.split_inclusive(';').filter(|text| !text.trim().is_empty()).chain([SEEN]) {
            simulation.act(&db, Durability::Full, Action::Statement(statement.to_owned()), Vec::new());
        }
        for _ in 0..simulation.random.random_range(4..20) {
            let mut views = simulation.views_at_last();
            let action = action(&mut simulation.random, &mut views, &mut simulation.time);
            simulation.act(&db, Durability::Full, action, views);
            if simulation.random.random_range(0..6) == 0 {
                db.checkpoint().unwrap();
            }
        }
        drop(db);
        let files: Vec<_> = simulation.disk.files().into_iter().filter(|file| !file.ends_with("LOCK")).collect();
        let file = files[simulation.random.random_range(0..files.len())].clone();
        let bits = simulation.disk.read(&file).unwrap().len() * 8;
        simulation.disk.flip_bit(&file, simulation.random.random_range(0..bits)).unwrap();
        match simulation.try_open(Durability::Full) {
            Err(error) => {
                assert_ne!(error.code(), Code::Internal, "{error}");
                assert!(error.to_string().contains(&*file.to_string_lossy()), "{} is damaged: {error}", file.display());
                named.fetch_add(1, Ordering::Relaxed);
            }
            Ok(db) => {
                assert_eq!(simulation.difference(&db), None, "{} is damaged", file.display());
                harmless.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // An old checkpoint, or the newest manifest behind which the log still stands, is not needed.
    if seeds(100).count() >= 100 {
        let [named, harmless] = [named, harmless].map(AtomicUsize::into_inner);
        assert!(named > 10 && harmless > 10, "{named} named, {harmless} harmless");
    }
}
