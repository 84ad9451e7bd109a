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

/// Values and how often each of them is there. A weight may be negative in the middle of a step, when a retraction overtakes its insertion.
type Values = HashTable<(i64, i64)>;

/// The values of each group. NULL is no value: the functions over which this stands do not look at it.
#[derive(Debug, Default)]
struct WordSets {
    groups: Vec<Values>,
    /// Bytes of all tables.
    held: usize,
}

impl WordSets {
    /// Adds `weight` to a value's weight; returns the weights before and after.
    #[inline]
    fn add(&mut self, group: usize, value: i64, weight: i64) -> Result<(i64, i64)> {
        let values = &mut self.groups[group];
        let hash = hash_word(value);
        let Some(stored) = values.find_mut(hash, |(other, _)| *other == value) else {
            if weight != 0 {
                let before = values.allocation_size();
                values.insert_unique(hash, (value, weight), |(other, _)| hash_word(*other));
                self.held += values.allocation_size() - before;
            }
            return Ok((0, weight));
        };
        let (before, after) = (stored.1, add_weights(stored.1, weight)?);
        stored.1 = after;
        if after == 0 {
            self.remove(group, hash, value);
        }
        Ok((before, after))
    }

    fn remove(&mut self, group: usize, hash: u64, value: i64) {
        let values = &mut self.groups[group];
        let before = values.allocation_size();
        if let Ok(entry) = values.find_entry(hash, |(other, _)| *other == value) {
            entry.remove();
        }
        if values.is_empty() {
            *values = Values::new();
        } else if values.len() * 4 < values.capacity() {
            values.shrink_to(values.len() * 2, |(other, _)| hash_word(*other));
        }
        self.held = self.held + values.allocation_size() - before;
    }

    fn clear(&mut self, groups: &[u32]) {
        for group in groups {
            self.held -= std::mem::take(&mut self.groups[*group as usize]).allocation_size();
        }
    }
}

/// `function(DISTINCT value)`.
pub(super) struct DistinctWords {
    data_type: DataType,
    seen: WordSets,
    inner: Box<dyn GroupAccumulator>,
}

impl DistinctWords {
    /// Over values of a word type.
    pub(super) fn new(data_type: DataType, inner: Box<dyn GroupAccumulator>) -> Self {
        Self { data_type, seen: WordSets::default(), inner }
    }
}

impl GroupAccumulator for DistinctWords {
    fn resize(&mut self, groups: usize) {
        self.seen.groups.resize_with(groups, Values::new);
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
            for (value, weight) in &other.seen.groups[*from as usize] {
                let (before, after) = self.seen.add(*into as usize, *value, *weight)?;
                if step(before, after) != 0 {
                    values.push(*value);
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
        let offsets = OffsetBuffer::from_lengths(sets().map(Values::len));
        let list = |values: ArrayRef| -> Result<ArrayRef> {
            let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            Ok(Arc::new(ListArray::try_new(field, offsets.clone(), values, None)?))
        };
        let weights: Int64Array = sets().flatten().map(|(_, weight)| *weight).collect();
        let values = word_column(sets().flatten().map(|(value, _)| *value), None, &self.data_type)?;
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
        self.seen.groups.resize_with(weights.len(), Values::new);
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
        self.seen.held + self.seen.groups.capacity() * size_of::<Values>() + self.inner.bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
