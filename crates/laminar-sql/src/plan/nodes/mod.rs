//! Plan nodes that batch SQL does not have: windows, joins by time, recursions with rounds.

mod aggregate;
mod asof;
mod assign;
mod lookup;
mod recursion;

pub(crate) use aggregate::{GroupItem, WindowAggregate};
pub(crate) use asof::{AsofJoin, Direction, Match};
pub use assign::is_window_bound;
pub(crate) use assign::{ASSIGNED_END, ASSIGNED_START, ASSIGNED_TIME, AssignWindow};
pub(crate) use lookup::LookupJoin;
pub(crate) use recursion::{ROUND, Recursion, Rounds};
