//! The windows between two windows with rows: which they are, where one ends, and what lies on the line between the values of both.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use arrow_array::builder::{Float64Builder, Int64Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Decimal128Array, Int64Array, ListArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field};
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use laminar_core::limits::FILL_WINDOWS_MAX;
use laminar_core::time::Panes;
use laminar_core::time::event_time::{from_nanos, to_nanos};
use laminar_core::time::windows::WindowShape;

/// What is computed of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Question {
    /// Of the starts of two windows: the starts of those behind the first one, up to the second one. It is alone where there is no first one, or
    /// where they are too many.
    Starts,
    /// Of a window's start: its end.
    End,
}

/// A question about tumbling or hopping windows.
#[derive(Debug)]
struct WindowFunction {
    question: Question,
    shape: WindowShape,
    signature: Signature,
    /// Made once: with a time zone that takes a while.
    panes: OnceLock<Panes>,
}

/// The starts of the windows behind the one that starts at `before`, up to the one at `start`.
pub(crate) fn starts_between(shape: &WindowShape, before: Expr, start: Expr) -> Expr {
    WindowFunction::new(Question::Starts, shape, 2).call(vec![before, start])
}

/// The end of the window that starts at `start`.
pub(crate) fn end_of_window(shape: &WindowShape, start: Expr) -> Expr {
    WindowFunction::new(Question::End, shape, 1).call(vec![start])
}

impl WindowFunction {
    fn new(question: Question, shape: &WindowShape, args: usize) -> ScalarUDF {
        let signature = Signature::any(args, Volatility::Immutable);
        ScalarUDF::new_from_impl(Self { question, shape: shape.clone(), signature, panes: OnceLock::new() })
    }

    fn panes(&self) -> Result<&Panes> {
        match self.panes.get() {
            Some(panes) => Ok(panes),
            None => {
                let panes = self.shape.panes().map_err(external)?;
                Ok(self.panes.get_or_init(|| panes))
            }
        }
    }

    fn starts(&self, before: &ArrayRef, start: &ArrayRef) -> Result<ArrayRef> {
        let panes = self.panes()?;
        let mut starts = ListBuilder::new(Int64Builder::new());
        for (before, start) in to_nanos(before).map_err(external)?.iter().zip(&to_nanos(start).map_err(external)?) {
            let Some(start) = start else {
                starts.append(false);
                continue;
            };
            let between = before.and_then(|before| panes.windows_between(before, start, FILL_WINDOWS_MAX + 1));
            match between {
                Some(windows) => windows.iter().for_each(|window| starts.values().append_value(panes.start(*window))),
                None => starts.values().append_value(start),
            }
            starts.append(true);
        }
        let (_, offsets, nanos, nulls) = starts.finish().into_parts();
        let values = from_nanos(nanos.as_primitive::<Int64Type>(), start.data_type()).map_err(external)?;
        Ok(Arc::new(ListArray::try_new(item(start.data_type()), offsets, values, nulls)?))
    }

    fn ends(&self, start: &ArrayRef) -> Result<ArrayRef> {
        let panes = self.panes()?;
        let end = |start: Option<i64>| Some(panes.end(panes.window_from(start?)?));
        let ends: Int64Array = to_nanos(start).map_err(external)?.iter().map(end).collect();
        from_nanos(&ends, start.data_type()).map_err(external)
    }
}

fn item(time: &DataType) -> Arc<Field> {
    Arc::new(Field::new_list_field(time.clone(), true))
}

fn external(error: laminar_core::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl PartialEq for WindowFunction {
    fn eq(&self, other: &Self) -> bool {
        (self.question, &self.shape) == (other.question, &other.shape)
    }
}

impl Eq for WindowFunction {}

impl Hash for WindowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.question, &self.shape).hash(state);
    }
}

impl ScalarUDFImpl for WindowFunction {
    fn name(&self) -> &str {
        match self.question {
            Question::Starts => "__windows_between",
            Question::End => "__end_of_window",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match (self.question, args) {
            (Question::Starts, [_, start]) => Ok(DataType::List(item(start))),
            (Question::End, [start]) => Ok(start.clone()),
            _ => exec_err!("{} has other arguments", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        match (self.question, columns.as_slice()) {
            (Question::Starts, [before, start]) => self.starts(before, start),
            (Question::End, [start]) => self.ends(start),
            _ => exec_err!("{} has other arguments", self.name()),
        }
        .map(ColumnarValue::Array)
    }
}

/// What a line has at a time that lies between two others: `__on_line(first, last, first_time, last_time, time)`, NULL where an end is NULL. Whole
/// numbers and decimals are rounded, away from zero.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OnLine {
    signature: Signature,
}

/// The value at `time` on the line from `ends[0]` at `times[0]` to `ends[1]` at `times[1]`.
pub(crate) fn on_line(ends: [Expr; 2], times: [Expr; 2], time: Expr) -> Expr {
    let function = OnLine { signature: Signature::any(5, Volatility::Immutable) };
    ScalarUDF::new_from_impl(function).call(ends.into_iter().chain(times).chain([time]).collect())
}

/// Whether values of this type have a line between them.
pub(crate) fn has_line(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64 | DataType::Decimal128(..))
}

impl ScalarUDFImpl for OnLine {
    fn name(&self) -> &str {
        "__on_line"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(args[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let [first, last, times @ ..] = columns.as_slice() else { return exec_err!("a line without ends") };
        let times =
            times.iter().map(|time| to_nanos(time)).collect::<laminar_core::Result<Vec<Int64Array>>>().map_err(external)?;
        let [from, to, at] = times.as_slice() else { return exec_err!("a line without times") };
        // How far behind the first time, and how far the last one is.
        let part = |row: usize| {
            if from.is_null(row) || to.is_null(row) || at.is_null(row) {
                return None;
            }
            let ahead = |time: i64| i128::from(time) - i128::from(from.value(row));
            Some((ahead(at.value(row)), ahead(to.value(row))))
        };
        between(first, last, part).map(ColumnarValue::Array)
    }
}

fn between(first: &ArrayRef, last: &ArrayRef, part: impl Fn(usize) -> Option<(i128, i128)>) -> Result<ArrayRef> {
    let rows = 0..first.len();
    let data_type = first.data_type();
    let is_there = |row: usize| first.is_valid(row) && last.is_valid(row);
    if let DataType::Float32 | DataType::Float64 = data_type {
        let (first, last) = (cast(first, &DataType::Float64)?, cast(last, &DataType::Float64)?);
        let (first, last) = (first.as_primitive::<Float64Type>(), last.as_primitive::<Float64Type>());
        let mut values = Float64Builder::with_capacity(first.len());
        rows.for_each(|row| {
            let value = part(row).filter(|_| is_there(row)).map(|(at, all)| {
                let part = at as f64 / all as f64;
                first.value(row) * (1.0 - part) + last.value(row) * part
            });
            values.append_option(value);
        });
        return Ok(cast(&values.finish(), data_type)?);
    }
    // The digits of a decimal are a whole number too.
    let exact = match data_type {
        DataType::Decimal128(..) => data_type.clone(),
        _ => DataType::Decimal128(38, 0),
    };
    let (first, last) = (cast(first, &exact)?, cast(last, &exact)?);
    let (first, last) = (first.as_primitive::<Decimal128Type>(), last.as_primitive::<Decimal128Type>());
    let values: Decimal128Array =
        rows.map(|row| part(row).filter(|_| is_there(row)).map(|part| whole(first.value(row), last.value(row), part))).collect();
    let DataType::Decimal128(precision, scale) = exact else { return exec_err!("a line of no numbers") };
    Ok(cast(&values.with_precision_and_scale(precision, scale)?, data_type)?)
}

/// What lies `at` of `all` between two whole numbers, rounded.
fn whole(first: i128, last: i128, (at, all): (i128, i128)) -> i128 {
    let exact = || first.checked_mul(all)?.checked_add(last.checked_sub(first)?.checked_mul(at)?);
    match exact() {
        Some(product) => {
            let (quotient, rest) = (product / all, product % all);
            let is_half = rest.unsigned_abs() * 2 >= all.unsigned_abs();
            quotient + if is_half { product.signum() } else { 0 }
        }
        // As exact as a DOUBLE is; the numbers have 20 digits and more.
        None => (first as f64 + (last as f64 - first as f64) * (at as f64 / all as f64)) as i128,
    }
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn numbers_between_two_are_rounded_away_from_zero() {
        for (first, last, part, expected) in [
            (0, 10, (1, 2), 5),
            (0, 5, (1, 2), 3),
            (0, -5, (1, 2), -3),
            (5, 0, (1, 2), 3),
            (-4, -3, (1, 2), -4),
            (10, 20, (1, 3), 13),
            (10, 20, (2, 3), 17),
            (i128::MAX / 4, i128::MAX / 2, (1, 2), 63_802_943_797_675_961_899_382_738_893_456_539_648),
        ] {
            let found = whole(first, last, part);
            assert!((found - expected).abs() <= expected.abs() / 1_000_000_000_000_000, "{first} to {last}: {found}");
        }
    }
}
