//! `laminar crash-test FILE.sql`: kills a script's process at random moments, lets it go on, and compares with a run that was not killed.
//!
//! [`command`] is what a person calls; [`script`] reads the script and says what of it cannot be tested, [`life`] is one process, [`contents`] what
//! files and views hold at the end, and [`comparison`] which rows differ.

mod command;
mod comparison;
mod contents;
mod life;
mod script;

pub(crate) use command::{Arguments, run};
