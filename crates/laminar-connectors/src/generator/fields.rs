//! Reads the options of one column (`fields.price.min = '10'`) and decides how the column is filled.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{ArrayRef, StringArray};
use arrow_cast::cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};
use laminar_core::time::event_time::nanos_per_unit;
use laminar_core::{Code, Error, Result};

use super::column::{Column, Fill, counted_as};
use super::random::Draws;
use super::values::{did_you_mean, duration_nanos, number};
use crate::formats::type_name::type_name;
use crate::options::invalid;

/// Every option that some column has.
const PROPERTIES: [&str; 7] = ["kind", "length", "max", "min", "null_ratio", "step", "values"];

/// Letters or bytes that one random text may have.
const LENGTH_MAX: usize = 1 << 16;

/// What the options of the whole generator say about its columns.
pub(crate) struct Setting {
    /// The seed of all columns.
    pub(crate) seed: u64,
    /// The event time of row 0, in nanoseconds.
    pub(crate) start: i64,
    /// Event time between two rows, in nanoseconds.
    pub(crate) step: i64,
    /// How far a row's event time may be behind its place, in nanoseconds.
    pub(crate) behind: u64,
}

/// The options of one column. Each is taken by the fill that it belongs to; what is left over is refused.
pub(crate) struct FieldOptions<'a> {
    field: &'a Field,
    values: BTreeMap<String, String>,
}

impl<'a> FieldOptions<'a> {
    pub(crate) fn new(field: &'a Field) -> Self {
        Self { field, values: BTreeMap::new() }
    }

    /// Notes `fields.<column>.<property> = value`.
    pub(crate) fn set(&mut self, property: &str, value: String) -> Result<()> {
        if !PROPERTIES.contains(&property) {
            let message = format!("there is no option '{}'", self.name(property));
            return Err(Error::new(Code::UnknownOption, message).with_hint(did_you_mean("option", property, &PROPERTIES)));
        }
        self.values.insert(property.to_owned(), value);
        Ok(())
    }

    /// The column that these options describe.
    pub(crate) fn column(mut self, setting: &Setting) -> Result<Column> {
        let null_ratio = self.null_ratio()?;
        let fill = self.fill(setting)?;
        if let Some(property) = self.values.keys().next() {
            let message = format!("option '{}' does not apply here", self.name(property));
            return Err(Error::new(Code::InvalidOption, message).with_detail(self.applicable(&fill)));
        }
        let draws = |use_: &str| Draws::new(setting.seed, &format!("{use_} of {}", self.field.name()));
        let data_type = self.field.data_type().clone();
        Ok(Column { data_type, fill, null_ratio, values: draws("values"), nulls: draws("nulls") })
    }

    fn name(&self, property: &str) -> String {
        format!("fields.{}.{property}", self.field.name())
    }

    fn take(&mut self, property: &str) -> Option<String> {
        self.values.remove(property)
    }

    fn null_ratio(&mut self) -> Result<f64> {
        let Some(text) = self.take("null_ratio") else { return Ok(0.0) };
        let name = self.name("null_ratio");
        let ratio: f64 = number(&name, &text)?;
        if !(0.0..=1.0).contains(&ratio) {
            return Err(invalid(&name, &text, "a share from 0 to 1"));
        }
        if ratio > 0.0 && !self.field.is_nullable() {
            return Err(Error::new(Code::InvalidOption, format!("column '{}' is NOT NULL", self.field.name()))
                .with_hint(format!("remove {name}, or declare the column without NOT NULL")));
        }
        Ok(ratio)
    }

    fn fill(&mut self, setting: &Setting) -> Result<Fill> {
        if let Some(list) = self.take("values") {
            return self.one_of(&list);
        }
        let kind = self.take("kind").map(|kind| kind.to_ascii_lowercase().replace('_', " "));
        match (kind.as_deref(), self.field.data_type()) {
            (Some("sequence"), _) => self.sequence(),
            (Some("event time"), DataType::Timestamp(..)) => self.event_time(setting),
            (None, DataType::Timestamp(..)) if !self.values.contains_key("min") && !self.values.contains_key("max") => {
                self.event_time(setting)
            }
            (None | Some("random"), _) => self.random(setting),
            (Some(other), _) => {
                Err(invalid(&self.name("kind"), other, "'random', 'sequence' or (for TIMESTAMP columns) 'event time'"))
            }
        }
    }

    fn one_of(&mut self, list: &str) -> Result<Fill> {
        let texts: StringArray = list.split(',').map(|text| Some(text.trim())).collect();
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let values = cast_with_options(&texts, self.field.data_type(), &strict).map_err(|error| {
            invalid(&self.name("values"), list, &format!("a list of {}", self.type_name())).with_detail(error.to_string())
        })?;
        Ok(Fill::OneOf(values))
    }

    fn event_time(&mut self, setting: &Setting) -> Result<Fill> {
        let step = match self.take("step") {
            Some(text) => duration_nanos(&self.name("step"), &text)?,
            None => setting.step,
        };
        let unit = nanos_per_unit(self.field.data_type()).unwrap_or(1);
        Ok(Fill::EventTime { start: setting.start, step, behind: setting.behind, unit })
    }

    fn sequence(&mut self) -> Result<Fill> {
        let Some((_, type_max)) = whole_numbers(self.field.data_type()) else {
            return Err(Error::new(
                Code::InvalidOption,
                format!("column '{}' cannot be a sequence: it is {}", self.field.name(), self.type_name()),
            )
            .with_hint("declare the column BIGINT"));
        };
        let step = match self.take("step") {
            Some(text) => number(&self.name("step"), &text)?,
            None => 1_i64,
        };
        let (min, max) = self.range(0, type_max, number)?;
        self.check_whole(min, max)?;
        if step <= 0 {
            return Err(invalid(&self.name("step"), &step.to_string(), "a number above 0"));
        }
        Ok(Fill::Sequence { min, step, count: ((max.wrapping_sub(min)) as u64 / step as u64).saturating_add(1) })
    }

    fn random(&mut self, setting: &Setting) -> Result<Fill> {
        use DataType as D;
        let data_type = self.field.data_type().clone();
        match &data_type {
            D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => self.integers(),
            D::Float16 | D::Float32 | D::Float64 => self.floats(),
            D::Decimal32(p, s) | D::Decimal64(p, s) | D::Decimal128(p, s) => self.decimals(*p, *s),
            D::Decimal256(p, s) if *p <= 38 => self.decimals(*p, *s),
            D::Boolean => Ok(Fill::Booleans),
            D::Utf8 | D::LargeUtf8 | D::Utf8View => self.lengths(8, 8).map(|(min, max)| Fill::Letters { min, max }),
            D::Binary | D::LargeBinary | D::BinaryView => self.lengths(8, 8).map(|(min, max)| Fill::Bytes { min, max }),
            D::FixedSizeBinary(size) => Ok(Fill::Bytes { min: *size as usize, max: *size as usize }),
            D::Timestamp(..) | D::Date32 | D::Date64 | D::Time32(_) | D::Time64(_) => self.times(setting.start),
            D::Duration(unit) => self.durations(nanos_of(*unit)),
            D::Interval(IntervalUnit::MonthDayNano) => {
                let parse = |name: &str, text: &str| duration_nanos(name, text);
                self.range(0, NANOS_PER_DAY, parse).map(|(min, max)| Fill::Intervals { min, max })
            }
            _ => Err(Error::new(
                Code::NotSupported,
                format!("the generator cannot fill column '{}' of type {}", self.field.name(), self.type_name()),
            )
            .with_hint("generate its parts as columns of their own, and put them together in a view")),
        }
    }

    fn integers(&mut self) -> Result<Fill> {
        let (_, type_max) = whole_numbers(self.field.data_type()).unwrap_or((i64::MIN, i64::MAX));
        let (min, max) = self.range(0, type_max.min(999_999), number)?;
        self.check_whole(min, max)?;
        Ok(Fill::Integers { min, max })
    }

    fn check_whole(&self, min: i64, max: i64) -> Result<()> {
        let (least, most) = whole_numbers(self.field.data_type()).unwrap_or((i64::MIN, i64::MAX));
        let [low, high] = [("min", min), ("max", max)].map(|(property, value)| {
            let fits = (least..=most).contains(&value);
            let why = format!("a number from {least} to {most}");
            if fits { Ok(()) } else { Err(invalid(&self.name(property), &value.to_string(), &why)) }
        });
        low.and(high)
    }

    fn floats(&mut self) -> Result<Fill> {
        let finite = |name: &str, text: &str| match number::<f64>(name, text)? {
            value if value.is_finite() => Ok(value),
            _ => Err(invalid(name, text, "a finite number")),
        };
        self.range(0.0, 1000.0, finite).map(|(min, max)| Fill::Floats { min, max })
    }

    fn decimals(&mut self, precision: u8, scale: i8) -> Result<Fill> {
        let type_name = self.type_name();
        let parse = |name: &str, text: &str| {
            arrow_cast::parse::parse_decimal::<Decimal128Type>(text.trim(), precision, scale)
                .map_err(|_| invalid(name, text, &format!("a number of type {type_name}")))
        };
        let most = 10_i128.pow(u32::from(precision)) - 1;
        let thousand = 10_i128.pow(u32::try_from(3 + i32::from(scale)).unwrap_or(0).min(38));
        let (min, max) = self.range(0, most.min(thousand), parse)?;
        Ok(Fill::Decimals { min, max, digits: (precision, scale) })
    }

    /// Dates and times of day: their numbers are read by Arrow's parser, in the column's unit.
    fn times(&mut self, start: i64) -> Result<Fill> {
        let data_type = counted_as(self.field.data_type());
        let wanted = format!("a {}", self.type_name());
        let (min, max) = default_times(&data_type, start);
        let parse = |name: &str, text: &str| time_number(text, &data_type).map_err(|_| invalid(name, text, &wanted));
        self.range(min, max, parse).map(|(min, max)| Fill::Integers { min, max })
    }

    fn durations(&mut self, unit: i64) -> Result<Fill> {
        let parse = |name: &str, text: &str| duration_nanos(name, text).map(|nanos| nanos / unit);
        self.range(0, NANOS_PER_DAY / unit, parse).map(|(min, max)| Fill::Integers { min, max })
    }

    /// `length = '8'` or `length = '3..20'`.
    fn lengths(&mut self, min: usize, max: usize) -> Result<(usize, usize)> {
        let Some(text) = self.take("length") else { return Ok((min, max)) };
        let name = self.name("length");
        let (low, high) = text.split_once("..").unwrap_or((&text, &text));
        let (low, high): (usize, usize) = (number(&name, low)?, number(&name, high)?);
        if low > high || high > LENGTH_MAX {
            return Err(invalid(&name, &text, &format!("a length up to {LENGTH_MAX}, or a range like '3..20'")));
        }
        Ok((low, high))
    }

    /// Takes `min` and `max`. A bound that is given moves a default that would contradict it.
    fn range<T: PartialOrd + Copy>(&mut self, min: T, max: T, parse: impl Fn(&str, &str) -> Result<T>) -> Result<(T, T)> {
        let (low, high) = (self.take("min"), self.take("max"));
        let read =
            |property: &str, text: &Option<String>| text.as_deref().map(|text| parse(&self.name(property), text)).transpose();
        let (given_min, given_max) = (read("min", &low)?, read("max", &high)?);
        let (min, max) = match (given_min, given_max) {
            (Some(min), None) => (min, if max < min { min } else { max }),
            (None, Some(max)) => (if min > max { max } else { min }, max),
            (low, high) => (low.unwrap_or(min), high.unwrap_or(max)),
        };
        if min > max {
            let message = format!("option '{}' is above '{}'", self.name("min"), self.name("max"));
            return Err(Error::new(Code::InvalidOption, message));
        }
        Ok((min, max))
    }

    fn applicable(&self, fill: &Fill) -> String {
        let options = match fill {
            Fill::Integers { .. } | Fill::Floats { .. } | Fill::Decimals { .. } | Fill::Intervals { .. } => {
                "kind, min, max, values"
            }
            Fill::Sequence { .. } => "kind, min, max, step",
            Fill::Booleans => "values",
            Fill::Letters { .. } | Fill::Bytes { .. } => "length, values",
            Fill::OneOf(_) => "values (which leaves nothing else to say)",
            Fill::EventTime { .. } => "kind, step (and the generator's own start, max_out_of_order)",
        };
        format!("column '{}' is {} and takes: {options}, null_ratio", self.field.name(), self.type_name())
    }

    fn type_name(&self) -> String {
        type_name(self.field.data_type())
    }
}

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

fn nanos_of(unit: TimeUnit) -> i64 {
    nanos_per_unit(&DataType::Timestamp(unit, None)).unwrap_or(1)
}

/// The whole numbers that a type can hold, as far as 64 bits with a sign reach.
fn whole_numbers(data_type: &DataType) -> Option<(i64, i64)> {
    Some(match data_type {
        DataType::Int8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        DataType::Int16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        DataType::Int32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        DataType::Int64 => (i64::MIN, i64::MAX),
        DataType::UInt8 => (0, i64::from(u8::MAX)),
        DataType::UInt16 => (0, i64::from(u16::MAX)),
        DataType::UInt32 => (0, i64::from(u32::MAX)),
        DataType::UInt64 => (0, i64::MAX),
        _ => return None,
    })
}

/// A year of dates from the start on, a day of timestamps, or the times of a day: both ends included.
fn default_times(data_type: &DataType, start: i64) -> (i64, i64) {
    let day = start.div_euclid(NANOS_PER_DAY);
    match data_type {
        DataType::Date32 => (day, day + 364),
        DataType::Time32(unit) | DataType::Time64(unit) => (0, NANOS_PER_DAY / nanos_of(*unit) - 1),
        _ => {
            let unit = nanos_per_unit(data_type).unwrap_or(1);
            (start / unit, start.saturating_add(NANOS_PER_DAY) / unit)
        }
    }
}

/// A date or time in the column's unit.
fn time_number(text: &str, data_type: &DataType) -> Result<i64> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let text: ArrayRef = Arc::new(StringArray::from_iter_values([text.trim()]));
    let mut time = cast_with_options(&text, data_type, &strict)?;
    if matches!(data_type, DataType::Date32 | DataType::Time32(_)) {
        time = cast_with_options(&time, &DataType::Int32, &strict)?;
    }
    Ok(cast_with_options(&time, &DataType::Int64, &strict)?.as_primitive::<Int64Type>().value(0))
}
