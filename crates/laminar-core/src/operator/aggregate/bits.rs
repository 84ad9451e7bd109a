//! `bit_and`, `bit_or`, `bit_xor` of integers: for each bit how often it is set.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Int64Array, PrimitiveArray};
use arrow_buffer::ArrowNativeType;
use arrow_schema::{DataType, Field};

use super::rows::{each_valid, image_column, only_arg, same_kind};
use super::{AggregateFunction, Fault, GroupAccumulator};
use crate::changelog::Weights;
use crate::{Error, Result};

/// What is done with the bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BitOperation {
    And,
    Or,
    Xor,
}

/// `bit_and`, `bit_or` or `bit_xor` of an integer type.
#[derive(Debug)]
pub(super) struct BitFunction {
    operation: BitOperation,
    data_type: DataType,
}

impl BitFunction {
    /// `None` if the type is no integer.
    pub(super) fn new(operation: BitOperation, data_type: &DataType) -> Option<Self> {
        data_type.is_integer().then(|| Self { operation, data_type: data_type.clone() })
    }
}

impl AggregateFunction for BitFunction {
    fn name(&self) -> &str {
        match self.operation {
            BitOperation::And => "bit_and",
            BitOperation::Or => "bit_or",
            BitOperation::Xor => "bit_xor",
        }
    }

    fn return_type(&self) -> &DataType {
        &self.data_type
    }

    fn accumulator(&self, _retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        macro_rules! of {
            ($t:ty) => {
                Box::new(BitAccumulator::<$t> { operation: self.operation, counts: Vec::new(), arg: PhantomData })
            };
        }
        Ok(match self.data_type {
            DataType::Int8 => of!(Int8Type),
            DataType::Int16 => of!(Int16Type),
            DataType::Int32 => of!(Int32Type),
            DataType::Int64 => of!(Int64Type),
            DataType::UInt8 => of!(UInt8Type),
            DataType::UInt16 => of!(UInt16Type),
            DataType::UInt32 => of!(UInt32Type),
            DataType::UInt64 => of!(UInt64Type),
            ref other => return Err(Error::internal(format!("{other} has no bits"))),
        })
    }
}

/// For each group the weight of all values, then the weight of the values with each bit set.
struct BitAccumulator<T> {
    operation: BitOperation,
    counts: Vec<i64>,
    arg: PhantomData<fn() -> T>,
}

impl<T: ArrowPrimitiveType> BitAccumulator<T> {
    const BITS: usize = size_of::<T::Native>() * 8;
    const WIDTH: usize = Self::BITS + 1;

    fn group(&self, group: u32) -> &[i64] {
        &self.counts[group as usize * Self::WIDTH..][..Self::WIDTH]
    }

    fn group_mut(&mut self, group: u32) -> &mut [i64] {
        &mut self.counts[group as usize * Self::WIDTH..][..Self::WIDTH]
    }

    fn is_set(&self, total: i64, count: i64) -> bool {
        match self.operation {
            BitOperation::And => count == total,
            BitOperation::Or => count > 0,
            BitOperation::Xor => count.rem_euclid(2) == 1,
        }
    }
}

impl<T> GroupAccumulator for BitAccumulator<T>
where
    T: ArrowPrimitiveType<Native: Into<i128>>,
{
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups * Self::WIDTH, 0);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let arg = only_arg(args)?.as_primitive::<T>();
        let values = arg.values();
        each_valid(arg.nulls(), weights, groups, |row, group, weight| {
            let counts = &mut self.counts[group * Self::WIDTH..][..Self::WIDTH];
            let bits: i128 = values[row].into();
            counts[0] += weight;
            for (bit, count) in counts[1..].iter_mut().enumerate() {
                *count += weight * (bits >> bit & 1) as i64;
            }
        });
        Ok(())
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        for (from, into) in from.iter().zip(into) {
            self.group_mut(*into).iter_mut().zip(other.group(*from)).for_each(|(ours, theirs)| *ours += theirs);
        }
        Ok(())
    }

    fn results(&mut self, groups: &[u32], _faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        let result = |group: &u32| {
            let (total, counts) = self.group(*group).split_first()?;
            let set = |(bit, count): (usize, &i64)| u64::from(self.is_set(*total, *count)) << bit;
            let bits: u64 = counts.iter().enumerate().map(set).sum();
            // Cutting off the upper bits gives the signed value too.
            (*total != 0).then(|| T::Native::usize_as(bits as usize))
        };
        Ok(Arc::new(groups.iter().map(result).collect::<PrimitiveArray<T>>()))
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|group| self.group_mut(*group).fill(0));
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let field = Arc::new(Field::new_list_field(DataType::Int64, false));
        let counts = groups.iter().flat_map(|group| &self.counts[*group as usize * Self::WIDTH..][..Self::WIDTH]);
        let values = Arc::new(counts.copied().collect::<Int64Array>());
        Ok(vec![Arc::new(FixedSizeListArray::try_new(field, Self::WIDTH as i32, values, None)?)])
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        let lists: &FixedSizeListArray = image_column(image, 0)?;
        self.counts = lists.values().as_primitive::<Int64Type>().values().to_vec();
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.counts.capacity() * 8
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
