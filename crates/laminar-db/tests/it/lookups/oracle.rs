//! Random orders over a random file, on one to four workers: what the view holds is what a join with the file answers.

use std::fmt::Write;

use laminar_db::Database;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{execute, rows, settle};

fn cases() -> u64 {
    std::env::var("LAMINAR_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(30)
}

/// Rows of two keys, some of which come twice: the last one counts. Some lines are no rows.
fn file(random: &mut StdRng) -> String {
    let mut text = "region,id,name\n".to_owned();
    for line in 0..random.random_range(0..40) {
        let (region, id) = (["eu", "us", ""][random.random_range(0..3)], random.random_range(0..8));
        match random.random_range(0..10) {
            0 => writeln!(text, "{region},no number,{line}").unwrap(),
            _ => writeln!(text, "{region},{id},name {line}").unwrap(),
        }
    }
    text
}

fn check(seed: u64) {
    let random = &mut StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.csv");
    std::fs::write(&path, file(random)).unwrap();
    let (path, cache_rows) = (path.display(), random.random_range(1..12));
    let db = Database::builder().workers_in_turn(random.random_range(1..=4)).checked().build();
    let kind = ["JOIN", "LEFT JOIN"][random.random_range(0..2)];
    let left = if random.random_bool(0.5) {
        "CREATE SOURCE orders (n BIGINT, region VARCHAR, id BIGINT)"
    } else {
        "CREATE TABLE orders (n BIGINT PRIMARY KEY, region VARCHAR, id BIGINT)"
    };
    let more = ["", " AND u.name <> 'name 3'", " AND o.n > 5"][random.random_range(0..3)];
    let columns = "(region VARCHAR, id BIGINT, name VARCHAR, PRIMARY KEY (id, region))";
    execute(
        &db,
        &format!(
            "{left};
             CREATE LOOKUP TABLE users {columns} FROM FILE (path = '{path}') WITH (cache_rows = {cache_rows});
             CREATE TABLE kept {columns} FROM FILE (path = '{path}');
             CREATE MATERIALIZED VIEW all_orders AS SELECT n, region, id FROM orders;
             CREATE MATERIALIZED VIEW asked AS SELECT o.n, o.region AS r, u.region, u.id, u.name FROM orders AS o
                {kind} users FOR SYSTEM_TIME AS OF PROCTIME() AS u ON u.region = o.region AND o.id = u.id{more};"
        ),
    );
    let keeps = left.contains("TABLE");
    for n in 0..random.random_range(1..40) {
        let region = ["'eu'", "'us'", "''", "NULL"][random.random_range(0..4)];
        let id = random.random_range(0..9);
        match random.random_range(0..6) {
            0 if keeps => execute(&db, &format!("DELETE FROM orders WHERE n % 5 = {}", random.random_range(0..5))),
            1 if keeps => execute(&db, &format!("UPDATE orders SET id = {id}, region = {region} WHERE n % 3 = 0")),
            _ => execute(&db, &format!("INSERT INTO orders VALUES ({n}, {region}, {id}), ({}, {region}, NULL)", 1000 + n)),
        }
        for _ in 0..random.random_range(0..4) {
            db.turn().unwrap();
        }
    }
    settle(&db);
    let expected = rows(
        &db,
        &format!(
            "SELECT o.n, o.region AS r, u.region, u.id, u.name FROM all_orders AS o {kind} kept AS u
             ON u.region = o.region AND o.id = u.id{more}"
        ),
    );
    assert_eq!(rows(&db, "SELECT * FROM asked"), expected, "seed {seed}: {kind}, {left}{more}, cache {cache_rows}");
}

#[test]
fn a_view_holds_what_a_join_with_the_file_answers() {
    let only = std::env::var("LAMINAR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in only.map_or(0..cases(), |seed: u64| seed..seed + 1) {
        check(seed);
    }
}
