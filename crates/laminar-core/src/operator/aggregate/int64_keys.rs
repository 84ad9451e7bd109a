//! From one 64-bit key to a group number: by place where the keys lie close together, by hash where they do not.

use arrow_array::ArrayRef;
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use hashbrown::HashTable;

use super::ResultColumn;
use super::dense_keys::{DenseKeys, NO_GROUP};
use super::namespaces::{Block, NAMESPACES_AT_ONCE, Namespace, Numbers, RowNamespaces};
use super::word_columns::{hash_word, word_column};
use crate::Result;
use crate::limits::{DENSE_KEYS_PER_GROUP, RESERVED_KEYS_PER_GROUP};
use crate::state::prefetch_groups;
use crate::time::ends;

/// One 64-bit key a group.
#[derive(Default)]
pub(super) struct Int64Keys {
    /// By namespace.
    lookups: Vec<Lookup>,
    words: Vec<i64>,
    /// Whether every group has rows from its first row on, so that a number may be set apart for a key that may never come.
    may_reserve: bool,
    /// The stretch in which most keys of the last namespace lay: the next one will probably have the same keys.
    stretch: Option<(i64, u32)>,
    /// What a closed namespace had for its keys: the next one need not grow its own if it has the same.
    spare: DenseKeys,
}

/// From the keys of one namespace to their groups.
#[derive(Default)]
struct Lookup {
    /// Keys within a stretch of numbers of which each has its group already: the first, and the numbers of the groups.
    reserved: (i64, Block),
    /// Keys within a stretch of numbers of which many are keys.
    dense: DenseKeys,
    /// All others.
    table: HashTable<(i64, u32)>,
    null_group: Option<u32>,
    groups: usize,
}

impl Int64Keys {
    /// `append`: no row is ever taken back.
    pub(super) fn new(append: bool) -> Self {
        Self { may_reserve: append, ..Self::default() }
    }

    pub(super) fn assign(
        &mut self,
        words: &[i64],
        nulls: Option<&NullBuffer>,
        namespaces: RowNamespaces<'_>,
        numbers: &mut Numbers,
    ) -> Vec<u32> {
        self.make_room(namespaces, numbers);
        if let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) {
            let keys = words.iter().zip(nulls).enumerate();
            return keys.map(|(row, (word, valid))| self.group(valid.then_some(*word), namespaces.of(row), numbers)).collect();
        }
        let mut groups = Vec::with_capacity(words.len());
        for begin in (0..words.len()).step_by(ROWS_AT_ONCE) {
            let words = &words[begin..words.len().min(begin + ROWS_AT_ONCE)];
            let namespaces = namespaces.from(begin).of_first(words.len());
            self.find_known(words, namespaces, &mut groups);
            if groups[begin..].contains(&NO_GROUP) {
                self.add_unknown(words, namespaces, &mut groups[begin..], numbers);
            }
        }
        groups
    }

    /// Gives a group to every key that was not found by place.
    fn add_unknown(&mut self, words: &[i64], namespaces: RowNamespaces<'_>, groups: &mut [u32], numbers: &mut Numbers) {
        if let Some(ends) = ends(words) {
            for namespace in namespaces.all() {
                let lookup = &mut self.lookups[namespace.index()];
                if lookup.is_new() && self.spare.has(ends) {
                    lookup.dense = std::mem::take(&mut self.spare).emptied();
                }
                lookup.make_dense(ends, 0);
            }
        }
        for (row, (group, word)) in groups.iter_mut().zip(words).enumerate().filter(|(_, (group, _))| **group == NO_GROUP) {
            let namespace = namespaces.of(row);
            let lookup = &mut self.lookups[namespace.index()];
            let Some(place) = lookup.dense.place(*word) else {
                *group = self.group(Some(*word), namespace, numbers);
                continue;
            };
            let own = lookup.dense.group_mut(place);
            if *own == NO_GROUP {
                *own = numbers.take(namespace);
                lookup.groups += 1;
                remember_word(&mut self.words, *own, *word);
            }
            *group = *own;
        }
    }

    /// The groups of keys that are found by place; [`NO_GROUP`] for all others.
    fn find_known(&self, words: &[i64], namespaces: RowNamespaces<'_>, found: &mut Vec<u32>) {
        match namespaces {
            RowNamespaces::One(namespace) => {
                let lookup = &self.lookups[namespace.index()];
                let (first, block) = (lookup.reserved.0, lookup.reserved.1.clone());
                if block.is_empty() {
                    lookup.dense.prefetch(words);
                    found.extend(words.iter().map(|word| lookup.dense.get(*word)));
                } else {
                    found.extend(words.iter().map(|word| reserved(*word, first, &block)));
                }
            }
            RowNamespaces::Each { namespaces, of_row } => {
                let rows = words.iter().zip(of_row).map(|(word, namespace)| (*word, *namespace as usize % NAMESPACES_AT_ONCE));
                match self.common_stretch(namespaces) {
                    Some((first, length, starts)) => found.extend(rows.map(|(word, namespace)| {
                        let place = word.wrapping_sub(first).cast_unsigned();
                        if place < length { starts[namespace] + place as u32 } else { NO_GROUP }
                    })),
                    None => found.extend(rows.map(|(word, namespace)| self.lookups[namespaces[namespace].index()].place(word))),
                }
            }
        }
    }

    /// If the groups of the same keys are reserved in all these namespaces: the first key, how many, and each namespace's first group.
    fn common_stretch(&self, namespaces: &[Namespace]) -> Option<(i64, u64, [u32; NAMESPACES_AT_ONCE])> {
        let reserved = |namespace: &Namespace| &self.lookups[namespace.index()].reserved;
        let (first, block) = reserved(namespaces.first()?);
        let same = |namespace: &Namespace| reserved(namespace).0 == *first && reserved(namespace).1.len() == block.len();
        if block.is_empty() || !namespaces.iter().all(same) {
            return None;
        }
        let mut starts = [0; NAMESPACES_AT_ONCE];
        starts.iter_mut().zip(namespaces).for_each(|(start, namespace)| *start = reserved(namespace).1.start);
        Some((*first, block.len() as u64, starts))
    }

    /// The groups in the first namespace of groups of another table, whatever namespace they are in there.
    pub(super) fn assign_from(&mut self, other: &Int64Keys, groups: &[u32], numbers: &mut Numbers) -> Vec<u32> {
        self.assign_close(&other.words_of(groups), other.null_groups(groups).as_ref(), numbers)
    }

    /// The groups in the first namespace of keys that each come once and are probably close together.
    pub(super) fn assign_close(&mut self, words: &[i64], nulls: Option<&NullBuffer>, numbers: &mut Numbers) -> Vec<u32> {
        let namespace = RowNamespaces::One(Namespace::FIRST);
        self.make_room(namespace, numbers);
        if let Some(ends) = ends(words) {
            self.lookups[0].make_dense(ends, words.len());
        }
        self.assign(words, nulls, namespace, numbers)
    }

    /// The keys of `groups`; any number where one is NULL or not in use.
    pub(super) fn words_of(&self, groups: &[u32]) -> Vec<i64> {
        groups.iter().map(|group| self.words.get(*group as usize).copied().unwrap_or(0)).collect()
    }

    /// Calls `take` with every key that has a group in some namespace or one reserved, some of them several times.
    pub(super) fn each_in_use(&self, take: &mut dyn FnMut(i64)) {
        for lookup in &self.lookups {
            (lookup.reserved.0..).take(lookup.reserved.1.len()).for_each(&mut *take);
            lookup.dense.keys().for_each(&mut *take);
            lookup.table.iter().for_each(|(word, _)| take(*word));
        }
    }

    #[inline]
    fn group(&mut self, word: Option<i64>, namespace: Namespace, numbers: &mut Numbers) -> u32 {
        let lookup = &mut self.lookups[namespace.index()];
        let found = match word {
            Some(word) => lookup.find(word),
            None => lookup.null_group,
        };
        if let Some(group) = found {
            return group;
        }
        let group = numbers.take(namespace);
        lookup.put(word, group);
        remember_word(&mut self.words, group, word.unwrap_or(0));
        group
    }

    /// Lookups for these namespaces.
    fn make_room(&mut self, namespaces: RowNamespaces<'_>, numbers: &mut Numbers) {
        for namespace in namespaces.all() {
            if namespace.index() >= self.lookups.len() {
                self.lookups.resize_with(namespace.index() + 1, Lookup::default);
            }
            let lookup = &mut self.lookups[namespace.index()];
            if let Some((first, length)) = self.stretch
                && *namespace != Namespace::FIRST
                && lookup.is_new()
            {
                let begin = numbers.take_block(*namespace, length).start;
                let block = begin..begin + length;
                self.words.resize(numbers.ids.end(), 0);
                let words = &mut self.words[block.start as usize..block.end as usize];
                words.iter_mut().zip(first..).for_each(|(own, word)| *own = word);
                lookup.reserved = (first, block);
            }
        }
    }

    /// Forgets a group of the first namespace.
    pub(super) fn remove(&mut self, group: u32) {
        let lookup = &mut self.lookups[0];
        lookup.groups -= 1;
        if lookup.null_group == Some(group) {
            lookup.null_group = None;
            return;
        }
        let word = self.words[group as usize];
        if let Some(place) = lookup.dense.place(word) {
            *lookup.dense.group_mut(place) = NO_GROUP;
        } else if let Ok(entry) = lookup.table.find_entry(hash_word(word), |(key, _)| *key == word) {
            entry.remove();
        }
    }

    /// Forgets a whole namespace, of whose reserved groups `used` had rows.
    pub(super) fn close(&mut self, namespace: Namespace, used: usize) {
        let Some(lookup) = self.lookups.get_mut(namespace.index()) else { return };
        let mut lookup = std::mem::take(lookup);
        let length = lookup.reserved.1.len();
        if length > 0 {
            // The keys may have wandered off, or become fewer.
            let fits = used * RESERVED_KEYS_PER_GROUP >= length && lookup.groups <= used;
            self.stretch = self.stretch.filter(|_| fits);
        } else if self.may_reserve && lookup.table.len() <= lookup.groups / 2 && !lookup.dense.is_empty() {
            let is_used = |(_, length): &(i64, u32)| lookup.groups * RESERVED_KEYS_PER_GROUP >= *length as usize;
            self.stretch = lookup.dense.used().filter(is_used);
        }
        if lookup.groups * DENSE_KEYS_PER_GROUP >= lookup.dense.len() {
            self.spare = std::mem::take(&mut lookup.dense);
        }
    }

    /// Which of `groups` have a key that is not NULL; `None`: all.
    fn null_groups(&self, groups: &[u32]) -> Option<NullBuffer> {
        let null_groups: Vec<u32> = self.lookups.iter().filter_map(|lookup| lookup.null_group).collect();
        let is_null = |group: &u32| null_groups.contains(group);
        let any = !null_groups.is_empty() && groups.iter().any(is_null);
        any.then(|| groups.iter().map(|group| !is_null(group)).collect())
    }

    pub(super) fn column(&self, groups: &[u32], data_type: &DataType) -> Result<ArrayRef> {
        let nulls = self.null_groups(groups);
        word_column(groups.iter().map(|group| self.words[*group as usize]), nulls, data_type)
    }

    /// Appends the keys of `groups` to a column of their type, which has 64 bits.
    pub(super) fn append(&self, groups: &[u32], data_type: &DataType, column: &mut ResultColumn) {
        for groups in groups.chunks(2 * ROWS_AT_ONCE) {
            prefetch_groups(&self.words, groups);
            let nulls = self.null_groups(groups);
            let key = |(row, group): (usize, &u32)| {
                let is_valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
                is_valid.then(|| self.words[*group as usize])
            };
            column.append_words(data_type, groups.iter().enumerate().map(key));
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let lookups = self.lookups.iter().map(|lookup| lookup.dense.bytes() + lookup.table.allocation_size());
        self.words.capacity() * 8 + self.spare.bytes() + lookups.sum::<usize>()
    }
}

impl Lookup {
    /// Whether it has been of no use so far.
    fn is_new(&self) -> bool {
        self.groups == 0 && self.dense.is_empty() && self.reserved.1.is_empty()
    }

    /// The group of a key that is found by place.
    #[inline]
    fn place(&self, word: i64) -> u32 {
        match reserved(word, self.reserved.0, &self.reserved.1) {
            NO_GROUP => self.dense.get(word),
            group => group,
        }
    }

    #[inline]
    fn find(&self, word: i64) -> Option<u32> {
        match self.place(word) {
            NO_GROUP if self.dense.place(word).is_some() => None,
            NO_GROUP => self.table.find(hash_word(word), |(key, _)| *key == word).map(|(_, group)| *group),
            group => Some(group),
        }
    }

    /// Takes a new key.
    fn put(&mut self, word: Option<i64>, group: u32) {
        self.groups += 1;
        match word {
            None => self.null_group = Some(group),
            Some(word) if self.dense.put(word, group) => {}
            Some(word) => {
                self.table.insert_unique(hash_word(word), (word, group), |(key, _)| hash_word(*key));
            }
        }
    }

    /// Finds keys by place from now on if those that are there and new ones between `ends` lie close enough together for so many
    /// groups as there are, and at least for `expected`. Not beside reserved ones: the next namespace will have a better stretch.
    fn make_dense(&mut self, ends: (i64, i64), expected: usize) {
        if !self.reserved.1.is_empty() {
            return;
        }
        let Some((first, length)) = self.dense.stretched_over(ends, self.groups.max(expected)) else { return };
        let dense = &mut self.dense;
        dense.lay(first, length);
        self.table.retain(|(word, group)| !dense.put(*word, *group));
        self.table.shrink_to_fit(|(word, _)| hash_word(*word));
    }
}

/// Keeps the key of a new group.
#[inline]
fn remember_word(words: &mut Vec<i64>, group: u32, word: i64) {
    if words.len() <= group as usize {
        words.resize(group as usize + 1, 0);
    }
    words[group as usize] = word;
}

/// The group that is reserved for a key, where the first group of `block` is that of the key `first`.
#[inline]
fn reserved(word: i64, first: i64, block: &Block) -> u32 {
    let place = word.wrapping_sub(first).cast_unsigned();
    if place < block.len() as u64 { block.start + place as u32 } else { NO_GROUP }
}

/// Keys that are looked up before new ones among them get their groups, so that what a key needs is still in the cache.
const ROWS_AT_ONCE: usize = 256;

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    use super::super::group_ids::GroupIdAllocator;
    use super::*;

    const FIRST: RowNamespaces<'static> = RowNamespaces::One(Namespace::FIRST);

    /// Assigns batches of keys; the groups of all, which must be those of a map from key to number.
    fn check(batches: &[Vec<i64>]) -> Int64Keys {
        let (mut keys, mut numbers) = (Int64Keys::default(), Numbers::default());
        let mut model = std::collections::BTreeMap::new();
        for batch in batches {
            let groups = keys.assign(batch, None, FIRST, &mut numbers);
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
        assert!(keys.lookups[0].dense.place(1499).is_some());
        assert_eq!(keys.lookups[0].table.len(), 4);
    }

    #[test]
    fn a_stretch_grows_with_its_groups_and_takes_over_what_was_hashed() {
        let far: Vec<i64> = (0..20_000).map(|key| key * 7).collect();
        let keys = check(&[far.clone(), far.clone(), far]);
        assert!(keys.lookups[0].table.is_empty() && keys.lookups[0].dense.len() >= 139_994, "{}", keys.lookups[0].dense.len());
    }

    #[test]
    fn keys_far_apart_take_no_more_room_than_they_need() {
        let keys = check(&[(0..1000).map(|key| key << 40).collect(), (0..1000).map(|key| key << 40).collect()]);
        assert_eq!((keys.lookups[0].dense.len(), keys.lookups[0].table.len()), (0, 1000));
    }

    #[test]
    fn removed_keys_get_new_groups_wherever_they_were() {
        let mut keys = check(&[vec![1, 2, 3, i64::MAX]]);
        let mut numbers = Numbers::with_ids(GroupIdAllocator::from_live(&[true; 4]));
        keys.remove(1);
        keys.remove(3);
        numbers.ids.give_back(&[1, 3]);
        assert_eq!(keys.assign(&[3, i64::MAX, 2], None, FIRST, &mut numbers), [2, 1, 3]);
    }

    #[test]
    fn a_key_is_another_group_in_each_namespace() {
        let (mut keys, mut numbers) = (Int64Keys::default(), Numbers::default());
        let namespaces = [numbers.open(), numbers.open()];
        let each = RowNamespaces::Each { namespaces: &namespaces, of_row: &[0, 1, 0, 1, 1] };
        let nulls = NullBuffer::from(vec![true, true, true, false, true]);
        assert_eq!(keys.assign(&[7, 7, 1 << 50, 0, 7], Some(&nulls), each, &mut numbers), [0, 1, 2, 3, 1]);
        assert_eq!(keys.assign(&[7, 7, 1 << 50, 0, 8], None, each, &mut numbers), [0, 1, 2, 4, 5]);
        assert_eq!((numbers.members(namespaces[0]).0, numbers.members(namespaces[1]).0), (&[0, 2][..], &[1, 3, 4, 5][..]));
        assert_eq!(numbers.close(namespaces[1]), (vec![1, 3, 4, 5], 0..0));
        keys.close(namespaces[1], 0);
        let next = numbers.open();
        assert_eq!((next, keys.assign(&[7, 9], None, RowNamespaces::One(next), &mut numbers)), (namespaces[1], vec![1, 3]));
    }

    #[test]
    fn after_a_space_of_keys_close_together_the_next_one_has_their_groups_reserved() {
        let (mut keys, mut numbers) = (Int64Keys::new(true), Numbers::default());
        let first = numbers.open();
        keys.assign(&(100..1100).collect::<Vec<_>>(), None, RowNamespaces::One(first), &mut numbers);
        numbers.close(first);
        keys.close(first, 0);
        let (second, third) = (numbers.open(), numbers.open());
        let each = RowNamespaces::Each { namespaces: &[second, third], of_row: &[0, 1, 1, 0] };
        let groups = keys.assign(&[100, 100, 5000, 101], None, each, &mut numbers);
        let blocks = [second, third].map(|namespace| numbers.members(namespace).1);
        assert!(blocks.iter().all(|block| block.len() >= 1000) && blocks[0].end <= blocks[1].start, "{blocks:?}");
        assert_eq!(groups, [blocks[0].start, blocks[1].start, 0, blocks[0].start + 1]);
        assert_eq!(numbers.members(third).0, [groups[2]]);
        let column = keys.column(&groups, &DataType::Int64).unwrap();
        assert_eq!(column.as_primitive::<Int64Type>().values(), &[100, 100, 5000, 101]);
        // Hardly any key of the stretch came: nothing is reserved for the next one, but what was is used anew.
        numbers.close(second);
        keys.close(second, 2);
        let fourth = numbers.open();
        keys.assign(&[100], None, RowNamespaces::One(fourth), &mut numbers);
        assert!(numbers.members(fourth).1.is_empty());
        assert_eq!(numbers.take_block(fourth, blocks[0].len() as u32), blocks[0]);
    }

    #[test]
    fn a_new_space_takes_over_the_places_of_a_closed_one_if_it_has_the_same_keys() {
        let (mut keys, mut numbers) = (Int64Keys::default(), Numbers::default());
        let many: Vec<i64> = (0..5_000).collect();
        for (next, takes_over) in [(vec![4_999, 7, 4_999], true), (vec![1 << 40, 7, 1 << 40], false)] {
            let closed = numbers.open();
            keys.assign(&many, None, RowNamespaces::One(closed), &mut numbers);
            let places = keys.lookups[closed.index()].dense.len();
            numbers.close(closed);
            keys.close(closed, 0);
            let namespace = numbers.open();
            let groups = keys.assign(&next, None, RowNamespaces::One(namespace), &mut numbers);
            assert_eq!(groups, [0, 1, 0], "a closed namespace has left no groups");
            assert_eq!(keys.lookups[namespace.index()].dense.len() == places, takes_over);
            numbers.close(namespace);
            keys.close(namespace, 0);
        }
    }

    #[test]
    fn the_ends_of_the_range_of_numbers_are_keys_like_others() {
        check(&[(i64::MAX - 100..=i64::MAX).collect(), (i64::MIN..i64::MIN + 100).collect()]);
        check(&[(i64::MIN..i64::MIN + 100).collect(), (i64::MAX - 100..=i64::MAX).collect(), vec![0]]);
    }
}
