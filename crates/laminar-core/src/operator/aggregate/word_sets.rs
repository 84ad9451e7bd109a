//! The values of each group where they are whole numbers of 64 bits: found by hash, each with how often it is there.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, ListArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::Field;
use hashbrown::HashTable;

use super::multiset::elements;
use super::rows::image_column;
use super::word_columns::hash_word;
use crate::changelog::add_weights;
use crate::{Error, Result};

/// A value of a group, and how often it is there.
pub(super) trait Entry: Copy + Send + 'static {
    fn new(value: i64, weight: i64) -> Self;

    fn value(self) -> i64;

    fn weight(self) -> i64;
}

/// Of rows that only come: a value that came once is there.
impl Entry for i64 {
    fn new(value: i64, _weight: i64) -> Self {
        value
    }

    #[inline]
    fn value(self) -> i64 {
        self
    }

    #[inline]
    fn weight(self) -> i64 {
        1
    }
}

/// Of rows that may go. A weight may be negative in the middle of a step, when a retraction overtakes its insertion.
impl Entry for (i64, i64) {
    fn new(value: i64, weight: i64) -> Self {
        (value, weight)
    }

    #[inline]
    fn value(self) -> i64 {
        self.0
    }

    #[inline]
    fn weight(self) -> i64 {
        self.1
    }
}

/// The values of each group. NULL is no value: the functions that keep them do not look at it.
#[derive(Debug)]
pub(super) struct WordSets<E> {
    groups: Vec<HashTable<E>>,
    /// Bytes of all tables.
    held: usize,
}

impl<E> Default for WordSets<E> {
    fn default() -> Self {
        Self { groups: Vec::new(), held: 0 }
    }
}

impl<E: Entry> WordSets<E> {
    /// Makes room for the groups `0..groups`.
    pub(super) fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, HashTable::new);
    }

    /// Adds `weight` to a value's weight; returns the weights before and after.
    #[inline]
    pub(super) fn add(&mut self, group: usize, value: i64, weight: i64) -> Result<(i64, i64)> {
        let values = &mut self.groups[group];
        let hash = hash_word(value);
        let Some(stored) = values.find_mut(hash, |other| other.value() == value) else {
            if weight != 0 {
                let before = values.allocation_size();
                values.insert_unique(hash, E::new(value, weight), |other| hash_word(other.value()));
                self.held += values.allocation_size() - before;
            }
            return Ok((0, weight));
        };
        let before = stored.weight();
        let after = add_weights(before, weight)?;
        *stored = E::new(value, after);
        if after == 0 {
            self.remove(group, hash, value);
        }
        Ok((before, after))
    }

    fn remove(&mut self, group: usize, hash: u64, value: i64) {
        let values = &mut self.groups[group];
        let before = values.allocation_size();
        if let Ok(entry) = values.find_entry(hash, |other| other.value() == value) {
            entry.remove();
        }
        if values.is_empty() {
            *values = HashTable::new();
        } else if values.len() * 4 < values.capacity() {
            values.shrink_to(values.len() * 2, |other| hash_word(other.value()));
        }
        self.held = self.held + values.allocation_size() - before;
    }

    pub(super) fn clear(&mut self, groups: &[u32]) {
        for group in groups {
            self.held -= std::mem::take(&mut self.groups[*group as usize]).allocation_size();
        }
    }

    /// How many groups there is room for.
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// How often a value is there.
    #[inline]
    pub(super) fn weight(&self, group: usize, value: i64) -> i64 {
        self.groups[group].find(hash_word(value), |other| other.value() == value).map_or(0, |entry| entry.weight())
    }

    /// The values of a group, in no order.
    pub(super) fn entries(&self, group: usize) -> impl ExactSizeIterator<Item = E> + '_ {
        self.groups[group].iter().copied()
    }

    /// A list of weights, then a list of values, which `column` makes, as any multiset writes them.
    pub(super) fn image_of(
        &self,
        groups: &[u32],
        column: impl FnOnce(&mut dyn Iterator<Item = i64>) -> Result<ArrayRef>,
    ) -> Result<Vec<ArrayRef>> {
        let sets = || groups.iter().map(|group| &self.groups[*group as usize]);
        let offsets = OffsetBuffer::from_lengths(sets().map(HashTable::len));
        let list = |values: ArrayRef| -> Result<ArrayRef> {
            let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            Ok(Arc::new(ListArray::try_new(field, offsets.clone(), values, None)?))
        };
        let weights: Int64Array = sets().flatten().map(|entry| entry.weight()).collect();
        let values = column(&mut sets().flatten().map(|entry| entry.value()))?;
        Ok(vec![list(Arc::new(weights))?, list(values)?])
    }

    /// Takes over an image; `values` reads the column of values.
    pub(super) fn restore(
        &mut self,
        image: &[ArrayRef],
        values: impl FnOnce(&ArrayRef) -> Result<ScalarBuffer<i64>>,
    ) -> Result<()> {
        let weights: &ListArray = image_column(image, 0)?;
        let column = elements(image_column(image, 1)?);
        let (values, nulls) = (values(&column)?, column.nulls().cloned());
        let of_values = elements(weights);
        let of_values = of_values.as_primitive_opt::<Int64Type>().ok_or_else(|| Error::internal("values without weights"))?;
        *self = Self::default();
        self.resize(weights.len());
        let groups = weights.offsets().lengths().enumerate().flat_map(|(group, rows)| std::iter::repeat_n(group, rows));
        for (row, group) in groups.enumerate() {
            // Directories of earlier builds hold NULL too.
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                self.add(group, values[row], of_values.value(row))?;
            }
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.held + self.groups.capacity() * size_of::<HashTable<E>>()
    }
}
