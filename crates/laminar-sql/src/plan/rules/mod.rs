//! Rewrites of the plan, one a file: first window markers become nodes, then groups by a window become one node;
//! where somebody gets the late rows, windows keep all their columns.

mod assign_windows;
mod group_by_window;
mod keep_late_columns;
mod refusals;

pub(crate) use assign_windows::assign_windows;
pub(crate) use group_by_window::group_by_window;
pub(crate) use keep_late_columns::keep_late_columns;
pub(crate) use refusals::refuse_unstreamable;
