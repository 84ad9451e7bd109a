//! One test for each promise of the library's door.

use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use laminar_db::core::ChangeBatch;
use laminar_db::core::time::{EventTime, ManualClock};
use laminar_db::{Change, Code, Database, Event, Row, SlowReader, SubscribeOptions, schema_with_operations};

#[derive(Row, Debug, Clone, PartialEq)]
struct Trade {
    symbol: String,
    price: i64,
    ts: EventTime,
}

const SECOND: i64 = 1_000_000_000;

fn trade(symbol: &str, price: i64, second: i64) -> Trade {
    Trade { symbol: symbol.to_owned(), price, ts: EventTime(second * SECOND) }
}

/// A database whose promises are checked, with a source of trades.
fn trades() -> Database {
    let db = Database::builder().clock(Arc::new(ManualClock::at(0))).checked().build();
    db.execute("CREATE SOURCE trades (symbol VARCHAR NOT NULL, price BIGINT NOT NULL, ts TIMESTAMP NOT NULL, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)")
        .expect("the source is fine");
    db
}

#[test]
fn a_push_returns_when_every_view_is_current() {
    let db = trades();
    db.execute("CREATE MATERIALIZED VIEW totals AS SELECT symbol, sum(price) AS total FROM trades GROUP BY symbol").unwrap();
    db.execute("CREATE MATERIALIZED VIEW rich AS SELECT count(*) AS n FROM totals WHERE total > 10").unwrap();
    assert_eq!(db.query("SELECT n FROM rich").unwrap().to_strings(), [["0"]]);
    db.push_rows("trades", &[trade("a", 7, 1), trade("a", 8, 2), trade("b", 1, 3)]).unwrap();
    assert_eq!(db.query("SELECT * FROM totals ORDER BY symbol").unwrap().to_strings(), [["a", "15"], ["b", "1"]]);
    assert_eq!(db.query("SELECT n FROM rich").unwrap().to_strings(), [["1"]]);
}

#[test]
fn a_subscription_shows_updates_as_pairs_and_on_update_the_new_row_alone() {
    let db = trades();
    db.execute(
        "CREATE STREAM pairs AS SELECT symbol, sum(price) AS total FROM trades GROUP BY symbol;
                CREATE STREAM latest AS SELECT symbol, sum(price) AS total FROM trades GROUP BY symbol EMIT ON UPDATE",
    )
    .unwrap();
    let (mut pairs, mut latest) = (db.subscribe("pairs").unwrap(), db.subscribe("latest").unwrap());
    db.push_rows("trades", &[trade("a", 1, 1)]).unwrap();
    db.push_rows("trades", &[trade("a", 2, 2)]).unwrap();
    assert_eq!(pairs.try_next().unwrap().unwrap().operations, [Change::Insert]);
    let update = pairs.try_next().unwrap().unwrap();
    assert_eq!(update.operations, [Change::UpdateBefore, Change::UpdateAfter]);
    assert_eq!(update.changes.column(1).as_primitive::<Int64Type>().values(), &[1, 3]);
    latest.try_next().unwrap();
    let update = latest.try_next().unwrap().unwrap();
    assert_eq!((update.operations.len(), update.operations[0]), (1, Change::UpdateAfter));
    assert!(latest.try_next().unwrap().is_none());
}

#[test]
fn windows_emit_once_on_close_and_the_rest_at_the_end_of_the_source() {
    let db = trades();
    db.execute("CREATE STREAM bars AS SELECT window_start, count(*) AS n FROM trades GROUP BY TUMBLE(ts, INTERVAL '10' SECOND) EMIT ON WINDOW CLOSE").unwrap();
    let mut bars = db.subscribe("bars").unwrap();
    db.push_rows("trades", &[trade("a", 1, 1), trade("a", 1, 9), trade("a", 1, 12)]).unwrap();
    assert!(bars.try_next().unwrap().is_none(), "the watermark is at 7 s");
    db.push_rows("trades", &[trade("a", 1, 15)]).unwrap();
    assert_eq!(bars.try_next().unwrap().unwrap().changes.column(1).as_primitive::<Int64Type>().values(), &[2]);
    db.end_source("trades").unwrap();
    assert_eq!(bars.try_next().unwrap().unwrap().changes.column(1).as_primitive::<Int64Type>().values(), &[2]);
    assert!(bars.is_finished());
    let refused = db.push_rows("trades", &[trade("a", 1, 20)]).unwrap_err();
    assert_eq!(refused.code(), Code::Closed);
}

#[test]
fn callbacks_see_every_change_within_the_push() {
    let db = trades();
    db.execute("CREATE STREAM dear AS SELECT price FROM trades WHERE price > 5").unwrap();
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let into = seen.clone();
    let handle =
        db.on_changes("dear", move |changes| into.lock().unwrap().extend(changes.column(0).as_primitive::<Int64Type>().values()));
    db.push_rows("trades", &[trade("a", 3, 1), trade("a", 9, 2)]).unwrap();
    assert_eq!(*seen.lock().unwrap(), [9]);
    drop(handle);
    db.push_rows("trades", &[trade("a", 10, 3)]).unwrap();
    assert_eq!(*seen.lock().unwrap(), [9], "a dropped handle listens no more");
}

#[test]
fn events_tell_what_changes_do_and_how_they_end() {
    let db = trades();
    db.execute("CREATE MATERIALIZED VIEW totals AS SELECT symbol, sum(price) AS total FROM trades GROUP BY symbol").unwrap();
    db.push_rows("trades", &[trade("a", 1, 1)]).unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = seen.clone();
    let told = move |event: Event<'_>| {
        into.lock().unwrap().push(match event {
            Event::Changes(changes) => {
                let rows = changes.with_operations().unwrap();
                let (ops, totals) = (rows.column(1).as_string::<i32>(), rows.column(3).as_primitive::<Int64Type>());
                assert_eq!(rows.schema(), schema_with_operations(&changes.changes.schema()));
                (0..rows.num_rows()).map(|row| format!("{} {}", ops.value(row), totals.value(row))).collect::<Vec<_>>().join(", ")
            }
            Event::Ended => "the end".to_owned(),
            Event::Failed(error) => error.to_string(),
        });
    };
    let handle = db.on_events("totals", told).unwrap();
    db.push_rows("trades", &[trade("a", 2, 2)]).unwrap();
    assert_eq!(*seen.lock().unwrap(), ["+I 1", "-U 1, +U 3"]);
    db.end_source("trades").unwrap();
    db.execute("DROP SOURCE trades CASCADE").unwrap();
    assert_eq!(seen.lock().unwrap()[2..], ["the end"], "the end is heard once");
    drop(handle);
    assert_eq!(db.on_events("nowhere", |_| {}).err().map(|error| error.code()), Some(Code::UnknownObject));
}

#[test]
fn the_columns_of_an_object_can_be_asked_for() {
    let db = trades();
    db.execute("CREATE VIEW v AS SELECT symbol FROM trades").unwrap();
    let names =
        |name: &str| db.schema_of(name).map(|schema| schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>());
    assert_eq!(names("trades").unwrap(), ["symbol", "price", "ts"]);
    assert_eq!(names("v").unwrap_err().code(), Code::InvalidQuery);
    assert_eq!(names("nowhere").unwrap_err().code(), Code::UnknownObject);
}

#[test]
fn a_slow_reader_blocks_drops_or_fails_as_it_was_asked_to() {
    for (slow_reader, received, dropped) in [(SlowReader::Block, 2, 0), (SlowReader::DropOldest, 2, 3)] {
        let db = trades();
        db.execute("CREATE STREAM all_trades AS SELECT price FROM trades; SET push_timeout = '1 ms'").unwrap();
        let options = SubscribeOptions { slow_reader, capacity: 2, ..SubscribeOptions::default() };
        let mut reader = db.subscribe_with("all_trades", options).unwrap();
        let pushed = (0..5).map(|price| db.push_rows("trades", &[trade("a", price, price)]));
        let taken = pushed.filter(Result::is_ok).count();
        assert_eq!(taken, received + dropped as usize, "what was not taken in was refused: {slow_reader:?}");
        let mut rows = 0;
        while let Some(Ok(changes)) = reader.next() {
            rows += changes.changes.len();
        }
        assert_eq!((rows, reader.dropped()), (received, dropped), "{slow_reader:?}");
    }
    let db = trades();
    db.execute("CREATE STREAM all_trades AS SELECT price FROM trades").unwrap();
    let options = SubscribeOptions { slow_reader: SlowReader::Fail, capacity: 1, ..SubscribeOptions::default() };
    let mut reader = db.subscribe_with("all_trades", options).unwrap();
    for price in 0..3 {
        db.push_rows("trades", &[trade("a", price, price)]).unwrap();
    }
    let failure = reader.by_ref().find_map(Result::err).expect("the reader did not keep up");
    assert_eq!(failure.code(), Code::LimitReached);
}

#[test]
fn rows_that_do_not_fit_are_refused_with_the_columns_that_would() {
    let db = trades();
    db.execute("CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM trades").unwrap();
    #[derive(Row)]
    struct Other {
        symbol: String,
    }
    let error = db.push_rows("trades", &[Other { symbol: "a".into() }]).unwrap_err();
    assert_eq!(error.code(), Code::TypeMismatch);
    assert!(error.to_string().contains("price Int64"), "{error}");
    assert_eq!(db.query("SELECT n FROM n").unwrap().to_strings(), [["0"]]);
}

#[test]
fn rows_of_a_source_are_only_added_unless_it_says_that_they_may_be_taken_back() {
    let db = trades();
    let plan = db.query("EXPLAIN GRAPH SELECT symbol FROM trades").unwrap().to_strings().concat().concat();
    assert!(plan.contains("append"), "{plan}");
    let rows = Trade::to_batch(&[trade("a", 7, 1)]).unwrap();
    let error = db.push_changes("trades", ChangeBatch::retract(rows.clone())).unwrap_err();
    assert_eq!(error.message(), "a row with the weight -1, where rows are only ever added");
    assert_eq!(error.hint(), Some("create the source WITH (changelog = 'true'), or push into a table"));

    db.execute("CREATE SOURCE changing (symbol VARCHAR NOT NULL, price BIGINT NOT NULL, ts TIMESTAMP NOT NULL) WITH (changelog = 'true')")
        .unwrap();
    db.execute("CREATE MATERIALIZED VIEW now AS SELECT symbol, price FROM changing").unwrap();
    db.push("changing", rows.clone()).unwrap();
    assert_eq!(db.query("SELECT * FROM now").unwrap().to_strings(), [["a", "7"]]);
    db.push_changes("changing", ChangeBatch::retract(rows)).unwrap();
    assert_eq!(db.query("SELECT count(*) FROM now").unwrap().to_strings(), [["0"]]);
}

#[test]
fn explaining_a_query_uses_up_no_rows_and_dropping_frees_the_name() {
    let db = Database::open(":memory:").unwrap();
    db.execute("CREATE SOURCE g (id BIGINT) FROM GENERATOR (rows = 10); EXPLAIN GRAPH CREATE STREAM s AS SELECT id FROM g")
        .unwrap();
    db.run_until_finished(&false.into()).unwrap();
    assert_eq!(db.status().object("g").unwrap().rows, 0);
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM g").unwrap();
    db.run_until_finished(&false.into()).unwrap();
    assert_eq!(db.query("SELECT n FROM v").unwrap().to_strings(), [["10"]]);
    db.execute("DROP SOURCE g CASCADE; CREATE TABLE v (a INT)").unwrap();
    assert_eq!(db.query("SELECT count(*) FROM v").unwrap().to_strings(), [["0"]]);
}

#[test]
fn now_is_what_the_database_clock_says() {
    let db = Database::builder().clock(Arc::new(ManualClock::at(86_400 * SECOND))).build();
    let rows = db.query("SELECT now() = TIMESTAMPTZ '1970-01-02T00:00:00Z' AS next_day").unwrap();
    assert_eq!(rows.to_strings(), [["true"]]);
}
