//! Sums of whole numbers of at most 64 bits: 16 bytes a group, as long as the sum has 64 bits too.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};

use super::int_sums::Sums;
use super::rows::{image_column, numbers};
use crate::Result;
use crate::state::prefetch_groups;

/// For each group the sum of its values and their weight.
#[derive(Debug, Default)]
pub(super) struct WordSums {
    sums: Vec<WordSum>,
    /// The upper half of the few sums that need more than 64 bits; never 0.
    carries: BTreeMap<u32, i64>,
}

#[derive(Debug, Default, Clone, Copy)]
struct WordSum {
    low: i64,
    count: i64,
}

impl WordSums {
    #[inline]
    fn add_low(&mut self, group: usize, value: i64) {
        let sum = &mut self.sums[group];
        let (low, overflow) = sum.low.overflowing_add(value);
        sum.low = low;
        if overflow {
            self.carry(group, if value > 0 { 1 } else { -1 });
        }
    }

    /// Adds `units * 2^64`.
    #[cold]
    fn carry(&mut self, group: usize, units: i64) {
        let group = u32::try_from(group).expect("group numbers have 32 bits");
        let carry = self.carries.remove(&group).unwrap_or(0) + units;
        if carry != 0 {
            self.carries.insert(group, carry);
        }
    }

    /// Adds a number of at most 127 bits.
    fn add_wide(&mut self, group: usize, value: i128) {
        // The lower half counts as a signed number, so that what is left is a multiple of 2^64.
        let low = value as i64;
        let upper = (value - i128::from(low)) >> 64;
        self.add_low(group, low);
        if upper != 0 {
            self.carry(group, i64::try_from(upper).expect("127 bits, shifted by 64"));
        }
    }

    fn carry_of(&self, group: u32) -> i64 {
        if self.carries.is_empty() { 0 } else { self.carries.get(&group).copied().unwrap_or(0) }
    }

    fn merge_times(&mut self, other: &Self, from: u32, into: u32, sign: i64) {
        let (theirs, into) = (other.sums[from as usize], into as usize);
        self.sums[into].count += sign * theirs.count;
        self.add_wide(into, i128::from(sign) * i128::from(theirs.low));
        let carry = other.carry_of(from);
        if carry != 0 {
            self.carry(into, sign * carry);
        }
    }
}

impl<N: Into<i64>> Sums<N> for WordSums {
    fn resize(&mut self, groups: usize) {
        self.sums.resize(groups, WordSum::default());
    }

    fn prefetch(&self, groups: &[u32]) {
        prefetch_groups(&self.sums, groups);
    }

    #[inline]
    fn add(&mut self, group: usize, value: N, weight: i64) {
        let value = value.into();
        self.sums[group].count += weight;
        if weight == 1 {
            return self.add_low(group, value);
        }
        self.add_wide(group, i128::from(value) * i128::from(weight));
    }

    fn merge(&mut self, other: &Self, from: u32, into: u32) {
        self.merge_times(other, from, into, 1);
    }

    fn take_out(&mut self, other: &Self, from: u32, into: u32) {
        self.merge_times(other, from, into, -1);
    }

    fn count(&self, group: u32) -> i64 {
        self.sums[group as usize].count
    }

    fn sum(&self, group: u32) -> Option<i128> {
        Some(i128::from(self.sums[group as usize].low) + (i128::from(self.carry_of(group)) << 64))
    }

    fn clear(&mut self, groups: &[u32]) {
        for group in groups {
            self.sums[*group as usize] = WordSum::default();
        }
        if !self.carries.is_empty() {
            for group in groups {
                self.carries.remove(group);
            }
        }
    }

    fn image_of(&self, groups: &[u32]) -> Vec<ArrayRef> {
        vec![
            numbers(groups, |group| self.sums[group].low),
            Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| self.carry_of(*group)))),
            numbers(groups, |group| self.sums[group].count),
        ]
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        let lows = image_column::<Int64Array>(image, 0)?.values();
        let carries = image_column::<Int64Array>(image, 1)?.values();
        let counts = image_column::<Int64Array>(image, 2)?.values();
        self.sums = lows.iter().zip(counts).map(|(low, count)| WordSum { low: *low, count: *count }).collect();
        self.carries = (0u32..).zip(carries.iter().copied()).filter(|(_, carry)| *carry != 0).collect();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<WordSum>() + self.carries.len() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(sums: &WordSums) -> Option<i128> {
        Sums::<i64>::sum(sums, 0)
    }

    #[test]
    fn sums_beyond_64_bits_are_exact_and_come_back() {
        let mut sums = WordSums::default();
        Sums::<i64>::resize(&mut sums, 1);
        let (most, least) = (i128::from(i64::MAX), i128::from(i64::MIN));
        let mut expected = 0;
        for (value, weight) in
            [(i64::MAX, 1), (i64::MAX, 1), (i64::MIN, 1), (i64::MIN, 3), (i64::MAX, 1 << 40), (i64::MIN, 1 << 62), (-1, -1)]
        {
            sums.add(0, value, weight);
            expected += i128::from(value) * i128::from(weight);
            assert_eq!(sum(&sums), Some(expected), "after {value} {weight} times");
        }
        assert!(!sums.carries.is_empty() && expected < least * 2 + most);
        let mut both = WordSums::default();
        Sums::<i64>::resize(&mut both, 1);
        both.add(0, 5_i64, 1);
        Sums::<i64>::merge(&mut both, &sums, 0, 0);
        assert_eq!(sum(&both), Some(expected + 5));
        let mut restored = WordSums::default();
        Sums::<i64>::restore(&mut restored, &Sums::<i64>::image_of(&both, &[0])).unwrap();
        Sums::<i64>::take_out(&mut restored, &sums, 0, 0);
        assert_eq!((sum(&restored), restored.carries.len()), (Some(5), 0));
    }
}
