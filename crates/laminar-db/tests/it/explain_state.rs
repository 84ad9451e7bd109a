//! What operators keep and what bounds it: `EXPLAIN STATE` of queries and objects.

use expect_test::{Expect, expect};
use laminar_db::Database;

fn database() -> Database {
    let db = Database::open(":memory:").unwrap();
    db.execute(
        "CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND);
         CREATE SOURCE clicks (user_id BIGINT, url VARCHAR); CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR)",
    )
    .unwrap();
    db
}

fn check(sql: &str, expected: Expect) {
    let rows = database().query(&format!("EXPLAIN STATE {sql}")).unwrap().to_strings();
    let line = |row: &Vec<String>| {
        let remedy = if row[4].is_empty() { String::new() } else { format!("\n  -> {}", row[4]) };
        let said = format!("{} keeps {}: {}, {}; {}", row[0], row[1], row[2], row[3], row[5]);
        format!("{}{remedy}\n", said.trim_matches([',', ';', ' ']))
    };
    expected.assert_eq(&rows.iter().map(line).collect::<String>());
}

#[test]
fn a_filter_keeps_nothing() {
    check(
        "CREATE STREAM s AS SELECT * FROM trades WHERE price > 1",
        expect![[r#"
            keeps nothing: each row is forgotten when it has been passed on: bounded
        "#]],
    );
}

#[test]
fn windows_are_bounded_and_their_results_are_not() {
    check(
        "CREATE STREAM s AS SELECT symbol, count(*) FROM trades GROUP BY symbol, TUMBLE(ts, INTERVAL '1' MINUTE) ALLOW LATENESS INTERVAL '10' SECOND",
        expect![[r#"
            window keeps a group for each (symbol): bounded, the windows that are open: tumble 1m lateness 10s, closed by the watermark of ts; about 84 MB
        "#]],
    );
    check(
        "SELECT symbol, avg(price) FROM trades GROUP BY symbol, SESSION(ts, INTERVAL '30' SECOND)",
        expect![[r#"
        session keeps a group for each (symbol): bounded, the sessions that are open: gap 30s, closed by the watermark of ts; about 84 MB
        output keeps the rows of query: growing, distinct (window, symbol); about 44 MB
          -> CREATE STREAM in place of the materialized view keeps no rows of the result; or LIMIT
    "#]],
    );
}

#[test]
fn groups_grow_with_their_keys() {
    check(
        "SELECT symbol, count(*), sum(price) FROM trades GROUP BY symbol",
        expect![[r#"
            aggregate keeps a group for each (symbol): growing, distinct (symbol); about 100 MB
              -> GROUP BY a window of event time too, as TUMBLE(ts, INTERVAL '1' MINUTE): the source needs a WATERMARK for it
            output keeps the rows of query: growing, distinct (symbol); about 52 MB
              -> CREATE STREAM in place of the materialized view keeps no rows of the result; or LIMIT
        "#]],
    );
    check(
        "SELECT count(*), count(DISTINCT user_id) FROM clicks",
        expect![[r#"
            aggregate keeps one group: bounded, 1 row; about 64 MB
            aggregate keeps the values of count(user_id): growing, rows of clicks; about 40 MB
              -> GROUP BY a window of time, or use an aggregate that needs no single values: count, sum, avg
            output keeps the rows of query: bounded, 1 row; about 32 MB
        "#]],
    );
    check(
        "SELECT name, count(*) FROM users GROUP BY name",
        expect![[r#"
        aggregate keeps a group for each (name): bounded, the rows of table users; about 84 MB
        output keeps the rows of query: bounded, the rows of table users; about 44 MB
    "#]],
    );
}

#[test]
fn joins_grow_with_their_sides() {
    check(
        "CREATE STREAM s AS SELECT url, name FROM clicks JOIN users ON user_id = id",
        expect![[r#"
        join keeps the rows of the left side by (user_id): growing, rows of clicks; about 68 MB
          -> join ON … AND r.ts BETWEEN l.ts - INTERVAL … AND l.ts + INTERVAL …; or GROUP BY below it, so that this side has one row for each group; or read this side from a TABLE with a primary key
        join keeps the rows of the right side by (id): bounded, the rows of table users; about 68 MB
    "#]],
    );
    check(
        "CREATE STREAM s AS SELECT url, symbol FROM clicks JOIN trades ON url = symbol",
        expect![[r#"
        join keeps the rows of the left side by (url): growing, rows of clicks; about 60 MB
          -> join ON … AND r.ts BETWEEN l.ts - INTERVAL … AND l.ts + INTERVAL …; or GROUP BY below it, so that this side has one row for each group; or read this side from a TABLE with a primary key
        join keeps the rows of the right side by (symbol): growing, rows of trades; about 60 MB
          -> join ON … AND r.ts BETWEEN l.ts - INTERVAL … AND l.ts + INTERVAL …; or GROUP BY below it, so that this side has one row for each group; or read this side from a TABLE with a primary key
    "#]],
    );
}

#[test]
fn rows_in_an_order_and_limits() {
    check(
        "SELECT * FROM trades ORDER BY price DESC LIMIT 10",
        expect![[r#"
        top-n keeps the first 10 rows in the order of price desc: bounded, 10 rows; about 76 MB
        output keeps the rows of query: bounded, 10 rows; about 52 MB
    "#]],
    );
    check(
        "CREATE MATERIALIZED VIEW v AS SELECT user_id FROM clicks LIMIT 5",
        expect![[r#"
        output keeps the rows of v: bounded, 5 rows; about 24 MB
    "#]],
    );
    check(
        "CREATE STREAM v AS SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY url) FROM clicks",
        expect![[r#"
            over keeps all rows in order: growing, rows of clicks; about 68 MB
              -> GROUP BY below it, so that it keeps one row for each group; row_number() does not bound it
        "#]],
    );
    check(
        "CREATE STREAM v AS SELECT count(*) FROM clicks EMIT FINAL",
        expect![[r#"
        aggregate keeps one group: bounded, 1 row; about 64 MB
        emit keeps changes that are not shown yet: bounded, 1 row; about 24 MB
    "#]],
    );
    check(
        "CREATE STREAM v AS SELECT count(*) FROM clicks EMIT EVERY INTERVAL '5' SECOND",
        expect![[r#"
        aggregate keeps one group: bounded, 1 row; about 64 MB
        emit keeps changes that are not shown yet: bounded, what changes within 5s; about 24 MB
    "#]],
    );
}

#[test]
fn an_object_tells_what_it_keeps_now() {
    let db = database();
    db.execute(
        "CREATE MATERIALIZED VIEW named AS SELECT url, name FROM clicks JOIN users ON user_id = id;
         INSERT INTO users VALUES (1, 'Ann'); INSERT INTO clicks VALUES (1, '/'), (1, '/a'), (2, '/')",
    )
    .unwrap();
    for sql in ["EXPLAIN STATE named", "EXPLAIN STATE FOR MATERIALIZED VIEW named", "EXPLAIN STATE VIEW named"] {
        let rows = db.query(sql).unwrap().to_strings();
        let measured: Vec<[&str; 3]> = rows.iter().map(|row| [row[0].as_str(), row[2].as_str(), row[6].as_str()]).collect();
        assert_eq!(measured, [["join", "growing", "4"], ["join", "bounded", "\""], ["output", "growing", "2"]], "{sql}");
    }
    let error = db.query("EXPLAIN STATE FOR SOURCE named").unwrap_err();
    assert_eq!(error.message(), "'named' is a materialized view, not a source");
    db.execute("CREATE VIEW plain AS SELECT * FROM clicks").unwrap();
    let error = db.query("EXPLAIN STATE plain").unwrap_err();
    assert_eq!(error.hint(), Some("EXPLAIN STATE SELECT * FROM plain"));
    assert!(db.query("EXPLAIN WHY plain").unwrap().to_strings()[0][1].starts_with("a view does not run by itself"));
}

#[test]
fn windows_that_close_in_order_keep_the_last_one_of_each_key() {
    let filled = "SELECT symbol, count(*) AS n FROM trades GROUP BY symbol, TUMBLE(ts, INTERVAL '1' MINUTE) FILL (0)";
    check(
        &format!("CREATE STREAM s AS {filled} EMIT ON WINDOW CLOSE"),
        expect![[r#"
            window keeps a group for each (symbol): bounded, the windows that are open: tumble 1m, closed by the watermark of ts; about 84 MB
            over keeps the last row of each (symbol): growing, distinct (symbol); about 76 MB
        "#]],
    );
}

/// The estimate from types is within a factor of two of what is measured.
#[test]
fn estimates_are_near_what_is_measured() {
    let db = database();
    db.execute(
        "CREATE SOURCE g (id BIGINT, name VARCHAR, v DOUBLE) FROM GENERATOR (rows = 200000);
         CREATE MATERIALIZED VIEW stored AS SELECT id, name, v FROM g;
         CREATE MATERIALIZED VIEW grouped AS SELECT id, count(*) AS n, sum(v) AS total FROM g GROUP BY id;
         CREATE STREAM joined AS SELECT a.id FROM g AS a JOIN users ON a.id = users.id;
         CREATE STREAM ordered AS SELECT id, name, v, row_number() OVER (ORDER BY v, id) AS n FROM g",
    )
    .unwrap();
    db.run_until_finished(&std::sync::atomic::AtomicBool::new(false)).unwrap();
    for name in ["stored", "grouped", "joined", "ordered"] {
        let rows = db.query(&format!("EXPLAIN STATE {name}")).unwrap().to_strings();
        let row = &rows[0];
        let estimated: f64 = row[5].trim_start_matches("about ").trim_end_matches(" MB").parse().unwrap();
        let (rows, bytes): (f64, f64) = (row[6].parse().unwrap(), row[7].parse().unwrap());
        let measured = bytes / rows;
        println!("{name}: estimated {estimated}, measured {measured}");
        assert!(estimated / measured < 2.0 && measured / estimated < 2.0, "{name}: {estimated} estimated, {measured} measured");
    }
}
