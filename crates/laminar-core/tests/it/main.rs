//! The core from outside: operators against oracles, in random cuts, and graphs by hand in a reactor that checks every promise.

mod aggregates;
mod asof_join;
mod consolidate;
mod contents;
mod graphs;
mod harness;
#[cfg(target_os = "linux")]
mod io_uring;
mod join;
mod join_large;
mod join_times;
mod lookup_join;
mod ordered;
mod over;
mod parts;
mod public_names;
mod random;
mod stress;
mod temporal_filter;
mod timed_rows;
mod top_n;
mod tpc;
mod windows;
