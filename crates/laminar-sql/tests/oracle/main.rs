//! Every operator against the oracle: random histories, step by step, compared with the same query as a batch.
//!
//! A binary of its own, because it takes minutes and is what `LAMINAR_ORACLE_CASES` makes longer. Each operator has its file with its
//! queries; [`graph`] plans them and runs their graphs. What the tables look like is in [`tables`].
//! [`any_text`] needs no oracle: it holds that no text makes the planner panic.

mod aggregate;
mod any_text;
mod asof_join;
mod compute;
mod emit;
mod graph;
mod interval_join;
mod join;
mod over;
mod session;
mod subqueries;
mod tables;
mod union;
mod window;
