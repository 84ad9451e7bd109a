//! Graphs by hand, run by a reactor that checks every promise.

mod attach;
mod compute;
pub(crate) mod cuts;
mod distribute;
mod emit;
mod explain;
pub(crate) mod exprs;
mod first_phase;
pub(crate) mod graph;
mod isolation;
mod outlets;
mod random;
mod random_windows;
mod steps;
mod union;
mod validate;
