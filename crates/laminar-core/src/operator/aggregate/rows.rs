//! The inner loop of accumulators: rows with a value, their groups and weights.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::GroupAccumulator;
use crate::changelog::Weights;
use crate::{Error, Result};

/// Calls `add(row, group, weight)` for each row that is not NULL and has a weight. The common cases are loops without branches.
#[inline]
pub(super) fn each_valid(nulls: Option<&NullBuffer>, weights: &Weights, groups: &[u32], mut add: impl FnMut(usize, usize, i64)) {
    match (nulls.filter(|nulls| nulls.null_count() > 0), weights) {
        (None, Weights::Ones) => groups.iter().enumerate().for_each(|(row, group)| add(row, *group as usize, 1)),
        (None, Weights::Each(weights)) => {
            for (row, (group, weight)) in groups.iter().zip(weights).enumerate() {
                if *weight != 0 {
                    add(row, *group as usize, *weight);
                }
            }
        }
        (Some(nulls), weights) => {
            for row in nulls.valid_indices() {
                let weight = weights.get(row);
                if weight != 0 {
                    add(row, groups[row] as usize, weight);
                }
            }
        }
    }
}

/// The only argument of a function.
pub(super) fn only_arg(args: &[ArrayRef]) -> Result<&ArrayRef> {
    match args {
        [arg] => Ok(arg),
        _ => Err(Error::internal(format!("{} arguments for a function of one", args.len()))),
    }
}

/// `other` as the accumulator type that merges it.
pub(super) fn same_kind<A: Any>(other: &dyn GroupAccumulator) -> Result<&A> {
    other.as_any().downcast_ref().ok_or_else(|| Error::internal("accumulators of different kinds are merged"))
}

/// A column of an image: a number of each of `groups`.
pub(super) fn numbers(groups: &[u32], number: impl Fn(usize) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| number(*group as usize))))
}

/// Column `index` of an image as the array type that was written.
pub(super) fn image_column<A: Array + 'static>(image: &[ArrayRef], index: usize) -> Result<&A> {
    let column = image.get(index).and_then(|column| column.as_any().downcast_ref());
    column.ok_or_else(|| Error::internal(format!("accumulator image without its column {index}")))
}

/// A column of numbers as 64-bit floats; shared if it is that already.
pub(super) fn wide_floats(column: &ArrayRef) -> Result<Float64Array> {
    match column.as_primitive_opt::<Float64Type>() {
        Some(floats) => Ok(floats.clone()),
        None => Ok(arrow_cast::cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().clone()),
    }
}
