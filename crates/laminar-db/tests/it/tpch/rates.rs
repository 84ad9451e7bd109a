//! How many changed rows a second each query takes in alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use laminar_db::{ChangeBatch, Database};

use super::rows::Data;
use super::{QUERIES, Run, setting};

/// What happened to a table.
type Changes = Arc<Mutex<Vec<(&'static str, ChangeBatch)>>>;

/// The changes of orders and line items in random batches, as a database without views sees them.
fn recorded(data: &Data) -> Vec<(&'static str, ChangeBatch)> {
    let mut recorder = Run::start(Database::builder().build(), data, 1, &[]);
    recorder.come(data.orders.len() / 2);
    let changes = Changes::default();
    let _listeners = ["orders", "lineitem"].map(|table| {
        let changes = changes.clone();
        let keep = move |batch: &ChangeBatch| {
            changes.lock().unwrap_or_else(PoisonError::into_inner).push((table, batch.clone()));
        };
        recorder.db.on_changes(table, keep).expect("a table's changes can be followed")
    });
    // The first call is given what is there already.
    changes.lock().unwrap_or_else(PoisonError::into_inner).clear();
    (0..setting("LAMINAR_TPCH_BATCHES", 4.0) as usize).for_each(|_| recorder.batch());
    std::mem::take(&mut *changes.lock().unwrap_or_else(PoisonError::into_inner))
}

#[test]
fn each_query_takes_in_all_changes_and_says_how_fast() {
    let data = Data::generate(setting("LAMINAR_TPCH_SCALE", 0.003));
    let changes = recorded(&data);
    let rows: usize = changes.iter().map(|(_, batch)| batch.len()).sum();
    assert!(rows > 100, "{rows} rows change");
    for named in &QUERIES {
        let name = named.0;
        let mut loaded = Run::start(Database::builder().build(), &data, 1, std::slice::from_ref(named));
        loaded.come(data.orders.len() / 2);
        let began = Instant::now();
        for (table, batch) in &changes {
            loaded.db.push_changes(table, batch.clone()).expect("the changes are taken");
        }
        let taken = began.elapsed();
        loaded.check("after the changes");
        println!("{name}: {:>9.0} updates/s ({rows} changed rows in {taken:.2?})", rows as f64 / taken.as_secs_f64());
    }
}
