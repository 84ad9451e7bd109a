//! DISTINCT over one whole number, date or time: each group has a table of its values, which are found by hash.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, ListArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use arrow_select::take::take;
use hashbrown::HashTable;

use super::distinct::{Steps, step};
use super::multiset::elements;
use super::rows::{each_valid, image_column, only_arg, same_kind};
use super::word_columns::{hash_word, word_column, word_values};
use super::{Fault, GroupAccumulator};
use crate::changelog::{Weights, add_weights};
use crate::{Error, Result};

/// A value of a group, and how often it is there.
trait Entry: Copy + Send + 'static {
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

/// The values of each group. NULL is no value: the functions over which this stands do not look at it.
#[derive(Debug)]
struct WordSets<E> {
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
    /// Adds `weight` to a value's weight; returns the weights before and after.
    #[inline]
    fn add(&mut self, group: usize, value: i64, weight: i64) -> Result<(i64, i64)> {
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

    fn clear(&mut self, groups: &[u32]) {
        for group in groups {
            self.held -= std::mem::take(&mut self.groups[*group as usize]).allocation_size();
        }
    }
}

/// `function(DISTINCT value)` over values of a word type. `retracts`: whether rows may go.
pub(super) fn distinct_words(data_type: DataType, retracts: bool, inner: Box<dyn GroupAccumulator>) -> Box<dyn GroupAccumulator> {
    match retracts {
        true => Box::new(DistinctWords::<(i64, i64)> { data_type, seen: WordSets::default(), inner }),
        false => Box::new(DistinctWords::<i64> { data_type, seen: WordSets::default(), inner }),
    }
}

struct DistinctWords<E> {
    data_type: DataType,
    seen: WordSets<E>,
    inner: Box<dyn GroupAccumulator>,
}

impl<E: Entry> GroupAccumulator for DistinctWords<E> {
    fn resize(&mut self, groups: usize) {
        self.seen.groups.resize_with(groups, HashTable::new);
        self.inner.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let arg = only_arg(args)?;
        let values = word_values(arg)?;
        let (mut rows, mut steps, mut failure) = (Vec::new(), Steps::default(), Ok(()));
        each_valid(arg.nulls(), weights, groups, |row, group, weight| match self.seen.add(group, values[row], weight) {
            Ok((before, after)) if step(before, after) != 0 => {
                rows.push(row as u32);
                steps.push(step(before, after), groups[row]);
            }
            Ok(_) => {}
            Err(error) => failure = Err(error),
        });
        failure?;
        if rows.is_empty() {
            return Ok(());
        }
        let args = if rows.len() == arg.len() { arg.clone() } else { take(arg, &UInt32Array::from(rows), None)? };
        steps.apply(self.inner.as_mut(), &[args])
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        let (mut values, mut steps) = (Vec::new(), Steps::default());
        for (from, into) in from.iter().zip(into) {
            for entry in &other.seen.groups[*from as usize] {
                let (before, after) = self.seen.add(*into as usize, entry.value(), entry.weight())?;
                if step(before, after) != 0 {
                    values.push(entry.value());
                    steps.push(step(before, after), *into);
                }
            }
        }
        steps.apply(self.inner.as_mut(), &[word_column(values.into_iter(), None, &self.data_type)?])
    }

    fn results(&mut self, groups: &[u32], faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        self.inner.results(groups, faults)
    }

    fn clear(&mut self, groups: &[u32]) {
        self.seen.clear(groups);
        self.inner.clear(groups);
    }

    /// A list of weights, then a list of values, as any DISTINCT writes them.
    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let sets = || groups.iter().map(|group| &self.seen.groups[*group as usize]);
        let offsets = OffsetBuffer::from_lengths(sets().map(HashTable::len));
        let list = |values: ArrayRef| -> Result<ArrayRef> {
            let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            Ok(Arc::new(ListArray::try_new(field, offsets.clone(), values, None)?))
        };
        let weights: Int64Array = sets().flatten().map(|entry| entry.weight()).collect();
        let values = word_column(sets().flatten().map(|entry| entry.value()), None, &self.data_type)?;
        let mut image = vec![list(Arc::new(weights))?, list(values)?];
        image.extend(self.inner.image_of(groups)?);
        Ok(image)
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        let weights: &ListArray = image_column(image, 0)?;
        let column = elements(image_column(image, 1)?);
        let (values, nulls) = (word_values(&column)?, column.nulls().cloned());
        let of_values = elements(weights);
        let of_values = of_values.as_primitive_opt::<Int64Type>().ok_or_else(|| Error::internal("values without weights"))?;
        self.seen = WordSets::default();
        self.seen.groups.resize_with(weights.len(), HashTable::new);
        let groups = weights.offsets().lengths().enumerate().flat_map(|(group, rows)| std::iter::repeat_n(group, rows));
        for (row, group) in groups.enumerate() {
            // Directories of earlier builds hold NULL too.
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                self.seen.add(group, values[row], of_values.value(row))?;
            }
        }
        self.inner.restore(image.get(2..).unwrap_or_default())
    }

    fn bytes(&self) -> usize {
        self.seen.held + self.seen.groups.capacity() * size_of::<HashTable<E>>() + self.inner.bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
