//! The set of indices that take part in the next step, as bits.

/// Indices in a table of nodes, walked in ascending order while later ones are still being added.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    words: Vec<u64>,
}

impl Pending {
    /// No index out of `indices`.
    pub(super) fn none_of(indices: usize) -> Self {
        Self { words: vec![0; indices.div_ceil(64)] }
    }

    /// Adds a index.
    #[inline]
    pub(super) fn insert(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
    }

    /// Takes a index out.
    #[inline]
    pub(super) fn remove(&mut self, index: usize) {
        self.words[index / 64] &= !(1 << (index % 64));
    }

    /// Whether a index is among them.
    #[inline]
    pub(super) fn contains(&self, index: usize) -> bool {
        self.words[index / 64] & (1 << (index % 64)) != 0
    }

    /// The first index at or after `from`.
    #[inline]
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = self.words.get(word)? & (u64::MAX << (from % 64));
        loop {
            if bits != 0 {
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
            word += 1;
            bits = *self.words.get(word)?;
        }
    }

    /// All indices, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.next(0), |index| self.next(index + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_walked_in_ascending_order_across_words() {
        let mut pending = Pending::none_of(200);
        for index in [130, 0, 63, 64, 199] {
            pending.insert(index);
        }
        pending.remove(64);
        assert_eq!(pending.iter().collect::<Vec<_>>(), [0, 63, 130, 199]);
        assert_eq!(pending.next(64), Some(130));
        assert_eq!(Pending::none_of(0).next(0), None);
    }
}
