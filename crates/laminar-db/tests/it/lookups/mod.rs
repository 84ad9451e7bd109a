//! Lookup tables: rows that stand outside, asked for by key, whatever happens to the outside, the cache and the process meanwhile.

mod caches;
mod oracle;
mod outside;
mod restarts;

use std::sync::Arc;

use laminar_db::core::time::ManualClock;
use laminar_db::{Database, DatabaseBuilder, Turn};
use outside::Outside;

const ORDERS: &str = "CREATE SOURCE orders (id BIGINT, user_id BIGINT);";
const USERS: &str = "CREATE LOOKUP TABLE users (id BIGINT PRIMARY KEY, name VARCHAR) FROM outside ()";
const NAMED: &str = "CREATE MATERIALIZED VIEW named AS SELECT o.id, u.name FROM orders AS o
    LEFT JOIN users FOR SYSTEM_TIME AS OF PROCTIME() AS u ON o.user_id = u.id;";

/// A database whose lookup tables ask `outside`.
fn builder(outside: &Outside) -> DatabaseBuilder {
    Database::builder().connectors(outside.registry()).clock(Arc::new(outside.clock.clone())).checked()
}

/// Works until nothing is to be done now.
#[track_caller]
fn settle(db: &Database) {
    while db.turn().unwrap() == Turn::Progressed {}
}

#[track_caller]
fn execute(db: &Database, sql: &str) {
    db.execute(sql).map(|_| ()).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[track_caller]
fn rows(db: &Database, sql: &str) -> Vec<String> {
    let rows = db.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).to_strings();
    let mut rows: Vec<String> = rows.into_iter().map(|row| row.join(" ")).collect();
    rows.sort();
    rows
}

/// One cell of what SHOW LOOKUP TABLES says of `users`.
#[track_caller]
fn shown(db: &Database, column: &str) -> String {
    let shown = db.query("SHOW LOOKUP TABLES").unwrap();
    let place = shown.schema.index_of(column).unwrap();
    shown.to_strings()[0][place].clone()
}

fn clock() -> ManualClock {
    ManualClock::at(1_000_000_000_000)
}
