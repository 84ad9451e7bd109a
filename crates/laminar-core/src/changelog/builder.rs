//! Reads the text form of changes: `+1 | a | 3`, a line (or a part between `;`) a row.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, SchemaRef};

use super::ChangeBatch;
use super::print::FIRST_DAY;
use crate::{Code, Error, Result};

impl ChangeBatch {
    /// The changes that `text` writes: what [`ChangeBatch::print`] prints, so that tests can be read.
    ///
    /// A time may be short: `00:10` and `00:10:30` are hours, minutes and seconds of 1970-01-01. Anything that a cast from
    /// text understands can be a value; nested types cannot. Errors name the line.
    pub fn parse(schema: &SchemaRef, text: &str) -> Result<Self> {
        let (mut weights, mut cells) = (Vec::new(), vec![Vec::new(); schema.fields().len()]);
        for line in split_outside_quotes(text, &['\n', ';']).into_iter().map(str::trim).filter(|line| !line.is_empty()) {
            let fields = split_outside_quotes(line, &['|']);
            let (weight, values) = fields.split_first().ok_or_else(|| bad(line, "nothing there"))?;
            if values.len() != cells.len() {
                return Err(bad(line, &format!("{} columns instead of {}", values.len(), cells.len())));
            }
            weights.push(weight.trim().parse::<i64>().map_err(|_| bad(line, "no weight"))?);
            cells.iter_mut().zip(values).for_each(|(column, value)| column.push(unquote(value.trim())));
        }
        let columns = cells.into_iter().zip(schema.fields()).map(|(cells, field)| parse_column(&cells, field));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
        let rows = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        Ok(Self::new(rows, weights))
    }
}

fn bad(line: &str, why: &str) -> Error {
    Error::new(Code::BadData, format!("cannot read the change '{line}': {why}"))
}

/// The parts of `text` between `separators`, of which those inside of '…' do not count.
fn split_outside_quotes<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let mut quoted = false;
    text.split(|letter: char| {
        quoted ^= letter == '\'';
        !quoted && separators.contains(&letter)
    })
    .collect()
}

/// The value of a cell; `None` is NULL.
fn unquote(cell: &str) -> Option<Cow<'_, str>> {
    if cell == "NULL" {
        return None;
    }
    let inner = cell.strip_prefix('\'').and_then(|cell| cell.strip_suffix('\''));
    Some(inner.map_or(Cow::Borrowed(cell), |inner| Cow::Owned(inner.replace("''", "'"))))
}

fn parse_column(cells: &[Option<Cow<'_, str>>], field: &Field) -> Result<ArrayRef> {
    let texts: StringArray = match field.data_type() {
        DataType::Timestamp(..) => cells.iter().map(|cell| cell.as_deref().map(long_time)).collect(),
        _ => cells.iter().map(|cell| cell.as_deref()).collect(),
    };
    let texts: ArrayRef = Arc::new(texts);
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&texts, field.data_type(), &options)
        .map_err(|error| Error::from(error).within(format!("column '{}'", field.name())))
}

/// `00:10` as a time that a cast understands.
fn long_time(time: &str) -> String {
    let is_short = time.as_bytes().get(2) == Some(&b':');
    match (is_short, time.len()) {
        (true, 5) => format!("{FIRST_DAY}{time}:00"),
        (true, _) => format!("{FIRST_DAY}{time}"),
        (false, _) => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{Schema, TimeUnit};

    use super::*;

    fn schema(types: &[DataType]) -> SchemaRef {
        let field = |(index, data_type): (usize, &DataType)| Field::new(format!("c{index}"), data_type.clone(), true);
        Arc::new(Schema::new(types.iter().enumerate().map(field).collect::<Vec<_>>()))
    }

    fn check_round_trip(data_type: DataType, values: &[&str]) {
        let text: Vec<_> = values.iter().map(|value| format!("+1 | {value}")).collect();
        let changes = ChangeBatch::parse(&schema(&[data_type]), &text.join("\n")).unwrap();
        assert_eq!(changes.print(), text.join("\n"));
    }

    #[test]
    fn what_is_printed_is_read_back() {
        check_round_trip(DataType::Int32, &["1", "-5", "NULL"]);
        check_round_trip(DataType::UInt64, &["18446744073709551615"]);
        check_round_trip(DataType::Float64, &["1.5", "-0.0", "NaN", "inf", "NULL"]);
        check_round_trip(DataType::Boolean, &["true", "false", "NULL"]);
        check_round_trip(DataType::Decimal128(10, 2), &["1.50", "-3.00", "NULL"]);
        check_round_trip(DataType::Date32, &["2024-02-29", "1970-01-01"]);
        let texts = ["a", "two words", "''", "'NULL'", "NULL", "'a | b'", "'it''s'", "'a;b'", "'a\nb'", "' x'"];
        check_round_trip(DataType::Utf8, &texts);
        check_round_trip(DataType::Utf8View, &texts);
        for unit in [TimeUnit::Millisecond, TimeUnit::Nanosecond] {
            let times = ["2024-01-01 00:00:00", "00:10", "00:10:30", "00:00", "00:00:00.250", "1969-12-31 23:59:59", "NULL"];
            check_round_trip(DataType::Timestamp(unit, None), &times);
        }
    }

    #[test]
    fn weights_and_rows_can_stand_on_one_line() {
        let changes = ChangeBatch::parse(&schema(&[DataType::Int64, DataType::Utf8]), "+2 | 1 | a ; -1 | 2 | NULL;").unwrap();
        assert_eq!(changes.print(), "+2 | 1 | a\n-1 | 2 | NULL");
    }

    fn check_error(text: &str, message: &str) {
        let error = ChangeBatch::parse(&schema(&[DataType::Int64]), text).unwrap_err();
        assert!(error.message().contains(message), "{error}");
    }

    #[test]
    fn an_unreadable_line_is_named() {
        check_error("+1 | 1 | 2", "cannot read the change '+1 | 1 | 2': 2 columns instead of 1");
        check_error("a | 1", "no weight");
        check_error("+1 | x", "column 'c0'");
    }
}
