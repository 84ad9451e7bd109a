//! `min`, `max`, `first_value`, `last_value` of any type: the first or last of a group's rows in an order.
//!
//! `min` and `max` order by the value and leave NULLs out; `first_value` and `last_value` order by their keys, then by the
//! value, so that ties do not depend on what came first. Without retractions one row a group is enough.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::multiset::Multisets;
use super::ordered_rows::OrderedRows;
use super::rows::{each_valid, same_kind};
use super::{AggregateFunction, Fault, GroupAccumulator, SortDirection};
use crate::changelog::Weights;
use crate::{Error, Result};

/// Which end of the order is the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    First,
    Last,
}

/// The value in the first or last row.
#[derive(Debug)]
pub(super) struct Extreme {
    name: &'static str,
    end: End,
    value: DataType,
    keys: Vec<(DataType, SortDirection)>,
    skip_nulls: bool,
}

/// How a value breaks ties, and how `min` and `max` order: ascending.
const ASCENDING: SortDirection = SortDirection { descending: false, nulls_first: false };

impl Extreme {
    /// `min(value)` or `max(value)`.
    pub(super) fn of_values(end: End, value: &DataType) -> Self {
        let name = if end == End::First { "min" } else { "max" };
        Self { name, end, value: value.clone(), keys: Vec::new(), skip_nulls: true }
    }

    /// `first_value(value ORDER BY keys)` or `last_value`, with the arguments `[value, keys…]`.
    pub(super) fn by_keys(end: End, value: &DataType, keys: Vec<(DataType, SortDirection)>) -> Self {
        let name = if end == End::First { "first_value" } else { "last_value" };
        Self { name, end, value: value.clone(), keys, skip_nulls: false }
    }
}

impl AggregateFunction for Extreme {
    fn name(&self) -> &str {
        self.name
    }

    fn return_type(&self) -> &DataType {
        &self.value
    }

    fn accumulator(&self, retracts: bool) -> Result<Box<dyn GroupAccumulator>> {
        let columns = self.keys.iter().cloned().chain([(self.value.clone(), ASCENDING)]);
        let rows = RowsOf { encoding: OrderedRows::new(columns)?, skip_nulls: self.skip_nulls };
        Ok(match retracts {
            true => Box::new(RetractableExtreme { end: self.end, rows, groups: Multisets::default() }),
            false => Box::new(AppendExtreme { end: self.end, rows, best: Vec::new() }),
        })
    }
}

/// How arguments become rows: the keys first, the value last.
struct RowsOf {
    encoding: OrderedRows,
    skip_nulls: bool,
}

impl RowsOf {
    fn each(&self, args: &[ArrayRef], weights: &Weights, groups: &[u32], mut add: impl FnMut(usize, &[u8], i64)) -> Result<()> {
        let (value, keys) = args.split_first().ok_or_else(|| Error::internal("no argument to take a value from"))?;
        let columns: Vec<_> = keys.iter().chain([value]).cloned().collect();
        let rows = self.encoding.encode(&columns)?;
        let nulls: Option<NullBuffer> = if self.skip_nulls { value.logical_nulls() } else { None };
        each_valid(nulls.as_ref(), weights, groups, |row, group, weight| add(group, rows.row(row).data(), weight));
        Ok(())
    }

    fn values<'a>(&self, rows: impl Iterator<Item = Option<&'a [u8]>>) -> Result<ArrayRef> {
        self.encoding.decode_optional(rows)?.pop().ok_or_else(|| Error::internal("rows without a value"))
    }
}

/// All rows of each group.
struct RetractableExtreme {
    end: End,
    rows: RowsOf,
    groups: Multisets,
}

impl GroupAccumulator for RetractableExtreme {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let stored = &mut self.groups;
        self.rows.each(args, weights, groups, |group, row, weight| {
            stored.add(group, row, weight);
        })
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

    fn results(&mut self, groups: &[u32], _faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        self.rows.values(groups.iter().map(|group| match self.end {
            End::First => self.groups.first(*group),
            End::Last => self.groups.last(*group),
        }))
    }

    fn clear(&mut self, groups: &[u32]) {
        self.groups.clear(groups);
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.groups.image_of(groups, &self.rows.encoding)
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        self.groups.restore(image, &self.rows.encoding)
    }

    fn bytes(&self) -> usize {
        self.groups.bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The best row of each group.
struct AppendExtreme {
    end: End,
    rows: RowsOf,
    best: Vec<Option<Vec<u8>>>,
}

impl AppendExtreme {
    fn offer(best: &mut Option<Vec<u8>>, end: End, row: &[u8]) {
        match best {
            None => *best = Some(row.to_vec()),
            Some(stored) => {
                let better = match end {
                    End::First => row < stored.as_slice(),
                    End::Last => row > stored.as_slice(),
                };
                if better {
                    stored.clear();
                    stored.extend_from_slice(row);
                }
            }
        }
    }
}

impl GroupAccumulator for AppendExtreme {
    fn resize(&mut self, groups: usize) {
        self.best.resize(groups, None);
    }

    fn update(&mut self, args: &[ArrayRef], weights: &Weights, groups: &[u32]) -> Result<()> {
        let (end, best) = (self.end, &mut self.best);
        self.rows.each(args, weights, groups, |group, row, _| Self::offer(&mut best[group], end, row))
    }

    fn merge(&mut self, other: &dyn GroupAccumulator, from: &[u32], into: &[u32]) -> Result<()> {
        let other: &Self = same_kind(other)?;
        for (from, into) in from.iter().zip(into) {
            if let Some(row) = &other.best[*from as usize] {
                Self::offer(&mut self.best[*into as usize], self.end, row);
            }
        }
        Ok(())
    }

    fn results(&mut self, groups: &[u32], _faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        self.rows.values(groups.iter().map(|group| self.best[*group as usize].as_deref()))
    }

    fn clear(&mut self, groups: &[u32]) {
        groups.iter().for_each(|group| self.best[*group as usize] = None);
    }

    fn image_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let best = || groups.iter().map(|group| self.best[*group as usize].as_deref());
        // A first value may be NULL, so that which groups have a row is a column of its own.
        let present = best().map(|row| Some(row.is_some())).collect::<arrow_array::BooleanArray>();
        let mut image: Vec<ArrayRef> = vec![Arc::new(present)];
        image.extend(self.rows.encoding.decode_optional(best())?);
        Ok(image)
    }

    fn restore(&mut self, image: &[ArrayRef]) -> Result<()> {
        let present: &arrow_array::BooleanArray = super::rows::image_column(image, 0)?;
        let rows = self.rows.encoding.encode(&image[1..])?;
        let row = |group: usize| present.value(group).then(|| rows.row(group).data().to_vec());
        self.best = (0..present.len()).map(row).collect();
        Ok(())
    }

    fn bytes(&self) -> usize {
        let rows: usize = self.best.iter().flatten().map(Vec::capacity).sum();
        self.best.capacity() * size_of::<Option<Vec<u8>>>() + rows
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
