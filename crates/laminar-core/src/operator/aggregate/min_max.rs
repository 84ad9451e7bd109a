//! `min` and `max` of fixed-width types: without retractions one value a group in a plain column.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer, ToByteSlice};
use arrow_schema::DataType;

use super::extreme::{End, Extreme};
use super::extreme_words::ExtremeWords;
use super::rows::{each_valid, only_arg, same_kind};
use super::{AggregateFunction, Fault, GroupAccumulator};
use crate::Result;
use crate::changelog::{Weights, canonical_floats};
use crate::expr::aggregate::Words;
use crate::expr::word_types::with_word_type;
use crate::expr::words::is_wide;

/// `min` or `max`. Floats order as in PostgreSQL: NaN is the greatest value.
#[derive(Debug)]
pub(super) struct MinMax {
    end: End,
    any: Extreme,
}

impl MinMax {
    pub(super) fn new(end: End, value: &DataType) -> Self {
        Self { end, any: Extreme::of_values(end, value) }
    }
}

impl AggregateFunction for MinMax {
    fn name(&self) -> &str {
        self.any.name()
    }

    fn return_type(&self) -> &DataType {
        self.any.return_type()
    }

    fn accumulator(&self, retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        let data_type = self.return_type().clone();
        if retracts && ExtremeWords::serves(&data_type) {
            return Ok(Box::new(ExtremeWords::new(self.end, data_type)));
        }
        if retracts {
            return self.any.accumulator(true);
        }
        macro_rules! of {
            ($t:ty) => {
                Box::new(Best::<$t> { end: self.end, data_type, values: Vec::new(), present: Vec::new() })
            };
        }
        Ok(with_word_type!(
            data_type,
            of,
            match data_type {
                DataType::Float32 => of!(Float32Type),
                DataType::Float64 => of!(Float64Type),
                DataType::Decimal128(..) => of!(Decimal128Type),
                _ => return self.any.accumulator(false),
            }
        ))
    }
}

struct Best<T: ArrowPrimitiveType> {
    end: End,
    data_type: DataType,
    values: Vec<T::Native>,
    present: Vec<bool>,
}

impl<T: ArrowPrimitiveType> Best<T> {
    #[inline]
    fn offer(&mut self, group: usize, value: T::Native) {
        let better = match self.end {
            End::First => value.is_lt(self.values[group]),
            End::Last => value.is_gt(self.values[group]),
        };
        if better || !self.present[group] {
            self.values[group] = value;
            self.present[group] = true;
        }
    }
}

impl<T: ArrowPrimitiveType> GroupAccumulator for Best<T> {
    fn resize(&mut self, groups: usize) {
        self.values.resize(groups, T::default_value());
        self.present.resize(groups, false);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let arg = canonical_floats(only_arg(args)?);
        let arg = arg.as_primitive::<T>();
        let values = arg.values();
        each_valid(arg.nulls(), weights, groups, |row, group, _| self.offer(group, values[row]));
        Ok(())
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        for (from, into) in from.iter().zip(into) {
            if other.present[*from as usize] {
                self.offer(*into as usize, other.values[*from as usize]);
            }
        }
        Ok(())
    }

    fn is_small(&self) -> bool {
        true
    }

    fn results(&mut self, groups: &[u32], _faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        let values: ScalarBuffer<T::Native> = groups.iter().map(|group| self.values[*group as usize]).collect();
        let nulls: NullBuffer = groups.iter().map(|group| self.present[*group as usize]).collect();
        let column = PrimitiveArray::<T>::try_new(values, Some(nulls).filter(|nulls| nulls.null_count() > 0))?;
        Ok(Arc::new(column.with_data_type(self.data_type.clone())))
    }

    fn word_results(&mut self, groups: &[u32], words: &mut Words, _faults: &mut Vec<Fault>) -> Option<DataType> {
        if !is_wide(&self.data_type) {
            return None;
        }
        for group in groups {
            let is_present = self.present[*group as usize];
            words.push(is_present.then(|| bits(self.values[*group as usize])));
        }
        Some(self.data_type.clone())
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|group| self.present[*group as usize] = false);
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let nulls: NullBuffer = groups.iter().map(|group| self.present[*group as usize]).collect();
        let values: Vec<T::Native> = groups.iter().map(|group| self.values[*group as usize]).collect();
        let column = PrimitiveArray::<T>::try_new(values.into(), Some(nulls))?;
        Ok(vec![Arc::new(column.with_data_type(self.data_type.clone()))])
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        let column = only_arg(image)?.as_primitive::<T>();
        self.values = column.values().to_vec();
        self.present = (0..column.len()).map(|group| column.is_valid(group)).collect();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.present.capacity()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The bits of a value of 64 bits.
fn bits<N: ArrowNativeType>(value: N) -> i64 {
    value.to_byte_slice().try_into().map_or(0, i64::from_ne_bytes)
}
