//! DISTINCT for any function: a row counts when its arguments appear in a group, and is taken back when they disappear.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;

use super::distinct_words::distinct_words;
use super::group_keys::is_word;
use super::multiset::Multisets;
use super::ordered_rows::OrderedRows;
use super::rows::{each_valid, same_kind};
use super::{AggregateFunction, Fault, GroupAccumulator, SortDirection};
use crate::Result;
use crate::changelog::Weights;

/// `function(DISTINCT args)`.
#[derive(Debug)]
pub(super) struct Distinct {
    function: Arc<dyn AggregateFunction>,
    args: Vec<DataType>,
}

impl Distinct {
    pub(super) fn new(function: Arc<dyn AggregateFunction>, args: &[DataType]) -> Self {
        Self { function, args: args.to_vec() }
    }
}

impl AggregateFunction for Distinct {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn return_type(&self) -> &DataType {
        self.function.return_type()
    }

    fn recomputes(&self) -> bool {
        self.function.recomputes()
    }

    fn accumulator(&self, retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        let inner = self.function.accumulator(retracts)?;
        if let [arg] = self.args.as_slice()
            && is_word(arg)
        {
            return Ok(distinct_words(arg.clone(), retracts, inner));
        }
        let ascending = SortDirection { descending: false, nulls_first: false };
        Ok(Box::new(DistinctAccumulator {
            encoding: OrderedRows::new(self.args.iter().map(|arg| (arg.clone(), ascending)))?,
            seen: Multisets::default(),
            inner,
        }))
    }
}

struct DistinctAccumulator {
    encoding: OrderedRows,
    /// How often each combination of arguments is there.
    seen: Multisets,
    inner: Box<dyn GroupAccumulator>,
}

/// +1 where a row appears, −1 where it disappears.
pub(super) fn step(before: i64, after: i64) -> i64 {
    i64::from(after > 0) - i64::from(before > 0)
}

/// What reaches the inner function.
#[derive(Default)]
pub(super) struct Steps {
    weights: Vec<i64>,
    groups: Vec<u32>,
}

impl Steps {
    pub(super) fn push(&mut self, weight: i64, group: u32) {
        self.weights.push(weight);
        self.groups.push(group);
    }

    pub(super) fn apply(self, inner: &mut dyn GroupAccumulator, args: &[ArrayRef]) -> Result<()> {
        let ones = self.weights.iter().all(|weight| *weight == 1);
        let weights = if ones { Weights::Ones } else { Weights::Each(self.weights.into()) };
        inner.update(args, &weights, &self.groups)
    }
}

impl GroupAccumulator for DistinctAccumulator {
    fn resize(&mut self, groups: usize) {
        self.seen.resize(groups);
        self.inner.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let encoded = self.encoding.encode(args)?;
        let (mut rows, mut steps) = (Vec::new(), Steps::default());
        each_valid(None, weights, groups, |row, group, weight| {
            let (before, after) = self.seen.add(group, encoded.row(row).data(), weight);
            if step(before, after) != 0 {
                rows.push(row as u32);
                steps.push(step(before, after), groups[row]);
            }
        });
        let rows = UInt32Array::from(rows);
        let args = args.iter().map(|arg| Ok(take(arg, &rows, None)?)).collect::<Result<Vec<_>>>()?;
        steps.apply(self.inner.as_mut(), &args)
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        let (mut rows, mut steps) = (Vec::new(), Steps::default());
        for (from, into) in from.iter().zip(into) {
            for (row, weight) in other.seen.entries(*from) {
                let (before, after) = self.seen.add(*into as usize, row, weight);
                if step(before, after) != 0 {
                    rows.push(row);
                    steps.push(step(before, after), *into);
                }
            }
        }
        let args = self.encoding.decode(rows.into_iter())?;
        steps.apply(self.inner.as_mut(), &args)
    }

    fn results(&mut self, groups: &[u32], faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        self.inner.results(groups, faults)
    }

    fn clear(&mut self, groups: &[u32]) {
        self.seen.clear(groups);
        self.inner.clear(groups);
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut image = self.seen.image_of(groups, &self.encoding)?;
        image.extend(self.inner.image_of(groups)?);
        Ok(image)
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        let own = 1 + self.encoding.width();
        self.seen.restore(image, &self.encoding)?;
        self.inner.restore(image.get(own..).unwrap_or_default())
    }

    fn bytes(&self) -> usize {
        self.seen.bytes() + self.inner.bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
