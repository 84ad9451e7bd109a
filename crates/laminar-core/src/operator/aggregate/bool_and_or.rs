//! `bool_and` and `bool_or`: how often true and how often false is there.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow_schema::DataType;

use super::rows::{each_valid, image_column, numbers, only_arg, same_kind};
use super::{AggregateFunction, Fault, GroupAccumulator};
use crate::Result;
use crate::changelog::Weights;

/// `bool_and` or `bool_or`.
#[derive(Debug, Clone, Copy)]
pub(super) enum BoolFunction {
    And,
    Or,
}

impl AggregateFunction for BoolFunction {
    fn name(&self) -> &str {
        match self {
            BoolFunction::And => "bool_and",
            BoolFunction::Or => "bool_or",
        }
    }

    fn return_type(&self) -> &DataType {
        &DataType::Boolean
    }

    fn accumulator(&self, _retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        Ok(Box::new(BoolAccumulator { what: *self, counts: Vec::new() }))
    }
}

struct BoolAccumulator {
    what: BoolFunction,
    /// The weights of false and of true.
    counts: Vec<[i64; 2]>,
}

impl GroupAccumulator for BoolAccumulator {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, [0; 2]);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let arg = only_arg(args)?.as_boolean();
        let values = arg.values();
        each_valid(arg.nulls(), weights, groups, |row, group, weight| {
            self.counts[group][usize::from(values.value(row))] += weight;
        });
        Ok(())
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        for (from, into) in from.iter().zip(into) {
            let theirs = other.counts[*from as usize];
            self.counts[*into as usize].iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
        }
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
        for (from, into) in from.iter().zip(into) {
            let theirs = other.counts[*from as usize];
            self.counts[*into as usize].iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours -= theirs);
        }
        Ok(())
    }

    fn results(&mut self, groups: &[u32], _faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        let result = |group: &u32| match (self.what, self.counts[*group as usize]) {
            (_, [0, 0]) => None,
            (BoolFunction::And, [falses, _]) => Some(falses <= 0),
            (BoolFunction::Or, [_, trues]) => Some(trues > 0),
        };
        Ok(Arc::new(groups.iter().map(result).collect::<BooleanArray>()))
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|group| self.counts[*group as usize] = [0; 2]);
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok([0, 1].map(|side| numbers(groups, |group| self.counts[group][side])).into())
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        let (falses, trues) = (image_column::<Int64Array>(image, 0)?, image_column::<Int64Array>(image, 1)?);
        self.counts = falses.values().iter().zip(trues.values()).map(|(falses, trues)| [*falses, *trues]).collect();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.counts.capacity() * 16
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
