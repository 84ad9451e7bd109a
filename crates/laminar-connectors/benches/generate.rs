//! Measures how many rows per second the generators make: `cargo bench -p laminar-connectors --bench generate`.

#![expect(clippy::print_stdout, reason = "a benchmark reports on the screen")]

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use laminar_connectors::generator::GeneratorConnector;
use laminar_connectors::nexmark::NexmarkConnector;
use laminar_connectors::{Connector, Options, SourcePoll, SourceRequest};
use laminar_core::time::{Clock, SystemClock};

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

fn measure(connector: &dyn Connector, name: &str, columns: &[(&str, DataType)], bound: &str) {
    let fields: Vec<Field> = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    let request = SourceRequest {
        name: name.into(),
        schema: (!fields.is_empty()).then(|| Arc::new(Schema::new(fields))),
        key: Vec::new(),
        options: Options::new([(bound.to_owned(), "10000000".to_owned())]),
        schema_was_found: false,
    };
    let mut source = connector.open_source(request).expect("the options are right");
    let (start, mut rows) = (SystemClock.now(), 0);
    while let SourcePoll::Rows { changes, .. } = source.poll(8192).expect("generators do not fail") {
        rows += changes.len();
    }
    let seconds = (SystemClock.now() - start) as f64 / 1e9;
    println!("{:>9} {name:8} {:>2} columns: {:6.1} M rows/s", connector.name(), columns.len(), rows as f64 / seconds / 1e6);
}

fn main() {
    let generator = GeneratorConnector::new(Arc::new(SystemClock));
    let (int, text) = (DataType::Int64, DataType::Utf8);
    measure(&generator, "ints", &[("a", int.clone()), ("b", int.clone()), ("c", int.clone())], "rows");
    measure(&generator, "int32", &[("a", DataType::Int32), ("b", DataType::Int32), ("c", DataType::Int32)], "rows");
    measure(
        &generator,
        "trades",
        &[("id", int.clone()), ("symbol", text), ("price", DataType::Float64), ("ts", TIMESTAMP)],
        "rows",
    );
    let narrow = [("auction", int.clone()), ("bidder", int.clone()), ("price", int), ("date_time", TIMESTAMP)];
    measure(&NexmarkConnector, "bid", &narrow, "events");
    for stream in ["bid", "auction", "person"] {
        measure(&NexmarkConnector, stream, &[], "events");
    }
}
