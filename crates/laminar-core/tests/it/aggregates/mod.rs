//! Aggregates against naive models: random histories of rows, the same results computed from scratch.

mod bad_input;
mod edges;
mod group_aggregate;
mod group_keys;
mod group_table;
mod history;
mod model;
