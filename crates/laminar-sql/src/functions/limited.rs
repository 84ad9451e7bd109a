//! Functions whose values can be much larger than their arguments, with a limit: `repeat('a', 2147483647)` is an error of its row instead of two
//! gigabytes.

use std::hash::Hash;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::{DataType, FieldRef, TimeUnit};
use datafusion::common::{DataFusionError, Result};
use datafusion::config::ConfigOptions;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use laminar_core::limits::{VALUE_BYTES_MAX, VALUES_BYTES_MAX};

/// The functions that are limited, and how large their values become.
const LIMITED: &[(&str, Size)] = &[
    ("repeat", Size::TextTimes),
    ("lpad", Size::Padded),
    ("rpad", Size::Padded),
    ("replace", Size::Replaced),
    ("array_repeat", Size::Elements),
    ("list_repeat", Size::Elements),
    ("array_resize", Size::Resized),
    ("list_resize", Size::Resized),
    ("range", Size::Series),
    ("generate_series", Size::Series),
    ("gen_series", Size::Series),
];

/// How large the value of a row becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Size {
    /// `f(text, n)`: n times the text.
    TextTimes,
    /// `f(text, n, …)`: n characters.
    Padded,
    /// `f(text, from, to)`: each `from` becomes `to`.
    Replaced,
    /// `f(element, n)`: n elements.
    Elements,
    /// `f(array, n, …)`: n elements.
    Resized,
    /// `f([start,] stop [, step])`: the elements between.
    Series,
}

/// Puts the limit in front of every such function of `registry`.
pub(crate) fn limit_values(registry: &mut dyn FunctionRegistry) {
    for (name, size) in LIMITED {
        let Ok(inner) = registry.udf(name) else { continue };
        if inner.inner().is::<Limited>() {
            continue;
        }
        // Only functions that were there are replaced, which a registry of functions allows.
        let _ = registry.register_udf(Arc::new(ScalarUDF::new_from_impl(Limited { inner, size: *size })));
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Limited {
    inner: Arc<ScalarUDF>,
    size: Size,
}

impl Limited {
    /// Fails if a value, or all of them together, would be too large.
    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let all_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_constant { 1 } else { args.number_rows };
        let columns = args.args.iter().map(Column::new).collect::<Result<Vec<_>>>()?;
        let mut together = 0_u64;
        for row in 0..rows {
            let bytes = self.size.of_row(&columns, row);
            together = together.saturating_add(bytes);
            if bytes > VALUE_BYTES_MAX {
                return Err(
                    self.too_large(&format!("would make a value of {bytes} bytes; a value has at most {VALUE_BYTES_MAX}"))
                );
            }
        }
        if together > VALUES_BYTES_MAX {
            let text =
                format!("would make {together} bytes of one batch of rows; these have at most {VALUES_BYTES_MAX} together");
            return Err(self.too_large(&text));
        }
        Ok(())
    }

    fn too_large(&self, what: &str) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!("{} {what}", self.inner.name()))
    }
}

impl Size {
    fn of_row(self, args: &[Column], row: usize) -> u64 {
        let length = |index: usize| args.get(index).map_or(0, |arg| arg.bytes(row));
        let number = |index: usize| args.get(index).and_then(|arg| arg.number(row));
        let positive = |index: usize| number(index).map_or(0, |number| u64::try_from(number).unwrap_or(0));
        match self {
            Size::TextTimes => length(0).saturating_mul(positive(1)),
            Size::Padded => positive(1).max(length(0).min(positive(1))),
            Size::Replaced => args.first().map_or(0, |text| text.replaced(&args[1..], row)),
            Size::Elements => length(0).max(1).saturating_mul(positive(1)),
            Size::Resized => positive(1).saturating_mul(args.first().map_or(8, Column::element_width)),
            Size::Series => series(args, row).unwrap_or(0).saturating_mul(8),
        }
    }
}

/// How many elements `range(stop)`, `range(start, stop)` or `range(start, stop, step)` has, at most.
fn series(args: &[Column], row: usize) -> Option<u64> {
    let (start, stop) = match args {
        [stop] => (0, stop.number(row)?),
        [start, stop, ..] => (start.number(row)?, stop.number(row)?),
        [] => return None,
    };
    let step = match args.get(2) {
        Some(step) => step.step(row, args[0].unit())?,
        None => 1,
    };
    if step == 0 || (step > 0) != (stop >= start) {
        return None;
    }
    Some((start.abs_diff(stop) / step.unsigned_abs()).saturating_add(1))
}

/// An argument, for all rows or one of its own for each.
struct Column {
    values: ArrayRef,
    is_constant: bool,
    /// Whole numbers, dates and times as numbers.
    numbers: Option<ArrayRef>,
}

impl Column {
    fn new(value: &ColumnarValue) -> Result<Self> {
        let (values, is_constant) = match value {
            ColumnarValue::Array(values) => (Arc::clone(values), false),
            ColumnarValue::Scalar(value) => (value.to_array()?, true),
        };
        let numbers = match values.data_type() {
            data_type if data_type.is_integer() || matches!(data_type, DataType::Timestamp(..)) => {
                cast(&values, &DataType::Int64).ok()
            }
            DataType::Date32 => Some(Arc::new(values.as_primitive::<Date32Type>().unary::<_, Int64Type>(i64::from)) as ArrayRef),
            _ => None,
        };
        Ok(Self { values, is_constant, numbers })
    }

    fn index(&self, row: usize) -> usize {
        if self.is_constant { 0 } else { row }
    }

    fn number(&self, row: usize) -> Option<i64> {
        let numbers = self.numbers.as_ref()?.as_primitive::<Int64Type>();
        let index = self.index(row);
        numbers.is_valid(index).then(|| numbers.value(index))
    }

    fn text(&self, row: usize) -> Option<&str> {
        let index = self.index(row);
        if self.values.is_null(index) {
            return None;
        }
        Some(match self.values.data_type() {
            DataType::Utf8 => self.values.as_string::<i32>().value(index),
            DataType::LargeUtf8 => self.values.as_string::<i64>().value(index),
            DataType::Utf8View => self.values.as_string_view().value(index),
            _ => return None,
        })
    }

    /// Bytes of the value of a row, roughly where it is nested.
    fn bytes(&self, row: usize) -> u64 {
        match self.values.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => self.text(row).map_or(0, |text| text.len() as u64),
            DataType::List(_) => {
                let (lists, index) = (self.values.as_list::<i32>(), self.index(row));
                let elements = if lists.is_null(index) { 0 } else { u64::try_from(lists.value_length(index)).unwrap_or(0) };
                elements * self.element_width()
            }
            other => other.primitive_width().unwrap_or(8) as u64,
        }
    }

    fn element_width(&self) -> u64 {
        let element = match self.values.data_type() {
            DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
                field.data_type().primitive_width()
            }
            _ => None,
        };
        element.unwrap_or(8) as u64
    }

    /// The length of this text with `from` replaced by `to`. Counting is left out where it could not be too long.
    fn replaced(&self, from_to: &[Column], row: usize) -> u64 {
        let [from, to, ..] = from_to else { return 0 };
        let (Some(text), Some(from), Some(to)) = (self.text(row), from.text(row), to.text(row)) else { return 0 };
        let (length, growth) = (text.len() as u64, (to.len().saturating_sub(from.len())) as u64);
        let most = length / (from.len().max(1) as u64) + 1;
        if length.saturating_add(most.saturating_mul(growth)) <= VALUE_BYTES_MAX {
            return length;
        }
        let found = if from.is_empty() { most } else { text.matches(from).count() as u64 };
        length.saturating_add(found.saturating_mul(growth))
    }

    /// Nanoseconds of one unit of a time; days count as one unit of a date.
    fn unit(&self) -> i64 {
        match self.values.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
            DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
            DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
            DataType::Date32 => NANOS_PER_DAY,
            _ => 1,
        }
    }

    /// The distance of two elements, at least, in units of `unit` nanoseconds where it is an interval.
    fn step(&self, row: usize, unit: i64) -> Option<i64> {
        if self.values.data_type() != &DataType::Interval(arrow_schema::IntervalUnit::MonthDayNano) {
            return self.number(row);
        }
        let index = self.index(row);
        let intervals = self.values.as_primitive::<IntervalMonthDayNanoType>();
        if intervals.is_null(index) {
            return None;
        }
        let interval = intervals.value(index);
        let days = i64::from(interval.months).saturating_mul(28).saturating_add(i64::from(interval.days));
        let nanos = days.saturating_mul(NANOS_PER_DAY).saturating_add(interval.nanoseconds);
        let units = nanos / unit;
        // A step shorter than the unit is still a step.
        Some(if units == 0 { nanos.signum() } else { units })
    }
}

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

impl ScalarUDFImpl for Limited {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let inner = Arc::new(self.inner.inner().with_updated_config(config)?);
        Some(ScalarUDF::new_from_impl(Limited { inner, size: self.size }))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&args)?;
        self.inner.inner().invoke_with_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        self.inner.evaluate_bounds(inputs)
    }

    fn propagate_constraints(&self, interval: &Interval, inputs: &[&Interval]) -> Result<Option<Vec<Interval>>> {
        self.inner.propagate_constraints(interval, inputs)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;
    use arrow_schema::Field;
    use datafusion::common::ScalarValue;
    use datafusion::execution::session_state::{SessionState, SessionStateBuilder};

    use super::*;

    fn state() -> SessionState {
        let mut state = SessionStateBuilder::new().with_default_features().build();
        limit_values(&mut state);
        state
    }

    fn call(name: &str, args: Vec<ColumnarValue>, rows: usize) -> Result<ColumnarValue> {
        let state = state();
        let function = state.scalar_functions()[name].clone();
        let arg_fields: Vec<FieldRef> =
            args.iter().enumerate().map(|(n, arg)| Arc::new(Field::new(format!("a{n}"), arg.data_type(), true))).collect();
        let scalar_arguments = vec![None; args.len()];
        let return_field =
            function.return_field_from_args(ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &scalar_arguments })?;
        let config_options = Arc::clone(state.config_options());
        function.invoke_with_args(ScalarFunctionArgs { args, arg_fields, number_rows: rows, return_field, config_options })
    }

    fn text(text: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::Utf8(Some(text.to_owned())))
    }

    fn int(number: i64) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(number)))
    }

    /// An array of so many numbers.
    fn numbers_as_list(length: i64) -> ColumnarValue {
        let numbers: Vec<ScalarValue> = (0..length).map(|number| ScalarValue::Int64(Some(number))).collect();
        ColumnarValue::Scalar(ScalarValue::List(ScalarValue::new_list_nullable(&numbers, &DataType::Int64)))
    }

    #[test]
    fn a_value_that_would_be_too_large_is_an_error_before_it_is_made() {
        let giant = 2_147_483_647;
        let refused = [
            ("repeat", vec![text("a"), int(giant)]),
            ("repeat", vec![text(&"ab".repeat(1000)), int(1_000_000)]),
            ("lpad", vec![text("a"), int(giant), text("x")]),
            ("rpad", vec![text("a"), int(giant)]),
            ("replace", vec![text(&"a".repeat(1 << 20)), text("a"), text(&"b".repeat(1000))]),
            ("array_repeat", vec![int(1), int(giant)]),
            ("list_repeat", vec![text("abc"), int(1 << 40)]),
            ("array_repeat", vec![numbers_as_list(1 << 20), int(1 << 20)]),
            ("range", vec![int(1_000_000_000_000)]),
            ("range", vec![int(0), int(i64::MAX), int(2)]),
            ("generate_series", vec![int(i64::MAX), int(i64::MIN), int(-1)]),
        ];
        for (name, args) in refused {
            let error = call(name, args, 1).unwrap_err();
            assert!(matches!(error, DataFusionError::ResourcesExhausted(_)), "{name}: {error}");
        }
    }

    #[test]
    fn what_fits_comes_out_as_before() {
        let fine = [
            ("repeat", vec![text("ab"), int(3)]),
            ("repeat", vec![text("a"), int(-1)]),
            ("repeat", vec![text(""), int(2_147_483_647)]),
            ("lpad", vec![text("a"), int(5), text("x")]),
            ("replace", vec![text(&"a".repeat(1 << 20)), text("b"), text(&"c".repeat(1000))]),
            ("array_repeat", vec![int(1), int(3)]),
            ("range", vec![int(0), int(i64::MAX), int(1 << 60)]),
            ("range", vec![int(5), int(0), int(1)]),
            ("generate_series", vec![int(1), int(5)]),
        ];
        for (name, args) in fine {
            call(name, args, 1).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn the_values_of_a_batch_are_bounded_together() {
        let numbers = |number: i64, rows: usize| ColumnarValue::Array(Arc::new(Int64Array::from(vec![number; rows])) as ArrayRef);
        assert!(call("repeat", vec![text("a"), numbers(1000, 8192)], 8192).is_ok());
        let error = call("repeat", vec![text("a"), numbers(1 << 20, 8192)], 8192).unwrap_err();
        assert!(error.to_string().contains("of one batch of rows"), "{error}");
    }
}
