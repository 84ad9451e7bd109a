//! Our own SQL functions: the markers that stand for windows until the planner turns them into nodes.

mod window_marker;

pub(crate) use window_marker::{Bound, WindowMarker, marker_of};
