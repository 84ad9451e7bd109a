//! `sum` and `avg` of floats: exact inside, rounded once.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::DataType;

use super::float_sums::FloatSums;
use super::rows::{each_valid, only_arg, same_kind, wide_floats};
use super::{AggregateFunction, Fault, GroupAccumulator, Words};
use crate::Result;
use crate::changelog::Weights;

/// `sum` or `avg` of a float column; the result is 64 bits wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FloatFunction {
    Sum,
    Avg,
}

impl AggregateFunction for FloatFunction {
    fn name(&self) -> &str {
        match self {
            FloatFunction::Sum => "sum",
            FloatFunction::Avg => "avg",
        }
    }

    fn return_type(&self) -> &DataType {
        &DataType::Float64
    }

    fn accumulator(&self, _retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        Ok(Box::new(FloatAccumulator { what: *self, sums: FloatSums::default() }))
    }
}

struct FloatAccumulator {
    what: FloatFunction,
    sums: FloatSums,
}

impl FloatAccumulator {
    fn result(&self, group: u32) -> Option<f64> {
        let count = self.sums.count(group);
        (count != 0).then(|| match self.what {
            FloatFunction::Sum => self.sums.sum(group),
            FloatFunction::Avg => self.sums.sum(group) / count as f64,
        })
    }
}

impl GroupAccumulator for FloatAccumulator {
    fn resize(&mut self, groups: usize) {
        self.sums.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let arg = wide_floats(only_arg(args)?)?;
        let values = arg.values();
        each_valid(arg.nulls(), weights, groups, |row, group, weight| self.sums.add(group, values[row], weight));
        Ok(())
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        from.iter().zip(into).for_each(|(from, into)| self.sums.merge(&other.sums, *from, *into));
        Ok(())
    }

    fn is_small(&self) -> bool {
        true
    }

    fn can_take_out(&self) -> bool {
        true
    }

    fn take_out(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        from.iter().zip(into).for_each(|(from, into)| self.sums.take_out(&other.sums, *from, *into));
        Ok(())
    }

    fn results(&mut self, groups: &[u32], _faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        Ok(Arc::new(groups.iter().map(|group| self.result(*group)).collect::<Float64Array>()))
    }

    fn word_results(&mut self, groups: &[u32], words: &mut Words, _faults: &mut Vec<Fault>) -> Option<DataType> {
        groups.iter().for_each(|group| words.push(self.result(*group).map(|value| value.to_bits().cast_signed())));
        Some(DataType::Float64)
    }

    fn clear(&mut self, groups: &[u32]) {
        self.sums.clear(groups);
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(self.sums.image_of(groups))
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        self.sums.restore(image)
    }

    fn bytes(&self) -> usize {
        self.sums.bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
