//! Values that files pack into bytes: times of twelve bytes, intervals, UUIDs, texts that are not checked.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, IntervalMonthDayNano, NullBuffer, OffsetBuffer};
use arrow_cast::display::ArrayFormatter;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use laminar_core::{Code, Error, Result};

use super::csv::FORMAT;
use super::exact::Faults;
use super::type_name::type_name;

/// Days from the start of the Julian count to 1970-01-01.
const JULIAN_1970: i128 = 2_440_588;
const NANOS_A_DAY: i128 = 86_400_000_000_000;
/// Characters of a value that a message shows at most.
const SHOWN_CHARS_MAX: usize = 200;

/// What the bytes stand for.
pub(super) fn decode(column: &ArrayRef, plain: &DataType, wanted: &DataType) -> Result<(ArrayRef, Faults)> {
    use DataType as D;
    let mut faults = Faults::new();
    let decoded: ArrayRef = match (column.data_type(), plain) {
        (D::FixedSizeBinary(12), D::Timestamp(unit, zone)) => {
            // A column that is declared finer or coarser is asked for what it holds.
            let unit = if let D::Timestamp(unit, _) = wanted { *unit } else { *unit };
            int96(column.as_fixed_size_binary(), unit, &D::Timestamp(unit, zone.clone()), &mut faults)?
        }
        (D::FixedSizeBinary(12), D::Interval(_)) => intervals(column.as_fixed_size_binary(), &mut faults),
        (D::FixedSizeBinary(16), D::Utf8) if *wanted != D::Binary => uuids(column.as_fixed_size_binary()),
        (D::Binary, D::Utf8) if *wanted != D::Binary => texts(column.as_binary::<i32>().iter(), &mut faults)?,
        (D::BinaryView, D::Utf8) if *wanted != D::Binary => texts(column.as_binary_view().iter(), &mut faults)?,
        (D::BinaryView, _) => Arc::new(bytes(column.as_binary_view())?),
        _ => column.clone(),
    };
    Ok((decoded, faults))
}

/// Times of twelve bytes, counted in `unit`.
fn int96(column: &FixedSizeBinaryArray, unit: TimeUnit, wanted: &DataType, faults: &mut Faults) -> Result<ArrayRef> {
    let nanos_a_unit: i128 = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    let count = |bytes: &[u8]| {
        let nanos = int96_nanos(bytes);
        if nanos % nanos_a_unit == 0 { i64::try_from(nanos / nanos_a_unit).ok() } else { None }
    };
    let counts: PrimitiveArray<Int64Type> = column.iter().map(|bytes| bytes.and_then(count)).collect();
    if counts.null_count() > column.null_count() {
        let lost = (0..column.len()).filter(|row| counts.is_null(*row) && column.is_valid(*row));
        let kind = type_name(wanted);
        let digits = match unit {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        };
        faults.extend(lost.map(|row| {
            let value = int96_shown(column.value(row));
            (row, format!("{value} does not fit {kind} with {digits} digits after the second"))
        }));
    }
    Ok(cast_with_options(&counts, wanted, &CastOptions::default())?)
}

/// Nanoseconds from 1970.
pub(super) fn int96_nanos(bytes: &[u8]) -> i128 {
    let nanos = bytes[..8].try_into().map(i64::from_le_bytes).unwrap_or_default();
    let day = bytes[8..12].try_into().map(i32::from_le_bytes).unwrap_or_default();
    (i128::from(day) - JULIAN_1970) * NANOS_A_DAY + i128::from(nanos)
}

fn int96_shown(bytes: &[u8]) -> String {
    let nanos = int96_nanos(bytes);
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
    match chrono::DateTime::from_timestamp(seconds, nanos.rem_euclid(1_000_000_000) as u32) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
        None => format!("the time {nanos} ns from 1970"),
    }
}

/// Months, days and milliseconds, each as four bytes.
fn intervals(column: &FixedSizeBinaryArray, faults: &mut Faults) -> ArrayRef {
    let part = |bytes: &[u8], index: usize| bytes[4 * index..4 * index + 4].try_into().map(u32::from_le_bytes).unwrap_or(0);
    let interval = |bytes: &[u8]| {
        let (months, days) = (i32::try_from(part(bytes, 0)).ok()?, i32::try_from(part(bytes, 1)).ok()?);
        Some(IntervalMonthDayNano::new(months, days, i64::from(part(bytes, 2)) * 1_000_000))
    };
    let values: PrimitiveArray<IntervalMonthDayNanoType> = column.iter().map(|bytes| bytes.and_then(interval)).collect();
    let lost = (0..column.len()).filter(|row| values.is_null(*row) && column.is_valid(*row));
    faults.extend(lost.map(|row| {
        let bytes = column.value(row);
        (row, format!("{} months {} days does not fit INTERVAL", part(bytes, 0), part(bytes, 1)))
    }));
    Arc::new(values)
}

fn uuids(column: &FixedSizeBinaryArray) -> ArrayRef {
    Arc::new(column.iter().map(|bytes| bytes.map(uuid_shown)).collect::<StringArray>())
}

fn uuid_shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

/// Bytes that are to be UTF-8. All are checked at once; each by itself only if that fails.
pub(super) fn texts<'a>(values: impl Iterator<Item = Option<&'a [u8]>> + Clone, faults: &mut Faults) -> Result<ArrayRef> {
    let (offsets, buffer, nulls) = concatenated(values.clone())?;
    if let Ok(texts) = StringArray::try_new(offsets, buffer, nulls) {
        return Ok(Arc::new(texts));
    }
    let is_text = |value: &[u8]| std::str::from_utf8(value).is_ok();
    let wrong = values.clone().enumerate().filter(|(_, value)| value.is_some_and(|value| !is_text(value)));
    faults.extend(wrong.map(|(row, _)| (row, "not valid UTF-8".to_owned())));
    let text = |value: Option<&'a [u8]>| value.and_then(|value| std::str::from_utf8(value).ok());
    Ok(Arc::new(values.map(text).collect::<StringArray>()))
}

fn bytes(column: &BinaryViewArray) -> Result<BinaryArray> {
    let (offsets, buffer, nulls) = concatenated(column.iter())?;
    Ok(BinaryArray::try_new(offsets, buffer, nulls)?)
}

fn concatenated<'a>(
    values: impl Iterator<Item = Option<&'a [u8]>> + Clone,
) -> Result<(OffsetBuffer<i32>, Buffer, Option<NullBuffer>)> {
    let total: usize = values.clone().flatten().map(<[u8]>::len).sum();
    if i32::try_from(total).is_err() {
        return Err(Error::new(Code::LimitReached, format!("a row holds {} MiB, and 2 GiB are the most", total >> 20)));
    }
    let rows = values.size_hint().0;
    let (mut buffer, mut offsets, mut valid) =
        (Vec::with_capacity(total), Vec::with_capacity(rows + 1), Vec::with_capacity(rows));
    offsets.push(0_i32);
    for value in values {
        buffer.extend_from_slice(value.unwrap_or_default());
        offsets.push(buffer.len() as i32);
        valid.push(value.is_some());
    }
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    Ok((OffsetBuffer::new(offsets.into()), Buffer::from_vec(buffer), nulls))
}

/// A value as messages show it. `plain` is what its bytes stand for.
pub(super) fn shown(column: &ArrayRef, plain: &DataType, row: usize) -> String {
    use DataType as D;
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN_CHARS_MAX)]).into_owned();
    let value = match (column.data_type(), plain) {
        (D::FixedSizeBinary(12), D::Timestamp(..)) => int96_shown(column.as_fixed_size_binary().value(row)),
        (D::FixedSizeBinary(16), D::Utf8) => uuid_shown(column.as_fixed_size_binary().value(row)),
        (D::Utf8, _) => text(column.as_string::<i32>().value(row).as_bytes()),
        (D::Binary, D::Utf8) => text(column.as_binary::<i32>().value(row)),
        (D::BinaryView, D::Utf8) => text(column.as_binary_view().value(row)),
        (D::FixedSizeBinary(12), D::Interval(_)) => {
            let mut faults = Faults::new();
            let interval = intervals(&column.as_fixed_size_binary().slice(row, 1), &mut faults);
            faults.pop().map_or_else(|| formatted(&interval, 0), |(_, reason)| reason)
        }
        _ => formatted(column, row),
    };
    match value.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value,
    }
}

fn formatted(column: &ArrayRef, row: usize) -> String {
    match ArrayFormatter::try_new(column, &FORMAT) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(_) => "a value".to_owned(),
    }
}
