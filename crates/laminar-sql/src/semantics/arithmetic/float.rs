//! REAL and DOUBLE: a division by zero and a result that is too large are errors, as in PostgreSQL; infinity and NaN that come in go on.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, Datum};
use arrow_schema::{ArrowError, DataType};
use datafusion::common::Result;

use super::{ArithmeticOp, arithmetic_error, expanded};
use crate::semantics::cast::type_name;

/// Fails if one of `values`, computed from finite numbers, is none itself, or if something was divided by zero.
pub(super) fn check(op: ArithmeticOp, left: &dyn Datum, right: &dyn Datum, values: &ArrayRef) -> Result<()> {
    match values.data_type() {
        DataType::Float64 => check_values::<Float64Type>(op, left, right, values, f64::is_finite),
        DataType::Float32 => check_values::<Float32Type>(op, left, right, values, f32::is_finite),
        _ => Ok(()),
    }
}

fn check_values<T: ArrowPrimitiveType>(
    op: ArithmeticOp,
    left: &dyn Datum,
    right: &dyn Datum,
    values: &ArrayRef,
    is_finite: impl Fn(T::Native) -> bool,
) -> Result<()>
where
    T::Native: Default + PartialEq,
{
    let values = values.as_primitive::<T>();
    // Nearly always all are finite, and this is all that is done.
    if values.values().iter().all(|value| is_finite(*value)) {
        return Ok(());
    }
    let (left, right) = (expanded(left, values.len())?, expanded(right, values.len())?);
    let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    for row in 0..values.len() {
        if values.is_null(row) || is_finite(values.value(row)) {
            continue;
        }
        let zero = T::Native::default();
        if matches!(op, ArithmeticOp::Divide | ArithmeticOp::Modulo) && right.value(row) == zero {
            return Err(ArrowError::DivideByZero.into());
        }
        if is_finite(left.value(row)) && is_finite(right.value(row)) {
            return Err(arithmetic_error(format!("{} out of range: overflow", type_name(&T::DATA_TYPE))));
        }
    }
    Ok(())
}
