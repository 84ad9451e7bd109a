//! `laminar bench`: named workloads on rows that are made before the clock starts, with an answer that a batch query confirms.
//!
//! [`command`] is what a person calls; [`workload`] lists what there is to run, with the queries of [`nexmark`], [`input`] makes
//! its rows, [`pipeline`] is the database under test, [`throughput`] and [`latency`] measure it, [`answer`] adds up what came out
//! and [`confirm`] asks the batch engine for the same; [`duckdb`] runs the same rows elsewhere, [`durability`] measures a
//! database in a directory, and [`report`] writes the tables.

mod answer;
mod command;
mod confirm;
mod duckdb;
mod durability;
mod input;
mod latency;
mod nexmark;
mod pipeline;
mod report;
mod throughput;
mod workload;

pub(crate) use command::{Arguments, run};
