//! The letters that stand for types in a script, and how values are printed there.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use laminar_core::Result;
use sqllogictest::ColumnType;

use crate::random::{Cell, cells_of};

/// The type of a column as `query` lines say it. NULL is printed as `NULL`, the empty string as `(empty)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `B`: `true` or `false`.
    Bool,
    /// `I`: whole numbers of any width.
    Integer,
    /// `R`: floats, printed with at most 12 digits, and decimals.
    Real,
    /// `T`: strings.
    Text,
    /// `P`: points in time, as `2024-01-01T00:00:10`.
    Time,
    /// `D`: dates.
    Date,
    /// `?`: everything else.
    Other,
}

impl ColumnType for Kind {
    fn from_char(letter: char) -> Option<Self> {
        Some(match letter {
            'B' => Self::Bool,
            'I' => Self::Integer,
            'R' => Self::Real,
            'T' => Self::Text,
            'P' => Self::Time,
            'D' => Self::Date,
            '?' => Self::Other,
            _ => return None,
        })
    }

    fn to_char(&self) -> char {
        match self {
            Self::Bool => 'B',
            Self::Integer => 'I',
            Self::Real => 'R',
            Self::Text => 'T',
            Self::Time => 'P',
            Self::Date => 'D',
            Self::Other => '?',
        }
    }
}

impl Kind {
    /// The kind of an Arrow type.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Timestamp(..) => Self::Time,
            DataType::Date32 | DataType::Date64 => Self::Date,
            other if other.is_integer() => Self::Integer,
            other if other.is_numeric() => Self::Real,
            _ => Self::Other,
        }
    }
}

/// The rows of a batch, printed.
///
/// # Errors
/// If a column cannot be read.
pub(super) fn print(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let columns = batch.columns().iter().map(print_column).collect::<Result<Vec<_>>>()?;
    Ok((0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect())
}

fn print_column(column: &ArrayRef) -> Result<Vec<String>> {
    if column.data_type().is_floating() {
        return Ok(cells_of(column)?.iter().map(print_float).collect());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let print = |row: usize| match formatter.value(row).to_string() {
        _ if column.is_null(row) => "NULL".to_owned(),
        text if text.is_empty() => "(empty)".to_owned(),
        text => text,
    };
    Ok((0..column.len()).map(print).collect())
}

/// Twelve digits hide in which order a sum was taken.
fn print_float(cell: &Cell) -> String {
    match cell {
        Cell::Float(value) if value.is_finite() => {
            let rounded: f64 = format!("{value:.11e}").parse().unwrap_or(*value);
            // Adding zero turns -0 into 0.
            format!("{}", rounded + 0.0)
        }
        Cell::Float(value) => value.to_string(),
        _ => "NULL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, StringArray, TimestampNanosecondArray};

    use super::*;

    #[test]
    fn values_are_printed_so_that_people_can_write_them() {
        let check = |column: ArrayRef, expected: &[&str]| assert_eq!(print_column(&column).unwrap(), expected);
        let floats = vec![Some(0.1 + 0.2), Some(1.0), Some(-0.0), Some(1e300), Some(f64::NAN), None];
        let big = format!("{}", 1e300);
        check(Arc::new(Float64Array::from(floats)), &["0.3", "1", "0", &big, "NaN", "NULL"]);
        check(Arc::new(StringArray::from(vec![Some(""), Some("a b"), None])), &["(empty)", "a b", "NULL"]);
        check(Arc::new(TimestampNanosecondArray::from(vec![1_500_000_000])), &["1970-01-01T00:00:01.500"]);
    }
}
