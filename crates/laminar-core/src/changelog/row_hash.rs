//! The one hash of rows: joins, stored rows and exchanges use it, so that equal rows meet wherever they go (exchanges in runs of whole
//! numbers, see `partition.rs`; tables of groups have hashes of their own, which never leave them).
//!
//! It is our own and fixed for ever (state images are addressed by it): each value is folded into the row's hash by a
//! 64 × 64 → 128 bit multiplication whose halves are xored. Rows that are equal as keys (NULL = NULL, −0.0 = 0.0,
//! NaN = NaN) have equal hashes, whatever the batch, the machine or the encoding of the column (dictionary, view).

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ByteArrayType, ByteViewType, Date32Type, Date64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, GenericByteArray, GenericByteViewArray};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::row_key::{RowKeys, canonical_f32, canonical_f64};
use crate::Result;

/// Hash of a row without columns, and the start for every other one.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Odd factors without pattern: digits of pi and e.
const FACTOR: u64 = 0x2437_54a3_1a58_8c89;
const BYTES_A: u64 = 0xa409_3822_299f_31d1;
const BYTES_B: u64 = 0x082e_fa98_ec4e_6c89;
/// What a NULL folds in.
const NULL: u64 = 0xb7e1_5162_8aed_2a6b;

/// One hash for each of `rows` rows of `columns`. Without columns all rows hash alike.
///
/// Fails only for types that no key can have.
pub fn hash_rows(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![SEED; rows];
    for column in columns {
        debug_assert_eq!(column.len(), rows, "columns of one batch");
        fold_column(column, &mut hashes, |word| word)?;
    }
    Ok(hashes)
}

/// As [`hash_rows`], but neighbouring whole numbers hash alike where there is one column of them: [`run_of`].
pub(super) fn hash_runs(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let [column] = columns else { return hash_rows(columns, rows) };
    let mut hashes = vec![SEED; rows];
    fold_column(column, &mut hashes, run_of)?;
    Ok(hashes)
}

/// The run of eight numbers that a number belongs to; small ones are a run each, since there may be few of them.
#[inline]
fn run_of(word: u64) -> u64 {
    const SINGLE: u64 = 4096;
    let is_single = word.wrapping_add(SINGLE) < 2 * SINGLE;
    if is_single { word } else { (word.cast_signed() >> 3).cast_unsigned() }
}

#[inline]
fn fold(hash: u64, value: u64) -> u64 {
    multiply(hash ^ value, FACTOR)
}

#[inline]
fn multiply(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The hash of a text or of bytes: 16 of them at a time, the last ones as two words that may overlap.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let length = bytes.len() as u64;
    let mut hash = multiply(length ^ BYTES_B, FACTOR);
    let mut rest = bytes;
    while rest.len() > 16 {
        hash = multiply(word(rest) ^ BYTES_A, word(&rest[8..]) ^ hash);
        rest = &rest[16..];
    }
    let (first, last) = match rest.len() {
        8.. => (word(rest), word(&rest[rest.len() - 8..])),
        4.. => (half(rest), half(&rest[rest.len() - 4..])),
        1.. => (u64::from(rest[0]) << 8 | u64::from(rest[rest.len() - 1]), u64::from(rest[rest.len() / 2])),
        _ => (0, 0),
    };
    multiply(first ^ BYTES_A, last ^ hash) ^ length
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(word)
}

#[inline]
fn half(bytes: &[u8]) -> u64 {
    let mut half = [0; 4];
    half.copy_from_slice(&bytes[..4]);
    u64::from(u32::from_le_bytes(half))
}

/// Folds `value(row)` into each row's hash.
#[inline]
fn fold_values(column: &dyn Array, hashes: &mut [u64], value: impl Fn(usize) -> u64) {
    match column.nulls() {
        None => hashes.iter_mut().enumerate().for_each(|(row, hash)| *hash = fold(*hash, value(row))),
        Some(nulls) => {
            for (row, hash) in hashes.iter_mut().enumerate() {
                *hash = fold(*hash, if nulls.is_valid(row) { value(row) } else { NULL });
            }
        }
    }
}

fn fold_primitive<T: ArrowPrimitiveType>(column: &ArrayRef, hashes: &mut [u64], word: impl Fn(T::Native) -> u64) {
    let values = column.as_primitive::<T>().values();
    fold_values(column, hashes, |row| word(values[row]));
}

fn fold_texts<T: ByteArrayType>(column: &GenericByteArray<T>, hashes: &mut [u64]) {
    fold_values(column, hashes, |row| hash_bytes(column.value(row).as_ref()));
}

fn fold_views<T: ByteViewType>(column: &GenericByteViewArray<T>, hashes: &mut [u64]) {
    fold_values(column, hashes, |row| hash_bytes(column.value(row).as_ref()));
}

/// A dictionary hashes as the plain column that it stands for, so that both meet in one place.
fn fold_dictionary(column: &ArrayRef, hashes: &mut [u64], by: impl Fn(u64) -> u64 + Copy) -> Result<()> {
    let plain = arrow_cast::cast(column, column.as_any_dictionary().values().data_type())?;
    fold_column(&plain, hashes, by)
}

/// Types without a path of their own: by their bytes as a key.
fn fold_encoded(column: &ArrayRef, hashes: &mut [u64]) -> Result<()> {
    let keys = RowKeys::new(&[column.data_type().clone()])?.encode(std::slice::from_ref(column), column.len())?;
    for (hash, key) in hashes.iter_mut().zip(keys.iter()) {
        *hash = fold(*hash, hash_bytes(key.as_ref()));
    }
    Ok(())
}

/// Whole numbers are folded in as `by` says.
fn fold_column(column: &ArrayRef, hashes: &mut [u64], by: impl Fn(u64) -> u64 + Copy) -> Result<()> {
    macro_rules! integers {
        ($type:ty) => {
            fold_primitive::<$type>(column, hashes, |value| by(i64::from(value) as u64))
        };
    }
    match column.data_type() {
        DataType::Null => hashes.iter_mut().for_each(|hash| *hash = fold(*hash, NULL)),
        DataType::Boolean => {
            let values = column.as_boolean().values();
            fold_values(column, hashes, |row| u64::from(values.value(row)));
        }
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => fold_primitive::<UInt64Type>(column, hashes, by),
        DataType::Float32 => fold_primitive::<Float32Type>(column, hashes, |value| u64::from(canonical_f32(value).to_bits())),
        DataType::Float64 => fold_primitive::<Float64Type>(column, hashes, |value| canonical_f64(value).to_bits()),
        DataType::Date32 => integers!(Date32Type),
        DataType::Date64 => integers!(Date64Type),
        DataType::Time32(TimeUnit::Second) => integers!(Time32SecondType),
        DataType::Time32(_) => integers!(Time32MillisecondType),
        DataType::Time64(TimeUnit::Microsecond) => integers!(Time64MicrosecondType),
        DataType::Time64(_) => integers!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => integers!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => integers!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => integers!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => integers!(TimestampNanosecondType),
        DataType::Duration(TimeUnit::Second) => integers!(DurationSecondType),
        DataType::Duration(TimeUnit::Millisecond) => integers!(DurationMillisecondType),
        DataType::Duration(TimeUnit::Microsecond) => integers!(DurationMicrosecondType),
        DataType::Duration(TimeUnit::Nanosecond) => integers!(DurationNanosecondType),
        DataType::Decimal128(..) => {
            fold_primitive::<Decimal128Type>(column, hashes, |value| fold((value >> 64) as u64, value as u64));
        }
        DataType::Utf8 => fold_texts(column.as_string::<i32>(), hashes),
        DataType::LargeUtf8 => fold_texts(column.as_string::<i64>(), hashes),
        DataType::Utf8View => fold_views(column.as_string_view(), hashes),
        DataType::Binary => fold_texts(column.as_binary::<i32>(), hashes),
        DataType::LargeBinary => fold_texts(column.as_binary::<i64>(), hashes),
        DataType::BinaryView => fold_views(column.as_binary_view(), hashes),
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => {
            fold_encoded(column, hashes)?;
        }
        DataType::Dictionary(..) => fold_dictionary(column, hashes, by)?,
        _ => fold_encoded(column, hashes)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{DictionaryArray, Float64Array, Int32Array, Int64Array, StringArray, StringViewArray};

    use super::*;

    fn hashes(column: impl Array + 'static) -> Vec<u64> {
        let rows = column.len();
        hash_rows(&[Arc::new(column)], rows).unwrap()
    }

    #[test]
    fn hashes_stay_what_they_are_for_ever() {
        assert_eq!(
            hashes(Int64Array::from(vec![Some(0), Some(1), None])),
            [15922531654068039328, 12683130005465324329, 9685037178751912431]
        );
        assert_eq!(
            hashes(StringArray::from(vec!["", "a", "abcdefgh", "the quick brown fox jumps"])),
            [13331667181887321791, 11907655297229496924, 1199726134599934447, 14101343181457775244]
        );
    }

    #[test]
    fn equal_values_hash_alike_in_every_encoding() {
        let texts = vec![Some("a"), None, Some(""), Some("a text of more than sixteen bytes")];
        let plain = hashes(StringArray::from(texts.clone()));
        assert_eq!(plain, hashes(StringViewArray::from(texts.clone())));
        assert_eq!(plain, hashes(texts.into_iter().collect::<DictionaryArray<Int32Type>>()));
        assert_eq!(hashes(Int64Array::from(vec![-5])), hashes(Int32Array::from(vec![-5])));
    }

    #[test]
    fn floats_that_are_equal_as_keys_hash_alike() {
        let odd_nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63 | 7);
        let hashed = hashes(Float64Array::from(vec![0.0, -0.0, f64::NAN, odd_nan, 1.0]));
        assert_eq!(hashed[0], hashed[1]);
        assert_eq!(hashed[2], hashed[3]);
        assert_ne!(hashed[0], hashed[4]);
    }

    #[test]
    fn hashes_spread_over_low_and_high_bits() {
        let hashed = hashes((0..65_536).collect::<Int64Array>());
        for shift in [0, 32, 56] {
            let mut counts = [0_usize; 256];
            hashed.iter().for_each(|hash| counts[(hash >> shift) as usize & 255] += 1);
            assert!(counts.iter().all(|count| (150..=370).contains(count)), "bits from {shift}: {counts:?}");
        }
    }

    #[test]
    fn neighbours_beyond_the_small_numbers_are_runs_of_eight() {
        let runs = |numbers: Vec<i64>| {
            let hashes = hash_runs(&[Arc::new(Int64Array::from(numbers.clone()))], numbers.len()).unwrap();
            hashes.into_iter().collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(runs((-4096..4096).collect()), 8192);
        assert_eq!(runs((4096..12_288).collect()), 1024);
        assert_eq!(runs((-12_288..-4096).collect()), 1024);
        assert_eq!(runs((i64::MAX - 15..=i64::MAX).chain(i64::MIN..i64::MIN + 16).collect()), 4);
        let both: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![9000; 3])), Arc::new(Int64Array::from(vec![1, 2, 3]))];
        assert_eq!(hash_runs(&both, 3).unwrap(), hash_rows(&both, 3).unwrap(), "several columns have no neighbours");
    }

    #[test]
    fn rows_without_columns_hash_alike() {
        assert_eq!(hash_rows(&[], 3).unwrap(), vec![SEED; 3]);
    }
}
