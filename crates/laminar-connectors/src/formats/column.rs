//! One column, filled value by value.

use std::str::FromStr;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, LargeStringBuilder, NullBuilder, PrimitiveBuilder, StringBuilder, StringViewBuilder,
};
use arrow_array::types::*;
use arrow_array::{ArrayRef, ArrowPrimitiveType, StringArray, new_empty_array, new_null_array};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::concat::concat;
use laminar_core::{Code, Error, Result};

use super::cell::{Cell, CellOptions};
use super::nested;
use super::number::{is_code, keeps_digits, parse_decimal, parse_float, parse_integer, parse_real};
use super::temporal::{Misfit, is_plain_date, parse_date, parse_epoch, parse_time, parse_timestamp};
use super::type_name::type_name;

/// Why a value does not fit; the column's name comes before it.
pub type Reason = String;

/// A column under construction.
pub trait Column: Send {
    /// Adds exactly one row, a placeholder if the value does not fit.
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason>;

    /// The rows so far; the column is then empty.
    fn finish(&mut self) -> Result<ArrayRef>;
}

/// An empty column of `data_type`.
pub fn column_of(data_type: &DataType, options: CellOptions) -> Result<Box<dyn Column>> {
    use DataType as D;
    Ok(match data_type {
        D::Null => Box::new(NullColumn(NullBuilder::new())),
        D::Boolean => Box::new(BooleanColumn(BooleanBuilder::new())),
        D::Int8 => integer::<Int8Type>(data_type),
        D::Int16 => integer::<Int16Type>(data_type),
        D::Int32 => integer::<Int32Type>(data_type),
        D::Int64 if options.exact => primitive::<Int64Type>(data_type, exact_integer),
        D::Int64 => integer::<Int64Type>(data_type),
        D::UInt8 => integer::<UInt8Type>(data_type),
        D::UInt16 => integer::<UInt16Type>(data_type),
        D::UInt32 => integer::<UInt32Type>(data_type),
        D::UInt64 => integer::<UInt64Type>(data_type),
        D::Float32 => primitive::<Float32Type>(data_type, parse_real),
        D::Float64 if options.exact => primitive::<Float64Type>(data_type, exact_float),
        D::Float64 => primitive::<Float64Type>(data_type, parse_float),
        D::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            primitive::<Decimal128Type>(data_type, move |text| parse_decimal(text, precision, scale))
        }
        D::Utf8 => Box::new(StringBuilder::new()),
        D::LargeUtf8 => Box::new(LargeStringBuilder::new()),
        D::Utf8View => Box::new(StringViewBuilder::new()),
        D::Binary => Box::new(BinaryColumn(BinaryBuilder::new())),
        D::Date32 if options.exact => primitive::<Date32Type>(data_type, |text| parse_date(text).filter(|_| is_plain_date(text))),
        D::Date32 => primitive::<Date32Type>(data_type, parse_date),
        D::Time32(unit) => match unit {
            TimeUnit::Second => time_of_day::<Time32SecondType>(data_type, *unit),
            _ => time_of_day::<Time32MillisecondType>(data_type, *unit),
        },
        D::Time64(unit) => match unit {
            TimeUnit::Microsecond => time_of_day::<Time64MicrosecondType>(data_type, *unit),
            _ => time_of_day::<Time64NanosecondType>(data_type, *unit),
        },
        D::Timestamp(unit, _) => match unit {
            TimeUnit::Second => timestamp::<TimestampSecondType>(data_type, options)?,
            TimeUnit::Millisecond => timestamp::<TimestampMillisecondType>(data_type, options)?,
            TimeUnit::Microsecond => timestamp::<TimestampMicrosecondType>(data_type, options)?,
            TimeUnit::Nanosecond => timestamp::<TimestampNanosecondType>(data_type, options)?,
        },
        D::List(_) | D::Struct(_) | D::Map(..) => nested::column_of(data_type, options)?,
        other if can_cast_types(&D::Utf8, other) => Box::new(CastColumn::new(other.clone())),
        other => return Err(unsupported(other)),
    })
}

/// The refusal of a type that text cannot be read into.
pub(super) fn unsupported(data_type: &DataType) -> Error {
    Error::new(Code::NotSupported, format!("a column of type {} cannot be read from text", type_name(data_type)))
        .with_hint("declare the column VARCHAR and convert it in a query")
}

fn integer<T>(data_type: &DataType) -> Box<dyn Column>
where
    T: ArrowPrimitiveType,
    T::Native: FromStr + TryFrom<i128>,
{
    primitive::<T>(data_type, parse_integer::<T::Native>)
}

fn exact_integer(text: &str) -> Option<i64> {
    parse_integer(text).filter(|_| !is_code(text.trim()))
}

fn exact_float(text: &str) -> Option<f64> {
    parse_float(text).filter(|value| !is_code(text.trim()) && keeps_digits(text, *value))
}

/// A column whose values are read from text, wherever the text comes from.
fn primitive<T: ArrowPrimitiveType>(
    data_type: &DataType,
    parse: impl Fn(&str) -> Option<T::Native> + Send + 'static,
) -> Box<dyn Column> {
    let wanted = data_type.clone();
    let read = move |cell: &Cell<'_>| {
        let value = match cell {
            Cell::Text(text) => parse(text),
            Cell::Number(text) => parse(text),
            _ => None,
        };
        value.ok_or_else(|| misfit(cell, &wanted))
    };
    Box::new(PrimitiveColumn { builder: PrimitiveBuilder::<T>::new().with_data_type(data_type.clone()), read })
}

/// Why a value is not one of `wanted`: too large, or not exactly what its text says, or something else.
fn misfit(cell: &Cell<'_>, wanted: &DataType) -> Reason {
    let kind = type_name(wanted);
    let text = match cell {
        Cell::Text(text) => text.trim(),
        Cell::Number(text) => text,
        _ => return cell.is_not(&kind),
    };
    let exact = match wanted {
        DataType::Int64 => parse_integer::<i64>(text).is_some(),
        DataType::Float64 => parse_float(text).is_some(),
        _ => false,
    };
    if exact {
        let lost = if is_code(text) { "its leading zero or sign" } else { "some of its digits" };
        return format!("{} would lose {lost} as a {kind}", cell.shown());
    }
    let whole = parse_integer::<i128>(text).is_some();
    let too_large = if wanted.is_integer() { whole } else { wanted.is_numeric() && text.parse::<f64>().is_ok() };
    if too_large { out_of_range(cell, wanted) } else { cell.is_not(&kind) }
}

fn out_of_range(cell: &Cell<'_>, wanted: &DataType) -> Reason {
    let kind = type_name(wanted);
    match wanted {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            format!("{} is out of range for {kind} (it holds the years 1678 to 2261; {kind}(6) holds more)", cell.shown())
        }
        _ => format!("{} is out of range for {kind}", cell.shown()),
    }
}

/// A column of times of day.
fn time_of_day<T: ArrowPrimitiveType>(data_type: &DataType, unit: TimeUnit) -> Box<dyn Column>
where
    T::Native: TryFrom<i64>,
{
    let wanted = data_type.clone();
    let read = move |cell: &Cell<'_>| {
        let Cell::Text(text) = cell else { return Err(cell.is_not(&type_name(&wanted))) };
        match parse_time(text, unit).and_then(|value| T::Native::try_from(value).map_err(|_| Misfit::Range)) {
            Ok(value) => Ok(value),
            Err(Misfit::Range) => Err(out_of_range(cell, &wanted)),
            Err(Misfit::Form) => Err(cell.is_not(&type_name(&wanted))),
        }
    };
    Box::new(PrimitiveColumn { builder: PrimitiveBuilder::<T>::new().with_data_type(data_type.clone()), read })
}

/// A column of timestamps.
fn timestamp<T: ArrowTimestampType>(data_type: &DataType, options: CellOptions) -> Result<Box<dyn Column>> {
    let kind = type_name(data_type);
    let zone = match data_type {
        DataType::Timestamp(_, Some(zone)) => Some(zone.parse()?),
        _ => None,
    };
    let wanted = data_type.clone();
    let epoch = move |number: &str| options.epoch_unit.map_or(Err(Misfit::Form), |unit| parse_epoch(number, unit, T::UNIT));
    let read = move |cell: &Cell<'_>| {
        let value = match cell {
            Cell::Text(text) => parse_timestamp(text, T::UNIT, zone).or_else(|why| epoch(text).map_err(|other| why.max(other))),
            Cell::Number(text) => epoch(text),
            _ => Err(Misfit::Form),
        };
        value.map_err(|why| match (cell, why) {
            (_, Misfit::Range) => out_of_range(cell, &wanted),
            (Cell::Number(_), Misfit::Form) if options.epoch_unit.is_none() => {
                format!("{} (numbers need the option epoch_unit = 's', 'ms', 'us' or 'ns')", cell.is_not(&kind))
            }
            _ => cell.is_not(&kind),
        })
    };
    Ok(Box::new(PrimitiveColumn { builder: PrimitiveBuilder::<T>::new().with_data_type(data_type.clone()), read }))
}

struct PrimitiveColumn<T: ArrowPrimitiveType, F> {
    builder: PrimitiveBuilder<T>,
    read: F,
}

impl<T, F> Column for PrimitiveColumn<T, F>
where
    T: ArrowPrimitiveType,
    F: Fn(&Cell<'_>) -> Result<T::Native, Reason> + Send,
{
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason> {
        if *cell == Cell::Null {
            self.builder.append_null();
            return Ok(());
        }
        let value = (self.read)(cell);
        self.builder.append_value(*value.as_ref().unwrap_or(&T::Native::default()));
        value.map(drop)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(self.builder.finish()))
    }
}

struct NullColumn(NullBuilder);

impl Column for NullColumn {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason> {
        self.0.append_null();
        if *cell == Cell::Null { Ok(()) } else { Err(cell.is_not("NULL")) }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(self.0.finish()))
    }
}

struct BooleanColumn(BooleanBuilder);

impl Column for BooleanColumn {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason> {
        let value = match cell {
            Cell::Null => {
                self.0.append_null();
                return Ok(());
            }
            Cell::Bool(value) => Some(*value),
            Cell::Text(text) => parse_bool(text),
            _ => None,
        };
        self.0.append_value(value.unwrap_or_default());
        value.map(drop).ok_or_else(|| cell.is_not("BOOLEAN"))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(self.0.finish()))
    }
}

/// The words that PostgreSQL takes for a truth value.
fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Text takes everything: a JSON value that is not a string is kept as written.
macro_rules! text_columns {
    ($($builder:ty),+) => {
        $(impl Column for $builder {
            fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason> {
                self.append_option(cell.text());
                Ok(())
            }

            fn finish(&mut self) -> Result<ArrayRef> {
                Ok(Arc::new(<$builder>::finish(self)))
            }
        })+
    };
}

text_columns!(StringBuilder, LargeStringBuilder, StringViewBuilder);

/// Bytes: PostgreSQL's `\x…` form, or else the text's own bytes.
struct BinaryColumn(BinaryBuilder);

impl Column for BinaryColumn {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason> {
        let Some(text) = cell.text() else {
            self.0.append_null();
            return Ok(());
        };
        let bytes = match text.strip_prefix("\\x") {
            Some(hex) => parse_hex(hex),
            None => Some(text.as_bytes().to_vec()),
        };
        self.0.append_value(bytes.as_deref().unwrap_or_default());
        bytes.map(drop).ok_or_else(|| cell.is_not("BYTEA"))
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(self.0.finish()))
    }
}

fn parse_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Rarer types, through Arrow's own cast from text; one value at a time so that a bad one is known at once.
struct CastColumn {
    data_type: DataType,
    values: Vec<ArrayRef>,
}

impl CastColumn {
    fn new(data_type: DataType) -> Self {
        Self { data_type, values: Vec::new() }
    }

    fn cast(&self, text: &str) -> Option<ArrayRef> {
        let options = CastOptions { safe: false, ..Default::default() };
        cast_with_options(&StringArray::from(vec![text]), &self.data_type, &options).ok()
    }
}

impl Column for CastColumn {
    fn append(&mut self, cell: &Cell<'_>) -> Result<(), Reason> {
        let value = cell.text().map(|text| self.cast(text));
        let bad = matches!(value, Some(None));
        self.values.push(value.flatten().unwrap_or_else(|| new_null_array(&self.data_type, 1)));
        if bad { Err(cell.is_not(&type_name(&self.data_type))) } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        if self.values.is_empty() {
            return Ok(new_empty_array(&self.data_type));
        }
        let values = std::mem::take(&mut self.values);
        let values: Vec<_> = values.iter().map(AsRef::as_ref).collect();
        Ok(concat(&values)?)
    }
}
