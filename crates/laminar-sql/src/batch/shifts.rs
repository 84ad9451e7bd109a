//! `lag` and `lead` with IGNORE NULLS over stored rows: DataFusion's `lead` finds nothing where fewer rows than asked for follow, although as many values do.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef};
use arrow_select::interleave::interleave;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    Expr, PartitionEvaluator, Signature, Volatility, WindowFunctionDefinition, WindowUDF, WindowUDFImpl,
};

/// Whether a call is a `lag` or `lead` that skips NULLs.
pub(super) fn skips_nulls(call: &WindowFunction) -> bool {
    let shifts = matches!(&call.fun, WindowFunctionDefinition::WindowUDF(function) if matches!(function.name(), "lag" | "lead"));
    shifts && call.params.null_treatment == Some(NullTreatment::IgnoreNulls)
}

/// Such a call by a function that does.
pub(super) fn skipping(call: WindowFunction) -> Expr {
    let forward = call.fun.name() == "lead";
    let name = format!("{}_ignore_nulls", call.fun.name());
    let function = WindowUDF::new_from_impl(Shift { name, forward, signature: Signature::variadic_any(Volatility::Immutable) });
    let params = WindowFunctionParams { null_treatment: None, ..call.params };
    Expr::from(WindowFunction { fun: WindowFunctionDefinition::WindowUDF(Arc::new(function)), params })
}

/// The value so many values behind each row (`forward`) or before it; further arguments are how many, and what stands where there is none.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Shift {
    name: String,
    forward: bool,
    signature: Signature,
}

impl WindowUDFImpl for Shift {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), args.input_fields()[0].data_type().clone(), true)))
    }

    fn partition_evaluator(&self, args: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Shifted { forward: self.forward, args: args.input_exprs().len() }))
    }
}

#[derive(Debug)]
struct Shifted {
    forward: bool,
    args: usize,
}

impl Shifted {
    /// The row with the value for each row.
    fn targets(&self, values: &ArrayRef, count: i64) -> Vec<Option<usize>> {
        let valid: Vec<usize> = (0..values.len()).filter(|row| values.is_valid(*row)).collect();
        let count = if self.forward { count } else { count.saturating_neg() };
        let target = |row: usize| {
            let at = match count {
                0 => return Some(row),
                1.. => valid.partition_point(|at| *at <= row).checked_add(usize::try_from(count).ok()? - 1)?,
                _ => valid.partition_point(|at| *at < row).checked_sub(usize::try_from(count.unsigned_abs()).ok()?)?,
            };
            valid.get(at).copied()
        };
        (0..values.len()).map(target).collect()
    }
}

impl PartitionEvaluator for Shifted {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let constant = |number: usize| match values[..self.args].get(number) {
            Some(column) if !column.is_empty() => ScalarValue::try_from_array(column, 0).map(Some),
            _ => Ok(None),
        };
        let count = match constant(1)? {
            None => Some(1),
            Some(count) => match count.cast_to(&DataType::Int64)? {
                ScalarValue::Int64(count) => count,
                _ => None,
            },
        };
        let default = constant(2)?.unwrap_or(ScalarValue::Null).cast_to(values[0].data_type())?.to_array_of_size(1)?;
        let Some(count) = count else { return Ok(arrow_array::new_null_array(values[0].data_type(), rows)) };
        let sources = self.targets(&values[0], count).into_iter().map(|row| row.map_or((1, 0), |row| (0, row)));
        Ok(interleave(&[values[0].as_ref(), default.as_ref()], &sources.collect::<Vec<_>>())?)
    }
}
