//! Sums of whole numbers that cannot overflow: one 192-bit sum and one count of values for each group.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Int64Array};

use super::rows::image_column;
use crate::Result;

/// For each group the sum `low + high * 2^128`, and the weight of the values in it.
#[derive(Debug, Default)]
pub(in crate::operator) struct WholeSums {
    low: Vec<i128>,
    high: Vec<i64>,
    count: Vec<i64>,
}

impl WholeSums {
    pub(in crate::operator) fn resize(&mut self, groups: usize) {
        self.low.resize(groups, 0);
        self.high.resize(groups, 0);
        self.count.resize(groups, 0);
    }

    /// Adds `value` `weight` times.
    #[inline]
    pub(in crate::operator) fn add(&mut self, group: usize, value: i128, weight: i64) {
        self.count[group] += weight;
        if weight == 1 {
            return self.add_low(group, value);
        }
        match value.checked_mul(i128::from(weight)) {
            Some(product) => self.add_low(group, product),
            None => self.add_product(group, value, weight),
        }
    }

    #[inline]
    fn add_low(&mut self, group: usize, value: i128) {
        let (low, overflow) = self.low[group].overflowing_add(value);
        self.low[group] = low;
        if overflow {
            self.high[group] += if value > 0 { 1 } else { -1 };
        }
    }

    /// Adds a product of more than 128 bits in two halves: `value = upper * 2^64 + lower`.
    #[cold]
    fn add_product(&mut self, group: usize, value: i128, weight: i64) {
        let weight = i128::from(weight);
        let (upper, lower) = (value >> 64, value & i128::from(u64::MAX));
        // |lower * weight| < 2^127 and |upper * weight| <= 2^126, of which the upper 64 bits count 2^128 each.
        let shifted = upper * weight;
        self.high[group] += i64::try_from(shifted >> 64).expect("63 bits times 63 bits, shifted by 64");
        let rest = shifted & i128::from(u64::MAX);
        // rest * 2^64 as a signed number of 128 bits, with the borrow of its sign.
        let part = (rest.cast_unsigned() << 64).cast_signed();
        if part < 0 {
            self.high[group] += 1;
        }
        self.add_low(group, part);
        self.add_low(group, lower * weight);
    }

    /// Adds another's group `from` to group `into`.
    pub(in crate::operator) fn merge(&mut self, other: &Self, from: u32, into: u32) {
        let (from, into) = (from as usize, into as usize);
        self.high[into] += other.high[from];
        self.count[into] += other.count[from];
        self.add_low(into, other.low[from]);
    }

    /// The weight of the values of `group`.
    pub(in crate::operator) fn count(&self, group: u32) -> i64 {
        self.count[group as usize]
    }

    /// The sum of `group`; `None` if it needs more than 128 bits.
    pub(in crate::operator) fn sum(&self, group: u32) -> Option<i128> {
        (self.high[group as usize] == 0).then_some(self.low[group as usize])
    }

    pub(super) fn clear(&mut self, groups: &[u32]) {
        for group in groups {
            self.low[*group as usize] = 0;
            self.high[*group as usize] = 0;
            self.count[*group as usize] = 0;
        }
    }

    pub(super) fn image(&self) -> Vec<ArrayRef> {
        // The 128 bits travel as a decimal without a check of its digits.
        vec![
            Arc::new(Decimal128Array::from(self.low.clone())),
            Arc::new(Int64Array::from(self.high.clone())),
            Arc::new(Int64Array::from(self.count.clone())),
        ]
    }

    pub(super) fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        self.low = image_column::<Decimal128Array>(image, 0)?.values().to_vec();
        self.high = image_column::<Int64Array>(image, 1)?.values().to_vec();
        self.count = image_column::<Int64Array>(image, 2)?.values().to_vec();
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.low.capacity() * 16 + (self.high.capacity() + self.count.capacity()) * 8
    }
}
