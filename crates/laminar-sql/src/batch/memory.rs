//! What an ad-hoc query may take: a pool for the work of its operators, from which its answer is taken too.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use laminar_core::{Code, Error, Result};

/// The memory of one query.
pub(super) struct QueryMemory {
    bytes_max: usize,
    pool: Arc<dyn MemoryPool>,
}

impl QueryMemory {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, pool: Arc::new(GreedyMemoryPool::new(bytes_max)) }
    }

    /// Where the query's operators get their memory.
    pub(super) fn runtime(&self) -> Result<Arc<RuntimeEnv>, DataFusionError> {
        RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&self.pool)).build_arc()
    }

    /// An answer that grows batch by batch.
    pub(super) fn answer(&self, schema: SchemaRef) -> Answer {
        let reservation = MemoryConsumer::new("answer").register(&self.pool);
        Answer { schema, batches: Vec::new(), seen: HashSet::new(), reservation }
    }

    /// The error in our words.
    pub(super) fn explain(&self, error: Error) -> Error {
        let is_ours = error.message().starts_with("failed to allocate") || error.message().contains("memory");
        if error.code() != Code::LimitReached || !is_ours {
            return error;
        }
        let text = format!("the query needs more than {} bytes of memory (query_memory)", self.bytes_max);
        Error::new(Code::LimitReached, text).with_hint("select fewer rows or columns, or allow more: SET query_memory = '8 GiB'")
    }
}

/// The rows of an answer, and the memory that they hold.
pub(super) struct Answer {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Buffers that are counted: batches may share them.
    seen: HashSet<usize>,
    reservation: MemoryReservation,
}

impl Answer {
    /// Takes a batch in; fails if there is no memory for it.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<(), DataFusionError> {
        let mut bytes = 0;
        for column in batch.columns() {
            count(&column.to_data(), &mut self.seen, &mut bytes);
        }
        self.reservation.try_grow(bytes)?;
        self.batches.push(batch);
        Ok(())
    }

    pub(super) fn finish(self) -> (SchemaRef, Vec<RecordBatch>) {
        (self.schema, self.batches)
    }
}

/// Adds the buffers of `data` that were not seen yet.
fn count(data: &arrow_data::ArrayData, seen: &mut HashSet<usize>, bytes: &mut usize) {
    let buffers = data.buffers().iter().chain(data.nulls().map(|nulls| nulls.buffer()));
    for buffer in buffers {
        if seen.insert(buffer.data_ptr().as_ptr() as usize) {
            *bytes += buffer.capacity();
        }
    }
    for child in data.child_data() {
        count(child, seen, bytes);
    }
}
