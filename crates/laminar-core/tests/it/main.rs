//! Oracle tests of the core: random changes in random cuts through one operator, against a few lines that cannot be wrong.

mod aggregates;
mod consolidate;
mod contents;
mod harness;
mod join;
mod join_large;
mod random;
