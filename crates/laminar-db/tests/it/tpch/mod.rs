//! The 22 queries of TPC-H as materialized views, under random batches of new, changed and deleted orders and line items: after every
//! batch each view holds what its query answers over the tables.
//!
//! `LAMINAR_TPCH_SCALE` (0.003) and `LAMINAR_TPCH_BATCHES` (4) make it larger.

mod rates;
mod rows;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use laminar_db::Database;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use rows::{Data, Order};

const SCHEMA: &str = include_str!("schema.sql");

macro_rules! queries {
    ($($name:literal)*) => { [$(($name, include_str!(concat!("queries/", $name, ".sql")))),*] };
}

/// The queries by name, with the substitution values of the validation run; fractions that depend on the scale fit a small one.
const QUERIES: [Named; 22] = queries!(
    "q01" "q02" "q03" "q04" "q05" "q06" "q07" "q08" "q09" "q10" "q11" "q12" "q13" "q14" "q15" "q16" "q17" "q18" "q19" "q20" "q21" "q22"
);

/// Rows of one INSERT.
const INSERT_ROWS: usize = 200;

fn setting(name: &str, usual: f64) -> f64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

fn run(db: &Database, sql: &str) {
    db.execute(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"));
}

fn insert(db: &Database, table: &str, rows: &[&String]) {
    for rows in rows.chunks(INSERT_ROWS) {
        let values: Vec<String> = rows.iter().map(|row| format!("({row})")).collect();
        run(db, &format!("INSERT INTO {table} VALUES {}", values.join(", ")));
    }
}

/// A query with its name, which is that of its view.
type Named = (&'static str, &'static str);

/// A database with all tables and some views, and the orders that are still to come.
struct Run<'a> {
    db: Database,
    queries: &'a [Named],
    random: StdRng,
    to_come: Vec<&'a Order>,
    present: Vec<&'a Order>,
    /// Views that were not empty at some time.
    shown: BTreeSet<&'static str>,
    taken: Duration,
}

impl<'a> Run<'a> {
    fn start(db: Database, data: &'a Data, seed: u64, queries: &'a [Named]) -> Self {
        run(&db, SCHEMA);
        for (name, query) in queries {
            run(&db, &format!("CREATE MATERIALIZED VIEW {name} AS {query}"));
        }
        for (table, rows) in &data.fixed {
            insert(&db, table, &rows.iter().collect::<Vec<_>>());
        }
        let (random, to_come) = (StdRng::seed_from_u64(seed), data.orders.iter().collect());
        Self { db, queries, random, to_come, present: Vec::new(), shown: BTreeSet::new(), taken: Duration::ZERO }
    }

    fn come(&mut self, orders: usize) {
        let from = self.to_come.len().saturating_sub(orders);
        let new = self.to_come.split_off(from);
        insert(&self.db, "orders", &new.iter().map(|order| &order.row).collect::<Vec<_>>());
        insert(&self.db, "lineitem", &new.iter().flat_map(|order| &order.items).collect::<Vec<_>>());
        self.present.extend(new);
    }

    /// Some of the orders that are there, by key.
    fn some_keys(&mut self, count: usize) -> String {
        let keys = (0..count.min(self.present.len())).map(|_| {
            let at = self.random.random_range(0..self.present.len());
            self.present[at].key.to_string()
        });
        keys.collect::<Vec<_>>().join(", ")
    }

    fn go(&mut self, orders: usize) {
        for _ in 0..orders.min(self.present.len().saturating_sub(1)) {
            let at = self.random.random_range(0..self.present.len());
            self.to_come.insert(0, self.present.swap_remove(at));
        }
        let kept: Vec<String> = self.present.iter().map(|order| order.key.to_string()).collect();
        let kept = kept.join(", ");
        run(
            &self.db,
            &format!(
                "DELETE FROM lineitem WHERE l_orderkey NOT IN ({kept}); DELETE FROM orders WHERE o_orderkey NOT IN ({kept})"
            ),
        );
    }

    fn change(&mut self, orders: usize) {
        let changes = [
            "lineitem SET l_discount = 0.06, l_quantity = l_quantity + 9 WHERE l_orderkey",
            "lineitem SET l_shipdate = l_shipdate + 31, l_returnflag = 'R', l_suppkey = 1 + (l_suppkey + 3) % 10 WHERE l_orderkey",
            "lineitem SET l_receiptdate = l_commitdate WHERE l_orderkey",
            "orders SET o_custkey = 1 + (o_custkey * 7) % 150, o_orderpriority = '1-URGENT' WHERE o_orderkey",
            "orders SET o_orderdate = DATE '1994-06-01' + o_orderkey::INT % 700, o_orderstatus = 'F' WHERE o_orderkey",
        ];
        for change in changes {
            let keys = self.some_keys(orders);
            run(&self.db, &format!("UPDATE {change} IN ({keys})"));
        }
    }

    fn batch(&mut self) {
        let orders = (self.present.len() + self.to_come.len()) / 30 + 1;
        let began = Instant::now();
        self.come(orders);
        self.change(orders / 3 + 1);
        self.go(orders / 2 + 1);
        self.taken += began.elapsed();
    }

    fn check(&mut self, when: &str) {
        let rows = |sql: &str| {
            let mut rows = self.db.query(sql).unwrap_or_else(|error| panic!("{sql}\n{error}")).to_strings();
            rows.sort();
            rows
        };
        for &(name, query) in self.queries {
            let (view, answer) = (rows(&format!("SELECT * FROM {name}")), rows(query));
            assert_eq!(view, answer, "{name} {when}");
            if view.iter().flatten().any(|value| value != "NULL" && value != "0") {
                self.shown.insert(name);
            }
        }
    }
}

fn follow(db: Database, seed: u64) {
    let data = Data::generate(setting("LAMINAR_TPCH_SCALE", 0.003));
    let mut run = Run::start(db, &data, seed, &QUERIES);
    run.come(data.orders.len() / 2);
    run.check("after the load");
    let batches = setting("LAMINAR_TPCH_BATCHES", 4.0) as usize;
    for batch in 0..batches {
        run.batch();
        run.check(&format!("after batch {batch} of seed {seed}"));
    }
    println!("{batches} batches in {:.2?}; views with rows: {:?}", run.taken, run.shown);
    assert!(run.shown.len() >= 15, "the data is such that most views show something: {:?}", run.shown);
}

#[test]
fn views_over_tpch_follow_their_tables() {
    follow(Database::builder().build(), 1);
}

#[test]
fn views_over_tpch_follow_their_tables_with_several_workers() {
    for workers in [2, 4] {
        follow(Database::builder().workers_in_turn(workers).build(), workers as u64);
    }
}

#[test]
fn views_over_tpch_follow_their_tables_in_a_hosted_database() {
    follow(Database::builder().workers(2).hosted().build(), 9);
}
