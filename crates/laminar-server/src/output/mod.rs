//! What people see: results on standard output, everything else on standard error.

mod live;
mod printer;
mod summary;

pub(crate) use live::LiveLine;
pub(crate) use printer::{Format, Printer};
pub(crate) use summary::{count, print_summary};
