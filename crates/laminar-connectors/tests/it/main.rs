//! Tests of the connectors through their public door: what a `CREATE` statement would do.

mod any_bytes;
mod bad_input;
mod connectors;
mod follow;
mod harness;
mod properties;
mod random_tables;
mod random_values;
mod round_trips;
mod sources;
