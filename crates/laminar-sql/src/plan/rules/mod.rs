//! Rewrites of the plan, one a file: first window markers become nodes, then groups by a window become one node.

mod assign_windows;
mod group_by_window;
mod refusals;

pub(crate) use assign_windows::assign_windows;
pub(crate) use group_by_window::group_by_window;
pub(crate) use refusals::refuse_unstreamable;
