//! Sums of whole numbers that cannot overflow: one 192-bit sum and one count of values for each group.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Int64Array};

use super::rows::{image_column, numbers};
use crate::Result;
use crate::state::prefetch_groups;

/// For each group the sum of values of the type `N`, and their weight.
pub(super) trait Sums<N>: Default + Send + 'static {
    /// Makes room for the groups `0..groups`.
    fn resize(&mut self, groups: usize);

    /// Asks for the sums of `groups` in memory.
    fn prefetch(&self, groups: &[u32]);

    /// Adds `value` `weight` times.
    fn add(&mut self, group: usize, value: N, weight: i64);

    /// Adds another's group `from` to group `into`.
    fn merge(&mut self, other: &Self, from: u32, into: u32);

    /// Takes another's group `from`, which was merged before, out of group `into`.
    fn take_out(&mut self, other: &Self, from: u32, into: u32);

    /// The weight of the values of `group`.
    fn count(&self, group: u32) -> i64;

    /// The sum of `group`; `None` if it needs more than 128 bits.
    fn sum(&self, group: u32) -> Option<i128>;

    /// Makes groups empty.
    fn clear(&mut self, groups: &[u32]);

    /// The state of groups as columns.
    fn image_of(&self, groups: &[u32]) -> Vec<ArrayRef>;

    /// Replaces all state by that of an image.
    fn restore(&mut self, image: &[ArrayRef]) -> Result<()>;

    /// Bytes held.
    fn bytes(&self) -> usize;
}

/// For each group the sum of its values and their weight, side by side: a row touches one cache line.
#[derive(Debug, Default)]
pub(in crate::operator) struct IntSums(Vec<IntSum>);

/// The sum `low + high * 2^128`, and the weight of the values in it.
#[derive(Debug, Default, Clone, Copy)]
struct IntSum {
    low: i128,
    high: i64,
    count: i64,
}

impl IntSum {
    #[inline]
    fn add_low(&mut self, value: i128) {
        let (low, overflow) = self.low.overflowing_add(value);
        self.low = low;
        if overflow {
            self.high += if value > 0 { 1 } else { -1 };
        }
    }

    /// Adds a product of more than 128 bits in two halves: `value = upper * 2^64 + lower`.
    #[cold]
    fn add_product(&mut self, value: i128, weight: i64) {
        let weight = i128::from(weight);
        let (upper, lower) = (value >> 64, value & i128::from(u64::MAX));
        // |lower * weight| < 2^127 and |upper * weight| <= 2^126, of which the upper 64 bits count 2^128 each.
        let shifted = upper * weight;
        self.high += i64::try_from(shifted >> 64).expect("63 bits times 63 bits, shifted by 64");
        let rest = shifted & i128::from(u64::MAX);
        // rest * 2^64 as a signed number of 128 bits, with the borrow of its sign.
        let part = (rest.cast_unsigned() << 64).cast_signed();
        if part < 0 {
            self.high += 1;
        }
        self.add_low(part);
        self.add_low(lower * weight);
    }

    fn merge(&mut self, other: &Self) {
        self.high += other.high;
        self.count += other.count;
        self.add_low(other.low);
    }

    /// The opposite of [`merge`](Self::merge).
    fn take_out(&mut self, other: &Self) {
        self.high -= other.high;
        self.count -= other.count;
        let (low, overflow) = self.low.overflowing_sub(other.low);
        self.low = low;
        if overflow {
            self.high += if other.low > 0 { -1 } else { 1 };
        }
    }
}

impl IntSums {
    pub(in crate::operator) fn resize(&mut self, groups: usize) {
        self.0.resize(groups, IntSum::default());
    }

    #[inline]
    pub(in crate::operator) fn add(&mut self, group: usize, value: i128, weight: i64) {
        let sum = &mut self.0[group];
        sum.count += weight;
        if weight == 1 {
            return sum.add_low(value);
        }
        match value.checked_mul(i128::from(weight)) {
            Some(product) => sum.add_low(product),
            None => sum.add_product(value, weight),
        }
    }

    pub(in crate::operator) fn merge(&mut self, other: &Self, from: u32, into: u32) {
        self.0[into as usize].merge(&other.0[from as usize]);
    }

    pub(in crate::operator) fn count(&self, group: u32) -> i64 {
        self.0[group as usize].count
    }

    pub(in crate::operator) fn sum(&self, group: u32) -> Option<i128> {
        let sum = &self.0[group as usize];
        (sum.high == 0).then_some(sum.low)
    }
}

impl<N: Into<i128>> Sums<N> for IntSums {
    fn resize(&mut self, groups: usize) {
        self.resize(groups);
    }

    fn prefetch(&self, groups: &[u32]) {
        prefetch_groups(&self.0, groups);
    }

    #[inline]
    fn add(&mut self, group: usize, value: N, weight: i64) {
        self.add(group, value.into(), weight);
    }

    fn merge(&mut self, other: &Self, from: u32, into: u32) {
        self.merge(other, from, into);
    }

    fn take_out(&mut self, other: &Self, from: u32, into: u32) {
        self.0[into as usize].take_out(&other.0[from as usize]);
    }

    fn count(&self, group: u32) -> i64 {
        self.count(group)
    }

    fn sum(&self, group: u32) -> Option<i128> {
        self.sum(group)
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|group| self.0[*group as usize] = IntSum::default());
    }

    fn image_of(&self, groups: &[u32]) -> Vec<ArrayRef> {
        // The 128 bits travel as a decimal without a check of its digits.
        vec![
            Arc::new(Decimal128Array::from_iter_values(groups.iter().map(|group| self.0[*group as usize].low))),
            numbers(groups, |group| self.0[group].high),
            numbers(groups, |group| self.0[group].count),
        ]
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        let lows = image_column::<Decimal128Array>(image, 0)?.values();
        let highs = image_column::<Int64Array>(image, 1)?.values();
        let counts = image_column::<Int64Array>(image, 2)?.values();
        let sums = lows.iter().zip(highs).zip(counts);
        self.0 = sums.map(|((low, high), count)| IntSum { low: *low, high: *high, count: *count }).collect();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<IntSum>()
    }
}
