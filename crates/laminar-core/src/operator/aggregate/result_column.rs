//! One output column of a step while it comes about: keys or results of groups, as plain words where they have 64 bits.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::Buffer;
use arrow_ord::cmp::not_distinct;
use arrow_ord::ord::make_comparator;
use arrow_schema::{DataType, SortOptions};
use arrow_select::concat::concat;
use arrow_select::interleave::interleave;
use arrow_select::take::take;

use super::{Fault, GroupAccumulator, Words};
use crate::Result;

/// A column that grows; its memory is kept from step to step.
#[derive(Debug, Default)]
pub(in crate::operator) struct ResultColumn {
    /// The type of the words; `None`: the values are in `chunks`, or there are none so far.
    wide: Option<DataType>,
    words: Words,
    chunks: Vec<ArrayRef>,
}

/// A row before the step (0) or after it (1), and which.
pub(in crate::operator) type RowRef = (usize, usize);

impl ResultColumn {
    /// Forgets all rows.
    pub(in crate::operator) fn clear(&mut self) {
        self.words.clear();
        self.chunks.clear();
    }

    /// Bytes held.
    pub(in crate::operator) fn bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| chunk.get_array_memory_size()).sum::<usize>();
        self.words.bytes() + chunks + self.chunks.capacity() * size_of::<ArrayRef>()
    }

    /// Appends the results of `groups`; positions of faults are places among them.
    pub(super) fn append(
        &mut self,
        accumulator: &mut dyn GroupAccumulator,
        groups: &[u32],
        faults: &mut Vec<Fault>,
    ) -> Result<()> {
        self.wide = accumulator.word_results(groups, &mut self.words, faults);
        if self.wide.is_none() {
            self.chunks.push(accumulator.results(groups, faults)?);
        }
        Ok(())
    }

    /// Appends words of this type.
    pub(super) fn append_words(&mut self, data_type: &DataType, words: impl Iterator<Item = Option<i64>>) {
        if self.wide.as_ref() != Some(data_type) {
            self.wide = Some(data_type.clone());
        }
        words.for_each(|word| self.words.push(word));
    }

    /// Appends a column.
    pub(super) fn append_column(&mut self, column: ArrayRef) {
        self.wide = None;
        self.chunks.push(column);
    }

    /// Replaces this column by the rows at `places` in `old` and `new`.
    pub(in crate::operator) fn gather(&mut self, old: &Self, new: &Self, places: &[RowRef]) -> Result<()> {
        self.clear();
        if new.wide.is_some() {
            self.wide.clone_from(&new.wide);
            let sides = [&old.words, &new.words];
            places.iter().for_each(|(side, row)| self.words.push(sides[*side].get(*row)));
            return Ok(());
        }
        let new = new.joined()?;
        self.append_column(match old.chunks.is_empty() {
            // Then every row of the new ones is there, in order.
            true => new,
            false => interleave(&[old.joined()?.as_ref(), new.as_ref()], places)?,
        });
        Ok(())
    }

    /// For columns of words: whether row `row` and row `other_row` of `other` are the same to the bit; NULL is NULL, NaN is NaN. True
    /// for all others, which are compared by [`and_equal`](Self::and_equal).
    #[inline]
    pub(in crate::operator) fn is_same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        other.wide.is_none() || self.words.get(row) == other.words.get(other_row)
    }

    /// Whether the values are words.
    pub(in crate::operator) fn is_wide(&self) -> bool {
        self.wide.is_some()
    }

    /// For a column that is not of words: turns off `equal` where the rows `rows` and the rows `other_rows` of `other` differ.
    /// Values that cannot be compared count as different: −old +new is then longer than it need be, and still right.
    pub(in crate::operator) fn and_equal(
        &self,
        rows: &[u32],
        other: &Self,
        other_rows: &[u32],
        equal: &mut [bool],
    ) -> Result<()> {
        and_equal((&self.joined()?, rows), (&other.joined()?, other_rows), equal)
    }

    /// The chunks as one column.
    fn joined(&self) -> Result<ArrayRef> {
        match self.chunks.as_slice() {
            [only] => Ok(only.clone()),
            chunks => Ok(concat(&chunks.iter().map(AsRef::as_ref).collect::<Vec<_>>())?),
        }
    }

    /// The column, in memory of its own.
    pub(in crate::operator) fn column(&self) -> Result<ArrayRef> {
        match &self.wide {
            Some(data_type) => self.words.column(Buffer::from_slice_ref(self.words.bits()), data_type),
            None => self.joined(),
        }
    }
}

/// Turns off `equal` where the values at some rows of one column and those at as many of another differ, or cannot be compared.
pub(in crate::operator) fn and_equal(
    (one, rows): (&ArrayRef, &[u32]),
    (other, other_rows): (&ArrayRef, &[u32]),
    equal: &mut [bool],
) -> Result<()> {
    let (one, other) = (take_rows(one, rows)?, take_rows(other, other_rows)?);
    if !one.data_type().is_nested()
        && let Ok(same) = not_distinct(&one, &other)
    {
        equal.iter_mut().zip(same.values()).for_each(|(equal, same)| *equal &= same);
        return Ok(());
    }
    let order = make_comparator(&one, &other, SortOptions::default());
    let is_same = |row| order.as_ref().is_ok_and(|order| order(row, row).is_eq());
    equal.iter_mut().enumerate().for_each(|(row, equal)| *equal = *equal && is_same(row));
    Ok(())
}

/// The rows at `rows`; mostly all of them in order, and then nothing is copied.
fn take_rows(column: &ArrayRef, rows: &[u32]) -> Result<ArrayRef> {
    match rows.len() == column.len() && (0..).zip(rows).all(|(row, picked)| row == *picked) {
        true => Ok(Arc::clone(column)),
        false => Ok(take(column, &UInt32Array::from(rows.to_vec()), None)?),
    }
}

/// Columns of the same number of rows, those of words in one piece of memory, with `weights`, which are given back first: for few
/// rows, to ask for memory takes longer than to fill it.
pub(in crate::operator) fn pack(weights: &[i64], columns: &[ResultColumn]) -> Result<(Buffer, Vec<ArrayRef>)> {
    let rows = weights.len();
    let wide = columns.iter().filter(|column| column.is_wide());
    let mut words = Vec::with_capacity(rows * (1 + wide.clone().count()));
    words.extend_from_slice(weights);
    wide.for_each(|column| words.extend_from_slice(column.words.bits()));
    let memory = Buffer::from_vec(words);
    let part = |number: usize| memory.slice_with_length(number * rows * 8, rows * 8);
    let mut packed = Vec::with_capacity(columns.len());
    let mut number = 0;
    for column in columns {
        packed.push(match &column.wide {
            Some(data_type) => {
                number += 1;
                column.words.column(part(number), data_type)?
            }
            None => column.joined()?,
        });
    }
    Ok((part(0), packed))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    use arrow_array::{Float64Array, Int64Array, RecordBatch};
    use arrow_cast::cast;
    use arrow_schema::{Field, Schema, TimeUnit};

    use super::*;
    use crate::Weights;
    use crate::expr::Column;
    use crate::operator::aggregate::{AggregateCall, CallInputs, GroupTable, native};

    fn call(name: &str, schema: &Schema) -> AggregateCall {
        let args = if name == "count(*)" { vec![] } else { vec![Column::new(schema, 0)] };
        let types: Vec<DataType> = args.iter().map(|arg| arg.data_type().clone()).collect();
        let function = native(name.trim_end_matches("(*)"), &types, &[], false).unwrap().unwrap();
        AggregateCall { function, args, filter: None, name: name.to_owned() }
    }

    /// Four groups: sums that fit, one that does not, one of NULLs alone, one without rows.
    fn table(name: &str, values: &ArrayRef, keys: &ArrayRef) -> GroupTable {
        let schema = Arc::new(Schema::new(vec![Field::new("x", values.data_type().clone(), true)]));
        let call = call(name, &schema);
        let rows = RecordBatch::try_new(schema, vec![values.clone()]).unwrap();
        let mut table = GroupTable::new(&[keys.data_type().clone()], std::slice::from_ref(&call), false).unwrap();
        let groups = table.assign(std::slice::from_ref(keys), values.len()).unwrap();
        let inputs = CallInputs::evaluate(&[call], &rows).unwrap();
        let weights = Weights::Each(vec![1, 1, 1, 1, 1, 0].into());
        table.update(&inputs, &weights, &groups).unwrap();
        table
    }

    fn check(name: &str, values: &ArrayRef, keys: &ArrayRef) -> bool {
        let mut table = table(name, values, keys);
        let groups = [2, 0, 1, 3, 0];
        let (mut faults, mut faults_of_words) = (Vec::new(), Vec::new());
        let expected = [table.keys(&groups).unwrap(), table.results(&groups, &mut faults).unwrap()].concat();
        let mut results = Vec::new();
        table.append_results(&groups[..2], &mut results, &mut faults_of_words).unwrap();
        table.append_results(&[], &mut results, &mut faults_of_words).unwrap();
        results.iter_mut().for_each(ResultColumn::clear);
        faults_of_words.clear();
        table.append_results(&groups, &mut results, &mut faults_of_words).unwrap();
        let is_wide = results[0].is_wide();
        let mut columns = vec![ResultColumn::default(), results.remove(0)];
        table.append_keys(&groups, &mut columns).unwrap();
        let what = format!("{name} of {} by {}", values.data_type(), keys.data_type());
        assert_eq!(faults_of_words, faults, "{what}");
        let alone: Vec<ArrayRef> = columns.iter().map(|column| column.column().unwrap()).collect();
        assert_eq!(alone, expected, "{what}");
        let (weights, packed) = pack(&[1, 2, 3, 4, 5], &columns).unwrap();
        assert_eq!((weights.typed_data::<i64>(), packed), (&[1_i64, 2, 3, 4, 5][..], expected), "{what}, packed");
        is_wide
    }

    #[test]
    fn words_are_the_results_and_keys_that_columns_would_hold() {
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MAX), Some(7), Some(i64::MAX), Some(-9), None, Some(5)]));
        let keys: ArrayRef = Arc::new(Int64Array::from(vec![Some(10), None, Some(10), None, Some(30), Some(40)]));
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let duration = DataType::Duration(TimeUnit::Second);
        let mut wide = Vec::new();
        for (name, of) in [
            ("count(*)", &DataType::Int64),
            ("count", &DataType::Utf8),
            ("sum", &DataType::Int64),
            ("sum", &DataType::Int32),
            ("sum", &DataType::UInt64),
            ("sum", &duration),
            ("sum", &DataType::Float64),
            ("sum", &DataType::Decimal128(38, 0)),
            ("avg", &DataType::Int64),
            ("avg", &DataType::Float64),
            ("avg", &duration),
            ("min", &DataType::Int64),
            ("max", &DataType::Float64),
            ("max", &time),
            ("min", &DataType::Int32),
            ("min", &DataType::Utf8),
            ("stddev", &DataType::Float64),
        ] {
            let values = cast(&whole, of).unwrap();
            let is_wide = check(name, &values, &keys);
            assert_eq!(check(name, &values, &cast(&keys, &DataType::Utf8).unwrap()), is_wide);
            check(name, &values, &cast(&keys, &DataType::Int32).unwrap());
            check(name, &values, &cast(&keys, &time).unwrap());
            wide.extend(is_wide.then(|| format!("{name} {of}")));
        }
        assert_eq!(wide.len(), 13, "{wide:?}");
    }

    #[test]
    fn rows_are_the_same_if_their_bits_are() {
        let values: ArrayRef =
            Arc::new(Float64Array::from(vec![Some(0.0), Some(-0.0), Some(f64::NAN), Some(f64::NAN), None, None]));
        let mut words = ResultColumn::default();
        let bits = values.as_primitive::<Float64Type>().iter().map(|value| value.map(|value| value.to_bits().cast_signed()));
        words.append_words(&DataType::Float64, bits);
        let mut column = ResultColumn::default();
        [values.slice(0, 2), values.slice(2, 4)].into_iter().for_each(|chunk| column.append_column(chunk));
        for (row, other, expected) in [(0, 1, false), (2, 3, true), (4, 5, true), (4, 0, false), (1, 1, true)] {
            assert_eq!(words.is_same(row, &words, other), expected, "{row} and {other}");
            let mut equal = [true];
            column.and_equal(&[row as u32], &column, &[other as u32], &mut equal).unwrap();
            assert_eq!(equal, [expected], "{row} and {other} of a column");
        }
    }
}
