//! Keys keep their numbers while they are used, and numbers that no key uses any more are given anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::types::Int16Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray, StringArray};
use arrow_cast::display::array_value_to_string;
use arrow_schema::DataType;

use super::super::int64_keys::Int64Keys;
use super::super::namespaces::{Numbers, RowNamespaces};
use super::*;

/// A text for a number: none, of few bytes, of the most that are short, of more.
fn text(number: u64) -> Option<String> {
    match number % 8 {
        0 => None,
        1..4 => Some(format!("{number}")),
        4..6 => Some(format!("{number:>12}")),
        _ => Some(format!("{number:>13}")),
    }
}

fn columns_of(types: &[DataType], keys: &[u64]) -> Vec<ArrayRef> {
    let column = |(at, data_type): (u64, &DataType)| -> ArrayRef {
        let part = |key: &u64| key.wrapping_mul(0x9e37_79b9).wrapping_add(*key >> (3 * at)) % 97 + key / 97 * 97 * (at % 2);
        let (word, words) = (|key: &u64| (part(key) % 9 > 0).then(|| part(key) as i64 - 40), keys.iter());
        match data_type {
            DataType::Int32 => Arc::new(words.map(|key| word(key).map(|word| word as i32)).collect::<Int32Array>()),
            DataType::Float64 => Arc::new(words.map(|key| word(key).map(|word| word as f64)).collect::<Float64Array>()),
            DataType::Utf8 => Arc::new(words.map(|key| text(part(key))).collect::<StringArray>()),
            DataType::LargeUtf8 => Arc::new(words.map(|key| text(part(key))).collect::<LargeStringArray>()),
            DataType::Dictionary(..) => {
                let texts: Vec<Option<String>> = words.map(|key| text(part(key))).collect();
                Arc::new(texts.iter().map(Option::as_deref).collect::<DictionaryArray<Int16Type>>())
            }
            _ => Arc::new(words.map(word).collect::<Int64Array>()),
        }
    };
    (0..).zip(types).map(column).collect()
}

/// Keys of these types come and go; each must have one number, come out as it went in, and leave its number to others.
fn check(types: &[DataType], levels: usize) {
    let mut codes = KeyCodes::new(types).unwrap();
    assert_eq!(codes.levels.len(), levels, "{types:?}");
    let mut known: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    for round in 0..20_u64 {
        let keys: Vec<u64> = (0..1500).map(|row| (round * 700 + row * 7) % (round * 700 + 1_000)).collect();
        let columns = columns_of(types, &keys);
        let numbers = codes.numbers(&columns, keys.len()).unwrap();
        assert_eq!(codes.columns(&numbers).unwrap(), columns, "{types:?}");
        let nulls = ["", "NULL"];
        for (row, number) in numbers.iter().enumerate() {
            let key = columns
                .iter()
                .map(|column| array_value_to_string(column, row).unwrap() + nulls[usize::from(column.is_null(row))])
                .collect();
            assert_eq!(*known.entry(key).or_insert(*number), *number, "row {row} of {types:?}");
        }
        let distinct: std::collections::BTreeSet<&i64> = known.values().collect();
        assert_eq!((distinct.len(), codes.count()), (known.len(), known.len()), "one number a key of {types:?}");
        assert!(known.values().all(|number| *number < 4_000), "numbers are given anew");
        let turn = round as i64;
        known.retain(|_, number| (*number + turn) % 3 == 0);
        codes.retain(|used| known.values().for_each(|number| used(*number)));
        assert_eq!(codes.count(), known.len());
    }
}

#[test]
fn keys_keep_their_numbers_and_leave_them_to_others_when_nobody_uses_them() {
    use DataType as T;
    let dictionary = || T::Dictionary(T::Int16.into(), T::Utf8.into());
    check(&[T::Utf8], 0);
    check(&[dictionary()], 0);
    check(&[T::Float64], 0);
    check(&[T::Int64, T::Int64], 1);
    check(&[T::Int32, T::LargeUtf8, dictionary(), T::Float64], 1);
    check(&[T::Int64, T::Utf8, T::Int64, T::Int32], 2);
    check(&[T::Int64, T::Int64, T::Int64, T::Int64, T::Utf8], 3);
}

#[test]
fn windows_over_ever_new_keys_take_no_more_memory() {
    let types = [DataType::Utf8, DataType::Int64];
    let mut keys = super::super::group_keys::GroupKeys::new(&types, true).unwrap();
    let mut numbers = Numbers::default();
    let mut bytes = Vec::new();
    for window in 0..60_i64 {
        let namespace = numbers.open();
        let texts = (0..2_000).map(|row| Some(format!("a text of window {window}, key {row}"))).collect::<StringArray>();
        let columns: Vec<ArrayRef> = vec![Arc::new(texts), Arc::new(Int64Array::from(vec![window; 2_000]))];
        keys.assign(&columns, 2_000, RowNamespaces::One(namespace), &mut numbers).unwrap();
        bytes.push(keys.bytes());
        numbers.close(namespace);
        keys.close(namespace, 0);
    }
    // Each window alone brings 80 kB of text.
    assert!(bytes[59] < 2 * bytes[0], "{bytes:?}");
}

#[test]
fn keys_in_use_are_those_with_a_group_and_those_with_a_reserved_one() {
    let (mut words, mut numbers) = (Int64Keys::new(true), Numbers::default());
    let first = numbers.open();
    words.assign(&(0..100).collect::<Vec<_>>(), None, RowNamespaces::One(first), &mut numbers);
    numbers.close(first);
    words.close(first, 0);
    let second = numbers.open();
    words.assign(&[3, 1_000_000_000_000], None, RowNamespaces::One(second), &mut numbers);
    let mut used = Vec::new();
    words.each_in_use(&mut |word| used.push(word));
    used.sort_unstable();
    assert_eq!(used, (0..100).chain([1_000_000_000_000]).collect::<Vec<_>>());
}
