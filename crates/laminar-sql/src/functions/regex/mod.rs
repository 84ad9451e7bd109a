//! Regular expressions of PostgreSQL and of SQL (`SIMILAR TO`), and the functions that take them.

mod compiled;
mod functions;
mod similar;
mod syntax;

pub(crate) use functions::SIMILAR_TO;
pub(super) use functions::{routines, substring_from, substring_similar};
