//! One number for each row of a chunk.

use std::sync::Arc;

use super::image::next_number;
use super::row_store::{RowId, chunk_of, row_of};
use crate::Result;
use crate::alloc::IndexScope;
use crate::changelog::add_weights;

/// Numbers of the rows of a chunk, copied before they change while an image has them too.
#[derive(Debug, Default)]
pub(crate) struct RowNumbers {
    own: Vec<i64>,
    /// What an image has, or had. Then `own` is empty.
    frozen: Option<FrozenNumbers>,
}

/// Numbers of a chunk as they stood when an image was taken.
#[derive(Debug, Clone)]
pub(crate) struct FrozenNumbers {
    pub(crate) numbers: Arc<Vec<i64>>,
    /// No others have it.
    pub(crate) version: u64,
}

impl RowNumbers {
    #[inline]
    pub(crate) fn get(&self) -> &[i64] {
        self.frozen.as_ref().map_or(&self.own, |frozen| &frozen.numbers)
    }

    #[inline]
    pub(crate) fn to_mut(&mut self) -> &mut Vec<i64> {
        if self.frozen.is_some() {
            self.thaw();
        }
        &mut self.own
    }

    #[cold]
    fn thaw(&mut self) {
        let _scope = IndexScope::enter();
        if let Some(frozen) = self.frozen.take() {
            self.own = Arc::unwrap_or_clone(frozen.numbers);
        }
    }

    pub(crate) fn freeze(&mut self) -> FrozenNumbers {
        let own = &mut self.own;
        let frozen = || FrozenNumbers { numbers: Arc::new(std::mem::take(own)), version: next_number() };
        self.frozen.get_or_insert_with(frozen).clone()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.frozen.as_ref().map_or(self.own.capacity(), |frozen| frozen.numbers.capacity()) * 8
    }
}

/// How many rows match each row of a store.
#[derive(Debug, Default)]
pub(crate) struct MatchCounts {
    chunks: Vec<RowNumbers>,
}

impl MatchCounts {
    #[inline]
    pub(crate) fn get(&self, row_id: RowId) -> i64 {
        self.chunks[chunk_of(row_id)].get()[row_of(row_id)]
    }

    pub(crate) fn set(&mut self, row_id: RowId, count: i64) {
        let (chunk, row) = (chunk_of(row_id), row_of(row_id));
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk + 1, RowNumbers::default);
        }
        let counts = self.chunks[chunk].to_mut();
        if counts.len() <= row {
            counts.resize(row + 1, 0);
        }
        counts[row] = count;
    }

    /// Adds to the number of a row and returns what it was before.
    pub(crate) fn add(&mut self, row_id: RowId, count: i64) -> Result<i64> {
        let number = &mut self.chunks[chunk_of(row_id)].to_mut()[row_of(row_id)];
        let before = *number;
        *number = add_weights(before, count)?;
        Ok(before)
    }

    /// Those of a chunk, for an image.
    pub(crate) fn freeze(&mut self, chunk: usize) -> Option<FrozenNumbers> {
        self.chunks.get_mut(chunk).map(RowNumbers::freeze)
    }

    /// The chunk is gone.
    pub(crate) fn free_chunk(&mut self, chunk: usize) {
        if let Some(counts) = self.chunks.get_mut(chunk) {
            *counts = RowNumbers::default();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().map(RowNumbers::bytes).sum()
    }
}
