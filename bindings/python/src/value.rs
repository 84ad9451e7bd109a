//! Arrow values as Python values: what `fetchall` gives, without pyarrow.
//!
//! Times become `datetime` objects, which have microseconds: finer digits are cut off. Times with a zone are in UTC.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, DurationMicrosecondType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time64NanosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use laminar_db::{Code, Error, Result};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use pyo3::{IntoPyObjectExt, intern};

use crate::error::plain;

/// Days from the first day of the year 1, which is number 1, to 1970-01-01.
const EPOCH_ORDINAL: i64 = 719_163;

/// The values of a column.
pub(crate) fn values_of(py: Python<'_>, column: &ArrayRef) -> PyResult<Vec<Py<PyAny>>> {
    use DataType as D;
    match column.data_type() {
        D::Null => Ok((0..column.len()).map(|_| py.None()).collect()),
        D::Boolean => plain_values(py, column.as_boolean().iter()),
        D::Int8 => plain_values(py, column.as_primitive::<Int8Type>().iter()),
        D::Int16 => plain_values(py, column.as_primitive::<Int16Type>().iter()),
        D::Int32 => plain_values(py, column.as_primitive::<Int32Type>().iter()),
        D::Int64 => plain_values(py, column.as_primitive::<Int64Type>().iter()),
        D::UInt8 => plain_values(py, column.as_primitive::<UInt8Type>().iter()),
        D::UInt16 => plain_values(py, column.as_primitive::<UInt16Type>().iter()),
        D::UInt32 => plain_values(py, column.as_primitive::<UInt32Type>().iter()),
        D::UInt64 => plain_values(py, column.as_primitive::<UInt64Type>().iter()),
        D::Float16 => plain_values(py, column.as_primitive::<Float16Type>().iter().map(|value| value.map(f32::from))),
        D::Float32 => plain_values(py, column.as_primitive::<Float32Type>().iter()),
        D::Float64 => plain_values(py, column.as_primitive::<Float64Type>().iter()),
        D::Utf8 => plain_values(py, column.as_string::<i32>().iter()),
        D::Binary => each(py, column, |row| Ok(PyBytes::new(py, column.as_binary::<i32>().value(row)).into_any())),
        D::Decimal128(..) => decimals(py, column),
        D::Date32 | D::Timestamp(..) | D::Time64(TimeUnit::Nanosecond) | D::Duration(TimeUnit::Microsecond) => times(py, column),
        D::List(_) => {
            each(py, column, |row| Ok(PyList::new(py, values_of(py, &column.as_list::<i32>().value(row))?)?.into_any()))
        }
        D::Struct(_) => dicts(py, column),
        other => match plainer(other) {
            Some(plainer) => values_of(py, &cast(py, column, &plainer)?),
            None => Err(without_form(py, other)),
        },
    }
}

/// The type with the same values that has an arm above.
fn plainer(data_type: &DataType) -> Option<DataType> {
    use DataType as D;
    Some(match data_type {
        D::LargeUtf8 | D::Utf8View => D::Utf8,
        D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => D::Binary,
        D::Date64 => D::Date32,
        D::Time32(_) | D::Time64(_) => D::Time64(TimeUnit::Nanosecond),
        D::Duration(_) => D::Duration(TimeUnit::Microsecond),
        D::Decimal32(precision, scale) | D::Decimal64(precision, scale) => D::Decimal128(*precision, *scale),
        D::LargeList(item) | D::FixedSizeList(item, _) | D::ListView(item) => D::List(item.clone()),
        D::Dictionary(_, values) => values.as_ref().clone(),
        D::RunEndEncoded(_, values) => values.data_type().clone(),
        _ => return None,
    })
}

fn without_form(py: Python<'_>, data_type: &DataType) -> PyErr {
    let error = Error::new(Code::NotSupported, format!("values of type {data_type} have no Python form yet"));
    plain(py, &error.with_hint("read them with arrow(), or CAST them in the query"))
}

fn cast(py: Python<'_>, column: &ArrayRef, to: &DataType) -> PyResult<ArrayRef> {
    let cast: Result<ArrayRef> = arrow_cast::cast(column, to).map_err(Error::from);
    cast.map_err(|error| plain(py, &error))
}

fn plain_values<'py, T: IntoPyObject<'py>>(py: Python<'py>, values: impl Iterator<Item = Option<T>>) -> PyResult<Vec<Py<PyAny>>> {
    values.map(|value| value.map_or_else(|| Ok(py.None()), |value| value.into_py_any(py))).collect()
}

/// One value a row; NULL is None.
fn each<'py>(
    py: Python<'py>,
    column: &ArrayRef,
    value: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Vec<Py<PyAny>>> {
    let row = |row| if column.is_null(row) { Ok(py.None()) } else { value(row).map(Bound::unbind) };
    (0..column.len()).map(row).collect()
}

fn decimals(py: Python<'_>, column: &ArrayRef) -> PyResult<Vec<Py<PyAny>>> {
    let class = py.import("decimal")?.getattr("Decimal")?;
    let numbers = column.as_primitive::<Decimal128Type>();
    each(py, column, |row| class.call1((numbers.value_as_string(row),)))
}

fn dicts(py: Python<'_>, column: &ArrayRef) -> PyResult<Vec<Py<PyAny>>> {
    let rows = column.as_struct();
    let fields = rows.columns().iter().map(|field| values_of(py, field)).collect::<PyResult<Vec<_>>>()?;
    each(py, column, |row| {
        let dict = PyDict::new(py);
        for (name, values) in rows.column_names().into_iter().zip(&fields) {
            dict.set_item(name, values[row].bind(py))?;
        }
        Ok(dict.into_any())
    })
}

fn times(py: Python<'_>, column: &ArrayRef) -> PyResult<Vec<Py<PyAny>>> {
    let calendar = Calendar::new(py)?;
    match column.data_type() {
        DataType::Date32 => {
            let days = cast(py, column, &DataType::Int32)?;
            let days = days.as_primitive::<Int32Type>();
            each(py, column, |row| calendar.date(days.value(row)))
        }
        DataType::Timestamp(unit, zone) => {
            let numbers = cast(py, column, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            let start = calendar.epoch(zone.is_some())?;
            each(py, column, |row| start.call_method1(intern!(py, "__add__"), (calendar.span(numbers.value(row), *unit)?,)))
        }
        DataType::Time64(_) => {
            let numbers = column.as_primitive::<Time64NanosecondType>();
            let midnight = calendar.epoch(false)?;
            each(py, column, |row| {
                let at = calendar.span(numbers.value(row), TimeUnit::Nanosecond)?;
                midnight.call_method1(intern!(py, "__add__"), (at,))?.call_method0(intern!(py, "time"))
            })
        }
        _ => {
            let numbers = column.as_primitive::<DurationMicrosecondType>();
            each(py, column, |row| calendar.span(numbers.value(row), TimeUnit::Microsecond))
        }
    }
}

/// The classes of the module `datetime`.
struct Calendar<'py>(Bound<'py, PyModule>);

impl<'py> Calendar<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        py.import("datetime").map(Self)
    }

    fn date(&self, days: i32) -> PyResult<Bound<'py, PyAny>> {
        self.0.getattr("date")?.call_method1("fromordinal", (EPOCH_ORDINAL + i64::from(days),))
    }

    fn epoch(&self, in_utc: bool) -> PyResult<Bound<'py, PyAny>> {
        let utc = self.0.getattr("timezone")?.getattr("utc")?;
        self.0.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, in_utc.then_some(utc)))
    }

    fn span(&self, number: i64, unit: TimeUnit) -> PyResult<Bound<'py, PyAny>> {
        let (seconds, microseconds) = match unit {
            TimeUnit::Second => (number, 0),
            TimeUnit::Millisecond => (number.div_euclid(1_000), number.rem_euclid(1_000) * 1_000),
            TimeUnit::Microsecond => (number.div_euclid(1_000_000), number.rem_euclid(1_000_000)),
            TimeUnit::Nanosecond => (number.div_euclid(1_000_000_000), number.rem_euclid(1_000_000_000) / 1_000),
        };
        self.0.getattr("timedelta")?.call1((0, seconds, microseconds))
    }
}
