//! The connector `memory`: queues inside the process, for programs and tests that push and read rows themselves.
//!
//! A queue has a name. `CREATE SOURCE s (…) FROM memory (name = 'in')` reads what a program pushes into the queue `in`;
//! `CREATE SINK … INTO memory (name = 'out')` writes changes that a program drains from the queue `out`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};

use crate::source::cannot_seek;
use crate::{Accepts, Connector, Position, Sink, SinkRequest, Source, SourcePoll, SourceRequest};

/// Rows that a queue holds at most.
pub const QUEUE_ROWS_MAX: usize = 1 << 20;
/// How long a reader of an empty queue may wait before it looks again.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// All queues by name; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryConnector {
    queues: Arc<Mutex<BTreeMap<String, MemoryQueue>>>,
}

impl MemoryConnector {
    /// The queue called `name`, made if it is new.
    pub fn queue(&self, name: &str) -> MemoryQueue {
        locked(&self.queues).entry(name.to_owned()).or_default().clone()
    }
}

/// One queue; clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueue {
    state: Arc<Mutex<QueueState>>,
}

#[derive(Debug, Default)]
struct QueueState {
    batches: VecDeque<ChangeBatch>,
    rows: usize,
    closed: bool,
}

impl MemoryQueue {
    /// Adds rows. Fails if the queue is closed or full: then nothing was added.
    pub fn push(&self, rows: RecordBatch) -> Result<()> {
        self.push_changes(ChangeBatch::append(rows))
    }

    /// Adds changes. Fails if the queue is closed or full: then nothing was added.
    pub fn push_changes(&self, changes: ChangeBatch) -> Result<()> {
        let mut state = locked(&self.state);
        if state.closed {
            return Err(Error::new(Code::Closed, "the memory queue is closed"));
        }
        if state.rows > 0 && state.rows + changes.len() > QUEUE_ROWS_MAX {
            return Err(Error::new(Code::LimitReached, format!("the memory queue holds {} rows", state.rows))
                .with_hint("read from it before pushing more"));
        }
        state.rows += changes.len();
        state.batches.push_back(changes);
        Ok(())
    }

    /// Takes everything out.
    pub fn drain(&self) -> Vec<ChangeBatch> {
        let mut state = locked(&self.state);
        state.rows = 0;
        std::mem::take(&mut state.batches).into()
    }

    /// Nothing will be pushed any more: its reader ends when it has read the rest.
    pub fn close(&self) {
        locked(&self.state).closed = true;
    }

    /// Whether it was closed, by a program or by the sink that wrote into it.
    pub fn is_closed(&self) -> bool {
        locked(&self.state).closed
    }

    /// Rows that wait.
    pub fn rows(&self) -> usize {
        locked(&self.state).rows
    }

    /// At most `rows_max` rows from the front, of one batch.
    fn pop(&self, rows_max: usize) -> Popped {
        let mut state = locked(&self.state);
        let Some(batch) = state.batches.pop_front() else {
            return if state.closed { Popped::Closed } else { Popped::Empty };
        };
        let rows = batch.len().min(rows_max);
        if rows < batch.len() {
            state.batches.push_front(batch.slice(rows, batch.len() - rows));
        }
        state.rows -= rows;
        Popped::Changes(batch.slice(0, rows))
    }
}

enum Popped {
    Changes(ChangeBatch),
    Empty,
    Closed,
}

/// A panic elsewhere does not make a queue's rows wrong, so its lock is taken all the same.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connector for MemoryConnector {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn open_source(&self, request: SourceRequest) -> Result<Box<dyn Source>> {
        let mut options = request.options;
        let name = options.take("name").unwrap_or_else(|| request.name.clone());
        let bounded = options.take_bool("bounded")?.unwrap_or(false);
        options.finish("a memory source", &["name", "bounded"])?;
        let schema = request.schema.ok_or_else(|| {
            Error::new(Code::InvalidQuery, "a memory source needs declared columns")
                .with_hint("CREATE SOURCE name (a BIGINT, b VARCHAR, …) FROM memory (…)")
        })?;
        let queue = self.queue(&name);
        Ok(Box::new(MemorySource { queue, name, schema, bounded, read: 0 }))
    }

    fn sink_accepts(&self, _: &SinkRequest) -> Result<Option<Accepts>> {
        Ok(Some(Accepts::Changes))
    }

    fn open_sink(&self, request: SinkRequest) -> Result<Box<dyn Sink>> {
        let mut options = request.options;
        let name = options.take("name").unwrap_or(request.name);
        options.finish("a memory sink", &["name"])?;
        Ok(Box::new(MemorySink(self.queue(&name))))
    }

    fn replayable(&self) -> bool {
        false
    }
}

struct MemorySource {
    queue: MemoryQueue,
    name: String,
    schema: SchemaRef,
    /// Whether somebody promised to close the queue.
    bounded: bool,
    read: u64,
}

impl MemorySource {
    /// A program may push other columns than were declared; that is its mistake and is told, not a crash.
    fn check(&self, changes: &ChangeBatch) -> Result<()> {
        changes.check_schema(&self.schema).map_err(|_| {
            Error::new(Code::TypeMismatch, format!("the rows pushed into the memory queue '{}' have other columns", self.name))
                .with_detail(format!("declared {:?}, pushed {:?}", types(&self.schema), types(&changes.schema())))
        })
    }
}

fn types(schema: &SchemaRef) -> Vec<String> {
    use crate::formats::type_name::type_name;
    schema.fields().iter().map(|field| format!("{} {}", field.name(), type_name(field.data_type()))).collect()
}

impl Source for MemorySource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, rows_max: usize) -> Result<SourcePoll> {
        match self.queue.pop(rows_max.max(1)) {
            Popped::Changes(changes) => {
                self.check(&changes)?;
                self.read += changes.len() as u64;
                let changes = changes.with_columns(self.schema.clone(), changes.rows().columns().to_vec())?;
                Ok(SourcePoll::Rows { changes, bad: Vec::new() })
            }
            Popped::Empty => Ok(SourcePoll::Pending(POLL_INTERVAL)),
            Popped::Closed => Ok(SourcePoll::End),
        }
    }

    fn position(&self) -> Position {
        Position::default()
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        cannot_seek(&format!("the memory queue '{}'", self.name), position)
    }

    fn describe_position(&self) -> String {
        format!("{}: row {}", self.name, self.read)
    }

    fn is_bounded(&self) -> bool {
        self.bounded
    }
}

struct MemorySink(MemoryQueue);

impl Sink for MemorySink {
    fn write(&mut self, _: StepId, changes: &ChangeBatch) -> Result<()> {
        self.0.push_changes(changes.clone())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.0.close();
        Ok(())
    }
}
