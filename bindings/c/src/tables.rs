//! Results as Arrow structures, and Arrow structures as rows to push.

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{Array, RecordBatch, RecordBatchIterator, RecordBatchOptions, StructArray};
use arrow_schema::Schema;
use laminar_db::{Code, Error, Result, Rows};

/// The rows of one query, the changes of one step, or a batch of the caller's.
pub struct QueryResult(pub(crate) Rows);

impl QueryResult {
    /// The rows of one batch.
    pub(crate) fn of(batch: RecordBatch) -> Self {
        Self(Rows::from(batch))
    }

    /// Names and types of the columns.
    pub(crate) fn schema(&self) -> Result<FFI_ArrowSchema> {
        Ok(FFI_ArrowSchema::try_from(self.0.schema.as_ref())?)
    }

    /// Batch `index` as a struct array and its type.
    pub(crate) fn batch(&self, index: u64) -> Result<(FFI_ArrowArray, FFI_ArrowSchema)> {
        let batches = &self.0.batches;
        let batch = usize::try_from(index).ok().and_then(|index| batches.get(index)).ok_or_else(|| {
            Error::new(Code::InvalidOption, format!("there is no batch {index}: the result has {}", batches.len()))
        })?;
        let rows =
            StructArray::try_new_with_length(batch.schema().fields().clone(), batch.columns().to_vec(), None, batch.num_rows())?;
        Ok((FFI_ArrowArray::new(&rows.to_data()), self.schema()?))
    }

    /// All batches, one after the other.
    pub(crate) fn stream(&self) -> FFI_ArrowArrayStream {
        let batches: Vec<_> = self.0.batches.iter().cloned().map(Ok).collect();
        FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new(batches, self.0.schema.clone())))
    }
}

/// Imported columns as a batch. The columns are checked in full, since C may hand over anything: offsets must ascend and stay
/// inside of their buffers, text must be UTF-8.
pub(crate) fn batch_of(columns: &StructArray, schema: &FFI_ArrowSchema) -> Result<RecordBatch> {
    if columns.null_count() > 0 {
        return Err(Error::new(Code::BadData, format!("{} of the rows are NULL as a whole", columns.null_count()))
            .with_hint("mark the columns' values as NULL, not the struct that holds them"));
    }
    columns.to_data().validate_full()?;
    let schema = Schema::try_from(schema)?;
    let options = RecordBatchOptions::new().with_row_count(Some(columns.len()));
    Ok(RecordBatch::try_new_with_options(schema.into(), columns.columns().to_vec(), &options)?)
}
