//! The tables that the queries of all operators read.

use laminar_testkit::random::{Changes, EventTimes, Table, Values};

const SECOND: i64 = 1_000_000_000;

/// Rows come and go, and the same row can be there twice. Every type has a column.
pub(crate) fn facts(name: &str) -> Table {
    Table::new(name, Changes::Any, fact_columns())
}

/// The same columns, but rows only come.
pub(crate) fn growing_facts(name: &str) -> Table {
    Table::new(name, Changes::Append, fact_columns())
}

fn fact_columns() -> [(&'static str, Values); 8] {
    [
        ("k", Values::Text(4)),
        ("a", Values::Int(-3, 3)),
        ("b", Values::BigInt(-1_000_000_000_000, 1_000_000_000_000)),
        ("f", Values::Double(1000.0)),
        ("d", Values::Decimal(99_999)),
        ("s", Values::Text(6)),
        ("p", Values::Bool),
        ("day", Values::Date(5)),
    ]
}

/// One row a key: new rows replace old ones.
pub(crate) fn keyed(name: &str) -> Table {
    Table::new(name, Changes::Keyed(vec![0]), [("id", Values::Int(0, 6)), ("k", Values::Text(4)), ("v", Values::BigInt(-50, 50))])
}

/// Rows with an event time, some of them late. `delay` is how far the watermark stays behind, in seconds.
pub(crate) fn events(name: &str, delay: i64) -> Table {
    let times = EventTimes { grain: SECOND, advance: 6 * SECOND, jitter: 8 * SECOND, straggle: 60 * SECOND };
    let columns = [("k", Values::Text(3)), ("a", Values::Int(-9, 9)), ("f", Values::Double(100.0)), ("ts", Values::Time(times))];
    Table::new(name, Changes::Append, columns).with_watermark("ts", delay * SECOND).with_nulls("ts", 0.04)
}
