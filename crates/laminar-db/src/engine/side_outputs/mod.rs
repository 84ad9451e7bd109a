//! Rows that could not be used: counted, the newest of them readable as `<object>$late` and `<object>$errors`, and passed on to
//! whoever follows them.
//!
//! * [`collected`]: what every object rejected.
//! * [`late_rows`], [`bad_rows`]: the columns of both kinds. [`kept_rows`]: the newest rows.
//! * [`stream`]: a node through which they flow to continuous queries, sinks and subscriptions.
//! * [`target`]: the table or sink that `LATE DATA TO` names. [`subscribers`]: who follows which object, and what is due to them.

mod bad_rows;
mod collected;
mod kept_rows;
mod late_rows;
mod stream;
mod subscribers;
mod target;

pub(crate) use collected::SideOutputs;
pub(crate) use late_rows::LateColumns;
pub(crate) use target::{LateTarget, places_in_sink, places_in_table};
