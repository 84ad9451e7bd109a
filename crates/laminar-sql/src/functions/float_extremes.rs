//! `min` and `max` of ad-hoc queries: over floats NaN is the greatest value and infinity is kept, as in views and PostgreSQL.
//! DataFusion's own start from the greatest finite number and forget NaN in groups.

use std::cmp::Ordering;
use std::mem::size_of_val;
use std::sync::Arc;

use arrow_array::{ArrayRef, cast::AsArray, types::Float64Type};
use arrow_cast::cast::cast;
use arrow_schema::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature,
};

/// DataFusion's function with our meaning for floats.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct FloatExtreme {
    inner: Arc<AggregateUDF>,
    greatest: bool,
}

impl FloatExtreme {
    /// `min` and `max`, to be registered instead of DataFusion's.
    pub(crate) fn both() -> [AggregateUDF; 2] {
        let of = |inner, greatest| AggregateUDF::new_from_impl(FloatExtreme { inner, greatest });
        [of(min_udaf(), false), of(max_udaf(), true)]
    }
}

impl AggregateUDFImpl for FloatExtreme {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_field.data_type();
        if data_type.is_floating() {
            return Ok(Box::new(Floats { greatest: self.greatest, data_type: data_type.clone(), found: None }));
        }
        self.inner.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.return_field.data_type().is_floating() && self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// The extreme of one group.
#[derive(Debug)]
struct Floats {
    greatest: bool,
    data_type: DataType,
    found: Option<f64>,
}

/// The order of PostgreSQL: NaN is equal to itself and greater than all others, whatever its sign.
fn compare(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

impl Floats {
    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let values = cast(values, &DataType::Float64)?;
        let wanted = if self.greatest { Ordering::Greater } else { Ordering::Less };
        for value in values.as_primitive::<Float64Type>().iter().flatten() {
            if self.found.is_none_or(|found| compare(value, found) == wanted) {
                self.found = Some(if value.is_nan() { f64::NAN } else { value });
            }
        }
        Ok(())
    }
}

impl Accumulator for Floats {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::Float64(self.found).cast_to(&self.data_type)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add(&states[0])
    }
}
