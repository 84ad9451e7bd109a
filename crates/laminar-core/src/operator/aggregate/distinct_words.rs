//! DISTINCT over one whole number, date or time: each group has a table of its values, which are found by hash.

use std::any::Any;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;

use super::distinct::{Steps, step};
use super::rows::{each_valid, only_arg, same_kind};
use super::word_columns::{word_column, word_values};
use super::word_sets::{Entry, WordSets};
use super::{Fault, GroupAccumulator};
use crate::Result;
use crate::changelog::Weights;

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
        self.seen.resize(groups);
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
            for entry in other.seen.entries(*from as usize) {
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

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut image = self.seen.image_of(groups, |values| word_column(values, None, &self.data_type))?;
        image.extend(self.inner.image_of(groups)?);
        Ok(image)
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        self.seen.restore(image, word_values)?;
        self.inner.restore(image.get(2..).unwrap_or_default())
    }

    fn bytes(&self) -> usize {
        self.seen.bytes() + self.inner.bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
