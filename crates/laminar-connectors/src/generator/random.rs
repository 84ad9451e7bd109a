//! Random numbers by row number: the same row gets the same numbers, however the rows are cut into batches.
//!
//! A [`Draws`] is a function from row numbers to 64 random bits: a Weyl sequence whose terms are scrambled by the
//! finaliser of SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014). It has no state
//! to carry from row to row, so the compiler can fill a column several rows at a time.

/// The odd constant nearest to 2^64 divided by the golden ratio: its multiples spread evenly over 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Random bits for every row number. Different names (or seeds) give unrelated sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draws(u64);

impl Draws {
    /// The sequence called `name` under `seed`.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let start = scramble(seed ^ 0x6c61_6d69_6e61_7231);
        Self(name.bytes().fold(start, |state, byte| scramble(state ^ u64::from(byte)).wrapping_add(GOLDEN)))
    }

    /// 64 random bits for `row`.
    #[inline]
    pub(crate) fn bits(self, row: u64) -> u64 {
        scramble(self.0.wrapping_add(row.wrapping_mul(GOLDEN)))
    }

    /// A sequence of its own for `row`, for rows that need many numbers.
    #[inline]
    pub(crate) fn within(self, row: u64) -> Self {
        Self(self.bits(row))
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    #[inline]
    pub(crate) fn below(self, row: u64, bound: u64) -> u64 {
        scale(self.bits(row), bound)
    }

    /// A number in `0.0..1.0`, a multiple of 2^-53.
    #[inline]
    pub(crate) fn unit(self, row: u64) -> f64 {
        const ULP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.bits(row) >> 11) as f64 * ULP
    }

    /// Appends `length` random letters `a` to `z` that belong to `row`.
    pub(crate) fn letters(self, row: u64, length: usize, into: &mut Vec<u8>) {
        let draws = self.within(row);
        let start = into.len();
        for word in 0..length.div_ceil(8) as u64 {
            into.extend_from_slice(&draws.bits(word).to_le_bytes().map(letter));
        }
        into.truncate(start + length);
    }
}

/// Maps 64 random bits evenly onto `0..bound` (a multiplication instead of a remainder).
#[inline]
pub(crate) fn scale(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

#[inline]
fn letter(byte: u8) -> u8 {
    b'a' + ((u16::from(byte) * 26) >> 8) as u8
}

#[inline]
fn scramble(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_a_bound_are_spread_evenly() {
        let draws = Draws::new(7, "x");
        let mut seen = [0_u32; 10];
        (0..100_000).for_each(|row| seen[draws.below(row, 10) as usize] += 1);
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
    }

    #[test]
    fn names_and_seeds_give_unrelated_sequences() {
        let same = |a: Draws, b: Draws| (0..1000).filter(|row| a.below(*row, 100) == b.below(*row, 100)).count();
        assert!(same(Draws::new(1, "a"), Draws::new(1, "b")) < 40);
        assert!(same(Draws::new(1, "a"), Draws::new(2, "a")) < 40);
        assert_eq!(same(Draws::new(1, "a"), Draws::new(1, "a")), 1000);
    }

    #[test]
    fn units_stay_below_one_and_have_the_mean_of_a_half() {
        let draws = Draws::new(3, "u");
        let units: Vec<f64> = (0..10_000).map(|row| draws.unit(row)).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        assert!((units.iter().sum::<f64>() / 10_000.0 - 0.5).abs() < 0.02);
    }

    #[test]
    fn letters_have_the_length_asked_for_and_use_the_alphabet() {
        let mut text = Vec::new();
        Draws::new(1, "t").letters(5, 1003, &mut text);
        assert_eq!(text.len(), 1003);
        assert!((b'a'..=b'z').all(|letter| text.contains(&letter)));
    }
}
