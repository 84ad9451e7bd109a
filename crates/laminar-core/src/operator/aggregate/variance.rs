//! `var_samp`, `var_pop`, `stddev`, `stddev_pop`: from exact sums of values and squares.
//!
//! `(n Σx² − (Σx)²) / n²` loses everything to cancellation in plain floats. Here both sums and the difference are exact and
//! rounded once, so that large offsets and retracted outliers leave no trace.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array};
use arrow_schema::DataType;

use super::exact_sum::{ExactSum, grow, rounded, two_product};
use super::float_sums::{column_sums, sums_column};
use super::rows::{each_valid, image_column, numbers, only_arg, same_kind, wide_floats};
use super::{AggregateFunction, Fault, GroupAccumulator};
use crate::Result;
use crate::changelog::Weights;

/// Squares of larger values (2^450) would come too near to the end of the float range.
const SQUARE_MAX: f64 = f64::from_bits((450 + 1023) << 52);

/// The variance of a column of numbers, or its square root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variance {
    /// Divide by n − 1 instead of n.
    pub(super) sample: bool,
    /// The square root of it.
    pub(super) root: bool,
}

impl AggregateFunction for Variance {
    fn name(&self) -> &str {
        match (self.root, self.sample) {
            (true, true) => "stddev",
            (true, false) => "stddev_pop",
            (false, true) => "var_samp",
            (false, false) => "var_pop",
        }
    }

    fn return_type(&self) -> &DataType {
        &DataType::Float64
    }

    fn accumulator(&self, _retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        Ok(Box::new(Moments { what: *self, groups: Vec::new() }))
    }
}

struct Moments {
    what: Variance,
    groups: Vec<Moment>,
}

#[derive(Debug, Clone, Default)]
struct Moment {
    count: i64,
    sum: ExactSum,
    squares: ExactSum,
    /// NaN and infinite values: with them there is no variance.
    not_finite: i64,
    /// Values whose square is out of range.
    too_large: i64,
}

impl Moment {
    #[inline]
    fn add(&mut self, value: f64, weight: i64) {
        self.count += weight;
        if value.abs() < SQUARE_MAX {
            self.sum.add_weighted(value, weight);
            let (square, error) = two_product(value, value);
            self.squares.add_weighted(square, weight);
            self.squares.add_weighted(error, weight);
        } else if value.is_finite() {
            self.too_large += weight;
        } else {
            self.not_finite += weight;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.not_finite += other.not_finite;
        self.too_large += other.too_large;
    }

    /// The opposite of [`merge`](Self::merge).
    fn take_out(&mut self, other: &Self) {
        self.count -= other.count;
        self.sum.take_out(&other.sum);
        self.squares.take_out(&other.squares);
        self.not_finite -= other.not_finite;
        self.too_large -= other.too_large;
    }

    /// `n Σx² − (Σx)²`, rounded once.
    fn numerator(&self) -> f64 {
        let mut parts = Vec::new();
        let mut add = |a: f64, b: f64| {
            let (product, error) = two_product(a, b);
            grow(&mut parts, product);
            grow(&mut parts, error);
        };
        let count = self.count as f64;
        self.squares.parts().for_each(|part| add(count, part));
        for a in self.sum.parts() {
            self.sum.parts().for_each(|b| add(-a, b));
        }
        rounded(&parts).max(0.0)
    }

    fn result(&self, what: Variance) -> Option<f64> {
        let divisor = if what.sample { self.count - 1 } else { self.count };
        if divisor <= 0 || self.count == 0 {
            return None;
        }
        if self.not_finite != 0 {
            return Some(f64::NAN);
        }
        let variance = self.numerator() / self.count as f64 / divisor as f64;
        Some(if what.root { variance.sqrt() } else { variance })
    }
}

impl GroupAccumulator for Moments {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, Moment::default());
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let arg = wide_floats(only_arg(args)?)?;
        let values = arg.values();
        each_valid(arg.nulls(), weights, groups, |row, group, weight| self.groups[group].add(values[row], weight));
        Ok(())
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        from.iter().zip(into).for_each(|(from, into)| self.groups[*into as usize].merge(&other.groups[*from as usize]));
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
        from.iter().zip(into).for_each(|(from, into)| self.groups[*into as usize].take_out(&other.groups[*from as usize]));
        Ok(())
    }

    fn results(&mut self, groups: &[u32], faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        let results = groups.iter().enumerate().map(|(position, group)| {
            let moment = &self.groups[*group as usize];
            if moment.too_large != 0 && moment.not_finite == 0 {
                faults.push(Fault { position, reason: format!("{} is out of range for Float64", self.what.name()) });
                return None;
            }
            moment.result(self.what)
        });
        Ok(Arc::new(results.collect::<Float64Array>()))
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|group| self.groups[*group as usize] = Moment::default());
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let sums = |sum: fn(&Moment) -> &ExactSum| sums_column(groups.iter().map(|group| sum(&self.groups[*group as usize])));
        Ok(vec![
            numbers(groups, |group| self.groups[group].count),
            sums(|moment| &moment.sum),
            sums(|moment| &moment.squares),
            numbers(groups, |group| self.groups[group].not_finite),
            numbers(groups, |group| self.groups[group].too_large),
        ])
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        let count: &Int64Array = image_column(image, 0)?;
        let sums = column_sums(image_column(image, 1)?);
        let squares = column_sums(image_column(image, 2)?);
        let not_finite: &Int64Array = image_column(image, 3)?;
        let too_large: &Int64Array = image_column(image, 4)?;
        let moment = |(group, (sum, squares))| Moment {
            count: count.value(group),
            sum,
            squares,
            not_finite: not_finite.value(group),
            too_large: too_large.value(group),
        };
        self.groups = sums.into_iter().zip(squares).enumerate().map(moment).collect();
        Ok(())
    }

    fn bytes(&self) -> usize {
        let heap: usize = self.groups.iter().map(|moment| moment.sum.heap_bytes() + moment.squares.heap_bytes()).sum();
        self.groups.capacity() * size_of::<Moment>() + heap
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
