//! `FROM GENERATOR (…)`: typed random rows, by the thousand or without end, the same for the same seed.
//!
//! ```sql
//! CREATE SOURCE trades (id BIGINT, symbol VARCHAR, price DOUBLE, ts TIMESTAMP,
//!                       WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
//! FROM GENERATOR (rows = 1000000, seed = 7, max_out_of_order = '1 second',
//!                 'fields.id.kind' = 'sequence', 'fields.symbol.values' = 'AAPL,MSFT,NVDA',
//!                 'fields.price.min' = '10', 'fields.price.max' = '20');
//! ```
//!
//! | option | means | without it |
//! |---|---|---|
//! | `rows` | how many rows in all | it never ends |
//! | `rate` | rows per second of wall-clock time | as fast as possible |
//! | `seed` | another seed, other rows | 0 |
//! | `start` | event time of the first row, or `now` | 2025-01-01 00:00:00 |
//! | `max_out_of_order` | how far the time of a row may be behind its place | rows come in order |
//! | `fields.c.kind` | `random`, `sequence`, or `event time` (timestamps only) | `event time` for timestamps, else `random` |
//! | `fields.c.min`, `.max` | bounds, both included (but a float stays below `max`) | 0 to 999 999, 0.0 to 1000.0, a year of dates |
//! | `fields.c.step` | sequence: distance; event time: time between rows, as `'100 ms'` | 1; 1/`rate` or 1 ms |
//! | `fields.c.values` | a list to choose from: `'A,B,C'` | |
//! | `fields.c.length` | of text and bytes: `'8'` or `'3..20'` | 8 |
//! | `fields.c.null_ratio` | share of rows that are NULL | 0 |
//!
//! A sequence that has passed `max` starts over at `min`. Every value is a function of the seed, the column's name and the
//! row's number ([`random`]), so the rows do not depend on how they are cut into batches, and a source that is opened
//! again gives them again; only `start = 'now'` moves their event times.
//!
//! Rooms: [`settings`] and [`fields`] read the options, [`column`] makes the values, [`source`] hands them out.

mod column;
mod fields;
pub(crate) mod random;
mod settings;
mod source;
pub(crate) mod values;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use laminar_core::time::Clock;
use laminar_core::{Code, Error, Result};

use crate::{Accepts, Connector, Sink, SinkRequest, Source, SourceRequest};

/// The connector called `generator`.
pub struct GeneratorConnector {
    clock: Arc<dyn Clock>,
}

impl GeneratorConnector {
    /// A connector whose `rate` is measured by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl Connector for GeneratorConnector {
    fn name(&self) -> &'static str {
        "generator"
    }

    fn open_source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::GeneratorSource::open(request, self.clock.clone())?))
    }

    fn sink_accepts(&self, _request: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(None)
    }

    fn open_sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        Err(no_sink("generator", &request.name))
    }

    fn replayable(&self) -> bool {
        true
    }
}

/// What a connector that only makes rows says to a `CREATE SINK`.
pub(crate) fn no_sink(connector: &str, sink: &str) -> Error {
    Error::new(Code::NotSupported, format!("sink '{sink}' cannot write to '{connector}', which only makes rows"))
        .with_hint("to run a query and throw its rows away, use INTO BLACKHOLE")
}
