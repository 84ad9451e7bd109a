//! Changes as places in batches of rows: twelve bytes each, gathered into a [`ChangeBatch`] when all are known.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave_record_batch;

use crate::operator::window::CdcOperation;
use crate::{ChangeBatch, Error, Result};

/// One change of a row that stands in one of several batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ChangelogRef {
    /// Which of the batches.
    pub batch_offset: u32,
    /// Which of its rows.
    pub row_index: u32,
    /// How often the row is inserted; negative: retracted.
    pub weight: i16,
    /// What happened.
    pub operation: CdcOperation,
}

const _: () = assert!(size_of::<ChangelogRef>() == 12, "five of them in a cache line");

impl ChangelogRef {
    /// The row came.
    pub fn insert(batch_offset: u32, row_index: u32) -> Self {
        Self::once(batch_offset, row_index, CdcOperation::Insert)
    }

    /// The row went.
    pub fn delete(batch_offset: u32, row_index: u32) -> Self {
        Self::once(batch_offset, row_index, CdcOperation::Delete)
    }

    /// The row is what another was before.
    pub fn update_before(batch_offset: u32, row_index: u32) -> Self {
        Self::once(batch_offset, row_index, CdcOperation::UpdateBefore)
    }

    /// The row is what another has become.
    pub fn update_after(batch_offset: u32, row_index: u32) -> Self {
        Self::once(batch_offset, row_index, CdcOperation::UpdateAfter)
    }

    fn once(batch_offset: u32, row_index: u32, operation: CdcOperation) -> Self {
        Self { batch_offset, row_index, weight: operation.weight() as i16, operation }
    }
}

/// Changes of one step, in memory that is taken once: it is filled, turned into a batch and cleared, step after step.
///
/// ```
/// # use std::sync::Arc;
/// # use arrow_schema::{DataType, Field, Schema};
/// use laminar_core::ChangeBatch;
/// use laminar_core::operator::changelog::{ChangelogBuffer, ChangelogRef};
///
/// # let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("n", DataType::Int64, true)]));
/// let old = ChangeBatch::parse(&schema, "+1 | a | 1 ; +1 | b | 2")?;
/// let new = ChangeBatch::parse(&schema, "+1 | b | 3 ; +1 | c | 4")?;
/// let mut buffer = ChangelogBuffer::with_capacity(1024);
/// assert!(buffer.push_update((0, 1), (1, 0)));
/// assert!(buffer.push(ChangelogRef::insert(1, 1)));
/// let changes = buffer.to_changes(&schema, &[old.rows(), new.rows()])?;
/// assert_eq!(changes.print(), "-1 | b | 2\n+1 | b | 3\n+1 | c | 4");
/// buffer.clear();
/// assert_eq!((buffer.len(), buffer.capacity()), (0, 1024));
/// # Ok::<(), laminar_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ChangelogBuffer {
    refs: Vec<ChangelogRef>,
    capacity: usize,
}

impl ChangelogBuffer {
    /// Room for `capacity` changes, whose memory has been touched already, so that the first step is as fast as the others.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut refs = vec![ChangelogRef::insert(0, 0); capacity];
        refs.clear();
        Self { refs, capacity }
    }

    /// Adds a change; false if there is no room left: then nothing was added.
    #[must_use = "a full buffer takes no more"]
    pub fn push(&mut self, change: ChangelogRef) -> bool {
        let has_room = self.available() >= 1;
        if has_room {
            self.refs.push(change);
        }
        has_room
    }

    /// Adds −old +new, each a batch and a row in it; false if there is no room for both: then nothing was added.
    #[must_use = "a full buffer takes no more"]
    pub fn push_update(&mut self, old: (u32, u32), new: (u32, u32)) -> bool {
        let has_room = self.available() >= 2;
        if has_room {
            self.refs.push(ChangelogRef::update_before(old.0, old.1));
            self.refs.push(ChangelogRef::update_after(new.0, new.1));
        }
        has_room
    }

    /// The changes so far, in order.
    pub fn as_slice(&self) -> &[ChangelogRef] {
        &self.refs
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.refs.len()
    }

    /// True if there is no change.
    pub fn is_empty(&self) -> bool {
        self.refs.is_empty()
    }

    /// How many changes there is room for in all.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many more changes there is room for.
    pub fn available(&self) -> usize {
        self.capacity - self.refs.len()
    }

    /// Forgets the changes and keeps the memory.
    pub fn clear(&mut self) {
        self.refs.clear();
    }

    /// The changes with their rows, in order; `batches` are those that the references count, all with the columns of
    /// `schema`. Fails if a reference points outside of them.
    pub fn to_changes(&self, schema: &SchemaRef, batches: &[&RecordBatch]) -> Result<ChangeBatch> {
        if let Some(change) = self.refs.iter().find(|change| !is_within(change, batches)) {
            let (row, batch) = (change.row_index, change.batch_offset);
            return Err(Error::internal(format!("a change refers to row {row} of batch {batch}, which is not there")));
        }
        if self.refs.is_empty() {
            return Ok(ChangeBatch::empty(schema.clone()));
        }
        let places: Vec<_> = self.refs.iter().map(|change| (change.batch_offset as usize, change.row_index as usize)).collect();
        let rows = interleave_record_batch(batches, &places)?.with_schema(schema.clone())?;
        Ok(ChangeBatch::new(rows, self.refs.iter().map(|change| i64::from(change.weight)).collect::<Vec<_>>()))
    }
}

fn is_within(change: &ChangelogRef, batches: &[&RecordBatch]) -> bool {
    batches.get(change.batch_offset as usize).is_some_and(|batch| (change.row_index as usize) < batch.num_rows())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]))
    }

    fn rows(text: &str) -> RecordBatch {
        ChangeBatch::parse(&schema(), text).unwrap().rows().clone()
    }

    #[test]
    fn steps_use_the_same_memory_over_and_over() {
        let mut buffer = ChangelogBuffer::with_capacity(4);
        let memory = buffer.as_slice().as_ptr();
        for _ in 0..3 {
            (0..4).for_each(|row| assert!(buffer.push(ChangelogRef::insert(0, row))));
            assert_eq!((buffer.as_slice().as_ptr(), buffer.len(), buffer.available()), (memory, 4, 0));
            buffer.clear();
        }
        assert_eq!((buffer.is_empty(), buffer.capacity()), (true, 4));
    }

    #[test]
    fn a_full_buffer_takes_neither_a_change_nor_half_an_update() {
        let mut buffer = ChangelogBuffer::with_capacity(1);
        assert!(!buffer.push_update((0, 0), (0, 1)));
        assert!(buffer.is_empty());
        assert!(buffer.push(ChangelogRef::delete(0, 0)));
        assert!(!buffer.push(ChangelogRef::insert(0, 0)));
        assert_eq!(buffer.as_slice(), [ChangelogRef::delete(0, 0)]);
    }

    #[test]
    fn references_become_rows_in_their_order() {
        let mut buffer = ChangelogBuffer::with_capacity(9);
        let (first, second) = (rows("+1 | 10 ; +1 | 11"), rows("+1 | 20 ; +1 | NULL"));
        assert_eq!(buffer.to_changes(&schema(), &[]).unwrap().print(), "");
        assert!(buffer.push(ChangelogRef { weight: -3, ..ChangelogRef::delete(1, 1) }));
        assert!(buffer.push_update((0, 1), (1, 0)));
        assert!(buffer.push(ChangelogRef::insert(0, 1)));
        let changes = buffer.to_changes(&schema(), &[&first, &second]).unwrap();
        assert_eq!(changes.print(), "-3 | NULL\n-1 | 11\n+1 | 20\n+1 | 11");
    }

    #[test]
    fn a_reference_to_nothing_is_an_error() {
        for (batch, row) in [(1, 0), (0, 1)] {
            let mut buffer = ChangelogBuffer::with_capacity(1);
            assert!(buffer.push(ChangelogRef::insert(batch, row)));
            let error = buffer.to_changes(&schema(), &[&rows("+1 | 1")]).unwrap_err();
            assert_eq!(error.message(), format!("a change refers to row {row} of batch {batch}, which is not there"));
        }
    }
}
