//! Graphs by hand, run by a reactor that checks every promise.

mod attach;
mod compute;
mod constant;
pub(crate) mod cuts;
mod distribute;
mod emit;
mod explain;
pub(crate) mod exprs;
pub(crate) mod graph;
mod isolation;
mod limit;
mod outlets;
mod partial_aggregation;
mod pieces;
mod random;
mod random_windows;
mod rescale;
mod rescale_random;
mod steps;
mod union;
mod unnest;
mod validate;
