//! Databases in a directory: what was asked before the end is asked again, and what was answered stays what it was.

use std::cell::Cell;

use laminar_db::{Code, Database};
use tempfile::TempDir;

use super::{NAMED, ORDERS, Outside, USERS, builder, execute, rows, settle, shown};

fn open(folder: &TempDir, outside: &Outside, workers: usize) -> Database {
    let path = folder.path().join("data").display().to_string();
    let db = builder(outside).workers_in_turn(workers).open(&path).unwrap_or_else(|error| panic!("{error}"));
    execute(&db, "SET checkpoint_interval = 'never'");
    db
}

/// Each test with a checkpoint in the middle, and with the log alone; each restart is on another number of workers.
fn twice(test: impl Fn(&dyn Fn(&Database), &dyn Fn(&Outside) -> Database)) {
    for checkpoints in [false, true] {
        for first in [1, 3] {
            let folder = tempfile::tempdir().unwrap();
            let workers = Cell::new(first);
            let next = || workers.replace(4 - workers.get());
            let middle = |db: &Database| {
                if checkpoints {
                    execute(db, "CHECKPOINT");
                }
            };
            test(&middle, &|outside| open(&folder, outside, next()));
        }
    }
}

#[test]
fn rows_that_waited_when_the_process_ended_get_their_answers_afterwards() {
    twice(|middle, open| {
        let outside = Outside::new([(1, "ada"), (2, "bob")]);
        let db = open(&outside);
        execute(&db, &format!("{ORDERS} {USERS}; {NAMED}"));
        execute(&db, "INSERT INTO orders VALUES (10, 1)");
        settle(&db);
        outside.goes_away(Code::Io);
        execute(&db, "INSERT INTO orders VALUES (11, 2), (12, 1)");
        settle(&db);
        middle(&db);
        execute(&db, "INSERT INTO orders VALUES (13, 3), (14, 2)");
        drop(db);
        // It is away when the database is opened, which goes on without it.
        let db = open(&outside);
        settle(&db);
        assert_eq!(rows(&db, "SELECT * FROM named"), ["10 ada", "12 ada"]);
        outside.asked();
        outside.comes_back();
        outside.clock.advance(10_000_000_000);
        settle(&db);
        assert_eq!(rows(&db, "SELECT * FROM named"), ["10 ada", "11 bob", "12 ada", "13 NULL", "14 bob"]);
        assert_eq!(outside.asked(), [2, 3], "1 is in the cache still");
    });
}

#[test]
fn what_was_answered_before_the_end_is_the_answer_whatever_the_outside_says_afterwards() {
    twice(|middle, open| {
        let outside = Outside::new([(1, "ada")]);
        let db = open(&outside);
        execute(&db, &format!("{ORDERS} {USERS} WITH (cache_rows = 1); {NAMED}"));
        execute(&db, "INSERT INTO orders VALUES (10, 1)");
        settle(&db);
        middle(&db);
        outside.set(1, "eve");
        execute(&db, "INSERT INTO orders VALUES (11, 2)");
        settle(&db);
        // The cache has room for one: it has forgotten 1, which is asked for anew.
        execute(&db, "INSERT INTO orders VALUES (12, 1), (13, 1)");
        settle(&db);
        let before = rows(&db, "SELECT * FROM named");
        assert_eq!(before, ["10 ada", "11 NULL", "12 eve", "13 eve"]);
        drop(db);
        outside.set(1, "kim");
        let db = open(&outside);
        outside.asked();
        settle(&db);
        assert_eq!(rows(&db, "SELECT * FROM named"), before);
        assert_eq!((outside.asked(), shown(&db, "cached").as_str()), (Vec::new(), "1"));
        execute(&db, "DROP MATERIALIZED VIEW named; DROP LOOKUP TABLE users");
        drop(db);
        assert_eq!(rows(&open(&outside), "SHOW LOOKUP TABLES"), Vec::<String>::new());
    });
}

#[test]
fn what_is_taken_back_after_a_restart_takes_back_the_answer_of_before() {
    twice(|middle, open| {
        let outside = Outside::new([(1, "ada")]);
        let db = open(&outside);
        execute(&db, "CREATE TABLE orders (id BIGINT PRIMARY KEY, user_id BIGINT)");
        execute(&db, &format!("{USERS} WITH (cache_rows = 1); {NAMED}"));
        execute(&db, "INSERT INTO orders VALUES (10, 1), (11, 1)");
        settle(&db);
        outside.set(1, "eve");
        execute(&db, "INSERT INTO orders VALUES (12, 2)");
        settle(&db);
        middle(&db);
        drop(db);
        let db = open(&outside);
        execute(&db, "UPDATE orders SET user_id = 1 WHERE id = 12; DELETE FROM orders WHERE id = 10");
        settle(&db);
        assert_eq!(rows(&db, "SELECT * FROM named"), ["11 ada", "12 eve"]);
        execute(&db, "DELETE FROM orders");
        assert_eq!(rows(&db, "SELECT * FROM named"), Vec::<String>::new());
    });
}
