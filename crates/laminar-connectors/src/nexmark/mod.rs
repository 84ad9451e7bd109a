//! `FROM NEXMARK (…)`: the auction site of the Nexmark benchmark; three streams of people, auctions and bids.
//!
//! ```sql
//! CREATE SOURCE bid (auction BIGINT, bidder BIGINT, price BIGINT, date_time TIMESTAMP,
//!                    WATERMARK FOR date_time AS date_time)
//! FROM NEXMARK (events = 10000000);
//! ```
//!
//! | option | means | without it |
//! |---|---|---|
//! | `table` | `person`, `auction` or `bid` | the one that the source's name contains |
//! | `events` | events of the three streams together | it never ends |
//! | `rate` | events of the three streams per second of event time | 10 000 000 |
//! | `base_time` | event time of the first event | 2025-01-01 00:00:00 |
//! | `seed` | another seed, other people, auctions and bids | 0 |
//! | `out_of_order` | events within groups of this size come shuffled | 1: in order |
//!
//! Columns (declare those that you need: the others are then not made; names match whatever their case and underscores,
//! so `itemName` is `item_name`):
//!
//! * `person(id, name, email_address, credit_card, city, state, date_time, extra)`
//! * `auction(id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra)`
//! * `bid(auction, bidder, price, channel, url, date_time, extra)`
//!
//! The scenario is by Tucker, Tufte, Papadimos and Maier ("NEXMark – A Benchmark for Queries over Data Streams", 2002); the
//! proportions are those with which the benchmark is run on stream processors today:
//!
//! * Of 50 events 1 is a new person, the next 3 are new auctions, the other 46 are bids ([`events`]). Ids count from 1000.
//! * Event `n` happens `n / rate` seconds after the first.
//! * Half of the bids go to the hot auction, the newest whose id is a multiple of 100; the others to one of the newest 101.
//!   3 of 4 bids come from the hot bidder, and 3 of 4 auctions from the hot seller; the others from one of the newest
//!   1000 people.
//! * Prices are log-uniform from 1.00 to 1 000 000.00, in cents. The reserve is above the first bid by another such price.
//! * Auctions have one of the categories 10 to 14, and end within twice the time in which 100 more auctions open.
//! * Half of the bids come over four well-known channels, the others over one of 10 000; the page's address names the
//!   channel (`channel_id=…`) for nine of ten of these.
//! * `extra` fills a row up to an average size: 200 bytes a person, 500 an auction, 100 a bid.
//!
//! Two things differ from the usual generators, on purpose: a bid, and an auction's seller, always refer to somebody who
//! already exists (others run up to ten ids ahead), so that joins over a bounded run lose nothing; and every value is
//! a function of the seed and the event's number, so that three sources with the same options agree with each other.
//!
//! Rooms: [`events`] numbers events and makes ids and times, [`person`], [`auction`] and [`bid`] their columns, [`text`]
//! words, [`settings`] reads the options, [`source`] hands out rows.

mod auction;
mod bid;
mod events;
mod person;
mod settings;
mod source;
mod text;

#[cfg(test)]
mod tests;

use laminar_core::Result;

use crate::generator::no_sink;
use crate::{Accepts, Connector, Sink, SinkRequest, Source, SourceRequest};

/// The connector called `nexmark`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NexmarkConnector;

impl Connector for NexmarkConnector {
    fn name(&self) -> &'static str {
        "nexmark"
    }

    fn open_source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::NexmarkSource::new(settings::plan(request)?)))
    }

    fn sink_accepts(&self, _request: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(None)
    }

    fn open_sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        Err(no_sink("nexmark", &request.name))
    }

    fn replayable(&self) -> bool {
        true
    }
}
