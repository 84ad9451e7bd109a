//! The bridge to functions that only know how to look at all rows: each group's rows are kept, and touched groups recomputed.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use arrow_select::take::take;

use super::multiset::Multisets;
use super::ordered_rows::OrderedRows;
use super::rows::{each_valid, same_kind};
use super::{AggregateFunction, Fault, GroupAccumulator, SortDirection};
use crate::changelog::Weights;
use crate::limits::REPLAY_ROWS_MAX;
use crate::{Code, Error, Result};

/// A function of all rows of one group at once.
pub trait BatchAggregate: Debug + Send + Sync {
    /// The result for these rows as an array of length 1. An error is a fault of this group alone, except one with
    /// [`Code::Internal`].
    fn evaluate(&self, args: &[ArrayRef]) -> Result<ArrayRef>;
}

/// Any function over any input: keeps for each group the multiset of its argument rows.
///
/// `evaluate` gets the rows sorted by the ORDER BY keys, then by all arguments, ascending, NULLs last: a result that depends
/// on order depends on nothing else. A row of weight *n* comes *n* times.
#[derive(Debug)]
pub struct Replayed {
    name: String,
    return_type: DataType,
    args: Vec<DataType>,
    ordering: Vec<SortDirection>,
    distinct: bool,
    function: Arc<dyn BatchAggregate>,
}

impl Replayed {
    /// The function `name`. As in [`native`](super::native), the last `ordering.len()` arguments are the ORDER BY keys; all
    /// arguments reach `evaluate`. With `distinct` a row comes once, whatever its weight.
    pub fn new(
        name: impl Into<String>,
        return_type: DataType,
        args: &[DataType],
        ordering: &[SortDirection],
        distinct: bool,
        function: Arc<dyn BatchAggregate>,
    ) -> Result<Self> {
        if args.is_empty() || ordering.len() > args.len() {
            return Err(Error::internal("a replayed aggregate needs an argument, and its keys among them"));
        }
        Ok(Self { name: name.into(), return_type, args: args.to_vec(), ordering: ordering.to_vec(), distinct, function })
    }
}

impl AggregateFunction for Replayed {
    fn name(&self) -> &str {
        &self.name
    }

    fn return_type(&self) -> &DataType {
        &self.return_type
    }

    fn recomputes(&self) -> bool {
        true
    }

    fn accumulator(&self, _retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        let ascending = SortDirection { descending: false, nulls_first: false };
        let (plain, keys) = self.args.split_at(self.args.len() - self.ordering.len());
        let keys = keys.iter().cloned().zip(self.ordering.iter().copied());
        let plain = plain.iter().map(|arg| (arg.clone(), ascending));
        Ok(Box::new(ReplayAccumulator {
            function: self.function.clone(),
            return_type: self.return_type.clone(),
            keys: self.ordering.len(),
            distinct: self.distinct,
            encoding: OrderedRows::new(keys.chain(plain))?,
            groups: Multisets::default(),
        }))
    }
}

struct ReplayAccumulator {
    function: Arc<dyn BatchAggregate>,
    return_type: DataType,
    keys: usize,
    distinct: bool,
    encoding: OrderedRows,
    groups: Multisets,
}

impl ReplayAccumulator {
    fn result(&self, group: u32) -> Result<ArrayRef> {
        let (rows, weights): (Vec<_>, Vec<_>) = self.groups.present(group).unzip();
        let mut args = self.encoding.decode(rows.into_iter())?;
        // The keys were put first, for the order; the function knows them as its last arguments.
        args.rotate_left(self.keys);
        if !self.distinct && weights.iter().any(|weight| *weight != 1) {
            let rows = repeated(&weights)?;
            args = args.iter().map(|arg| Ok(take(arg, &rows, None)?)).collect::<Result<_>>()?;
        }
        let result = self.function.evaluate(&args)?;
        if result.len() != 1 || result.data_type() != &self.return_type {
            let got = format!("{} values of {}", result.len(), result.data_type());
            return Err(Error::internal(format!("an aggregate of type {} gave {got}", self.return_type)));
        }
        Ok(result)
    }
}

/// Each row number as often as its weight says.
fn repeated(weights: &[i64]) -> Result<UInt32Array> {
    let total = weights.iter().try_fold(0i64, |total, weight| total.checked_add(*weight));
    if total.is_none_or(|total| total > REPLAY_ROWS_MAX) {
        let message = format!("more than {REPLAY_ROWS_MAX} rows in one group");
        return Err(Error::new(Code::LimitReached, message));
    }
    Ok((0u32..).zip(weights).flat_map(|(row, weight)| std::iter::repeat_n(row, *weight as usize)).collect::<Vec<_>>().into())
}

impl GroupAccumulator for ReplayAccumulator {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let mut columns = args.to_vec();
        columns.rotate_right(self.keys);
        let rows = self.encoding.encode(&columns)?;
        each_valid(None, weights, groups, |row, group, weight| {
            self.groups.add(group, rows.row(row).data(), weight);
        });
        Ok(())
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        for (from, into) in from.iter().zip(into) {
            for (row, weight) in other.groups.entries(*from) {
                self.groups.add(*into as usize, row, weight);
            }
        }
        Ok(())
    }

    fn results(&mut self, groups: &[u32], faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        let mut results = Vec::with_capacity(groups.len());
        for (position, group) in groups.iter().enumerate() {
            match self.result(*group) {
                Ok(result) => results.push(result),
                Err(error) if error.code() == Code::Internal => return Err(error),
                Err(error) => {
                    faults.push(Fault { position, reason: error.message().to_owned() });
                    results.push(new_null_array(&self.return_type, 1));
                }
            }
        }
        if results.is_empty() {
            return Ok(arrow_array::new_empty_array(&self.return_type));
        }
        Ok(concat(&results.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?)
    }

    fn clear(&mut self, groups: &[u32]) {
        self.groups.clear(groups);
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.groups.image_of(groups, &self.encoding)
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        self.groups.restore(image, &self.encoding)
    }

    fn bytes(&self) -> usize {
        self.groups.bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
