//! The text form of changes: a line a row, `+1 | a | 3`. What [`ChangeBatch::parse`] reads.

use std::fmt::Write;

use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;

use super::ChangeBatch;
use super::integrate::Integral;
use crate::Result;

/// How a column's values are written. Times of 1970-01-01 are written as `00:10` or `00:10:30`, because tests live there.
const FORMAT: FormatOptions<'static> = FormatOptions::new()
    .with_display_error(true)
    .with_null("NULL")
    .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_datetime_format(Some("%Y-%m-%d %H:%M:%S%.f"));

/// The day whose times are written without it.
pub(super) const FIRST_DAY: &str = "1970-01-01 ";

impl ChangeBatch {
    /// One line a row, in order, with its weight, its columns and `NULL` for NULL; no line break at the end.
    ///
    /// Texts stand as they are, unless that could be read as something else: then they are quoted as in SQL.
    pub fn print(&self) -> String {
        let columns: Vec<Vec<String>> = self.rows().columns().iter().map(print_column).collect();
        let mut text = String::new();
        for row in 0..self.len() {
            let line_break = if row == 0 { "" } else { "\n" };
            let _ = write!(text, "{line_break}{:+}", self.weight(row));
            columns.iter().for_each(|column| text.extend([" | ", column[row].as_str()]));
        }
        text
    }
}

/// All rows of several batches, in order.
pub fn print_all(batches: &[ChangeBatch]) -> String {
    let printed: Vec<String> = batches.iter().map(ChangeBatch::print).filter(|text| !text.is_empty()).collect();
    printed.join("\n")
}

/// The sum of several batches, ordered by the rows' values.
pub fn print_net(batches: &[ChangeBatch]) -> Result<String> {
    let Some(first) = batches.first() else { return Ok(String::new()) };
    let mut sum = Integral::new(first.schema())?;
    for batch in batches {
        sum.apply(batch)?;
    }
    Ok(sum.to_batch()?.print())
}

fn print_column(column: &ArrayRef) -> Vec<String> {
    let Ok(formatter) = ArrayFormatter::try_new(column.as_ref(), &FORMAT) else {
        return vec![format!("<{}>", column.data_type()); column.len()];
    };
    (0..column.len())
        .map(|row| match column.data_type() {
            _ if column.is_null(row) => "NULL".to_owned(),
            DataType::Timestamp(_, None) => short_time(&formatter.value(row).to_string()).to_owned(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => quote_if_needed(formatter.value(row).to_string()),
            _ => formatter.value(row).to_string(),
        })
        .collect()
}

fn short_time(time: &str) -> &str {
    match time.strip_prefix(FIRST_DAY) {
        Some(time) if time.len() == "00:00:00".len() => time.strip_suffix(":00").unwrap_or(time),
        Some(time) => time,
        None => time,
    }
}

fn quote_if_needed(text: String) -> String {
    let clear = !text.is_empty() && text != "NULL" && text.trim() == text && !text.contains(['|', '\n', '\'', ';']);
    if clear { text } else { format!("'{}'", text.replace('\'', "''")) }
}
