//! From group keys to group numbers: by a single whole number itself, by the number of a key that is anything else.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;

use super::ResultColumn;
use super::group_ids::GroupIdAllocator;
use super::int64_keys::Int64Keys;
use super::key_codes::KeyCodes;
use super::namespaces::{Namespace, Numbers, RowNamespaces};
use super::word_columns::word_values;
use crate::expr::word_types::with_word_type;
use crate::expr::words::is_wide;
use crate::{Error, Result};

/// Keys of the groups of one table.
pub(super) enum GroupKeys {
    /// No keys: one group in each namespace.
    Nothing { groups: Vec<Option<u32>> },
    /// One integer, date, time or timestamp.
    Word(Int64Keys, DataType),
    /// Anything else, which has a number.
    Coded(Int64Keys, KeyCodes),
}

impl GroupKeys {
    /// `append`: no row is ever taken back.
    pub(super) fn new(types: &[DataType], append: bool) -> Result<Self> {
        Ok(match types {
            [] => GroupKeys::Nothing { groups: Vec::new() },
            [only] if is_word(only) => GroupKeys::Word(Int64Keys::new(append), only.clone()),
            types => GroupKeys::Coded(Int64Keys::new(append), KeyCodes::new(types)?),
        })
    }

    /// The group of each row in its namespace; new ones get a number.
    pub(super) fn assign(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        namespaces: RowNamespaces<'_>,
        numbers: &mut Numbers,
    ) -> Result<Vec<u32>> {
        Ok(match self {
            GroupKeys::Nothing { groups } => (0..rows).map(|row| only_group(groups, namespaces.of(row), numbers)).collect(),
            GroupKeys::Word(words, _) => words.assign(&word_values(&keys[0])?, keys[0].nulls(), namespaces, numbers),
            GroupKeys::Coded(words, codes) => {
                forget_unused(words, codes);
                words.assign(&codes.numbers(keys, rows)?, None, namespaces, numbers)
            }
        })
    }

    /// The groups in the first namespace here of groups of another table with keys of the same types, whatever namespace they are in.
    pub(super) fn assign_from(&mut self, other: &GroupKeys, groups: &[u32], numbers: &mut Numbers) -> Result<Vec<u32>> {
        Ok(match (self, other) {
            (GroupKeys::Nothing { groups: own }, GroupKeys::Nothing { .. }) => {
                groups.iter().map(|_| only_group(own, Namespace::FIRST, numbers)).collect()
            }
            (GroupKeys::Word(words, _), GroupKeys::Word(others, _)) => words.assign_from(others, groups, numbers),
            (GroupKeys::Coded(words, codes), GroupKeys::Coded(others, their_codes)) => {
                forget_unused(words, codes);
                let keys = their_codes.columns(&others.words_of(groups))?;
                words.assign_close(&codes.numbers(&keys, groups.len())?, None, numbers)
            }
            _ => return Err(Error::internal("group tables with different keys are merged")),
        })
    }

    /// The keys of `groups`, as columns. A number that is not in use has NULLs, or any value where a column has no NULLs.
    pub(super) fn columns(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(match self {
            GroupKeys::Nothing { .. } => Vec::new(),
            GroupKeys::Word(words, data_type) => vec![words.column(groups, data_type)?],
            GroupKeys::Coded(words, codes) => codes.columns(&words.words_of(groups))?,
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

    /// Forgets the keys of a whole namespace, of whose groups `reserved` have reserved numbers.
    pub(super) fn close(&mut self, namespace: Namespace, reserved: usize) {
        match self {
            GroupKeys::Nothing { groups } => {
                if let Some(group) = groups.get_mut(namespace.index()) {
                    *group = None;
                }
            }
            GroupKeys::Word(words, _) | GroupKeys::Coded(words, _) => words.close(namespace, reserved),
        }
    }

    /// Forgets the keys of `groups`, all of the first namespace.
    pub(super) fn remove(&mut self, groups: &[u32]) {
        match self {
            GroupKeys::Nothing { groups: own } => {
                if let Some(group) = own.first_mut() {
                    *group = group.filter(|group| !groups.contains(group));
                }
            }
            GroupKeys::Word(words, _) | GroupKeys::Coded(words, _) => groups.iter().for_each(|group| words.remove(*group)),
        }
    }

    /// How many columns [`columns`](Self::columns) gives.
    pub(super) fn width(&self) -> usize {
        match self {
            GroupKeys::Nothing { .. } => 0,
            GroupKeys::Word(..) => 1,
            GroupKeys::Coded(_, codes) => codes.types().len(),
        }
    }

    /// Gives the keys in `columns`, one row a group number, back to the `live` ones of those numbers.
    pub(super) fn restore(&mut self, columns: &[ArrayRef], live: &[bool]) -> Result<()> {
        let groups: Vec<u32> = (0u32..).zip(live).filter(|(_, live)| **live).map(|(group, _)| group).collect();
        let rows = UInt32Array::from(groups.clone());
        let keys = columns.iter().map(|column| Ok(take(column, &rows, None)?)).collect::<Result<Vec<_>>>()?;
        // Numbers are handed out lowest first, which is the order of the rows.
        let mut numbers = Numbers::with_ids(GroupIdAllocator::with_free(live.len(), &groups));
        let assigned = self.assign(&keys, groups.len(), RowNamespaces::One(Namespace::FIRST), &mut numbers)?;
        if assigned == groups { Ok(()) } else { Err(Error::internal("a group table's image has a key twice")) }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            GroupKeys::Nothing { .. } => 0,
            GroupKeys::Word(words, _) => words.bytes(),
            GroupKeys::Coded(words, codes) => words.bytes() + codes.memory(),
        }
    }
}

pub(super) fn is_word(data_type: &DataType) -> bool {
    macro_rules! yes {
        ($t:ty) => {
            true
        };
    }
    with_word_type!(data_type, yes, false)
}

/// Gives back the numbers of keys that have no group any more, if there are many.
fn forget_unused(words: &Int64Keys, codes: &mut KeyCodes) {
    if codes.has_many() {
        codes.retain(|used| words.each_in_use(used));
    }
}

/// The group of a namespace without keys.
fn only_group(groups: &mut Vec<Option<u32>>, namespace: Namespace, numbers: &mut Numbers) -> u32 {
    if groups.len() <= namespace.index() {
        groups.resize(namespace.index() + 1, None);
    }
    *groups[namespace.index()].get_or_insert_with(|| numbers.take(namespace))
}
