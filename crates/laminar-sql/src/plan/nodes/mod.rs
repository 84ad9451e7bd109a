//! Plan nodes that batch SQL does not have: windows.

mod aggregate;
mod assign;

pub(crate) use aggregate::{GroupItem, WindowAggregate};
pub use assign::is_window_bound;
pub(crate) use assign::{ASSIGNED_END, ASSIGNED_START, ASSIGNED_TIME, AssignWindow};
