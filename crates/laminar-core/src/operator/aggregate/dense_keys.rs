//! From keys that lie close together to group numbers: a place for each key of a stretch, whether it is one or not.

use crate::limits::{DENSE_KEYS_EARLY, DENSE_KEYS_MAX, DENSE_KEYS_MIN, DENSE_KEYS_PER_GROUP, DENSE_KEYS_PER_GROUP_EARLY};
use crate::state::prefetch;

/// No group has this number: numbers are handed out from 0, and fewer than this many.
pub(super) const NO_GROUP: u32 = u32::MAX;

/// Group numbers by key, for the keys from `first` on.
#[derive(Default)]
pub(super) struct DenseKeys {
    first: i64,
    groups: Vec<u32>,
}

impl DenseKeys {
    /// Keys that have a place.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The place of a key; `None`: it lies outside.
    #[inline]
    pub(super) fn place(&self, word: i64) -> Option<usize> {
        let place = word.wrapping_sub(self.first).cast_unsigned();
        (place < self.groups.len() as u64).then_some(place as usize)
    }

    /// The group at a place; [`NO_GROUP`]: none.
    #[inline]
    pub(super) fn group_mut(&mut self, place: usize) -> &mut u32 {
        &mut self.groups[place]
    }

    /// The group of a key; [`NO_GROUP`]: it has none here.
    #[inline]
    pub(super) fn get(&self, word: i64) -> u32 {
        self.groups.get(word.wrapping_sub(self.first).cast_unsigned() as usize).copied().unwrap_or(NO_GROUP)
    }

    /// Asks for the places of keys that will be looked for next.
    pub(super) fn prefetch(&self, words: &[i64]) {
        prefetch(&self.groups, words.iter().map(|word| word.wrapping_sub(self.first).cast_unsigned() as usize));
    }

    /// Takes a key if it lies within.
    pub(super) fn put(&mut self, word: i64, group: u32) -> bool {
        match self.place(word) {
            Some(place) => {
                self.groups[place] = group;
                true
            }
            None => false,
        }
    }

    /// Whether all keys between two lie within.
    pub(super) fn has(&self, (first, last): (i64, i64)) -> bool {
        self.place(first).is_some() && self.place(last).is_some()
    }

    /// The first key and the number of keys from the first one with a group to the last one.
    pub(super) fn used(&self) -> Option<(i64, u32)> {
        let has_group = |group: &u32| *group != NO_GROUP;
        let (begin, end) = (self.groups.iter().position(has_group)?, self.groups.iter().rposition(has_group)?);
        Some((self.first.wrapping_add(begin as i64), u32::try_from(end - begin + 1).ok()?))
    }

    /// Those keys that have a group.
    pub(super) fn keys(&self) -> impl Iterator<Item = i64> + '_ {
        let with_group = self.groups.iter().enumerate().filter(|(_, group)| **group != NO_GROUP);
        with_group.map(|(place, _)| self.first.wrapping_add(place as i64))
    }

    /// The same stretch without groups.
    pub(super) fn emptied(mut self) -> Self {
        self.groups.fill(NO_GROUP);
        self
    }

    pub(super) fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<u32>()
    }

    /// Where the stretch should begin and how long it should be to hold the keys between two as well, for so many groups; `None`: it
    /// stays as it is.
    pub(super) fn stretched_over(&self, (mut first, mut last): (i64, i64), groups: usize) -> Option<(i64, usize)> {
        let is_first = self.groups.is_empty();
        let grows_down = !is_first && first < self.first;
        if !is_first {
            if self.has((first, last)) {
                return None;
            }
            (first, last) = (first.min(self.first), last.max(self.first.wrapping_add(self.groups.len() as i64 - 1)));
        }
        let length = usize::try_from(last.checked_sub(first)?.checked_add(1)?).ok()?;
        let early = (groups * DENSE_KEYS_PER_GROUP_EARLY).min(DENSE_KEYS_EARLY);
        let room = (groups * DENSE_KEYS_PER_GROUP).max(early).clamp(DENSE_KEYS_MIN, DENSE_KEYS_MAX);
        // With room to spare on the side that was outgrown, a stretch is not laid anew for every batch. Keys mostly begin at 0.
        let spare = (length / 2).min(room.checked_sub(length)?);
        let down = if grows_down || is_first && (0..=spare as i64).contains(&first) { spare as i64 } else { 0 };
        let begin = if first >= 0 { (first - down).max(0) } else { first.checked_sub(down)? };
        let end_exists = begin.checked_add((length + spare) as i64).is_some();
        (end_exists && (is_first || spare >= length / 16)).then_some((begin, length + spare))
    }

    /// Makes the stretch longer; it still holds all that it held.
    pub(super) fn lay(&mut self, first: i64, length: usize) {
        let before = if self.groups.is_empty() { 0 } else { self.first.wrapping_sub(first) as usize };
        let mut groups = Vec::with_capacity(length);
        groups.resize(before, NO_GROUP);
        groups.extend_from_slice(&self.groups);
        groups.resize(length, NO_GROUP);
        (self.first, self.groups) = (first, groups);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays the stretch over each of these pairs of keys in turn, with groups as many as there can be; how often it was laid anew.
    fn laid(stretches: impl Iterator<Item = (i64, i64)>) -> (DenseKeys, usize) {
        let (mut keys, mut times) = (DenseKeys::default(), 0);
        for ends in stretches {
            if let Some((first, length)) = keys.stretched_over(ends, 1 << 20) {
                keys.lay(first, length);
                times += 1;
            }
            assert!(keys.has(ends), "{ends:?}");
            keys.put(ends.0, 7);
            assert_eq!(keys.get(ends.0), 7);
        }
        (keys, times)
    }

    #[test]
    fn a_stretch_that_grows_steadily_is_seldom_laid_anew_on_either_side() {
        for (stretches, laid_most) in [
            ((0..5_000).map(|turn| (1_000_000, 1_000_256 + turn * 100)).collect::<Vec<_>>(), 25),
            ((0..5_000).map(|turn| (1_000_000 - turn * 100, 1_000_256)).collect(), 25),
            ((0..5_000).map(|turn| (-turn * 100, turn * 100)).collect(), 50),
            // The least of ever more keys out of a million.
            ((1..3_000).map(|turn| (1_000_000 / (turn * 256), 1_000_000 - 1_000_000 / (turn * 256))).collect(), 1),
        ] {
            let (_, times) = laid(stretches.iter().copied());
            assert!(times <= laid_most, "{times} times for {:?}", stretches.last());
        }
    }

    #[test]
    fn a_stretch_holds_what_it_held_when_it_is_laid_anew() {
        let (keys, _) = laid((0..300).map(|turn| (5 - turn, 5 - turn)));
        assert_eq!(keys.keys().collect::<Vec<_>>(), (-294..=5).collect::<Vec<_>>());
        let (keys, _) = laid([(i64::MAX - 9, i64::MAX - 9), (i64::MAX - 99, i64::MAX - 9)].into_iter());
        assert_eq!(keys.keys().collect::<Vec<_>>(), [i64::MAX - 99, i64::MAX - 9]);
    }

    #[test]
    fn a_stretch_without_room_to_spare_stays_as_it_is() {
        let mut keys = DenseKeys::default();
        let (first, length) = keys.stretched_over((0, 2_000), 1).expect("few places are always there");
        keys.lay(first, length);
        assert_eq!(keys.stretched_over((0, 2_047), 1), None, "all of them are there already");
        assert_eq!(keys.stretched_over((0, 70_000_000), 8_000_000), None);
        assert_eq!(keys.stretched_over((0, DENSE_KEYS_MAX as i64 - 100), 8_000_000), None, "the next key would be beside it");
    }
}
