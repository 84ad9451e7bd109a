//! From group keys to group numbers: one storage for a single 64-bit key, one for a single text key, one for everything else.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, LargeStringArray, StringArray, StringViewArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use arrow_select::take::take;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::ResultColumn;
use super::slots::Slots;
use super::spaces::{Numbers, RowSpaces, Space};
use super::word_keys::WordKeys;
use super::word_types::with_word_type;
use super::words::is_wide;
use crate::changelog::{RowKeys, hash_rows};
use crate::{Error, Result};

/// Keys of the groups of one table.
pub(super) enum GroupKeys {
    /// No keys: one group in each space.
    Nothing { groups: Vec<Option<u32>> },
    /// One integer, date, time or timestamp.
    Word(WordKeys, DataType),
    /// One text.
    Text(ByteKeys, DataType),
    /// Anything else, as bytes that are equal where the keys are equal.
    Rows(ByteKeys, RowKeys),
}

impl GroupKeys {
    /// `append`: no row is ever taken back.
    pub(super) fn new(types: &[DataType], append: bool) -> Result<Self> {
        Ok(match types {
            [] => GroupKeys::Nothing { groups: Vec::new() },
            [only] if is_word(only) => GroupKeys::Word(WordKeys::new(append), only.clone()),
            [only @ (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)] => {
                GroupKeys::Text(ByteKeys::default(), only.clone())
            }
            several => GroupKeys::Rows(ByteKeys::default(), RowKeys::new(several)?),
        })
    }

    /// The group of each row in its space; new ones get a number.
    pub(super) fn assign(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        spaces: RowSpaces<'_>,
        numbers: &mut Numbers,
    ) -> Result<Vec<u32>> {
        Ok(match self {
            GroupKeys::Nothing { groups } => (0..rows).map(|row| only_group(groups, spaces.of(row), numbers)).collect(),
            GroupKeys::Word(words, _) => words.assign(&word_values(&keys[0])?, keys[0].nulls(), spaces, numbers),
            GroupKeys::Text(bytes, data_type) => {
                let hashes = hash_rows(keys, rows)?;
                match data_type {
                    DataType::Utf8 => bytes.assign(&hashes, texts(keys[0].as_string::<i32>().iter()), spaces, numbers),
                    DataType::LargeUtf8 => bytes.assign(&hashes, texts(keys[0].as_string::<i64>().iter()), spaces, numbers),
                    _ => bytes.assign(&hashes, texts(keys[0].as_string_view().iter()), spaces, numbers),
                }
            }
            GroupKeys::Rows(bytes, encoding) => {
                let encoded = encoding.encode(keys, rows)?;
                bytes.assign(&hash_rows(keys, rows)?, encoded.iter().map(|row| Some(row.data())), spaces, numbers)
            }
        })
    }

    /// The groups in the first space here of groups of another table with keys of the same types, whatever space they are in.
    pub(super) fn assign_from(&mut self, other: &GroupKeys, groups: &[u32], numbers: &mut Numbers) -> Result<Vec<u32>> {
        Ok(match (self, other) {
            (GroupKeys::Nothing { groups: own }, GroupKeys::Nothing { .. }) => {
                groups.iter().map(|_| only_group(own, Space::FIRST, numbers)).collect()
            }
            (GroupKeys::Word(words, _), GroupKeys::Word(others, _)) => words.assign_from(others, groups, numbers),
            (GroupKeys::Text(bytes, _), GroupKeys::Text(others, _))
            | (GroupKeys::Rows(bytes, ..), GroupKeys::Rows(others, ..)) => bytes.assign_from(others, groups, numbers),
            _ => return Err(Error::internal("group tables with different keys are merged")),
        })
    }

    /// The keys of `groups`, as columns. A number that is not in use has NULLs, or any value where a column has no NULLs.
    pub(super) fn columns(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(match self {
            GroupKeys::Nothing { .. } => Vec::new(),
            GroupKeys::Word(words, data_type) => vec![words.column(groups, data_type)?],
            GroupKeys::Text(bytes, data_type) => vec![bytes.text_column(groups, data_type)?],
            GroupKeys::Rows(bytes, encoding) => {
                encoding.decode(groups.iter().map(|group| bytes.get(*group).expect("a live group has a key")))?
            }
        })
    }

    /// Appends what [`columns`](Self::columns) gives to one column each.
    pub(super) fn append(&self, groups: &[u32], columns: &mut [ResultColumn]) -> Result<()> {
        match self {
            GroupKeys::Word(words, data_type) if is_wide(data_type) => words.append(groups, data_type, &mut columns[0]),
            _ => columns.iter_mut().zip(self.columns(groups)?).for_each(|(column, keys)| column.append_column(keys)),
        }
        Ok(())
    }

    /// Forgets the keys of a whole space, which has these groups, `reserved` of them with reserved numbers.
    pub(super) fn close(&mut self, space: Space, groups: &[u32], reserved: usize) {
        match self {
            GroupKeys::Nothing { groups } => {
                if let Some(group) = groups.get_mut(space.index()) {
                    *group = None;
                }
            }
            GroupKeys::Word(words, _) => words.close(space, reserved),
            GroupKeys::Text(bytes, _) | GroupKeys::Rows(bytes, ..) => bytes.close(space, groups),
        }
    }

    /// Forgets the keys of `groups`, all of the first space.
    pub(super) fn remove(&mut self, groups: &[u32]) {
        match self {
            GroupKeys::Nothing { groups: own } => {
                if let Some(group) = own.first_mut() {
                    *group = group.filter(|group| !groups.contains(group));
                }
            }
            GroupKeys::Word(words, _) => groups.iter().for_each(|group| words.remove(*group)),
            GroupKeys::Text(bytes, _) | GroupKeys::Rows(bytes, ..) => groups.iter().for_each(|group| bytes.remove(*group)),
        }
    }

    /// How many columns [`columns`](Self::columns) gives.
    pub(super) fn width(&self) -> usize {
        match self {
            GroupKeys::Nothing { .. } => 0,
            GroupKeys::Word(..) | GroupKeys::Text(..) => 1,
            GroupKeys::Rows(_, encoding) => encoding.types().len(),
        }
    }

    /// Gives the keys in `columns`, one row a group number, back to the `live` ones of those numbers.
    pub(super) fn restore(&mut self, columns: &[ArrayRef], live: &[bool]) -> Result<()> {
        let groups: Vec<u32> = (0u32..).zip(live).filter(|(_, live)| **live).map(|(group, _)| group).collect();
        let rows = UInt32Array::from(groups.clone());
        let keys = columns.iter().map(|column| Ok(take(column, &rows, None)?)).collect::<Result<Vec<_>>>()?;
        // Numbers are handed out lowest first, which is the order of the rows.
        let mut numbers = Numbers::of_slots(Slots::with_free(live.len(), &groups));
        let assigned = self.assign(&keys, groups.len(), RowSpaces::One(Space::FIRST), &mut numbers)?;
        if assigned == groups { Ok(()) } else { Err(Error::internal("a group table's image has a key twice")) }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            GroupKeys::Nothing { .. } => 0,
            GroupKeys::Word(words, _) => words.bytes(),
            GroupKeys::Text(bytes, _) | GroupKeys::Rows(bytes, ..) => {
                let tables: usize = bytes.lookups.iter().map(|lookup| lookup.table.allocation_size()).sum();
                bytes.held + bytes.bytes.capacity() * (size_of::<Option<Box<[u8]>>>() + 8) + tables
            }
        }
    }
}

fn is_word(data_type: &DataType) -> bool {
    macro_rules! yes {
        ($t:ty) => {
            true
        };
    }
    with_word_type!(data_type, yes, false)
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> impl Iterator<Item = Option<&'a [u8]>> {
    values.map(|text| text.map(str::as_bytes))
}

/// The values of a column of a word type as 64-bit numbers; without copying where they are that wide.
fn word_values(array: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    macro_rules! values {
        ($t:ty) => {{
            let values = array.as_primitive::<$t>().values();
            match size_of::<<$t as ArrowPrimitiveType>::Native>() {
                8 => ScalarBuffer::from(values.inner().clone()),
                _ => values.iter().map(|value| *value as i64).collect(),
            }
        }};
    }
    Ok(with_word_type!(array.data_type(), values, return Err(Error::internal("not a 64-bit key"))))
}

/// The group of a space without keys.
fn only_group(groups: &mut Vec<Option<u32>>, space: Space, numbers: &mut Numbers) -> u32 {
    if groups.len() <= space.index() {
        groups.resize(space.index() + 1, None);
    }
    *groups[space.index()].get_or_insert_with(|| numbers.take(space))
}

/// One string of bytes a group, or NULL.
#[derive(Default)]
pub(super) struct ByteKeys {
    /// By space.
    lookups: Vec<ByteLookup>,
    bytes: Vec<Option<Box<[u8]>>>,
    hashes: Vec<u64>,
    held: usize,
}

/// From the keys of one space to their groups.
#[derive(Default)]
struct ByteLookup {
    table: HashTable<(u64, u32)>,
    null_group: Option<u32>,
}

impl ByteKeys {
    fn assign<'a>(
        &mut self,
        hashes: &[u64],
        keys: impl Iterator<Item = Option<&'a [u8]>>,
        spaces: RowSpaces<'_>,
        numbers: &mut Numbers,
    ) -> Vec<u32> {
        let keys = hashes.iter().zip(keys).enumerate();
        keys.map(|(row, (hash, key))| self.group(*hash, key, spaces.of(row), numbers)).collect()
    }

    fn assign_from(&mut self, other: &Self, groups: &[u32], numbers: &mut Numbers) -> Vec<u32> {
        let group = |group: &u32| self.group(other.hashes[*group as usize], other.get(*group), Space::FIRST, numbers);
        groups.iter().map(group).collect()
    }

    fn group(&mut self, hash: u64, key: Option<&[u8]>, space: Space, numbers: &mut Numbers) -> u32 {
        if self.lookups.len() <= space.index() {
            self.lookups.resize_with(space.index() + 1, ByteLookup::default);
        }
        let lookup = &mut self.lookups[space.index()];
        let Some(key) = key else {
            let group = *lookup.null_group.get_or_insert_with(|| numbers.take(space));
            self.make_room(numbers.slots.end());
            return group;
        };
        let stored = &self.bytes;
        let same = |(other, group): &(u64, u32)| *other == hash && stored[*group as usize].as_deref() == Some(key);
        match lookup.table.entry(hash, same, |(hash, _)| *hash) {
            Entry::Occupied(entry) => entry.get().1,
            Entry::Vacant(entry) => {
                let group = numbers.take(space);
                entry.insert((hash, group));
                self.make_room(numbers.slots.end());
                self.bytes[group as usize] = Some(key.into());
                self.hashes[group as usize] = hash;
                self.held += key.len();
                group
            }
        }
    }

    fn make_room(&mut self, groups: usize) {
        self.bytes.resize(groups, None);
        self.hashes.resize(groups, 0);
    }

    fn get(&self, group: u32) -> Option<&[u8]> {
        self.bytes[group as usize].as_deref()
    }

    /// Forgets a group of the first space.
    fn remove(&mut self, group: u32) {
        let lookup = &mut self.lookups[0];
        if lookup.null_group == Some(group) {
            lookup.null_group = None;
        }
        let Some(key) = self.bytes[group as usize].take() else { return };
        self.held -= key.len();
        if let Ok(entry) = lookup.table.find_entry(self.hashes[group as usize], |(_, other)| *other == group) {
            entry.remove();
        }
    }

    fn close(&mut self, space: Space, groups: &[u32]) {
        if let Some(lookup) = self.lookups.get_mut(space.index()) {
            *lookup = ByteLookup::default();
        }
        let keys = groups.iter().filter_map(|group| self.bytes[*group as usize].take());
        self.held -= keys.map(|key| key.len()).sum::<usize>();
    }

    fn text_column(&self, groups: &[u32], data_type: &DataType) -> Result<ArrayRef> {
        let text = |group: &u32| {
            self.get(*group).map(std::str::from_utf8).transpose().map_err(|_| Error::internal("a text key that is no text"))
        };
        let texts: Vec<Option<&str>> = groups.iter().map(text).collect::<Result<_>>()?;
        Ok(match data_type {
            DataType::Utf8 => Arc::new(StringArray::from(texts)),
            DataType::LargeUtf8 => Arc::new(LargeStringArray::from(texts)),
            _ => Arc::new(StringViewArray::from(texts)),
        })
    }
}
