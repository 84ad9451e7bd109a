//! Exact sums of floats for many groups, with infinities, NaNs and huge values that can be retracted too.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Int64Array, ListArray};

use super::exact_sum::ExactSum;
use super::rows::{image_column, numbers};
use crate::Result;

/// From here on (2^900) values are summed apart, scaled down, so that no sum overflows on the way to a finite result.
const HUGE: f64 = f64::from_bits((900 + 1023) << 52);
/// 2^200, by which they are scaled down.
const HUGE_SCALE: f64 = f64::from_bits((200 + 1023) << 52);

/// For each group the sum of its values and how many there are.
#[derive(Debug, Default)]
pub(in crate::operator) struct FloatSums {
    sums: Vec<ExactSum>,
    count: Vec<i64>,
    odd: BTreeMap<u32, Odd>,
}

/// What does not take part in a plain sum. Kept for the few groups that have such values.
#[derive(Debug, Default, Clone, PartialEq)]
struct Odd {
    nan: i64,
    infinite: i64,
    negative_infinite: i64,
    huge: ExactSum,
}

impl FloatSums {
    pub(in crate::operator) fn resize(&mut self, groups: usize) {
        self.sums.resize(groups, ExactSum::default());
        self.count.resize(groups, 0);
    }

    /// Adds `value` `weight` times.
    #[inline]
    pub(in crate::operator) fn add(&mut self, group: usize, value: f64, weight: i64) {
        self.count[group] += weight;
        if value.abs() < HUGE {
            self.sums[group].add_weighted(value, weight);
        } else {
            self.add_odd(group, value, weight);
        }
    }

    #[cold]
    fn add_odd(&mut self, group: usize, value: f64, weight: i64) {
        let group = u32::try_from(group).expect("group numbers have 32 bits");
        let odd = self.odd.entry(group).or_default();
        if value.is_nan() {
            odd.nan += weight;
        } else if value == f64::INFINITY {
            odd.infinite += weight;
        } else if value == f64::NEG_INFINITY {
            odd.negative_infinite += weight;
        } else {
            odd.huge.add_weighted(value / HUGE_SCALE, weight);
        }
        self.forget_even(group);
    }

    fn forget_even(&mut self, group: u32) {
        let even =
            |odd: &Odd| odd.nan == 0 && odd.infinite == 0 && odd.negative_infinite == 0 && odd.huge.parts().next().is_none();
        if self.odd.get(&group).is_some_and(even) {
            self.odd.remove(&group);
        }
    }

    /// Adds another's group `from` to group `into`.
    pub(in crate::operator) fn merge(&mut self, other: &Self, from: u32, into: u32) {
        self.sums[into as usize].merge(&other.sums[from as usize]);
        self.count[into as usize] += other.count[from as usize];
        self.merge_odd(other, from, into, 1);
    }

    /// Takes another's group `from`, which was merged before, out of group `into`.
    pub(super) fn take_out(&mut self, other: &Self, from: u32, into: u32) {
        self.sums[into as usize].take_out(&other.sums[from as usize]);
        self.count[into as usize] -= other.count[from as usize];
        self.merge_odd(other, from, into, -1);
    }

    fn merge_odd(&mut self, other: &Self, from: u32, into: u32, sign: i64) {
        let Some(theirs) = other.odd.get(&from) else { return };
        let ours = self.odd.entry(into).or_default();
        ours.nan += sign * theirs.nan;
        ours.infinite += sign * theirs.infinite;
        ours.negative_infinite += sign * theirs.negative_infinite;
        theirs.huge.parts().for_each(|part| ours.huge.add_weighted(part, sign));
        self.forget_even(into);
    }

    /// The weight of the values of `group`.
    pub(in crate::operator) fn count(&self, group: u32) -> i64 {
        self.count[group as usize]
    }

    /// The sum of `group`, rounded once; infinite or NaN if its values say so, or if no float is that large.
    pub(in crate::operator) fn sum(&self, group: u32) -> f64 {
        let plain = &self.sums[group as usize];
        let Some(odd) = self.odd.get(&group) else { return plain.value() };
        match (odd.nan != 0, odd.infinite != 0, odd.negative_infinite != 0) {
            (true, ..) | (_, true, true) => f64::NAN,
            (_, true, _) => f64::INFINITY,
            (_, _, true) => f64::NEG_INFINITY,
            _ => odd.huge.parts().chain(plain.parts().map(|part| part / HUGE_SCALE)).collect::<ExactSum>().value() * HUGE_SCALE,
        }
    }

    pub(super) fn clear(&mut self, groups: &[u32]) {
        for group in groups {
            self.sums[*group as usize] = ExactSum::default();
            self.count[*group as usize] = 0;
            self.odd.remove(group);
        }
    }

    pub(super) fn image_of(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let odd = |count: fn(&Odd) -> i64| -> ArrayRef {
            Arc::new(groups.iter().map(|group| self.odd.get(group).map_or(0, count)).collect::<Int64Array>())
        };
        let none = ExactSum::default();
        let huge = |group: &u32| self.odd.get(group).map_or(&none, |odd| &odd.huge);
        vec![
            numbers(groups, |group| self.count[group]),
            sums_column(groups.iter().map(|group| &self.sums[*group as usize])),
            odd(|odd| odd.nan),
            odd(|odd| odd.infinite),
            odd(|odd| odd.negative_infinite),
            sums_column(groups.iter().map(huge)),
        ]
    }

    pub(super) fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        self.count = image_column::<Int64Array>(image, 0)?.values().to_vec();
        self.sums = column_sums(image_column(image, 1)?);
        let nan: &Int64Array = image_column(image, 2)?;
        let infinite: &Int64Array = image_column(image, 3)?;
        let negative: &Int64Array = image_column(image, 4)?;
        let huge = column_sums(image_column(image, 5)?);
        self.odd.clear();
        for (group, huge) in huge.into_iter().enumerate() {
            let odd =
                Odd { nan: nan.value(group), infinite: infinite.value(group), negative_infinite: negative.value(group), huge };
            if odd != Odd::default() {
                self.odd.insert(u32::try_from(group).expect("group numbers have 32 bits"), odd);
            }
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        let heap: usize = self.sums.iter().map(ExactSum::heap_bytes).sum();
        self.sums.capacity() * size_of::<ExactSum>() + heap + self.count.capacity() * 8 + self.odd.len() * size_of::<Odd>()
    }
}

/// Exact sums as a column: a list of the floats that add up to each.
pub(super) fn sums_column<'a>(sums: impl Iterator<Item = &'a ExactSum>) -> ArrayRef {
    let mut lists = ListBuilder::new(Float64Builder::new());
    for sum in sums {
        sum.parts().for_each(|part| lists.values().append_value(part));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

/// The opposite of [`sums_column`].
pub(super) fn column_sums(lists: &ListArray) -> Vec<ExactSum> {
    let sum = |group| lists.value(group).as_primitive::<Float64Type>().values().iter().copied().collect();
    (0..lists.len()).map(sum).collect()
}
