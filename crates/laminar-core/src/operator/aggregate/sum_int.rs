//! `sum` and `avg` of integers, decimals and durations: exact inside, a fault where the result type cannot hold the result.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::builder::PrimitiveBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};

use super::int_sums::{IntSums, Sums};
use super::rows::{each_valid, only_arg, same_kind};
use super::word_sums::WordSums;
use super::{AggregateFunction, Fault, GroupAccumulator, Words};
use crate::changelog::Weights;
use crate::{Error, Result};

/// `sum` or `avg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Sum,
    Avg,
}

/// `sum(x)` or `avg(x)` for a type of whole numbers.
#[derive(Debug)]
pub(super) struct WholeFunction {
    what: Whole,
    arg: DataType,
    result: DataType,
}

impl WholeFunction {
    /// `None` if the argument is not of a type of whole numbers.
    pub(super) fn new(what: Whole, arg: &DataType) -> Option<Self> {
        let result = match what {
            Whole::Sum => sum_type(arg)?,
            Whole::Avg => avg_type(arg)?,
        };
        Some(Self { what, arg: arg.clone(), result })
    }
}

fn sum_type(arg: &DataType) -> Option<DataType> {
    Some(match arg {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => DataType::UInt64,
        DataType::Decimal32(precision, scale) => DataType::Decimal32(9.min(precision + 10), *scale),
        DataType::Decimal64(precision, scale) => DataType::Decimal64(18.min(precision + 10), *scale),
        DataType::Decimal128(precision, scale) => DataType::Decimal128(38.min(precision + 10), *scale),
        DataType::Duration(_) => arg.clone(),
        _ => return None,
    })
}

fn avg_type(arg: &DataType) -> Option<DataType> {
    Some(match arg {
        DataType::Decimal32(precision, scale) => DataType::Decimal32(9.min(precision + 4), 9.min(scale + 4)),
        DataType::Decimal64(precision, scale) => DataType::Decimal64(18.min(precision + 4), 18.min(scale + 4)),
        DataType::Decimal128(precision, scale) => DataType::Decimal128(38.min(precision + 4), 38.min(scale + 4)),
        DataType::Duration(_) => arg.clone(),
        arg if arg.is_integer() => DataType::Float64,
        _ => return None,
    })
}

impl AggregateFunction for WholeFunction {
    fn name(&self) -> &str {
        match self.what {
            Whole::Sum => "sum",
            Whole::Avg => "avg",
        }
    }

    fn return_type(&self) -> &DataType {
        &self.result
    }

    fn accumulator(&self, _retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        macro_rules! of {
            ($t:ty, $sums:ty) => {
                Box::new(WholeAccumulator::<$t, $sums> {
                    what: self.what,
                    scale_up: scale_up(&self.arg, &self.result),
                    result: self.result.clone(),
                    sums: <$sums>::default(),
                    arg: PhantomData,
                })
            };
            ($t:ty) => {
                of!($t, WordSums)
            };
        }
        Ok(match &self.arg {
            DataType::Int8 => of!(Int8Type),
            DataType::Int16 => of!(Int16Type),
            DataType::Int32 => of!(Int32Type),
            DataType::Int64 => of!(Int64Type),
            DataType::UInt8 => of!(UInt8Type),
            DataType::UInt16 => of!(UInt16Type),
            DataType::UInt32 => of!(UInt32Type),
            DataType::UInt64 => of!(UInt64Type, IntSums),
            DataType::Decimal32(..) => of!(Decimal32Type),
            DataType::Decimal64(..) => of!(Decimal64Type),
            DataType::Decimal128(..) => of!(Decimal128Type, IntSums),
            DataType::Duration(TimeUnit::Second) => of!(DurationSecondType),
            DataType::Duration(TimeUnit::Millisecond) => of!(DurationMillisecondType),
            DataType::Duration(TimeUnit::Microsecond) => of!(DurationMicrosecondType),
            DataType::Duration(TimeUnit::Nanosecond) => of!(DurationNanosecondType),
            other => return Err(Error::internal(format!("{other} is not a type of whole numbers"))),
        })
    }
}

/// By what an average of decimals is multiplied to get the digits that its type has more than its argument.
fn scale_up(arg: &DataType, result: &DataType) -> i128 {
    let scale = |data_type: &DataType| match data_type {
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    };
    10i128.pow(u32::try_from(scale(result) - scale(arg)).unwrap_or(0))
}

struct WholeAccumulator<T, S> {
    what: Whole,
    scale_up: i128,
    result: DataType,
    sums: S,
    arg: PhantomData<fn() -> T>,
}

impl<T, S> GroupAccumulator for WholeAccumulator<T, S>
where
    T: ArrowPrimitiveType,
    S: Sums<T::Native>,
{
    fn resize(&mut self, groups: usize) {
        self.sums.resize(groups);
    }

    fn prefetch(&self, groups: &[u32]) {
        self.sums.prefetch(groups);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let arg = only_arg(args)?.as_primitive::<T>();
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

    fn results(&mut self, groups: &[u32], faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        match self.result {
            DataType::Float64 => Ok(self.float_averages(groups)),
            DataType::Int64 => self.column::<Int64Type>(groups, faults),
            DataType::UInt64 => self.column::<UInt64Type>(groups, faults),
            DataType::Decimal32(..) => self.column::<Decimal32Type>(groups, faults),
            DataType::Decimal64(..) => self.column::<Decimal64Type>(groups, faults),
            DataType::Decimal128(..) => self.column::<Decimal128Type>(groups, faults),
            _ => Ok(cast(&self.values::<Int64Type>(groups, faults), &self.result)?),
        }
    }

    fn word_results(&mut self, groups: &[u32], words: &mut Words, faults: &mut Vec<Fault>) -> Option<DataType> {
        match self.result {
            DataType::Float64 => {
                groups.iter().for_each(|group| words.push(self.float_average(*group).map(|value| value.to_bits().cast_signed())));
            }
            DataType::Int64 | DataType::Duration(_) => self.each_value(groups, faults, |value: Option<i64>| words.push(value)),
            DataType::UInt64 => {
                self.each_value(groups, faults, |value: Option<u64>| words.push(value.map(u64::cast_signed)));
            }
            _ => return None,
        }
        Some(self.result.clone())
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

impl<T, S> WholeAccumulator<T, S>
where
    T: ArrowPrimitiveType,
    S: Sums<T::Native>,
{
    fn float_averages(&self, groups: &[u32]) -> ArrayRef {
        Arc::new(groups.iter().map(|group| self.float_average(*group)).collect::<PrimitiveArray<Float64Type>>())
    }

    fn float_average(&self, group: u32) -> Option<f64> {
        let count = self.sums.count(group);
        // 2^63 integers of 64 bits fit into the 128 bits of the sum.
        (count != 0).then(|| self.sums.sum(group).unwrap_or(i128::MAX) as f64 / count as f64)
    }

    fn column<R>(&self, groups: &[u32], faults: &mut Vec<Fault>) -> Result<ArrayRef>
    where
        R: ArrowPrimitiveType<Native: TryFrom<i128>>,
    {
        Ok(Arc::new(self.values::<R>(groups, faults).with_data_type(self.result.clone())))
    }

    fn values<R>(&self, groups: &[u32], faults: &mut Vec<Fault>) -> PrimitiveArray<R>
    where
        R: ArrowPrimitiveType<Native: TryFrom<i128>>,
    {
        let mut values = PrimitiveBuilder::<R>::with_capacity(groups.len());
        self.each_value(groups, faults, |value| values.append_option(value));
        values.finish()
    }

    /// Hands out the result of each of `groups`.
    fn each_value<N: TryFrom<i128>>(&self, groups: &[u32], faults: &mut Vec<Fault>, mut take: impl FnMut(Option<N>)) {
        let limit = digits_limit(&self.result);
        let fits = |value: &i128| limit.is_none_or(|limit| value.unsigned_abs() < limit);
        for (position, group) in groups.iter().enumerate() {
            let is_empty = self.sums.count(*group) == 0;
            let value = if is_empty { None } else { self.whole_result(*group).filter(fits) };
            let value = value.and_then(|value| N::try_from(value).ok());
            if value.is_none() && !is_empty {
                faults.push(Fault { position, reason: self.overflow() });
            }
            take(value);
        }
    }

    fn whole_result(&self, group: u32) -> Option<i128> {
        let sum = self.sums.sum(group)?;
        match self.what {
            Whole::Sum => Some(sum),
            Whole::Avg => Some(sum.checked_mul(self.scale_up)? / i128::from(self.sums.count(group))),
        }
    }

    fn overflow(&self) -> String {
        let what = if self.what == Whole::Sum { "sum" } else { "avg" };
        format!("{what} is out of range for {}", self.result)
    }
}

/// The first number with too many digits for a decimal type.
fn digits_limit(data_type: &DataType) -> Option<u128> {
    match data_type {
        DataType::Decimal32(precision, _) | DataType::Decimal64(precision, _) | DataType::Decimal128(precision, _) => {
            Some(10u128.pow(u32::from(*precision)))
        }
        _ => None,
    }
}
