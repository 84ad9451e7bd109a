//! A sum of floats without rounding error, so that it depends neither on the order of additions nor on what was retracted.
//!
//! The sum is kept as floats that add up to it exactly. Two of them take nearly every addition; what these two cannot hold
//! goes into an expansion of non-overlapping floats (J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997).

/// An exact sum of finite floats.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ExactSum {
    high: f64,
    low: f64,
    rest: Vec<f64>,
}

impl ExactSum {
    /// Adds a finite float. The sum must stay far from overflow: |value| < 2^900.
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        let (high, error) = two_sum(self.high, value);
        let (low, error) = two_sum(self.low, error);
        self.high = high;
        self.low = low;
        if error != 0.0 {
            grow(&mut self.rest, error);
        }
    }

    /// Adds `value * factor`.
    #[inline]
    pub(super) fn add_product(&mut self, value: f64, factor: f64) {
        let (product, error) = two_product(value, factor);
        self.add(product);
        self.add(error);
    }

    /// Adds `value` `weight` times.
    #[inline]
    pub(super) fn add_weighted(&mut self, value: f64, weight: i64) {
        match weight {
            1 => self.add(value),
            -1 => self.add(-value),
            _ => {
                // A weight of more than 53 bits is two floats.
                let high = weight as f64;
                let low = i128::from(weight) - high as i128;
                self.add_product(value, high);
                if low != 0 {
                    self.add_product(value, low as f64);
                }
            }
        }
    }

    /// Adds all of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        other.parts().for_each(|part| self.add(part));
    }

    /// The opposite of [`merge`](Self::merge): nothing is lost, so nothing stays behind.
    pub(super) fn take_out(&mut self, other: &Self) {
        other.parts().for_each(|part| self.add(-part));
    }

    /// The sum, rounded once.
    pub(super) fn value(&self) -> f64 {
        if self.rest.is_empty() {
            return self.high + self.low;
        }
        let mut parts = Vec::with_capacity(self.rest.len() + 2);
        self.parts().for_each(|part| grow(&mut parts, part));
        rounded(&parts)
    }

    /// Floats that add up to the sum.
    pub(super) fn parts(&self) -> impl Iterator<Item = f64> + '_ {
        self.rest.iter().copied().chain([self.low, self.high]).filter(|part| *part != 0.0)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.rest.capacity() * 8
    }
}

impl FromIterator<f64> for ExactSum {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sum = Self::default();
        values.into_iter().for_each(|value| sum.add(value));
        sum
    }
}

/// The rounded sum and what the rounding lost (D. E. Knuth).
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_seen = sum - a;
    (sum, (a - (sum - b_seen)) + (b - b_seen))
}

/// The rounded product and what the rounding lost.
#[inline]
pub(super) fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// Adds `value` to an expansion: non-overlapping floats without zeros, the smallest first.
pub(super) fn grow(parts: &mut Vec<f64>, mut value: f64) {
    let mut kept = 0;
    for at in 0..parts.len() {
        let (sum, error) = two_sum(value, parts[at]);
        if error != 0.0 {
            parts[kept] = error;
            kept += 1;
        }
        value = sum;
    }
    parts.truncate(kept);
    if value != 0.0 {
        parts.push(value);
    }
}

/// The value of an expansion, correctly rounded.
pub(super) fn rounded(parts: &[f64]) -> f64 {
    let mut parts = parts.iter().rev().copied();
    let Some(mut sum) = parts.next() else { return 0.0 };
    while let Some(part) = parts.next() {
        let (rounded, error) = two_sum(sum, part);
        sum = rounded;
        if error == 0.0 {
            continue;
        }
        // Exactly half way between two floats, what is still to come decides.
        if parts.next().is_some_and(|next| (next < 0.0) == (error < 0.0)) {
            let further = sum + error * 2.0;
            if further - sum == error * 2.0 {
                sum = further;
            }
        }
        break;
    }
    sum
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn sum(values: &[f64]) -> f64 {
        values.iter().copied().collect::<ExactSum>().value()
    }

    #[test]
    fn sums_are_rounded_once() {
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e100, 1.0, -1e100, 1e-100]), 1.0);
        assert_eq!(sum(&[1.0, 1e-16, 1e-16]), 1.0000000000000002);
        assert_eq!(sum(&[1e16, 1.0, 1e-16]), 10000000000000002.0);
        assert_eq!(sum(&[1e16, 1.0, -1e-16]), 10000000000000000.0);
        assert_eq!(sum(&[1e200, 1e150, 1e100, 1e50, 1.0, -1e200, -1e150, -1e50, -1e100]), 1.0);
        assert_eq!(sum(&[]), 0.0);
    }

    #[test]
    fn the_order_does_not_matter_and_what_is_retracted_leaves_nothing() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..2_000 {
            let magnitude = random.random_range(0..120);
            let number =
                |random: &mut StdRng| random.random_range(-1.0..1.0) * 2f64.powi(random.random_range(-magnitude..=magnitude));
            let stay: Vec<f64> = (0..random.random_range(0..20)).map(|_| number(&mut random)).collect();
            let go: Vec<(f64, i64)> =
                (0..random.random_range(0..20)).map(|_| (number(&mut random), random.random_range(-5..5))).collect();
            let mut changes: Vec<(f64, i64)> = stay.iter().map(|value| (*value, 1)).collect();
            changes.extend(&go);
            changes.extend(go.iter().map(|(value, weight)| (*value, -weight)));
            changes.shuffle(&mut random);
            let mut all = ExactSum::default();
            changes.iter().for_each(|(value, weight)| all.add_weighted(*value, *weight));
            assert_eq!(all.value(), sum(&stay), "{changes:?}");
        }
    }

    #[test]
    fn weights_of_64_bits_are_exact() {
        let mut sum = ExactSum::default();
        sum.add_weighted(1.0, i64::MAX);
        sum.add_weighted(1.0, -(i64::MAX - 1));
        assert_eq!(sum.value(), 1.0);
    }
}
