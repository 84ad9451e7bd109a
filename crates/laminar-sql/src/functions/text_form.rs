//! Any value as PostgreSQL writes it: what `concat` and `format` put together.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use laminar_core::{Error, Result};

use super::datetime::interval_text;
use crate::plan::errors::from_datafusion;
use crate::semantics::interval::as_intervals;

const FORMAT: FormatOptions<'static> = FormatOptions::new()
    .with_null("")
    .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f+00"));

/// The texts of all values of a column; NULL has none.
pub(super) fn text_forms(array: &ArrayRef) -> Result<Vec<Option<String>>> {
    let text = printer(array)?;
    // A literal NULL is a column without a bitmap.
    let nulls = array.logical_nulls();
    let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    (0..array.len()).map(|row| if is_null(row) { Ok(None) } else { text(row).map(Some) }).collect()
}

type Printer<'a> = Box<dyn Fn(usize) -> Result<String> + 'a>;

fn printer(array: &ArrayRef) -> Result<Printer<'_>> {
    Ok(match array.data_type() {
        DataType::Boolean => Box::new(move |row| Ok(if array.as_boolean().value(row) { "t" } else { "f" }.to_owned())),
        DataType::Float64 => Box::new(move |row| Ok(double(array.as_primitive::<Float64Type>().value(row)))),
        DataType::Float32 => Box::new(move |row| Ok(real(array.as_primitive::<Float32Type>().value(row)))),
        DataType::Binary => Box::new(move |row| Ok(hex(array.as_binary::<i32>().value(row)))),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            Box::new(move |row| Ok(interval_text::print(array.as_primitive::<IntervalMonthDayNanoType>().value(row))))
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            let texts = text_forms(&as_intervals(array).map_err(from_datafusion)?)?;
            Box::new(move |row| Ok(texts[row].clone().unwrap_or_default()))
        }
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => converted(array, &DataType::Binary)?,
        DataType::Timestamp(_, Some(_)) => {
            let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into()));
            if *array.data_type() == utc { plain(array)? } else { converted(array, &utc)? }
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            Box::new(move |row| list(&lists.value(row)))
        }
        _ => plain(array)?,
    })
}

fn plain(array: &ArrayRef) -> Result<Printer<'_>> {
    let formatter = ArrayFormatter::try_new(array.as_ref(), &FORMAT).map_err(Error::from)?;
    let is_time = array.data_type().is_temporal();
    Ok(Box::new(move |row| {
        let text = formatter.value(row).try_to_string().map_err(Error::from)?;
        Ok(if is_time { before_christ(without_zeros(&text)) } else { text })
    }))
}

/// There is no year 0 and no negative one: these are years BC.
fn before_christ(text: String) -> String {
    let digits = text.trim_start_matches('-');
    let is_before = digits.len() < text.len() || text.starts_with("0000-");
    match digits.split_once('-').filter(|_| is_before) {
        Some((year, rest)) => format!("{:04}-{rest} BC", 1 + year.parse::<i64>().unwrap_or(0)),
        None => text,
    }
}

/// A fraction of a second without the zeros at its end.
fn without_zeros(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else { return text.to_owned() };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, behind) = rest.split_at(digits);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{whole}{dot}{fraction}{behind}")
}

fn converted<'a>(array: &ArrayRef, to: &DataType) -> Result<Printer<'a>> {
    let texts = text_forms(&cast(array, to).map_err(Error::from)?)?;
    Ok(Box::new(move |row| Ok(texts.get(row).cloned().flatten().unwrap_or_default())))
}

/// `{1,NULL,"a b"}`.
fn list(values: &ArrayRef) -> Result<String> {
    let is_list = matches!(values.data_type(), DataType::List(_));
    let items = text_forms(values)?.into_iter().map(|item| match item {
        None => "NULL".to_owned(),
        Some(text) if is_list => text,
        Some(text) if needs_quotes(&text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Some(text) => text,
    });
    Ok(format!("{{{}}}", items.collect::<Vec<_>>().join(",")))
}

fn needs_quotes(text: &str) -> bool {
    let is_special = |c: char| "{},\"\\".contains(c) || c.is_ascii_whitespace();
    text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(is_special)
}

/// `\xdeadbeef`.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("\\x"), |text, byte| text + &format!("{byte:02x}"))
}

/// The shortest text that reads back as the same double.
pub(super) fn double(value: f64) -> String {
    shortest(value.is_finite(), &format!("{value:e}"), &format!("{value}"), 15)
}

/// The shortest text that reads back as the same REAL.
pub(super) fn real(value: f32) -> String {
    shortest(value.is_finite(), &format!("{value:e}"), &format!("{value}"), 6)
}

/// With an exponent from that many digits on, and below a ten-thousandth.
fn shortest(is_finite: bool, scientific: &str, plain: &str, digits_max: i32) -> String {
    if !is_finite {
        return plain.replace("inf", "Infinity");
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..digits_max).contains(&exponent) {
        return plain.to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
