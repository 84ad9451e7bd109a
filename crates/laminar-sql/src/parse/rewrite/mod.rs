//! Query shapes that the planner would take for something else, written in a form that it has; one shape a file.
//!
//! Everything here looks at the text alone. What needs to know the columns of tables stands in `plan/shapes`.

mod any_all;
mod changes;
mod collate;
mod distinct_from;
mod fill;
mod joins_by_time;
mod like_escape;
mod recursive;
mod rows;
mod set_operations;
mod set_returning;
mod string_agg;
mod subscript;
mod temporal_probe;
mod walk;
mod with_ties;

pub use changes::{changes_name, changes_of_name};
pub(crate) use fill::{FILL, FillKind};
pub(crate) use joins_by_time::{ASOF, ASOF_NEAREST, LOOKUP, TEMPORAL, asof_on, has_no_match_condition};
pub(crate) use recursive::TERM;
pub(crate) use set_operations::SetOperation;
pub(super) use walk::rewrite;
pub(super) use with_ties::with_ties;
