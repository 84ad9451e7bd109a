//! The queries of Nexmark, as its public SQL suite asks them, and the rows of its three streams.
//!
//! A file of `nexmark/` is one query; what it says otherwise than the suite stands at its head.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use laminar_db::{Database, Error, Result};

use super::input::{Batch, Source, Table};
use super::workload::{Kind, Workload};

/// Options of the connector: events of the three streams together in a second of event time.
pub(super) const OPTIONS: &str = "rate = 10000";
/// Events after which the order of new people, auctions and bids begins again.
const ROUND: usize = 50;
/// Rows of a run that reads numbers alone …
const ROWS_NARROW: usize = 10_000_000;
/// … and of one that reads texts too, or joins.
const ROWS_WIDE: usize = 1_000_000;

macro_rules! table {
    ($name:literal, $columns:literal) => {
        Table {
            name: $name,
            columns: concat!($columns, ", date_time TIMESTAMP, WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND"),
        }
    };
}

/// The bids without their texts.
pub(super) const NUMBERS: &[Table] = &[table!("bid", "auction BIGINT, bidder BIGINT, price BIGINT")];
const EXTRA: &[Table] = &[table!("bid", "auction BIGINT, bidder BIGINT, price BIGINT, extra VARCHAR")];
const BIDS: &[Table] =
    &[table!("bid", "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, extra VARCHAR")];
const SELLERS: &[Table] = &[
    table!("person", "id BIGINT, name VARCHAR, city VARCHAR, state VARCHAR"),
    table!("auction", "id BIGINT, seller BIGINT, category BIGINT"),
];
const SALES: &[Table] = &[
    table!("auction", "id BIGINT, expires TIMESTAMP, seller BIGINT, category BIGINT"),
    table!("bid", "auction BIGINT, bidder BIGINT, price BIGINT"),
];
const SALES_WHOLE: &[Table] = &[
    table!(
        "auction",
        "id BIGINT, item_name VARCHAR, description VARCHAR, initial_bid BIGINT, reserve BIGINT, expires TIMESTAMP, \
         seller BIGINT, category BIGINT, extra VARCHAR"
    ),
    table!("bid", "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, extra VARCHAR"),
];
/// What q13 looks up.
const SIDE_INPUT: &str = "CREATE TABLE side_input (key BIGINT PRIMARY KEY, value VARCHAR);
INSERT INTO side_input SELECT number, 'value ' || number FROM generate_series(0, 9999) AS numbers(number)";

macro_rules! query {
    ($name:literal, $tables:ident, $rows:ident, $about:literal) => {
        Workload {
            name: concat!("nexmark-", $name),
            about: $about,
            source: Source::Nexmark($tables),
            setup: "",
            sql: include_str!(concat!("nexmark/", $name, ".sql")),
            duckdb: Some(include_str!(concat!("nexmark/", $name, ".sql"))),
            rows: $rows,
            kind: Kind::Throughput,
            beside: None,
        }
    };
}

/// A query that DuckDB knows in other words: it has no windows of time, and some functions have other names or types.
macro_rules! translated {
    ($name:literal, $tables:ident, $rows:ident, $about:literal) => {
        Workload {
            duckdb: Some(include_str!(concat!("nexmark/duckdb/", $name, ".sql"))),
            ..query!($name, $tables, $rows, $about)
        }
    };
}

/// All of them, by number.
pub(super) static QUERIES: [Workload; 23] = [
    query!("q0", EXTRA, ROWS_WIDE, "bids as they are"),
    query!("q1", EXTRA, ROWS_WIDE, "bids in another currency"),
    query!("q2", NUMBERS, ROWS_NARROW, "bids on some auctions"),
    query!("q3", SELLERS, ROWS_WIDE, "auctions of a category with their sellers in three states"),
    query!("q4", SALES, ROWS_WIDE, "average highest bid of each category"),
    translated!("q5", NUMBERS, ROWS_NARROW, "auctions with the most bids in the last 10 seconds, every 2 seconds"),
    query!("q6", SALES, ROWS_WIDE, "average of the last winning bids of each seller"),
    translated!("q7", EXTRA, ROWS_WIDE, "highest bids of every 10 seconds"),
    translated!("q8", SELLERS, ROWS_WIDE, "people who sell in the 10 seconds in which they came"),
    query!("q9", SALES_WHOLE, ROWS_WIDE, "winning bid of each auction"),
    query!("q10", EXTRA, ROWS_WIDE, "bids with day and minute"),
    translated!("q11", NUMBERS, ROWS_NARROW, "bids of each bidder until 10 seconds of silence"),
    translated!("q12", NUMBERS, ROWS_NARROW, "bids of each bidder in every 10 seconds"),
    Workload { setup: SIDE_INPUT, ..query!("q13", NUMBERS, ROWS_NARROW, "bids with a value from a table of 10,000 rows") },
    translated!("q14", EXTRA, ROWS_WIDE, "bids of a middling price with two computed columns"),
    query!("q15", NUMBERS, ROWS_NARROW, "statistics of each day, with distinct bidders and auctions"),
    query!("q16", BIDS, ROWS_WIDE, "statistics of each channel and day, with distinct bidders and auctions"),
    translated!("q17", NUMBERS, ROWS_NARROW, "statistics of each auction and day"),
    query!("q18", BIDS, ROWS_WIDE, "last bid of each bidder on each auction"),
    query!("q19", BIDS, ROWS_WIDE, "ten highest bids on each auction"),
    query!("q20", SALES_WHOLE, ROWS_WIDE, "bids on auctions of a category with the auction"),
    translated!("q21", BIDS, ROWS_WIDE, "bids with the number of their channel"),
    query!("q22", BIDS, ROWS_WIDE, "bids with three parts of their page's address"),
];

/// The first rows of `tables`, `rows` together, made with `options`. The streams take turns, by the order of their events, in batches that
/// have at most `batch_rows` rows together.
pub(super) fn batches(tables: &'static [Table], rows: usize, batch_rows: usize, options: &str) -> Result<Vec<Batch>> {
    let events = events_with(tables, rows);
    let whole = tables.iter().map(|table| Ok((table, read(table, events.max(ROUND), options)?))).collect::<Result<Vec<_>>>()?;
    let mut batches = Vec::new();
    for start in (0..rows).step_by(batch_rows) {
        let [from, to] = [start, rows.min(start + batch_rows)].map(|rows| events_with(tables, rows));
        for (table, whole) in &whole {
            let (first, end) = (rows_of(table, from), rows_of(table, to));
            if first < end {
                batches.push(Batch { table: table.name, rows: whole.slice(first, end - first) });
            }
        }
    }
    Ok(batches)
}

/// The least number of events in which `tables` have `rows` rows together.
fn events_with(tables: &[Table], rows: usize) -> usize {
    let rows_in = |events| tables.iter().map(|table| rows_of(table, events)).sum::<usize>();
    let mut events = rows.saturating_sub(1) / rows_in(ROUND) * ROUND;
    while rows_in(events) < rows {
        events += 1;
    }
    events
}

/// Rows of `table` in the first `events` events.
fn rows_of(table: &Table, events: usize) -> usize {
    let own: Range<usize> = match table.name {
        "person" => 0..1,
        "auction" => 1..4,
        _ => 4..ROUND,
    };
    events / ROUND * own.len() + (events % ROUND).clamp(own.start, own.end) - own.start
}

/// The rows of `table` in the first `events` events, read through the connector.
fn read(table: &Table, events: usize, options: &str) -> Result<RecordBatch> {
    let database = Database::builder().build();
    let (name, columns) = (table.name, table.columns);
    database.execute(&format!("CREATE SOURCE {name} ({columns}) FROM NEXMARK (events = {events}, {options})"))?;
    let read = Arc::new(Mutex::new(Vec::new()));
    let reader = read.clone();
    let handle = database.on_changes(name, move |changes| {
        reader.lock().unwrap_or_else(PoisonError::into_inner).push(changes.rows().clone());
    })?;
    database.run_until_finished(&AtomicBool::new(false))?;
    drop(handle);
    let read = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
    match read.first() {
        Some(first) => Ok(concat_batches(&first.schema(), &read)?),
        None => Err(Error::internal(format!("the generator made no rows of {name} in {events} events"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::{answer::Answer, pipeline::Kept};

    /// So few events a second that the rows of a test cover several windows.
    const SLOW: &str = "rate = 100, out_of_order = 40, seed = 5";

    fn database(workload: &Workload, workers: usize) -> Database {
        let database = Database::builder().workers(workers).build();
        database.execute(workload.setup).unwrap();
        database
    }

    fn sorted(database: &Database, sql: &str) -> Vec<Vec<String>> {
        let mut rows = database.query(sql).unwrap_or_else(|error| panic!("{sql}\n{error}")).to_strings();
        rows.sort();
        rows
    }

    /// How the streams come.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Order {
        /// By the time of their events.
        Together,
        /// One after the other, by name …
        Apart,
        /// … and the other way round.
        Reversed,
    }

    fn ordered(tables: &'static [Table], order: Order) -> Vec<Batch> {
        let mut batches = batches(tables, 3_000, 97, SLOW).unwrap();
        match order {
            Order::Together => {}
            Order::Apart => batches.sort_by_key(|batch| batch.table),
            Order::Reversed => batches.sort_by_key(|batch| std::cmp::Reverse(batch.table)),
        }
        batches
    }

    /// Pushes the rows in small batches. After every few a view holds what its query answers over the rows so far, and in the
    /// end what a stream has emitted adds up to that.
    fn follow(workload: &Workload, workers: usize, order: Order) {
        let Source::Nexmark(tables) = workload.source else { unreachable!("a query of Nexmark reads Nexmark") };
        let (streaming, batch) = (database(workload, workers), database(workload, 1));
        for Table { name, columns } in tables {
            streaming.execute(&format!("CREATE SOURCE {name} ({columns})")).unwrap();
            let pushed = format!("CREATE SOURCE pushed_{name} ({columns})");
            batch.execute(&format!("{pushed}; CREATE MATERIALIZED VIEW {name} AS SELECT * FROM pushed_{name}")).unwrap();
        }
        let select = workload.select();
        streaming.execute(&format!("CREATE MATERIALIZED VIEW answer AS {select}")).unwrap();
        streaming.execute(&workload.stream()).unwrap();
        let kept = Kept::default();
        let keeper = kept.clone();
        let _listener = streaming.on_changes("result", move |changes| keeper.keep(changes)).unwrap();
        let batches = ordered(tables, order);
        let last = batches.len() - 1;
        for (number, Batch { table, rows }) in batches.into_iter().enumerate() {
            streaming.push(table, rows.clone()).unwrap();
            batch.push(&format!("pushed_{table}"), rows).unwrap();
            if number % 13 == 0 || number == last {
                let (view, answer) = (sorted(&streaming, "SELECT * FROM answer"), sorted(&batch, &select));
                assert_eq!(view, answer, "{} after batch {number} with {workers} workers, {order:?}", workload.name);
                assert!(number != last || !view.is_empty(), "{} shows nothing", workload.name);
            }
        }
        for table in tables {
            streaming.end_source(table.name).unwrap();
        }
        let (emitted, answer) = (Answer::of_changes(&kept.take()), Answer::of_rows(&batch.query(&select).unwrap().batches));
        assert_eq!(emitted.unwrap(), answer.unwrap(), "the stream of {} with {workers} workers, {order:?}", workload.name);
        let status = streaming.status();
        assert_eq!((status.late, status.errors, status.failures().count()), (0, 0, 0), "{}", workload.name);
    }

    macro_rules! follow {
        ($($number:literal $name:ident)*) => {
            $(#[test]
            fn $name() {
                for (workers, order) in [(1, Order::Together), (2, Order::Together), (1, Order::Apart), (2, Order::Reversed)] {
                    if order == Order::Together || QUERIES[$number].source.tables().len() > 1 {
                        follow(&QUERIES[$number], workers, order);
                    }
                }
            })*
        };
    }

    follow!(0 q0 1 q1 2 q2 3 q3 4 q4 5 q5 6 q6 7 q7 8 q8 9 q9 10 q10 11 q11 12 q12 13 q13 14 q14 15 q15 16 q16 17 q17 18 q18 19 q19 20 q20 21 q21 22 q22);

    #[test]
    fn rows_are_as_many_as_asked_and_come_in_the_order_of_their_events() {
        for tables in [NUMBERS, SELLERS, SALES, SALES_WHOLE] {
            for rows in [1, 2, 97, 4_000] {
                let batches = batches(tables, rows, 97, OPTIONS).unwrap();
                assert_eq!(batches.iter().map(|batch| batch.rows.num_rows()).sum::<usize>(), rows);
                assert!(batches.len() <= rows.div_ceil(97) * tables.len());
            }
        }
    }
}
