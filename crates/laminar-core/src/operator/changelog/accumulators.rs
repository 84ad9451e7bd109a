//! Accumulators for Rust users who aggregate values themselves: one value at a time, and every value can be taken back.
//!
//! The same sums as in SQL: whole numbers and floats are exact inside, so that what is retracted leaves no trace.

use std::collections::BTreeMap;

use crate::operator::aggregate::{FloatSums, IntSums};

/// The aggregate of values that come and go. A retraction may come before its insertion.
///
/// ```
/// use laminar_core::operator::changelog::{RetractableAccumulator, RetractableAvg, RetractableMax};
///
/// let mut average = RetractableAvg::default();
/// average.add(1e100);
/// average.add(3.0);
/// average.retract(&1e100);
/// assert_eq!(average.result(), Some(3.0));
///
/// let mut max = RetractableMax::default();
/// max.add(7);
/// max.add(9);
/// max.retract(&9);
/// assert_eq!(max.result(), Some(7));
/// ```
pub trait RetractableAccumulator: Default + Send {
    /// What is added.
    type Input;
    /// What comes out.
    type Output;

    /// Adds a value.
    fn add(&mut self, value: Self::Input);

    /// Takes a value back that was added, or will be.
    fn retract(&mut self, value: &Self::Input);

    /// Adds all that `other` holds.
    fn merge(&mut self, other: &Self);

    /// The aggregate of the values that are there.
    fn result(&self) -> Self::Output;

    /// True if as many values were retracted as were added.
    fn is_empty(&self) -> bool;

    /// Whether a retraction costs about as much as an insertion, instead of a look at all values.
    fn supports_efficient_retraction(&self) -> bool {
        true
    }

    /// Forgets everything.
    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// How many values there are.
#[derive(Debug, Clone, Copy, Default)]
pub struct RetractableCount(i64);

impl RetractableAccumulator for RetractableCount {
    type Input = ();
    type Output = i64;

    fn add(&mut self, (): ()) {
        self.0 += 1;
    }

    fn retract(&mut self, (): &()) {
        self.0 -= 1;
    }

    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
    }

    fn result(&self) -> i64 {
        self.0
    }

    fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// The exact sum of integers; `None` without values. 2^63 values cannot overflow its 128 bits.
#[derive(Debug)]
pub struct RetractableSum(IntSums);

impl Default for RetractableSum {
    fn default() -> Self {
        let mut sums = IntSums::default();
        sums.resize(1);
        Self(sums)
    }
}

impl RetractableAccumulator for RetractableSum {
    type Input = i64;
    type Output = Option<i128>;

    fn add(&mut self, value: i64) {
        self.0.add(0, value.into(), 1);
    }

    fn retract(&mut self, value: &i64) {
        self.0.add(0, (*value).into(), -1);
    }

    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0, 0, 0);
    }

    fn result(&self) -> Option<i128> {
        self.0.sum(0).filter(|_| !self.is_empty())
    }

    fn is_empty(&self) -> bool {
        self.0.count(0) == 0
    }
}

/// The average of floats, from their exact sum; `None` without values.
#[derive(Debug)]
pub struct RetractableAvg(FloatSums);

impl Default for RetractableAvg {
    fn default() -> Self {
        let mut sums = FloatSums::default();
        sums.resize(1);
        Self(sums)
    }
}

impl RetractableAccumulator for RetractableAvg {
    type Input = f64;
    type Output = Option<f64>;

    fn add(&mut self, value: f64) {
        self.0.add(0, value, 1);
    }

    fn retract(&mut self, value: &f64) {
        self.0.add(0, *value, -1);
    }

    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0, 0, 0);
    }

    fn result(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.0.sum(0) / self.0.count(0) as f64)
    }

    fn is_empty(&self) -> bool {
        self.0.count(0) == 0
    }
}

/// Values with how often each is there, in order.
#[derive(Debug, Clone)]
struct Ordered<T>(BTreeMap<T, i64>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Clone> Ordered<T> {
    fn change(&mut self, value: T, weight: i64) {
        let stored = self.0.entry(value.clone()).or_default();
        *stored += weight;
        if *stored == 0 {
            self.0.remove(&value);
        }
    }

    fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(value, weight)| self.change(value.clone(), *weight));
    }

    /// The values that are there; a negative weight waits for its insertion.
    fn present(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter().filter(|(_, weight)| **weight > 0).map(|(value, _)| value)
    }
}

/// An accumulator over ordered values: which end of the order it gives, and how a value comes out.
macro_rules! ordered_accumulator {
    ($(#[$doc:meta])* $name:ident, $input:ty, $end:ident, $output:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name<T>(Ordered<$input>);

        impl<T> Default for $name<T> {
            fn default() -> Self {
                Self(Ordered::default())
            }
        }

        impl<T: Ord + Clone + Send> RetractableAccumulator for $name<T> {
            type Input = $input;
            type Output = Option<T>;

            fn add(&mut self, value: $input) {
                self.0.change(value, 1);
            }

            fn retract(&mut self, value: &$input) {
                self.0.change(value.clone(), -1);
            }

            fn merge(&mut self, other: &Self) {
                self.0.merge(&other.0);
            }

            fn result(&self) -> Option<T> {
                self.0.present().$end().map($output)
            }

            fn is_empty(&self) -> bool {
                self.0.0.is_empty()
            }
        }
    };
}

ordered_accumulator!(
    /// The least value.
    RetractableMin, T, next, T::clone
);
ordered_accumulator!(
    /// The greatest value.
    RetractableMax, T, next_back, T::clone
);
ordered_accumulator!(
    /// The value with the least time (nanoseconds); of several, the least value.
    RetractableFirst, (i64, T), next, |(_, value)| value.clone()
);
ordered_accumulator!(
    /// The value with the greatest time (nanoseconds); of several, the greatest value.
    RetractableLast, (i64, T), next_back, |(_, value)| value.clone()
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds `stay` and `go` in two parts, merges them, retracts `go`, and resets in the end.
    fn check<A>(stay: &[A::Input], go: &[A::Input], expected: A::Output)
    where
        A: RetractableAccumulator<Input: Clone, Output: PartialEq + std::fmt::Debug>,
    {
        let (mut left, mut right) = (A::default(), A::default());
        assert!(left.is_empty());
        go.iter().for_each(|value| left.retract(value));
        stay.iter().cloned().for_each(|value| left.add(value));
        go.iter().cloned().for_each(|value| right.add(value));
        left.merge(&right);
        assert_eq!(left.result(), expected);
        assert_eq!(left.is_empty(), stay.is_empty());
        left.reset();
        assert_eq!(left.result(), A::default().result());
    }

    #[test]
    fn what_is_retracted_leaves_no_trace() {
        check::<RetractableCount>(&[(), ()], &[()], 2);
        check::<RetractableSum>(&[i64::MAX, i64::MAX], &[5], Some(2 * i128::from(i64::MAX)));
        check::<RetractableSum>(&[], &[5], None);
        check::<RetractableAvg>(&[1.0, 2.0], &[f64::NAN, 1e300, f64::INFINITY], Some(1.5));
        check::<RetractableMin<i32>>(&[4, 2], &[1], Some(2));
        check::<RetractableMax<String>>(&["b".into()], &["c".into()], Some("b".into()));
        check::<RetractableFirst<i32>>(&[(3, 1), (2, 9), (2, 8)], &[(1, 7)], Some(8));
        check::<RetractableLast<i32>>(&[(3, 1), (3, 9)], &[(4, 7)], Some(9));
        check::<RetractableLast<i32>>(&[], &[(4, 7)], None);
    }
}
