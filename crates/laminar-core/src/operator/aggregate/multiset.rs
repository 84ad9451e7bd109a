//! For each group an ordered multiset of rows, for functions that must find the next best row when one is retracted.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::Field;

use super::ordered_rows::OrderedRows;
use super::row_bytes::RowBytes;
use super::rows::image_column;
use crate::state::tree_bytes;
use crate::{Error, Result};

/// Row → weight for each group, in the order of the rows' bytes. A weight may be negative in the middle of a step, when a
/// retraction overtakes its insertion; such a row is not there.
#[derive(Debug, Default)]
pub(super) struct Multisets {
    groups: Vec<BTreeMap<RowBytes, i64>>,
    /// Bytes of all maps and of their rows.
    held: usize,
}

/// What a map of so many rows costs beside what those have on the heap.
fn rows_bytes(rows: usize) -> usize {
    tree_bytes::<RowBytes, i64>(rows)
}

impl Multisets {
    pub(super) fn resize(&mut self, groups: usize) {
        self.groups.resize_with(groups, BTreeMap::new);
    }

    /// Adds `weight` to a row's weight; returns the weights before and after.
    pub(super) fn add(&mut self, group: usize, row: &[u8], weight: i64) -> (i64, i64) {
        let rows = &mut self.groups[group];
        let Some(stored) = rows.get_mut(row) else {
            if weight != 0 {
                let row = RowBytes::from(row);
                self.held += row.heap_bytes() + rows_bytes(rows.len() + 1) - rows_bytes(rows.len());
                rows.insert(row, weight);
            }
            return (0, weight);
        };
        let (before, after) = (*stored, *stored + weight);
        *stored = after;
        if after == 0 {
            let removed = rows.remove_entry(row).map_or(0, |(row, _)| row.heap_bytes());
            self.held -= removed + rows_bytes(rows.len() + 1) - rows_bytes(rows.len());
        }
        (before, after)
    }

    /// The first row that is there.
    pub(super) fn first(&self, group: u32) -> Option<&[u8]> {
        self.present(group).next().map(|(row, _)| row)
    }

    /// The last row that is there.
    pub(super) fn last(&self, group: u32) -> Option<&[u8]> {
        self.present(group).next_back().map(|(row, _)| row)
    }

    /// The rows that are there with their weights, in order.
    pub(super) fn present(&self, group: u32) -> impl DoubleEndedIterator<Item = (&[u8], i64)> {
        self.entries(group).filter(|(_, weight)| *weight > 0)
    }

    /// All rows with their weights, in order.
    pub(super) fn entries(&self, group: u32) -> impl DoubleEndedIterator<Item = (&[u8], i64)> {
        self.groups[group as usize].iter().map(|(row, weight)| (row.as_slice(), *weight))
    }

    pub(super) fn clear(&mut self, groups: &[u32]) {
        for group in groups {
            let rows = std::mem::take(&mut self.groups[*group as usize]);
            self.held -= rows.keys().map(RowBytes::heap_bytes).sum::<usize>() + rows_bytes(rows.len());
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.held + self.groups.capacity() * size_of::<BTreeMap<RowBytes, i64>>()
    }

    /// A list of weights, then a list for each column of the rows.
    pub(super) fn image_of(&self, groups: &[u32], encoding: &OrderedRows) -> Result<Vec<ArrayRef>> {
        let rows = || groups.iter().map(|group| &self.groups[*group as usize]);
        let offsets = OffsetBuffer::from_lengths(rows().map(BTreeMap::len));
        let list = |values: ArrayRef| -> Result<ArrayRef> {
            let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
            Ok(Arc::new(ListArray::try_new(field, offsets.clone(), values, None)?))
        };
        let weights: Int64Array = rows().flat_map(BTreeMap::values).copied().collect();
        let mut image = vec![list(Arc::new(weights))?];
        for column in encoding.decode(rows().flat_map(BTreeMap::keys).map(RowBytes::as_slice))? {
            image.push(list(column)?);
        }
        Ok(image)
    }

    /// The opposite of [`image_of`](Self::image_of).
    pub(super) fn restore(&mut self, image: &[ArrayRef], encoding: &OrderedRows) -> Result<()> {
        let weights: &ListArray = image_column(image, 0)?;
        let columns = (1..=encoding.width()).map(|index| Ok(elements(image_column(image, index)?)));
        let rows = encoding.encode(&columns.collect::<Result<Vec<_>>>()?)?;
        let values = elements(weights);
        let values = values.as_primitive_opt::<Int64Type>().ok_or_else(|| Error::internal("multiset image without weights"))?;
        *self = Self::default();
        self.resize(weights.len());
        let groups = weights.offsets().lengths().enumerate().flat_map(|(group, rows)| std::iter::repeat_n(group, rows));
        for (row, group) in groups.enumerate() {
            self.add(group, rows.row(row).data(), values.value(row));
        }
        Ok(())
    }
}

/// The elements of all lists, one after the other, also if the column is a slice of a larger one.
pub(super) fn elements(lists: &ListArray) -> ArrayRef {
    let (start, end) = (lists.offsets()[0], lists.offsets()[lists.len()]);
    lists.values().slice(start as usize, (end - start) as usize)
}
