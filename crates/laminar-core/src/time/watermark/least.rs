//! The least of many numbers that change one at a time.

/// Numbers by place. A tree: each number in front is the lesser of two behind it, so that a change is a walk to the first one.
#[derive(Debug, Clone, Default)]
pub(super) struct Least {
    /// The numbers stand in the second half.
    tree: Vec<i64>,
    len: usize,
}

/// Stands where there is no number.
const NOTHING: i64 = i64::MAX;

impl Least {
    /// Adds a number behind the others.
    pub(super) fn push(&mut self, number: i64) {
        if self.len == self.places() {
            self.grow();
        }
        self.len += 1;
        self.set(self.len - 1, number);
    }

    /// Puts another number at `place`.
    pub(super) fn set(&mut self, place: usize, number: i64) {
        let mut at = self.places() + place;
        self.tree[at] = number;
        while at > 1 {
            at /= 2;
            let least = self.tree[2 * at].min(self.tree[2 * at + 1]);
            if self.tree[at] == least {
                break;
            }
            self.tree[at] = least;
        }
    }

    /// The least of all; `i64::MAX` if there is none.
    pub(super) fn least(&self) -> i64 {
        self.tree.get(1).copied().unwrap_or(NOTHING)
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> usize {
        self.tree.capacity() * size_of::<i64>()
    }

    fn places(&self) -> usize {
        self.tree.len() / 2
    }

    fn grow(&mut self) {
        let numbers = self.tree.split_off(self.places());
        let places = (2 * numbers.len()).max(2);
        self.tree = vec![NOTHING; 2 * places];
        self.tree[places..places + numbers.len()].copy_from_slice(&numbers);
        for at in (1..places).rev() {
            self.tree[at] = self.tree[2 * at].min(self.tree[2 * at + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn the_least_is_known_after_every_change() {
        let rng = &mut StdRng::seed_from_u64(1);
        let (mut numbers, mut least) = (Vec::new(), Least::default());
        assert_eq!(least.least(), i64::MAX);
        for _ in 0..2000 {
            let number = if rng.random_bool(0.2) { i64::MAX } else { rng.random_range(0..50) };
            if numbers.is_empty() || rng.random_bool(0.1) {
                numbers.push(number);
                least.push(number);
            } else {
                let place = rng.random_range(0..numbers.len());
                numbers[place] = number;
                least.set(place, number);
            }
            assert_eq!(Some(least.least()), numbers.iter().min().copied(), "{numbers:?}");
        }
    }
}
