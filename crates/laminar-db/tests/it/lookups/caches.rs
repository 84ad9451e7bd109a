//! What is asked for and when, what is kept of the answers, and what waits.

use laminar_db::Code;
use laminar_db::core::time::Clock;

use super::{NAMED, ORDERS, Outside, USERS, builder, execute, rows, settle, shown};

fn database(outside: &Outside, options: &str) -> laminar_db::Database {
    let db = builder(outside).build();
    execute(&db, &format!("{ORDERS} {USERS} {options}; {NAMED}"));
    db
}

#[test]
fn a_key_is_asked_for_once_also_if_there_is_no_row() {
    let outside = Outside::new([(1, "ada"), (2, "bob")]);
    let db = database(&outside, "");
    settle(&db);
    assert_eq!(outside.asked(), Vec::<i64>::new(), "nothing is asked before a row comes");
    execute(&db, "INSERT INTO orders VALUES (10, 1), (11, 3), (12, 1), (13, NULL)");
    assert_eq!(rows(&db, "SELECT * FROM named"), ["13 NULL"], "the others wait, and a row without key does not");
    settle(&db);
    assert_eq!(rows(&db, "SELECT * FROM named"), ["10 ada", "11 NULL", "12 ada", "13 NULL"]);
    assert_eq!(outside.asked(), [1, 3]);
    outside.set(1, "eve");
    outside.set(3, "cyd");
    execute(&db, "INSERT INTO orders VALUES (14, 1), (15, 3), (16, 2)");
    settle(&db);
    assert_eq!(outside.asked(), [2]);
    let numbers = ["hits", "misses", "asked", "cached", "absent", "wanted", "waiting_rows"].map(|column| shown(&db, column));
    assert_eq!(numbers, ["2", "4", "3", "3", "1", "0", "0"]);
    assert_eq!(rows(&db, "SELECT id, name FROM named WHERE id > 13"), ["14 ada", "15 NULL", "16 bob"]);
}

#[test]
fn what_was_not_of_use_lately_is_forgotten_first_when_there_is_too_much() {
    let outside = Outside::new((0..30).map(|id| (id, "x")));
    let db = database(&outside, "WITH (cache_rows = 8)");
    let insert = |keys: &[i64]| {
        let values: Vec<String> = keys.iter().map(|key| format!("({key}, {key})")).collect();
        execute(&db, &format!("INSERT INTO orders VALUES {}", values.join(", ")));
        settle(&db);
        outside.clock.advance(1);
        outside.asked()
    };
    assert_eq!(insert(&[0, 1, 2, 3]), [0, 1, 2, 3]);
    assert_eq!(insert(&[4, 5, 6, 7]), [4, 5, 6, 7]);
    assert_eq!(insert(&[0, 3]), Vec::<i64>::new());
    assert_eq!(insert(&[8]), [8]);
    assert_eq!(shown(&db, "cached"), "7", "an eighth goes at once, and what was too much");
    assert_eq!(insert(&[0, 3, 4, 5, 6, 7, 8]), Vec::<i64>::new(), "1 and 2 were of no use since they came");
    assert_eq!(insert(&[1, 2]), [1, 2]);
    assert_eq!(rows(&db, "SELECT count(*) FROM named"), ["20"]);
}

#[test]
fn an_answer_that_is_too_old_is_asked_for_anew() {
    let outside = Outside::new([(1, "ada")]);
    let db = database(&outside, "WITH (cache_ttl = '10 minutes')");
    execute(&db, "INSERT INTO orders VALUES (10, 1)");
    settle(&db);
    outside.set(1, "eve");
    outside.clock.advance(9 * 60_000_000_000);
    execute(&db, "INSERT INTO orders VALUES (11, 1)");
    settle(&db);
    let expiry = db.wakes_at().expect("the answer gets too old");
    let minutes = (expiry - outside.clock.now()) as f64 / 60e9;
    assert!((1.0..=2.0).contains(&minutes), "in {minutes} minutes");
    outside.clock.advance(expiry - outside.clock.now());
    settle(&db);
    assert_eq!((shown(&db, "cached"), db.wakes_at().is_none_or(|at| at > expiry)), ("0".to_owned(), true));
    execute(&db, "INSERT INTO orders VALUES (12, 1)");
    settle(&db);
    assert_eq!(rows(&db, "SELECT * FROM named"), ["10 ada", "11 ada", "12 eve"], "what was given stays");
    assert_eq!(outside.asked(), [1, 1]);
}

#[test]
fn while_the_outside_is_away_rows_wait_and_all_else_goes_on() {
    let outside = Outside::new([(1, "ada"), (2, "bob")]);
    let db = database(&outside, "");
    execute(&db, "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM orders");
    execute(&db, "INSERT INTO orders VALUES (9, 2)");
    settle(&db);
    outside.goes_away(Code::Io);
    execute(&db, "INSERT INTO orders VALUES (10, 1), (11, 2)");
    settle(&db);
    assert_eq!(rows(&db, "SELECT * FROM named"), ["11 bob", "9 bob"], "what is in the cache does not wait");
    assert_eq!(rows(&db, "SELECT * FROM counted"), ["3"]);
    let state = rows(&db, "SHOW JOBS").into_iter().find(|row| row.starts_with("users ")).unwrap();
    assert!(state.contains("retrying in ") && state.contains("because the users are away (attempt 1)"), "{state}");
    let why = rows(&db, "EXPLAIN WHY named");
    assert!(why.iter().any(|row| row.contains("1 row wait for 1 key of users")), "{why:?}");
    for _ in 0..3 {
        outside.clock.advance(10_000_000_000);
        settle(&db);
    }
    assert!(shown(&db, "state").contains("(attempt 4)"), "{}", shown(&db, "state"));
    outside.comes_back();
    outside.clock.advance(10_000_000_000);
    settle(&db);
    assert_eq!(rows(&db, "SELECT * FROM named"), ["10 ada", "11 bob", "9 bob"]);
    assert_eq!(shown(&db, "state"), "running");
    // What does not pass stops the table alone, and nothing is lost.
    outside.goes_away(Code::InvalidOption);
    execute(&db, "INSERT INTO orders VALUES (12, 7), (13, 1)");
    settle(&db);
    assert_eq!(shown(&db, "state"), "failed: the users are away");
    assert_eq!(shown(&db, "waiting_rows"), "1");
    assert_eq!(rows(&db, "SELECT name FROM named WHERE id = 13"), ["ada"]);
}

#[test]
fn rows_that_wait_are_not_late_when_they_come() {
    let outside = Outside::new([(1, "ada"), (2, "bob")]);
    let db = builder(&outside).build();
    execute(&db, USERS);
    execute(
        &db,
        "CREATE SOURCE clicks (user_id BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts);
         CREATE MATERIALIZED VIEW minutes AS SELECT u.name, window_start, count(*) AS n FROM clicks AS c
            JOIN users FOR SYSTEM_TIME AS OF PROCTIME() AS u ON c.user_id = u.id
            GROUP BY u.name, TUMBLE(c.ts, INTERVAL '1' MINUTE) EMIT ON WINDOW CLOSE;",
    );
    execute(&db, "INSERT INTO clicks VALUES (1, '2024-01-01 00:00:10')");
    settle(&db);
    outside.goes_away(Code::Io);
    execute(&db, "INSERT INTO clicks VALUES (2, '2024-01-01 00:00:50')");
    execute(&db, "INSERT INTO clicks VALUES (1, '2024-01-01 01:00:00')");
    settle(&db);
    assert_eq!(rows(&db, "SELECT * FROM minutes"), Vec::<String>::new(), "a row of the first minute waits");
    outside.comes_back();
    outside.clock.advance(10_000_000_000);
    settle(&db);
    assert_eq!(rows(&db, "SELECT name, n FROM minutes"), ["ada 1", "bob 1"]);
    assert_eq!(db.status().late, 0);
}

#[test]
fn two_views_share_a_cache_and_one_that_comes_later_has_it() {
    let outside = Outside::new([(1, "ada"), (2, "bob")]);
    let db = database(&outside, "");
    execute(&db, &NAMED.replace("VIEW named", "VIEW again").replace("LEFT JOIN", "JOIN"));
    execute(&db, "INSERT INTO orders VALUES (10, 1), (11, 3)");
    settle(&db);
    assert_eq!(rows(&db, "SELECT * FROM again"), ["10 ada"]);
    assert!(outside.asked().len() <= 4, "each view asks for what it lacks");
    execute(&db, &NAMED.replace("VIEW named", "VIEW later"));
    execute(&db, "INSERT INTO orders VALUES (12, 1)");
    settle(&db);
    assert_eq!(rows(&db, "SELECT * FROM later"), ["12 ada"]);
    assert_eq!(outside.asked(), Vec::<i64>::new());
}
