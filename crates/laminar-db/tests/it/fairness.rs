//! Steps that keep to a budget: heavy queries beside light ones, guests beside a working loop, and the same answers whatever the cuts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use laminar_db::connectors::Registry;
use laminar_db::connectors::memory::MemoryQueue;
use laminar_db::core::time::ManualClock;
use laminar_db::{CallbackHandle, Database, Turn};

const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000_000;

fn numbers(count: i64) -> RecordBatch {
    RecordBatch::try_from_iter([("v", Arc::new((0..count).collect::<Int64Array>()) as ArrayRef)]).unwrap()
}

/// A database with a heavy query, each row of which takes some time, and a light one. Both read queues.
struct Both {
    db: Database,
    clock: ManualClock,
    heavy: MemoryQueue,
    light: MemoryQueue,
    /// Which query had a step over how many rows.
    steps: Arc<Mutex<Vec<(&'static str, usize)>>>,
    _listeners: [CallbackHandle; 2],
}

impl Both {
    fn new(row_ns: i64, settings: &str) -> Self {
        let (clock, registry) = (ManualClock::at(0), Registry::with_builtin());
        let [heavy, light] = ["heavy_in", "light_in"].map(|name| registry.memory().queue(name));
        let db = Database::builder().clock(Arc::new(clock.clone())).connectors(registry).checked().build();
        db.execute(settings).unwrap();
        db.execute(
            "CREATE SOURCE heavy_in (v BIGINT) FROM MEMORY (bounded = 'true');
             CREATE SOURCE light_in (v BIGINT) FROM MEMORY (bounded = 'true');
             CREATE SOURCE pushed (v BIGINT);
             CREATE STREAM heavy AS SELECT v + 1 AS v FROM heavy_in;
             CREATE STREAM light AS SELECT v + 2 AS v FROM light_in;
             CREATE MATERIALIZED VIEW heavy_rows AS SELECT count(*) AS n FROM heavy;
             CREATE MATERIALIZED VIEW pushed_rows AS SELECT count(*) AS n FROM pushed",
        )
        .unwrap();
        let steps: Arc<Mutex<Vec<(&'static str, usize)>>> = Arc::default();
        let listener = |name: &'static str, row_ns: i64| {
            let (clock, steps) = (clock.clone(), Arc::clone(&steps));
            let listen = move |changes: &laminar_db::ChangeBatch| {
                clock.advance(changes.len() as i64 * row_ns);
                steps.lock().unwrap().push((name, changes.len()));
            };
            db.on_changes(name, listen).unwrap()
        };
        let listeners = [listener("heavy", row_ns), listener("light", 0)];
        Self { db, clock, heavy, light, steps, _listeners: listeners }
    }

    fn count(&self, view: &str) -> String {
        self.db.query(&format!("SELECT n FROM {view}")).unwrap().to_strings().concat().concat()
    }

    /// Works until both queues are read.
    fn run(&self) -> Vec<(&'static str, usize)> {
        self.heavy.close();
        self.light.close();
        loop {
            match self.db.turn().unwrap() {
                Turn::Progressed => {}
                Turn::Wait(_) => self.clock.advance(MILLISECOND),
                Turn::Finished => break,
            }
        }
        std::mem::take(&mut self.steps.lock().unwrap())
    }
}

#[test]
fn pieces_of_a_heavy_query_shrink_and_a_light_one_has_its_steps_in_between() {
    let both = Both::new(10 * MICROSECOND, "SET step_budget = '1 ms'");
    both.heavy.push(numbers(10_000)).unwrap();
    (0..100).for_each(|_| both.light.push(numbers(1)).unwrap());
    let steps = both.run();
    let heavy: Vec<usize> = steps.iter().filter(|step| step.0 == "heavy").map(|step| step.1).collect();
    assert_eq!(heavy[..4], [128, 64, 64, 64], "from more than the budget to half of it, or to the smallest piece");
    assert_eq!(heavy.iter().sum::<usize>(), 10_000);
    let waits = steps.split(|step| step.0 == "light").map(<[_]>::len);
    let waits: Vec<usize> = waits.take(heavy.len() / 4).collect();
    assert!(waits.iter().all(|waits| *waits <= 8), "a row of the light query waits for a few pieces: {waits:?}");
    assert_eq!(steps.iter().filter(|step| step.0 == "light").count(), 100);
}

#[test]
fn pieces_grow_again_where_rows_are_cheap() {
    let both = Both::new(0, "SET step_budget = '1 ms'");
    both.heavy.push(numbers(100_000)).unwrap();
    let steps = both.run();
    assert_eq!(steps.iter().map(|step| step.1).take(6).collect::<Vec<_>>(), [128, 256, 512, 1024, 2048, 4096]);
}

#[test]
fn steps_are_cut_when_another_thread_had_to_wait_and_not_when_one_thread_is_alone() {
    let elsewhere = |both: &Both| {
        let (entered, waits) = std::sync::mpsc::channel();
        let slow = both.db.on_changes("pushed_rows", move |_| {
            let _ = entered.send(());
            std::thread::sleep(std::time::Duration::from_millis(50));
        });
        waits.recv().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| both.db.push("pushed", numbers(1)).unwrap());
            waits.recv().unwrap();
            // The other thread is in its step, so this one waits.
            both.count("pushed_rows");
        });
        drop(slow.unwrap());
    };
    let at_home = |both: &Both| drop(both.count("pushed_rows"));
    for (settings, guest, cut) in [
        ("", &at_home as &dyn Fn(&Both), false),
        ("", &elsewhere, true),
        ("SET step_budget = 'off'", &elsewhere, false),
        ("SET step_budget = '2 ms'", &at_home, true),
    ] {
        let both = Both::new(MILLISECOND, settings);
        both.db.turn().unwrap();
        guest(&both);
        both.heavy.push(numbers(5_000)).unwrap();
        let steps = both.run();
        assert_eq!(steps.len() > 1, cut, "{settings}: {steps:?}");
    }
}

#[test]
fn a_push_is_answered_without_what_a_source_has_delivered_meanwhile() {
    let both = Both::new(0, "SET step_budget = '1 ms'");
    both.heavy.push(numbers(100)).unwrap();
    assert_eq!(both.db.turn().unwrap(), Turn::Progressed);
    assert_eq!(both.db.status().object("heavy_in").unwrap().rows, 100, "they are read");
    both.db.push("pushed", numbers(3)).unwrap();
    assert_eq!((both.count("pushed_rows"), both.count("heavy_rows")), ("3".to_owned(), "0".to_owned()));
    both.run();
    assert_eq!(both.count("heavy_rows"), "100");
}

#[test]
fn rows_inserted_into_a_table_that_a_connector_fills_are_there_at_once() {
    let registry = Registry::with_builtin();
    let queue = registry.memory().queue("t");
    let db = Database::builder().connectors(registry).build();
    db.execute(
        "SET step_budget = '1 ms'; CREATE TABLE t (v BIGINT) FROM MEMORY (name = 't');
         CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t",
    )
    .unwrap();
    queue.push(numbers(10)).unwrap();
    db.turn().unwrap();
    db.execute("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(db.query("SELECT n FROM n").unwrap().to_strings(), [["11"]], "what was in front of it, and itself");
}

#[test]
fn jobs_tell_how_long_steps_were_and_which_were_too_long() {
    let both = Both::new(20 * MICROSECOND, "SET step_budget = '1 ms'");
    both.heavy.push(numbers(164)).unwrap();
    both.light.push(numbers(5)).unwrap();
    both.run();
    let rows = both.db.query("SHOW JOBS").unwrap();
    let names: Vec<&str> = rows.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names[names.len() - 3..], ["timed_steps", "overruns", "longest_step"]);
    let of = |name: &str| {
        let jobs = rows.to_strings();
        let job = jobs.iter().find(|row| row[0] == name).expect("it is listed").clone();
        job[job.len() - 2..].to_vec()
    };
    assert_eq!([of("heavy"), of("heavy_in"), of("light")], [["1", "2.56 ms"], ["1", "2.56 ms"], ["0", "0 us"]]);
    let status = both.db.status();
    assert_eq!((status.steps.overruns, status.object("heavy").unwrap().steps.worst_ns), (1, 2_560_000));
}

/// Views over two sources that are read and one that is pushed, with everything that can hang on cuts: windows, joins, late rows.
const VIEWS: &str = "
    CREATE SOURCE a (k BIGINT, v BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '10' MILLISECOND)
        FROM GENERATOR (rows = 20000, seed = 3, max_out_of_order = '40 ms', 'fields.k.max' = '50', 'fields.v.max' = '9');
    CREATE SOURCE b (k BIGINT, v BIGINT) FROM GENERATOR (rows = 7000, seed = 4, 'fields.k.max' = '50');
    CREATE TABLE names (k BIGINT PRIMARY KEY, name VARCHAR);
    INSERT INTO names VALUES (1, 'one'), (2, 'two'), (30, 'thirty');
    CREATE MATERIALIZED VIEW windows AS SELECT k, window_start, count(*) AS n, sum(v) AS v FROM a GROUP BY k, TUMBLE(ts, INTERVAL '1' SECOND);
    CREATE MATERIALIZED VIEW late AS SELECT count(*) AS n, sum(v) AS v FROM windows$late;
    CREATE MATERIALIZED VIEW totals AS SELECT k, count(*) AS n, sum(v) AS v FROM b GROUP BY k;
    CREATE MATERIALIZED VIEW named AS SELECT name, n, v FROM totals JOIN names ON totals.k = names.k;
    CREATE MATERIALIZED VIEW everything AS SELECT count(*) AS n, sum(v) AS v FROM totals";

/// All answers, where a step takes so long for each changed group and rows are pushed in between.
fn answers(workers: usize, budget: &str, group_ns: i64) -> Vec<Vec<Vec<String>>> {
    let clock = ManualClock::at(0);
    let db = Database::builder().clock(Arc::new(clock.clone())).workers_in_turn(workers).build();
    db.execute(&format!("SET step_budget = '{budget}'")).unwrap();
    db.execute(VIEWS).unwrap();
    let slow = ["windows", "totals"].map(|view| {
        let clock = clock.clone();
        db.on_changes(view, move |changes| clock.advance(changes.len() as i64 * group_ns)).unwrap()
    });
    let mut turns = 0;
    while db.turn().unwrap() != Turn::Finished {
        turns += 1;
        if turns == 3 {
            db.execute("INSERT INTO names VALUES (4, 'four')").unwrap();
        }
    }
    drop(slow);
    let all = |view: &str| db.query(&format!("SELECT * FROM {view} ORDER BY 1, 2")).unwrap().to_strings();
    ["windows", "late", "totals", "named", "everything"].map(all).into()
}

#[test]
fn answers_are_the_same_however_steps_are_cut() {
    let whole = answers(1, "off", 0);
    assert!(whole[0].len() > 500 && whole[1][0][0] != "0", "{:?}", &whole[1..]);
    for workers in [1, 2] {
        for (budget, group_ns) in [("1 ms", 0), ("1 ms", 700), ("1 ms", 50_000), ("50 us", 900), ("auto", 700)] {
            assert_eq!(answers(workers, budget, group_ns), whole, "{workers} workers, {budget}, {group_ns} ns a group");
        }
    }
}

#[test]
fn pushes_and_queries_of_other_threads_go_through_while_a_source_without_end_is_read() {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE SOURCE g (k BIGINT) FROM GENERATOR ('fields.k.max' = '99');
         CREATE MATERIALIZED VIEW busy AS SELECT k, count(*) AS n FROM g GROUP BY k;
         CREATE SOURCE pushed (v BIGINT);
         CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM pushed",
    )
    .unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| db.run_until_finished(&stop));
        let guests: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..50 {
                        db.push("pushed", numbers(2)).unwrap();
                        db.query("SELECT count(*) FROM busy").unwrap();
                    }
                })
            })
            .collect();
        guests.into_iter().for_each(|guest| guest.join().unwrap());
        assert_eq!(db.query("SELECT n FROM n").unwrap().to_strings(), [["300"]]);
        let read = || db.status().object("g").unwrap().rows;
        let before = read();
        // The loop is not starved: it goes on beside a guest who comes again and again.
        while read() == before {}
        stop.store(true, Ordering::Relaxed);
        worker.join().unwrap().unwrap();
    });
}

#[test]
fn a_subscriber_that_waits_gets_what_another_thread_pushes() {
    let registry = Registry::with_builtin();
    let queue = registry.memory().queue("never");
    let db = Database::builder().connectors(registry).build();
    db.execute(
        "CREATE SOURCE never (v BIGINT) FROM MEMORY; CREATE STREAM nothing AS SELECT v FROM never;
         CREATE SOURCE pushed (v BIGINT); CREATE STREAM both AS SELECT v FROM pushed UNION ALL SELECT v FROM nothing",
    )
    .unwrap();
    let mut reader = db.subscribe("both").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || reader.next().expect("the sources have not ended").map(|set| set.changes.len()));
        db.push("pushed", numbers(7)).unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(7));
    });
    queue.close();
}

#[test]
fn a_hosted_database_works_by_itself_and_ends_with_its_last_handle() {
    let db = Database::builder().hosted().build();
    db.execute(
        "CREATE SOURCE g (k BIGINT) FROM GENERATOR (rows = 200000, 'fields.k.max' = '99');
         CREATE MATERIALIZED VIEW busy AS SELECT count(*) AS n FROM g;
         CREATE SOURCE pushed (v BIGINT);
         CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM pushed",
    )
    .unwrap();
    let mut changes = db.subscribe("n").unwrap();
    db.push("pushed", numbers(3)).unwrap();
    assert_eq!(db.query("SELECT n FROM n").unwrap().to_strings(), [["3"]], "a push is answered when every view is current");
    db.run_until_finished(&false.into()).unwrap();
    assert_eq!(db.query("SELECT n FROM busy").unwrap().to_strings(), [["200000"]]);
    let seen: usize = changes.by_ref().map(|step| step.unwrap().changes.len()).sum();
    assert_eq!(seen, 3, "0, then -0 and +3");
    drop(changes);
    let other = db.clone();
    drop(db);
    other.push("pushed", numbers(2)).unwrap();
    assert_eq!(other.query("SELECT n FROM n").unwrap().to_strings(), [["5"]]);
}
