//! One value of a row, free of the many widths that Arrow has for it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    StringArray, TimestampNanosecondArray,
};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, TimeUnit};
use laminar_core::time::EventTime;
use laminar_core::{Error, Result};

/// A value. Equality and order are total: NULL comes first, NaN equals NaN.
#[derive(Debug, Clone)]
pub enum Cell {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number of any width; for a decimal column that is written, its unscaled digits.
    Int(i128),
    /// A floating point number of any width.
    Float(f64),
    /// Nanoseconds since the epoch.
    Time(i64),
    /// A string, or the printed form of a type that has no variant of its own.
    Text(String),
}

/// The values of a row.
pub type Row = Vec<Cell>;

impl Cell {
    fn rank(&self) -> u8 {
        match self {
            Cell::Null => 0,
            Cell::Bool(_) => 1,
            Cell::Int(_) => 2,
            Cell::Float(_) => 3,
            Cell::Time(_) => 4,
            Cell::Text(_) => 5,
        }
    }

    /// As a floating point number, if it is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Cell::Int(value) => Some(*value as f64),
            Cell::Float(value) => Some(*value),
            Cell::Text(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    fn as_int(&self) -> Option<i128> {
        match self {
            Cell::Int(value) => Some(*value),
            Cell::Time(nanos) => Some(i128::from(*nanos)),
            _ => None,
        }
    }
}

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
            (Cell::Int(a), Cell::Int(b)) => a.cmp(b),
            (Cell::Float(a), Cell::Float(b)) => a.total_cmp(b),
            (Cell::Time(a), Cell::Time(b)) => a.cmp(b),
            (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cell {}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => f.write_str("NULL"),
            Cell::Bool(value) => write!(f, "{value}"),
            Cell::Int(value) => write!(f, "{value}"),
            Cell::Float(value) => write!(f, "{value:?}"),
            Cell::Time(nanos) => EventTime(*nanos).fmt(f),
            Cell::Text(text) => write!(f, "'{text}'"),
        }
    }
}

/// A column of `data_type`; a cell of another kind becomes NULL.
///
/// # Errors
/// If there is no way to write that type.
pub fn column_of<'a>(cells: impl Iterator<Item = &'a Cell>, data_type: &DataType) -> Result<ArrayRef> {
    fn ints<'a, T: TryFrom<i128>>(cells: impl Iterator<Item = &'a Cell>) -> Vec<Option<T>> {
        cells.map(|cell| cell.as_int().and_then(|value| T::try_from(value).ok())).collect()
    }
    let floats = |cell: &Cell| if let Cell::Float(value) = cell { Some(*value) } else { None };
    let column: ArrayRef = match data_type {
        DataType::Boolean => {
            Arc::new(cells.map(|cell| if let Cell::Bool(b) = cell { Some(*b) } else { None }).collect::<BooleanArray>())
        }
        DataType::Int16 => Arc::new(Int16Array::from(ints(cells))),
        DataType::Int32 => Arc::new(Int32Array::from(ints(cells))),
        DataType::Int64 => Arc::new(Int64Array::from(ints(cells))),
        DataType::Date32 => Arc::new(Date32Array::from(ints(cells))),
        DataType::Timestamp(TimeUnit::Nanosecond, None) => Arc::new(TimestampNanosecondArray::from(ints(cells))),
        DataType::Decimal128(precision, scale) => {
            Arc::new(Decimal128Array::from(ints(cells)).with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Float32 => Arc::new(cells.map(|cell| floats(cell).map(|value| value as f32)).collect::<Float32Array>()),
        DataType::Float64 => Arc::new(cells.map(floats).collect::<Float64Array>()),
        DataType::Utf8 => {
            Arc::new(cells.map(|cell| if let Cell::Text(text) = cell { Some(text) } else { None }).collect::<StringArray>())
        }
        other => return Err(Error::internal(format!("no random column of type {other}"))),
    };
    Ok(column)
}

/// The values of a column. Widths and units disappear: an `Int32` 7, an `Int64` 7 and a decimal 7.00 are the same cell.
///
/// # Errors
/// If the column cannot be read.
pub fn cells_of(column: &ArrayRef) -> Result<Vec<Cell>> {
    use DataType as T;
    let valid = |row: usize, cell: Cell| if column.is_null(row) { Cell::Null } else { cell };
    let cells = match column.data_type() {
        T::Null => vec![Cell::Null; column.len()],
        T::Boolean => {
            let column = column.as_boolean();
            (0..column.len()).map(|row| valid(row, Cell::Bool(column.value(row)))).collect()
        }
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 => {
            let column = cast(column, &T::Int64)?;
            let column = column.as_primitive::<Int64Type>();
            column.values().iter().enumerate().map(|(row, value)| valid(row, Cell::Int(i128::from(*value)))).collect()
        }
        T::UInt64 => {
            let column = column.as_primitive::<UInt64Type>();
            column.values().iter().enumerate().map(|(row, value)| valid(row, Cell::Int(i128::from(*value)))).collect()
        }
        T::Float16 | T::Float32 | T::Float64 => {
            let column = cast(column, &T::Float64)?;
            let column = column.as_primitive::<Float64Type>();
            column.values().iter().enumerate().map(|(row, value)| valid(row, Cell::Float(*value))).collect()
        }
        T::Decimal128(_, scale) => {
            let column = column.as_primitive::<Decimal128Type>();
            column.values().iter().enumerate().map(|(row, value)| valid(row, decimal(*value, *scale))).collect()
        }
        T::Timestamp(..) => {
            let nanos = cast(column, &T::Timestamp(TimeUnit::Nanosecond, None))?;
            let nanos = nanos.as_primitive::<TimestampNanosecondType>();
            nanos.values().iter().enumerate().map(|(row, value)| valid(row, Cell::Time(*value))).collect()
        }
        _ => printed(column)?,
    };
    Ok(cells)
}

/// 700 with scale 2 is the whole number 7; 750 is the text `7.5`, which has no float's rounding.
fn decimal(mut digits: i128, mut scale: i8) -> Cell {
    while scale > 0 && digits % 10 == 0 {
        (digits, scale) = (digits / 10, scale - 1);
    }
    let Ok(places @ 1..) = usize::try_from(scale) else {
        return Cell::Int(digits);
    };
    let sign = if digits < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = places + 1);
    let (whole, part) = text.split_at(text.len() - places);
    Cell::Text(format!("{sign}{whole}.{part}"))
}

fn printed(column: &ArrayRef) -> Result<Vec<Cell>> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let cell = |row| if column.is_null(row) { Cell::Null } else { Cell::Text(formatter.value(row).to_string()) };
    Ok((0..column.len()).map(cell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_disappear_when_a_column_is_read() {
        let seven = [Cell::Int(7), Cell::Null];
        for data_type in [DataType::Int16, DataType::Int32, DataType::Int64] {
            let column = column_of(seven.iter(), &data_type).unwrap();
            assert_eq!(cells_of(&column).unwrap(), seven, "{data_type}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let check = |cells: &[Cell], data_type: DataType| {
            let column = column_of(cells.iter(), &data_type).unwrap();
            assert_eq!(column.data_type(), &data_type);
            assert_eq!(cells_of(&column).unwrap(), cells);
        };
        check(&[Cell::Bool(true), Cell::Null], DataType::Boolean);
        check(&[Cell::Float(f64::NAN), Cell::Float(-0.5), Cell::Null], DataType::Float64);
        check(&[Cell::Text("ä".into()), Cell::Text(String::new()), Cell::Null], DataType::Utf8);
        check(&[Cell::Time(1), Cell::Null], DataType::Timestamp(TimeUnit::Nanosecond, None));
    }

    #[test]
    fn decimals_lose_their_trailing_zeros() {
        let column = column_of([700, -750, 5, 0].map(Cell::Int).iter(), &DataType::Decimal128(10, 2)).unwrap();
        let read = cells_of(&column).unwrap();
        assert_eq!(read, [Cell::Int(7), Cell::Text("-7.5".into()), Cell::Text("0.05".into()), Cell::Int(0)]);
    }
}
