//! Hands out group numbers, the lowest free one first, so that numbers stay small and the same history gives the same numbers.

/// Which group numbers are in use: one bit each.
#[derive(Debug, Default)]
pub(super) struct GroupIdAllocator {
    /// Free numbers below `end` have their bit set.
    free: Vec<u64>,
    free_count: usize,
    /// No word before this one has a free number.
    first_word: usize,
    end: usize,
}

impl GroupIdAllocator {
    /// Numbers with the given ones in use: what an image holds.
    pub(super) fn from_live(live: &[bool]) -> Self {
        let mut ids = Self { end: live.len(), ..Self::default() };
        ids.free.resize(live.len().div_ceil(64), 0);
        let free = (0u32..).zip(live).filter(|(_, live)| !**live).map(|(group, _)| group);
        free.for_each(|group| ids.set_free(group));
        ids
    }

    /// Numbers below `end`, of which only `free` may be taken.
    pub(super) fn with_free(end: usize, free: &[u32]) -> Self {
        let mut ids = Self::from_live(&vec![true; end]);
        free.iter().for_each(|group| ids.set_free(*group));
        ids
    }

    /// Takes the lowest free number.
    pub(super) fn take(&mut self) -> u32 {
        if self.free_count > 0 {
            return self.take_free();
        }
        let group = number(self.end);
        self.end += 1;
        self.free.resize(self.end.div_ceil(64), 0);
        self.first_word = self.free.len();
        group
    }

    fn take_free(&mut self) -> u32 {
        while self.free[self.first_word] == 0 {
            self.first_word += 1;
        }
        let bit = self.free[self.first_word].trailing_zeros();
        self.free[self.first_word] &= self.free[self.first_word] - 1;
        self.free_count -= 1;
        number(self.first_word * 64) + bit
    }

    /// Takes `length` numbers that follow each other and were never used; they are not given back.
    pub(super) fn take_block(&mut self, length: u32) -> std::ops::Range<u32> {
        let begin = number(self.end);
        self.end += length as usize;
        self.free.resize(self.end.div_ceil(64), 0);
        begin..number(self.end)
    }

    /// Gives numbers back.
    pub(super) fn give_back(&mut self, groups: &[u32]) {
        groups.iter().for_each(|group| self.set_free(*group));
    }

    fn set_free(&mut self, group: u32) {
        let word = group as usize / 64;
        let bit = 1 << (group % 64);
        debug_assert!((group as usize) < self.end && self.free[word] & bit == 0, "group {group} is released twice");
        self.free[word] |= bit;
        self.free_count += 1;
        self.first_word = self.first_word.min(word);
    }

    /// One past the highest number that was ever used.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// How many numbers are in use.
    pub(super) fn len(&self) -> usize {
        self.end - self.free_count
    }

    /// Whether a number that was ever used is in use.
    #[inline]
    pub(super) fn is_live(&self, group: u32) -> bool {
        self.free[group as usize / 64] >> (group % 64) & 1 == 0
    }

    /// The numbers in use, ascending.
    pub(super) fn live(&self) -> impl Iterator<Item = u32> + '_ {
        (0..number(self.end)).filter(|group| self.is_live(*group))
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.free.capacity() * 8
    }
}

fn number(group: usize) -> u32 {
    u32::try_from(group).expect("fewer than 2^32 groups in one table")
}

#[cfg(test)]
mod tests {
    use super::GroupIdAllocator;

    #[test]
    fn the_lowest_free_number_comes_first_wherever_it_is() {
        let mut ids = GroupIdAllocator::default();
        assert_eq!((0..200).map(|_| ids.take()).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
        ids.give_back(&[130, 3, 199, 64]);
        assert_eq!((ids.len(), ids.end()), (196, 200));
        assert!(ids.live().eq((0..200).filter(|group| ![3, 64, 130, 199].contains(group))));
        assert_eq!([ids.take(), ids.take()], [3, 64]);
        ids.give_back(&[0]);
        assert_eq!((0..5).map(|_| ids.take()).collect::<Vec<_>>(), [0, 130, 199, 200, 201]);
    }

    #[test]
    fn an_images_numbers_go_on_where_they_were() {
        let mut ids = GroupIdAllocator::from_live(&[true, false, true]);
        assert_eq!((ids.len(), ids.take(), ids.take()), (2, 1, 3));
        let mut ids = GroupIdAllocator::with_free(70, &[69, 2]);
        assert_eq!((ids.len(), ids.take(), ids.take(), ids.take()), (68, 2, 69, 70));
    }
}
