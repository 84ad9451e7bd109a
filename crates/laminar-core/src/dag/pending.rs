//! The set of places that take part in the next step, as bits.

/// Places in a table of nodes, walked in ascending order while later ones are still being added.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    words: Vec<u64>,
}

impl Pending {
    /// No place out of `places`.
    pub(super) fn none_of(places: usize) -> Self {
        Self { words: vec![0; places.div_ceil(64)] }
    }

    /// Adds a place.
    #[inline]
    pub(super) fn insert(&mut self, place: usize) {
        self.words[place / 64] |= 1 << (place % 64);
    }

    /// Takes a place out.
    #[inline]
    pub(super) fn remove(&mut self, place: usize) {
        self.words[place / 64] &= !(1 << (place % 64));
    }

    /// Whether a place is among them.
    #[inline]
    pub(super) fn contains(&self, place: usize) -> bool {
        self.words[place / 64] & (1 << (place % 64)) != 0
    }

    /// The first place at or after `from`.
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

    /// All places, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.next(0), |place| self.next(place + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_walked_in_ascending_order_across_words() {
        let mut pending = Pending::none_of(200);
        for place in [130, 0, 63, 64, 199] {
            pending.insert(place);
        }
        pending.remove(64);
        assert_eq!(pending.iter().collect::<Vec<_>>(), [0, 63, 130, 199]);
        assert_eq!(pending.next(64), Some(130));
        assert_eq!(Pending::none_of(0).next(0), None);
    }
}
