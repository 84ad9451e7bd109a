//! Fills a column: the values of a run of rows, computed from their row numbers alone.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{IntervalMonthDayNano, IntervalMonthDayNanoType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, PrimitiveArray, StringArray,
    UInt32Array, make_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_cast::cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;
use arrow_select::take::take;
use laminar_core::{Code, Error, Result};

use super::random::{Draws, scale};

/// One column of a generator: its type, where its values come from, and how many are NULL.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The type of the column.
    pub(crate) data_type: DataType,
    /// Where the values come from.
    pub(crate) fill: Fill,
    /// The share of rows that are NULL, in `0.0..=1.0`.
    pub(crate) null_ratio: f64,
    /// The column's random numbers.
    pub(crate) values: Draws,
    /// Which rows are NULL; apart from `values`, so that changing the ratio leaves the values alone.
    pub(crate) nulls: Draws,
}

/// Where the values of a column come from. Whole numbers also stand for dates, times and durations, in their unit.
#[derive(Debug, Clone)]
pub(crate) enum Fill {
    /// Whole numbers from `min` to `max`, both included.
    Integers {
        /// The smallest.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// `min`, `min + step`, …; after `count` numbers from `min` again.
    Sequence {
        /// The first.
        min: i64,
        /// The distance between two.
        step: i64,
        /// How many there are before it starts over.
        count: u64,
    },
    /// Numbers from `min` up to, but without, `max`.
    Floats {
        /// The smallest.
        min: f64,
        /// The bound.
        max: f64,
    },
    /// Unscaled decimals from `min` to `max`, both included, of at most 38 digits with this scale.
    Decimals {
        /// The smallest, unscaled.
        min: i128,
        /// The greatest, unscaled.
        max: i128,
        /// Precision and scale as in `DECIMAL(p, s)`.
        digits: (u8, i8),
    },
    /// True or false.
    Booleans,
    /// Words of `min` to `max` lower-case letters.
    Letters {
        /// The shortest.
        min: usize,
        /// The longest.
        max: usize,
    },
    /// `min` to `max` random bytes.
    Bytes {
        /// The shortest.
        min: usize,
        /// The longest.
        max: usize,
    },
    /// Intervals from `min` to `max` nanoseconds.
    Intervals {
        /// The shortest.
        min: i64,
        /// The longest.
        max: i64,
    },
    /// One of these values, of the column's type.
    OneOf(ArrayRef),
    /// `start + row * step`, pulled back by a random time of at most `behind`: nanoseconds.
    EventTime {
        /// The time of row 0.
        start: i64,
        /// The distance between two rows.
        step: i64,
        /// How far a row may be behind its place.
        behind: u64,
        /// Nanoseconds of one unit of the column's type.
        unit: i64,
    },
}

impl Column {
    /// The values of `rows`. Fails if an event time leaves what nanoseconds can hold (the year 2262).
    pub(crate) fn fill(&self, rows: &Range<u64>) -> Result<ArrayRef> {
        let values = self.values(rows)?;
        let values = if values.data_type() == &self.data_type { values } else { convert(&values, &self.data_type)? };
        if self.null_ratio <= 0.0 {
            return Ok(values);
        }
        let valid = BooleanBuffer::collect_bool(length(rows), |row| self.nulls.unit(rows.start + row as u64) >= self.null_ratio);
        let nulls = NullBuffer::union(values.nulls(), Some(&NullBuffer::new(valid)));
        Ok(make_array(values.to_data().into_builder().nulls(nulls).build()?))
    }

    fn values(&self, rows: &Range<u64>) -> Result<ArrayRef> {
        let draws = self.values;
        Ok(match &self.fill {
            Fill::Integers { min, max } => self.numbers(integers(draws, rows, *min, *max))?,
            Fill::Sequence { min, step, count } => self.numbers(sequence(rows, *min, *step, *count))?,
            Fill::Floats { min, max } => {
                Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| float(draws.unit(row), *min, *max))))
            }
            Fill::Decimals { min, max, digits } => decimals(draws, rows, (*min, *max), *digits)?,
            Fill::Booleans => {
                let bits = BooleanBuffer::collect_bool(length(rows), |row| draws.bits(rows.start + row as u64) & 1 == 1);
                Arc::new(BooleanArray::new(bits, None))
            }
            Fill::Letters { min, max } => letters(draws, rows, (*min, *max))?,
            Fill::Bytes { min, max } => bytes(draws, rows, (*min, *max)),
            Fill::Intervals { min, max } => intervals(integers(draws, rows, *min, *max)),
            Fill::OneOf(values) => {
                let choose = |row| draws.below(row, values.len() as u64) as u32;
                take(values, &UInt32Array::from_iter_values(rows.clone().map(choose)), None)?
            }
            Fill::EventTime { start, step, behind, unit } => {
                self.numbers(event_times(draws, rows, (*start, *step, *behind, *unit))?)?
            }
        })
    }

    /// Whole numbers as the column's type: a number type, or a time whose numbers count its unit.
    fn numbers(&self, numbers: Vec<i64>) -> Result<ArrayRef> {
        let numbers: ArrayRef = Arc::new(Int64Array::new(ScalarBuffer::from(numbers), None));
        match counted_as(&self.data_type) {
            small @ (DataType::Date32 | DataType::Time32(_)) => convert(&convert(&numbers, &DataType::Int32)?, &small),
            data_type => convert(&numbers, &data_type),
        }
    }
}

/// The type in which numbers stand for values of `data_type`: a `Date64` counts milliseconds, but holds whole days.
pub(crate) fn counted_as(data_type: &DataType) -> DataType {
    if data_type == &DataType::Date64 { DataType::Date32 } else { data_type.clone() }
}

fn length(rows: &Range<u64>) -> usize {
    (rows.end - rows.start) as usize
}

/// A cast that fails instead of making NULLs: what a generator makes must fit the column.
fn convert(values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    Ok(cast_with_options(values, data_type, &CastOptions { safe: false, ..CastOptions::default() })?)
}

fn integers(draws: Draws, rows: &Range<u64>, min: i64, max: i64) -> Vec<i64> {
    let span = max.wrapping_sub(min) as u64;
    match span.checked_add(1) {
        Some(count) => rows.clone().map(|row| min.wrapping_add(scale(draws.bits(row), count) as i64)).collect(),
        None => rows.clone().map(|row| draws.bits(row) as i64).collect(),
    }
}

fn sequence(rows: &Range<u64>, min: i64, step: i64, count: u64) -> Vec<i64> {
    let at = |place: u64| min.wrapping_add((place as i64).wrapping_mul(step));
    let first = rows.start % count;
    if first + (rows.end - rows.start) <= count {
        return (first..first + (rows.end - rows.start)).map(at).collect();
    }
    rows.clone().map(|row| at(row % count)).collect()
}

/// Rounding could reach `max` itself, which is outside of the range.
fn float(unit: f64, min: f64, max: f64) -> f64 {
    let value = min + unit * (max - min);
    if value < max || max <= min { value } else { min }
}

fn decimals(draws: Draws, rows: &Range<u64>, (min, max): (i128, i128), (precision, scale_digits): (u8, i8)) -> Result<ArrayRef> {
    let count = (max.wrapping_sub(min) as u128).wrapping_add(1);
    let wide = |row| (u128::from(draws.bits(row)) << 64) | u128::from(draws.within(row).bits(1));
    let at = |row| match u64::try_from(count) {
        Ok(count) => min + i128::from(draws.below(row, count)),
        Err(_) => min + (wide(row) % count) as i128,
    };
    let values = Decimal128Array::from_iter_values(rows.clone().map(at));
    Ok(Arc::new(values.with_precision_and_scale(precision, scale_digits)?))
}

/// The length of each row's text. Drawn apart from its letters.
fn lengths(draws: Draws, rows: &Range<u64>, (min, max): (usize, usize)) -> impl Iterator<Item = usize> {
    let draws = draws.within(u64::MAX);
    rows.clone().map(move |row| min + draws.below(row, (max - min + 1) as u64) as usize)
}

fn letters(draws: Draws, rows: &Range<u64>, bounds: (usize, usize)) -> Result<ArrayRef> {
    let mut text = Vec::with_capacity(length(rows) * (bounds.1 + 8));
    lengths(draws, rows, bounds).zip(rows.clone()).for_each(|(length, row)| draws.letters(row, length, &mut text));
    let offsets = OffsetBuffer::from_lengths(lengths(draws, rows, bounds));
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(text), None)?))
}

fn bytes(draws: Draws, rows: &Range<u64>, bounds: (usize, usize)) -> ArrayRef {
    let mut all = Vec::with_capacity(length(rows) * (bounds.1 + 8));
    for (length, row) in lengths(draws, rows, bounds).zip(rows.clone()) {
        let (start, own) = (all.len(), draws.within(row));
        (0..length.div_ceil(8) as u64).for_each(|word| all.extend_from_slice(&own.bits(word).to_le_bytes()));
        all.truncate(start + length);
    }
    Arc::new(BinaryArray::new(OffsetBuffer::from_lengths(lengths(draws, rows, bounds)), Buffer::from_vec(all), None))
}

fn intervals(nanos: Vec<i64>) -> ArrayRef {
    let values = nanos.into_iter().map(|nanoseconds| IntervalMonthDayNano { months: 0, days: 0, nanoseconds });
    Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from_iter_values(values))
}

fn event_times(draws: Draws, rows: &Range<u64>, (start, step, behind, unit): (i64, i64, u64, i64)) -> Result<Vec<i64>> {
    let last = i64::try_from(rows.end).ok().and_then(|row| row.checked_mul(step)).and_then(|nanos| nanos.checked_add(start));
    if last.is_none() {
        return Err(Error::new(Code::LimitReached, "the generator's event time has reached the year 2262")
            .with_hint("start earlier, make the step smaller, or bound the rows: rows = …"));
    }
    let behind_at = |row: u64| if behind == 0 { 0 } else { draws.below(row, behind + 1) as i64 };
    let at = |row: u64| (start + row as i64 * step).saturating_sub(behind_at(row));
    Ok(if unit == 1 { rows.clone().map(at).collect() } else { rows.clone().map(|row| at(row).div_euclid(unit)).collect() })
}
