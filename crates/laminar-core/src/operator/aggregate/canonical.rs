//! Floats as keys: −0.0 and 0.0 are one value, all NaNs are one value, greater than every other.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// The column with one form of zero and of NaN; other types as they are.
pub(super) fn canonical(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(canonical_f64)),
        DataType::Float32 => {
            let canonical = |value: f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(canonical))
        }
        DataType::Float16 => Arc::new(array.as_primitive::<Float16Type>().unary::<_, Float16Type>(|value| {
            let value = f32::from(value);
            <Float16Type as arrow_array::ArrowPrimitiveType>::Native::from_f32(if value.is_nan() {
                f32::NAN
            } else {
                value + 0.0
            })
        })),
        _ => array.clone(),
    }
}

/// `value` with one form of zero and of NaN. (−0.0 + 0.0 is 0.0.)
pub(super) fn canonical_f64(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}
