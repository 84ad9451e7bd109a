//! Windows: groups by tumbling, hopping or cumulating window and key.
//!
//! Rows are aggregated once, into the pane of their time; windows are put together from panes when their results are due.
//! A window whose results have been shown has a table of its own, so that a change to it shows as −old +new.
//!
//! * `operator`: what happens when; `pane_ref`: which windows take a row, and which rows are late;
//! * `input`: keys and arguments of a batch; `pane_tables`: windows that are not shown yet, `pane_groups`: their groups, `sliding`:
//!   put together from several panes; `shown`: those that are;
//! * `partial_panes`: what is aggregated before rows are sent to other workers;
//! * `image`: what is remembered of all that, and how images of several workers are dealt anew;
//! * `output`: result rows; `rust_api`: windows for Rust users, without SQL.

mod image;
mod input;
mod operator;
mod output;
mod pane_groups;
mod pane_ref;
mod pane_tables;
mod partial_panes;
mod rust_api;
mod shown;
mod sliding;

pub use operator::WindowOperator;
pub use rust_api::{
    CdcOperation, ChangelogRecord, CountAggregator, EmitStrategy, LateDataConfig, LateDataMetrics, WindowAggregator,
};

pub(super) use input::{Evaluated, GroupInput};
pub(super) use output::{ResultRows, check_alignment, check_gap};
