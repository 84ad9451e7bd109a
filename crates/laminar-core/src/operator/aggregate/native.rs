//! Which functions are ours: from a name and argument types to a function.

use std::sync::Arc;

use arrow_schema::DataType;

use super::AggregateFunction;
use super::count::Count;
use super::sum_whole::{Whole, WholeFunction};
use crate::Result;

/// How one ORDER BY key of an aggregate sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortDirection {
    /// Greatest first.
    pub descending: bool,
    /// NULLs before all values; after them otherwise.
    pub nulls_first: bool,
}

/// The function called `name` over arguments of these types, or `None` if it is none of ours (then DataFusion's is
/// bridged through [`Replayed`](super::replay)).
///
/// `ordering` has one entry for each ORDER BY key of the call; the keys themselves are the *last* `ordering.len()` of
/// the arguments. So `first_value(v ORDER BY a, b DESC)` is `native("first_value", &[V, A, B], &[asc, desc], false)` with the
/// arguments `[v, a, b]`, and without ORDER BY the planner adds the event time as key. Functions whose result does not
/// depend on the order must be asked for without ordering.
///
/// `distinct` makes equal arguments count once.
pub fn native(
    name: &str,
    arg_types: &[DataType],
    ordering: &[SortDirection],
    distinct: bool,
) -> Result<Option<Arc<dyn AggregateFunction>>> {
    let _ = (ordering, distinct);
    if distinct || !ordering.is_empty() {
        return Ok(None);
    }
    Ok(match (name, arg_types) {
        ("count", _) => Some(Arc::new(Count)),
        ("sum", [arg]) => WholeFunction::new(Whole::Sum, arg).map(|f| Arc::new(f) as _),
        ("avg" | "mean", [arg]) => WholeFunction::new(Whole::Avg, arg).map(|f| Arc::new(f) as _),
        _ => None,
    })
}
