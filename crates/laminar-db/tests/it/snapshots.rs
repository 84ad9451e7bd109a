//! An ad-hoc query runs on a snapshot: the engine goes on meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laminar_db::{Database, Row};

#[derive(Row, Clone)]
struct Number {
    n: i64,
}

/// A table of so many numbers, and a view that counts them.
fn numbers(count: i64) -> Database {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE TABLE numbers (n BIGINT NOT NULL); CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM numbers")
        .unwrap();
    db.push_rows("numbers", &(0..count).map(|n| Number { n }).collect::<Vec<_>>()).unwrap();
    db
}

const SLOW: &str = "SELECT count(*) FROM numbers a CROSS JOIN numbers b CROSS JOIN numbers c WHERE (a.n + b.n * c.n) % 7 = 3";

/// What [`SLOW`] answers over the numbers below `count` and the number 1000, `more` times.
fn slow_answer(count: i64, more: i64) -> i64 {
    let mut of_rest = [0; 7];
    (0..count).chain((0..more).map(|_| 1_000)).for_each(|n| of_rest[(n % 7) as usize] += 1);
    let triples = (0..343_usize).map(|triple| (triple / 49, triple / 7 % 7, triple % 7));
    triples.filter(|(a, b, c)| (a + b * c) % 7 == 3).map(|(a, b, c)| of_rest[a] * of_rest[b] * of_rest[c]).sum()
}

#[test]
fn pushes_go_on_while_a_query_runs_and_it_answers_as_of_its_beginning() {
    let db = numbers(500);
    let done = AtomicBool::new(false);
    let (answer, most, pushed) = std::thread::scope(|scope| {
        let query = scope.spawn(|| {
            let answer = db.query(SLOW).unwrap().to_strings();
            done.store(true, Ordering::Release);
            answer
        });
        let (mut most, mut pushed) = (Duration::ZERO, 0);
        while !done.load(Ordering::Acquire) {
            let began = Instant::now();
            db.push_rows("numbers", &[Number { n: 1_000 }]).unwrap();
            most = most.max(began.elapsed());
            pushed += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(pushed > 3, "the query took long enough for {pushed} pushes");
        (query.join().unwrap(), most, pushed)
    });
    let possible: Vec<String> = (0..=pushed).map(|before| slow_answer(500, before).to_string()).collect();
    assert!(possible.contains(&answer[0][0]), "{answer:?} is of none of the moments between two pushes");
    // Behind the lock a push would have waited as long as the query took, which is seconds.
    assert!(most < Duration::from_millis(400), "{most:?}");
}

#[test]
fn an_insert_of_what_a_slow_query_gives_lets_others_in_and_goes_in_whole() {
    let db = numbers(300);
    db.execute("CREATE TABLE answers (n BIGINT)").unwrap();
    std::thread::scope(|scope| {
        let insert = scope.spawn(|| db.execute(&format!("INSERT INTO answers {SLOW}")).map(drop));
        while !insert.is_finished() {
            db.push_rows("numbers", &[Number { n: 1 }]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        insert.join().unwrap().unwrap();
    });
    assert_eq!(db.query("SELECT count(*) FROM answers").unwrap().to_strings(), [["1"]]);
}
