//! The letters that stand for types in a test, and how values are printed there.

use std::sync::LazyLock;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, SchemaRef};
use laminar_db::Result;
use regex::Regex;

/// The letters that a `query` line may have.
pub(crate) const LETTERS: &str = "BIRTPD?";

/// A letter for each column: `B` BOOLEAN, `I` whole numbers, `R` floats and decimals, `T` texts, `P` points in time, `D` dates, `?` everything else.
pub(crate) fn letters_of(schema: &SchemaRef) -> String {
    schema.fields().iter().map(|field| letter_of(field.data_type())).collect()
}

fn letter_of(data_type: &DataType) -> char {
    match data_type {
        DataType::Boolean => 'B',
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => 'T',
        DataType::Timestamp(..) => 'P',
        DataType::Date32 | DataType::Date64 => 'D',
        other if other.is_integer() => 'I',
        other if other.is_numeric() => 'R',
        _ => '?',
    }
}

/// The rows of a batch, each as one line with a blank between two values. NULL is `NULL`, the empty text `(empty)`, one of blanks alone `(blank)`, a text that reads
/// like one of these stands in quotes; a time is `2024-01-01T00:00:10`.
pub(crate) fn lines_of(batch: &RecordBatch) -> Result<Vec<String>> {
    let columns = batch.columns().iter().map(print_column).collect::<Result<Vec<_>>>()?;
    let line = |row: usize| columns.iter().map(|column| column[row].as_str()).collect::<Vec<_>>().join(" ");
    Ok((0..batch.num_rows()).map(|row| normalized(&line(row))).collect())
}

/// A line with one blank between two values: how many there are does not count.
pub(crate) fn normalized(line: &str) -> String {
    line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line as it is compared: a time can be written with a blank between its day and its hour.
pub(crate) fn comparable(line: &str) -> String {
    static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d)").ok());
    TIME.as_ref().map_or_else(|| line.to_owned(), |time| time.replace_all(line, "${1}T${2}").into_owned())
}

fn print_column(column: &ArrayRef) -> Result<Vec<String>> {
    if column.data_type().is_floating() {
        let floats = cast(column, &DataType::Float64)?;
        return Ok(floats.as_primitive::<Float64Type>().iter().map(print_float).collect());
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let print = |row: usize| match formatter.value(row).to_string() {
        _ if column.is_null(row) => "NULL".to_owned(),
        text if text.is_empty() => "(empty)".to_owned(),
        text if text.trim().is_empty() => "(blank)".to_owned(),
        text if ["NULL", "(empty)", "(blank)"].contains(&text.as_str()) => format!("'{text}'"),
        text => text,
    };
    Ok((0..column.len()).map(print).collect())
}

/// Twelve digits hide in which order a sum was taken.
fn print_float(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => {
            let rounded: f64 = format!("{value:.11e}").parse().unwrap_or(value);
            // Adding zero turns -0 into 0.
            format!("{}", rounded + 0.0)
        }
        Some(value) => value.to_string(),
        None => "NULL".to_owned(),
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
        let texts = vec![Some(""), Some("a b"), None, Some(" "), Some("NULL")];
        check(Arc::new(StringArray::from(texts)), &["(empty)", "a b", "NULL", "(blank)", "'NULL'"]);
        assert_eq!(
            comparable("a 2024-01-01 10:00:05 2 2024-01-01T10:00 10:00"),
            "a 2024-01-01T10:00:05 2 2024-01-01T10:00 10:00"
        );
        check(Arc::new(TimestampNanosecondArray::from(vec![1_500_000_000])), &["1970-01-01T00:00:01.500"]);
    }
}
