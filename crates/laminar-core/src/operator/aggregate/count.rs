//! `count(*)` and `count(x)`: the weight of all rows, or of those where no argument is NULL.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::rows::{each_valid, image_column, numbers, same_kind};
use super::{AggregateFunction, Fault, GroupAccumulator, Words};
use crate::Result;
use crate::changelog::Weights;

/// `count`.
#[derive(Debug)]
pub(super) struct Count;

impl AggregateFunction for Count {
    fn name(&self) -> &str {
        "count"
    }

    fn return_type(&self) -> &DataType {
        &DataType::Int64
    }

    fn is_count(&self) -> bool {
        true
    }

    fn accumulator(&self, _retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        Ok(Box::new(Counts::default()))
    }
}

#[derive(Default)]
struct Counts(Vec<i64>);

impl GroupAccumulator for Counts {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, 0);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let nulls = args.iter().fold(None, |nulls, arg| NullBuffer::union(nulls.as_ref(), arg.logical_nulls().as_ref()));
        each_valid(nulls.as_ref(), weights, groups, |_, group, weight| self.0[group] += weight);
        Ok(())
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        from.iter().zip(into).for_each(|(from, into)| self.0[*into as usize] += other.0[*from as usize]);
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
        from.iter().zip(into).for_each(|(from, into)| self.0[*into as usize] -= other.0[*from as usize]);
        Ok(())
    }

    fn results(&mut self, groups: &[u32], _faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        Ok(Arc::new(groups.iter().map(|group| self.0[*group as usize]).collect::<Int64Array>()))
    }

    fn word_results(&mut self, groups: &[u32], words: &mut Words, _faults: &mut Vec<Fault>) -> Option<DataType> {
        groups.iter().for_each(|group| words.push(Some(self.0[*group as usize])));
        Some(DataType::Int64)
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|group| self.0[*group as usize] = 0);
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![numbers(groups, |group| self.0[group])])
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        self.0 = image_column::<Int64Array>(image, 0)?.values().to_vec();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * 8
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
