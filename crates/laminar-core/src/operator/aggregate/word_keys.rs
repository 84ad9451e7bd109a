//! From one 64-bit key to a group number: by place where the keys lie close together, by hash where they do not.

use std::sync::Arc;

use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use hashbrown::HashTable;

use super::slots::Slots;
use super::word_types::with_word_type;
use crate::limits::{DENSE_KEYS_MAX, DENSE_KEYS_MIN, DENSE_KEYS_PER_GROUP};
use crate::{Error, Result};

/// One 64-bit key a group.
#[derive(Default)]
pub(super) struct WordKeys {
    /// Keys within a stretch of numbers of which many are keys.
    dense: Dense,
    /// All others.
    table: HashTable<(i64, u32)>,
    words: Vec<i64>,
    null_group: Option<u32>,
}

impl WordKeys {
    pub(super) fn assign(&mut self, words: &[i64], nulls: Option<&NullBuffer>, slots: &mut Slots) -> Vec<u32> {
        let mut groups = Vec::with_capacity(words.len());
        match nulls.filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => {
                groups.extend(words.iter().zip(nulls).map(|(word, valid)| self.group(valid.then_some(*word), slots)));
            }
            None => {
                self.make_dense(words, slots.len());
                groups.extend(words.iter().map(|word| self.group_of_word(*word, slots)));
            }
        }
        groups
    }

    /// The groups here of groups of another table.
    pub(super) fn assign_from(&mut self, other: &WordKeys, groups: &[u32], slots: &mut Slots) -> Vec<u32> {
        let null = other.null_group;
        let words: Vec<i64> = groups.iter().map(|group| other.words[*group as usize]).collect();
        self.make_dense(&words, slots.len().max(groups.len()));
        let word = |(group, word): (&u32, &i64)| self.group((null != Some(*group)).then_some(*word), slots);
        groups.iter().zip(&words).map(word).collect()
    }

    fn group(&mut self, word: Option<i64>, slots: &mut Slots) -> u32 {
        match word {
            Some(word) => self.group_of_word(word, slots),
            None => match self.null_group {
                Some(group) => group,
                None => {
                    let group = self.store(0, slots);
                    self.null_group = Some(group);
                    group
                }
            },
        }
    }

    #[inline]
    fn group_of_word(&mut self, word: i64, slots: &mut Slots) -> u32 {
        match self.dense.place(word) {
            Some(place) => match self.dense.groups[place] {
                NO_GROUP => {
                    let group = self.store(word, slots);
                    self.dense.groups[place] = group;
                    group
                }
                group => group,
            },
            None => self.group_by_hash(word, slots),
        }
    }

    fn group_by_hash(&mut self, word: i64, slots: &mut Slots) -> u32 {
        let hash = hash_word(word);
        if let Some((_, group)) = self.table.find(hash, |(key, _)| *key == word) {
            return *group;
        }
        let group = self.store(word, slots);
        self.table.insert_unique(hash, (word, group), |(key, _)| hash_word(*key));
        group
    }

    fn store(&mut self, word: i64, slots: &mut Slots) -> u32 {
        let group = slots.take();
        self.words.resize(slots.end(), 0);
        self.words[group as usize] = word;
        group
    }

    /// Finds keys by place from now on if those that are there and `words` lie close enough together for `groups` groups.
    fn make_dense(&mut self, words: &[i64], groups: usize) {
        let Some(stretch) = self.dense.stretched_over(words, groups) else { return };
        let mut dense = Dense { first: stretch.0, groups: vec![NO_GROUP; stretch.1] };
        for (at, group) in self.dense.groups.iter().enumerate().filter(|(_, group)| **group != NO_GROUP) {
            dense.put(self.dense.first.wrapping_add(at as i64), *group);
        }
        self.table.retain(|(word, group)| !dense.put(*word, *group));
        self.table.shrink_to_fit(|(word, _)| hash_word(*word));
        self.dense = dense;
    }

    pub(super) fn remove(&mut self, group: u32) {
        if self.null_group == Some(group) {
            self.null_group = None;
            return;
        }
        let word = self.words[group as usize];
        if let Some(place) = self.dense.place(word) {
            self.dense.groups[place] = NO_GROUP;
        } else if let Ok(entry) = self.table.find_entry(hash_word(word), |(key, _)| *key == word) {
            entry.remove();
        }
    }

    pub(super) fn column(&self, groups: &[u32], data_type: &DataType) -> Result<ArrayRef> {
        let nulls = self.null_group.filter(|null| groups.contains(null));
        let nulls = nulls.map(|null| groups.iter().map(|group| *group != null).collect::<NullBuffer>());
        macro_rules! column {
            ($t:ty) => {{
                let values = groups.iter().map(|group| self.words[*group as usize] as _).collect();
                let column = PrimitiveArray::<$t>::try_new(values, nulls)?.with_data_type(data_type.clone());
                Ok(Arc::new(column))
            }};
        }
        with_word_type!(data_type, column, Err(Error::internal("not a 64-bit key")))
    }

    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * 8 + self.dense.groups.capacity() * 4 + self.table.allocation_size()
    }
}

/// Mixes all bits of a key into all bits of its hash, for neighbouring numbers are the usual keys. Never leaves this table,
/// so it need not be the project's hash of rows, which would cost a pass of its own.
#[inline]
fn hash_word(word: i64) -> u64 {
    let wide = u128::from(word.cast_unsigned() ^ 0x9e37_79b9_7f4a_7c15) * 0xd1b5_4a32_d192_ed03_u128;
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// No group has this number: numbers are handed out from 0, and fewer than this many.
const NO_GROUP: u32 = u32::MAX;

/// Group numbers by key, for the keys from `first` on.
#[derive(Default)]
struct Dense {
    first: i64,
    groups: Vec<u32>,
}

impl Dense {
    /// The place of a key; `None`: it lies outside.
    #[inline]
    fn place(&self, word: i64) -> Option<usize> {
        let place = word.wrapping_sub(self.first).cast_unsigned();
        (place < self.groups.len() as u64).then_some(place as usize)
    }

    /// Takes a key if it lies within.
    fn put(&mut self, word: i64, group: u32) -> bool {
        match self.place(word) {
            Some(place) => {
                self.groups[place] = group;
                true
            }
            None => false,
        }
    }

    /// Where the stretch should begin and how long it should be to hold `words` as well; `None`: it stays as it is.
    fn stretched_over(&self, words: &[i64], groups: usize) -> Option<(i64, usize)> {
        let (mut first, mut last) = (*words.iter().min()?, *words.iter().max()?);
        if !self.groups.is_empty() {
            if self.place(first).is_some() && self.place(last).is_some() {
                return None;
            }
            (first, last) = (first.min(self.first), last.max(self.first.wrapping_add(self.groups.len() as i64 - 1)));
        }
        let length = usize::try_from(last.checked_sub(first)?.checked_add(1)?).ok()?;
        let room = (groups * DENSE_KEYS_PER_GROUP).clamp(DENSE_KEYS_MIN, DENSE_KEYS_MAX);
        // Numbers often grow: with room to spare a stretch is not laid anew for every batch.
        let spared = (length + length / 2).min(room).max(length);
        let end_exists = first.checked_add(spared as i64).is_some();
        (length <= room && end_exists).then_some((first, spared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Assigns batches of keys; the groups of all, which must be those of a map from key to number.
    fn check(batches: &[Vec<i64>]) -> WordKeys {
        let (mut keys, mut slots) = (WordKeys::default(), Slots::default());
        let mut model = std::collections::BTreeMap::new();
        for batch in batches {
            let groups = keys.assign(batch, None, &mut slots);
            for (word, group) in batch.iter().zip(groups) {
                let next = model.len() as u32;
                assert_eq!(group, *model.entry(*word).or_insert(next), "key {word} of {} batches", batches.len());
            }
        }
        keys
    }

    #[test]
    fn keys_close_together_are_found_by_place_and_others_by_hash() {
        let keys = check(&[(0..1000).collect(), (500..1500).collect(), vec![-7, 1_000_000_000, i64::MAX, i64::MIN, 3]]);
        assert!(keys.dense.place(1499).is_some());
        assert_eq!(keys.table.len(), 4);
    }

    #[test]
    fn a_stretch_grows_with_its_groups_and_takes_over_what_was_hashed() {
        let far: Vec<i64> = (0..20_000).map(|key| key * 7).collect();
        let keys = check(&[far.clone(), far.clone(), far]);
        assert!(keys.table.is_empty() && keys.dense.groups.len() >= 139_994, "{}", keys.dense.groups.len());
    }

    #[test]
    fn keys_far_apart_take_no_more_room_than_they_need() {
        let keys = check(&[(0..1000).map(|key| key << 40).collect(), (0..1000).map(|key| key << 40).collect()]);
        assert_eq!((keys.dense.groups.len(), keys.table.len()), (0, 1000));
    }

    #[test]
    fn removed_keys_get_new_groups_wherever_they_were() {
        let mut keys = check(&[vec![1, 2, 3, i64::MAX]]);
        let mut slots = Slots::from_live(vec![true; 4]);
        keys.remove(1);
        keys.remove(3);
        slots.give_back(&[1, 3]);
        assert_eq!(keys.assign(&[3, i64::MAX, 2], None, &mut slots), [2, 1, 3]);
    }

    #[test]
    fn the_ends_of_the_range_of_numbers_are_keys_like_others() {
        check(&[(i64::MAX - 100..=i64::MAX).collect(), (i64::MIN..i64::MIN + 100).collect()]);
        check(&[(i64::MIN..i64::MIN + 100).collect(), (i64::MAX - 100..=i64::MAX).collect(), vec![0]]);
    }
}
