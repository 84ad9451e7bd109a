//! `laminar bench durability`: what a database in a directory costs, beside what the device itself can do in the same run.
//!
//! [`suite`] is the order of the measurements and the only room that the others' caller knows: [`device`] measures the disk alone, [`pushes`] single rows
//! that wait for it, [`exactly_once`] whole inputs with and without a directory, [`state`] checkpoints and recovery of many groups; [`figures`]
//! holds what came out against what is asked for.

mod device;
mod exactly_once;
mod figures;
mod pushes;
mod state;
mod suite;

pub(super) use figures::Figure;
pub(super) use suite::{Suite, measure};
