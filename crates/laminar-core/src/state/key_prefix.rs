//! The first bytes of what decides a row's place in an order, as one number that orders as the rows do.
//!
//! A value is a byte that says NULL or how long it is, and then as few bytes as it needs, so that some columns of usual values fit in.
//! Each value says where it ends: of two rows with equal prefixes, one of which is whole, the values are equal.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use super::row_order::canonical;
use crate::expr::SortDirection;

/// Bytes that a prefix has.
const BYTES: u32 = 16;
/// The byte in front of a value that is not NULL and not a whole number; of a whole number it is the one of 0.
const VALUE: u8 = 0x80;
/// The end of a text; a zero within a text is followed by a larger byte.
const TEXT_END: [u8; 2] = [0, 1];
const ZERO_IN_TEXT: [u8; 2] = [0, 0xff];

/// The first bytes of some values, from the highest byte of a number on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyPrefix {
    bits: u128,
    used: u32,
    is_cut: bool,
}

impl KeyPrefix {
    /// The number that orders as the values do, but for what was cut off.
    #[inline]
    pub(crate) fn bits(&self) -> u128 {
        self.bits
    }

    /// Whether all values are within.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_cut
    }

    /// All that begins with these values.
    #[inline]
    pub(crate) fn range(&self) -> PrefixRange {
        let last = self.bits | u128::MAX.checked_shr(8 * self.used).unwrap_or(0);
        PrefixRange { first: self.bits, last, is_cut: self.is_cut }
    }

    /// Adds the lowest `count` bytes of `value`, whose other bytes are 0.
    #[inline]
    fn push(&mut self, value: u128, count: u32) {
        let room = BYTES - self.used;
        if self.is_cut || count == 0 {
            return;
        }
        if count > room {
            (self.is_cut, self.used) = (true, BYTES);
            self.bits |= value.checked_shr(8 * (count - room)).unwrap_or(0);
            return;
        }
        self.used += count;
        self.bits |= value << (8 * (BYTES - self.used));
    }

    #[inline]
    fn push_bytes(&mut self, bytes: &[u8], mask: u8) {
        bytes.iter().for_each(|byte| self.push(u128::from(byte ^ mask), 1));
    }

    fn push_text(&mut self, text: &[u8], mask: u8) {
        self.push_bytes(&[VALUE], mask);
        for byte in text {
            if self.is_cut {
                return;
            }
            match byte {
                0 => self.push_bytes(&ZERO_IN_TEXT, mask),
                other => self.push_bytes(&[*other], mask),
            }
        }
        self.push_bytes(&TEXT_END, mask);
    }

    /// A whole number: the sign and the count of its bytes, then these.
    #[inline]
    fn push_number(&mut self, value: i128, mask: u8) {
        let magnitude = (if value < 0 { !value } else { value }) as u128;
        let count = BYTES - magnitude.leading_zeros() / 8;
        let first = if value < 0 { VALUE - 1 - count as u8 } else { VALUE + count as u8 };
        self.push(u128::from(first ^ mask), 1);
        let all = u128::MAX.checked_shr(8 * (BYTES - count)).unwrap_or(0);
        let is_inverted = (value < 0) != (mask != 0);
        self.push(if is_inverted { !magnitude & all } else { magnitude }, count);
    }

    #[inline]
    fn push_float(&mut self, value: f64, mask: u8) {
        let bits = canonical(value).to_bits();
        let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
        self.push(u128::from(VALUE ^ mask), 1);
        self.push(u128::from(if mask == 0 { ordered } else { !ordered }), 8);
    }
}

/// The prefixes of all that begins with some values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrefixRange {
    first: u128,
    last: u128,
    is_cut: bool,
}

impl PrefixRange {
    /// How what has the prefix `bits` stands to all that is meant; `None` where only the values themselves tell.
    #[inline]
    pub(crate) fn compare(&self, bits: u128) -> Option<Ordering> {
        if bits < self.first {
            Some(Ordering::Less)
        } else if bits > self.last {
            Some(Ordering::Greater)
        } else {
            (!self.is_cut).then_some(Ordering::Equal)
        }
    }
}

/// Adds the values of `column`, from row `first` on, to `prefixes`, one each.
pub(crate) fn extend(prefixes: &mut [KeyPrefix], column: &ArrayRef, first: usize, direction: SortDirection) {
    let mask = if direction.descending { 0xff } else { 0 };
    macro_rules! values {
        ($array:expr, $push:expr) => {{
            let array = $array;
            let push = $push;
            each(prefixes, column, first, direction, |prefix, row| push(prefix, array.value(row)));
        }};
    }
    macro_rules! numbers {
        ($t:ty) => {
            values!(column.as_primitive::<$t>(), |prefix: &mut KeyPrefix, value| prefix.push_number(i128::from(value), mask))
        };
    }
    macro_rules! floats {
        ($t:ty) => {
            values!(column.as_primitive::<$t>(), |prefix: &mut KeyPrefix, value| prefix.push_float(f64::from(value), mask))
        };
    }
    macro_rules! texts {
        ($array:expr) => {
            values!($array, |prefix: &mut KeyPrefix, value| prefix.push_text(AsRef::<[u8]>::as_ref(value), mask))
        };
    }
    match column.data_type() {
        DataType::Int8 => numbers!(Int8Type),
        DataType::Int16 => numbers!(Int16Type),
        DataType::Int32 => numbers!(Int32Type),
        DataType::Int64 => numbers!(Int64Type),
        DataType::UInt8 => numbers!(UInt8Type),
        DataType::UInt16 => numbers!(UInt16Type),
        DataType::UInt32 => numbers!(UInt32Type),
        DataType::UInt64 => numbers!(UInt64Type),
        DataType::Decimal32(..) => numbers!(Decimal32Type),
        DataType::Decimal64(..) => numbers!(Decimal64Type),
        DataType::Decimal128(..) => numbers!(Decimal128Type),
        DataType::Date32 => numbers!(Date32Type),
        DataType::Date64 => numbers!(Date64Type),
        DataType::Time32(TimeUnit::Second) => numbers!(Time32SecondType),
        DataType::Time32(_) => numbers!(Time32MillisecondType),
        DataType::Time64(TimeUnit::Microsecond) => numbers!(Time64MicrosecondType),
        DataType::Time64(_) => numbers!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => numbers!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => numbers!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => numbers!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => numbers!(TimestampNanosecondType),
        DataType::Duration(TimeUnit::Second) => numbers!(DurationSecondType),
        DataType::Duration(TimeUnit::Millisecond) => numbers!(DurationMillisecondType),
        DataType::Duration(TimeUnit::Microsecond) => numbers!(DurationMicrosecondType),
        DataType::Duration(TimeUnit::Nanosecond) => numbers!(DurationNanosecondType),
        DataType::Float16 => floats!(Float16Type),
        DataType::Float32 => floats!(Float32Type),
        DataType::Float64 => floats!(Float64Type),
        DataType::Boolean => {
            values!(column.as_boolean(), |prefix: &mut KeyPrefix, value| prefix.push_number(i128::from(value), mask));
        }
        DataType::Utf8 => texts!(column.as_string::<i32>()),
        DataType::LargeUtf8 => texts!(column.as_string::<i64>()),
        DataType::Utf8View => texts!(column.as_string_view()),
        DataType::Binary => texts!(column.as_binary::<i32>()),
        DataType::LargeBinary => texts!(column.as_binary::<i64>()),
        DataType::BinaryView => texts!(column.as_binary_view()),
        DataType::FixedSizeBinary(_) => texts!(column.as_fixed_size_binary()),
        DataType::Null => prefixes.iter_mut().for_each(|prefix| push_null(prefix, direction)),
        _ => prefixes.iter_mut().for_each(|prefix| prefix.is_cut = true),
    }
}

/// Adds NULL, or what `push` adds, to each prefix.
#[inline]
fn each(
    prefixes: &mut [KeyPrefix],
    column: &ArrayRef,
    first: usize,
    direction: SortDirection,
    push: impl Fn(&mut KeyPrefix, usize),
) {
    let rows = first..;
    match column.nulls() {
        None => prefixes.iter_mut().zip(rows).for_each(|(prefix, row)| push(prefix, row)),
        Some(nulls) => prefixes.iter_mut().zip(rows).for_each(|(prefix, row)| match nulls.is_null(row) {
            true => push_null(prefix, direction),
            false => push(prefix, row),
        }),
    }
}

fn push_null(prefix: &mut KeyPrefix, direction: SortDirection) {
    prefix.push(if direction.nulls_first { 0 } else { 0xff }, 1);
}
