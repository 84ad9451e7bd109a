//! What people see: results on standard output, everything else on standard error.

mod live;
mod printer;
mod summary;

pub use live::LiveLine;
pub use printer::{Format, Printer};
pub use summary::{count, print_summary};
