//! One value for each stored row.

use super::row_store::{RowId, chunk_of, row_of};

/// Values by row id: in chunks, as rows are stored, so that a chunk's values go with it.
#[derive(Debug, Default)]
pub(crate) struct RowValues<T> {
    chunks: Vec<Vec<T>>,
}

impl<T: Copy + Default> RowValues<T> {
    #[inline]
    pub(crate) fn get(&self, row_id: RowId) -> T {
        self.chunks[chunk_of(row_id)][row_of(row_id)]
    }

    pub(crate) fn set(&mut self, row_id: RowId, value: T) {
        let (chunk, row) = (chunk_of(row_id), row_of(row_id));
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk + 1, Vec::new);
        }
        let values = &mut self.chunks[chunk];
        if values.len() <= row {
            values.resize(row + 1, T::default());
        }
        values[row] = value;
    }

    /// The chunk is gone.
    pub(crate) fn free_chunk(&mut self, chunk: usize) {
        if let Some(values) = self.chunks.get_mut(chunk) {
            *values = Vec::new();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().map(|values| values.capacity() * size_of::<T>()).sum()
    }
}
