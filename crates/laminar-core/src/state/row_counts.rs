//! One number for each stored row: how many rows match it.

use super::row_store::{RowId, chunk_of, row_of};
use crate::Result;
use crate::changelog::add_weights;

/// Numbers by row id: in chunks, as rows are stored, so that a chunk's numbers go with it.
#[derive(Debug, Default)]
pub(crate) struct RowCounts {
    chunks: Vec<Vec<i64>>,
}

impl RowCounts {
    #[inline]
    pub(crate) fn get(&self, row_id: RowId) -> i64 {
        self.chunks[chunk_of(row_id)][row_of(row_id)]
    }

    pub(crate) fn set(&mut self, row_id: RowId, count: i64) {
        let (chunk, row) = (chunk_of(row_id), row_of(row_id));
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk + 1, Vec::new);
        }
        let counts = &mut self.chunks[chunk];
        if counts.len() <= row {
            counts.resize(row + 1, 0);
        }
        counts[row] = count;
    }

    /// Adds to the number of a row and returns what it was before.
    pub(crate) fn add(&mut self, row_id: RowId, count: i64) -> Result<i64> {
        let number = &mut self.chunks[chunk_of(row_id)][row_of(row_id)];
        let before = *number;
        *number = add_weights(before, count)?;
        Ok(before)
    }

    /// The chunk is gone.
    pub(crate) fn free_chunk(&mut self, chunk: usize) {
        if let Some(counts) = self.chunks.get_mut(chunk) {
            *counts = Vec::new();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().map(|counts| counts.capacity() * size_of::<i64>()).sum()
    }
}
