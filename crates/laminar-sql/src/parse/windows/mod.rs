//! Every window syntax becomes one internal form, wherever in a query it stands.
//!
//! * [`call`]: what a window's arguments say, and the bounds they must keep.
//! * [`group_by`]: `GROUP BY TUMBLE(ts, …)` with `window_start`, `TUMBLE_END(…)` and their like.
//! * [`table_function`]: `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), …))` and `TUMBLE(t, ts, …)`.
//! * [`rewrite`]: walks a query, its sub-queries and its relations, and refuses windows that stand elsewhere.

mod call;
mod group_by;
mod rewrite;
mod table_function;
mod window_time;

pub(super) use rewrite::rewrite;
