//! Which functions are ours: from a name and argument types to a function.

use std::sync::Arc;

use arrow_schema::DataType;

use super::AggregateFunction;
use super::bits::{BitFunction, BitOperation};
use super::bool_and_or::BoolFunction;
use super::count::Count;
use super::distinct::Distinct;
use super::extreme::{End, Extreme};
use super::min_max::MinMax;
use super::sum_float::FloatFunction;
use super::sum_int::{Whole, WholeFunction};
use super::variance::Variance;
use crate::Result;
use crate::changelog::RowKeys;
use crate::expr::SortDirection;

/// The function called `name` over arguments of these types, or `None` if it is none of ours (then DataFusion's is
/// bridged through [`Replayed`](super::Replayed)). Names are those of DataFusion and their aliases, in lower case.
///
/// `ordering` has one entry for each ORDER BY key of the call; the keys themselves are the *last* `ordering.len()` of
/// the arguments. So `first_value(v ORDER BY a, b DESC)` is `native("first_value", &[V, A, B], &[asc, desc], false)` with the
/// arguments `[v, a, b]`; without ORDER BY the planner gives the event time as key (without any key the value decides). The
/// other functions do not depend on the order: they must get neither keys nor ordering.
///
/// `distinct` makes equal arguments count once.
pub fn native(
    name: &str,
    arg_types: &[DataType],
    ordering: &[SortDirection],
    distinct: bool,
) -> Result<Option<Arc<dyn AggregateFunction>>> {
    if let Some(end) = end_of(name) {
        return Ok(by_keys(end, arg_types, ordering));
    }
    if !ordering.is_empty() {
        return Ok(None);
    }
    if let Some(function) = idempotent(name, arg_types) {
        return Ok(Some(function));
    }
    let function = additive(name, arg_types);
    // `count(DISTINCT *)` does not exist, and rows without arguments could not be told apart.
    Ok(match function {
        Some(function) if distinct && !arg_types.is_empty() => {
            comparable(arg_types).then(|| Arc::new(Distinct::new(function, arg_types)) as _)
        }
        function => function.filter(|_| !distinct),
    })
}

fn end_of(name: &str) -> Option<End> {
    match name {
        "first_value" | "first" => Some(End::First),
        "last_value" | "last" => Some(End::Last),
        _ => None,
    }
}

fn by_keys(end: End, arg_types: &[DataType], ordering: &[SortDirection]) -> Option<Arc<dyn AggregateFunction>> {
    let (value, keys) = arg_types.split_first()?;
    if keys.len() != ordering.len() || !comparable(arg_types) {
        return None;
    }
    let keys = keys.iter().cloned().zip(ordering.iter().copied()).collect();
    Some(Arc::new(Extreme::by_keys(end, value, keys)))
}

/// Functions for which it does not matter how often a value is there.
fn idempotent(name: &str, arg_types: &[DataType]) -> Option<Arc<dyn AggregateFunction>> {
    let [arg] = arg_types else { return None };
    Some(match (name, arg) {
        ("min", _) if has_minimum(arg) => Arc::new(MinMax::new(End::First, arg)),
        ("max", _) if has_minimum(arg) => Arc::new(MinMax::new(End::Last, arg)),
        ("bool_and" | "every", DataType::Boolean) => Arc::new(BoolFunction::And),
        ("bool_or", DataType::Boolean) => Arc::new(BoolFunction::Or),
        ("bit_and", _) => Arc::new(BitFunction::new(BitOperation::And, arg)?),
        ("bit_or", _) => Arc::new(BitFunction::new(BitOperation::Or, arg)?),
        _ => return None,
    })
}

/// Functions to which each row adds something.
fn additive(name: &str, arg_types: &[DataType]) -> Option<Arc<dyn AggregateFunction>> {
    if name == "count" {
        return Some(Arc::new(Count));
    }
    let [arg] = arg_types else { return None };
    let variance = |sample, root| arg.is_numeric().then(|| Arc::new(Variance { sample, root }) as _);
    match name {
        "sum" if arg.is_floating() => Some(Arc::new(FloatFunction::Sum)),
        "avg" | "mean" if arg.is_floating() => Some(Arc::new(FloatFunction::Avg)),
        "sum" => Some(Arc::new(WholeFunction::new(Whole::Sum, arg)?)),
        "avg" | "mean" => Some(Arc::new(WholeFunction::new(Whole::Avg, arg)?)),
        "bit_xor" => Some(Arc::new(BitFunction::new(BitOperation::Xor, arg)?)),
        "var" | "var_samp" | "var_sample" | "variance" => variance(true, false),
        "var_pop" | "var_population" => variance(false, false),
        "stddev" | "stddev_samp" => variance(true, true),
        "stddev_pop" => variance(false, true),
        _ => None,
    }
}

/// Whether the order of the encoded values is that of SQL. Intervals (a month is 30 days) and nested values have rules of
/// their own, dictionaries another result type.
fn has_minimum(arg: &DataType) -> bool {
    let special = matches!(arg, DataType::Interval(_) | DataType::Dictionary(..) | DataType::RunEndEncoded(..) | DataType::Null);
    !special && !arg.is_nested() && comparable(std::slice::from_ref(arg))
}

fn comparable(types: &[DataType]) -> bool {
    RowKeys::new(types).is_ok()
}
