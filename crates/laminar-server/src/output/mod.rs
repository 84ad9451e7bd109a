//! What people see: results on standard output, everything else on standard error.

mod complaint;
mod live;
mod printer;
mod summary;

pub(crate) use complaint::{complain, describe, print_text};
pub(crate) use live::LiveLine;
pub(crate) use printer::{Format, Printer};
pub(crate) use summary::{count, peak_memory, print_summary, reset_peak_memory};
