//! Readers of changes: a bounded queue between the engine and whoever listens.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_connectors::formats::distinct::distinct_schema;
use laminar_core::dag::{ChangeKind, Outlet, OutletId};
use laminar_core::limits::SUBSCRIPTION_BATCHES_MAX;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, NodeId, Result, StepId};

use crate::{Database, Notice};

/// What happens when a reader does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlowReader {
    /// The graph that feeds it waits. Nothing is lost.
    #[default]
    Block,
    /// The oldest changes are dropped, and counted in [`Subscription::dropped`].
    DropOldest,
    /// The subscription ends with an error.
    Fail,
}

/// How to subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Whether the current rows come first; `None`: if they are stored.
    pub snapshot: Option<bool>,
    /// What happens when the reader does not keep up.
    pub slow_reader: SlowReader,
    /// Steps with changes that may wait.
    pub capacity: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { snapshot: None, slow_reader: SlowReader::Block, capacity: SUBSCRIPTION_BATCHES_MAX }
    }
}

/// What a change does to the reader's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// `+I`: a new row.
    Insert,
    /// `-U`: the row before an update.
    UpdateBefore,
    /// `+U`: the row after an update.
    UpdateAfter,
    /// `-D`: a row that is gone.
    Delete,
}

impl Change {
    /// The two characters that people read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Change::Insert => "+I",
            Change::UpdateBefore => "-U",
            Change::UpdateAfter => "+U",
            Change::Delete => "-D",
        }
    }
}

/// The changes of one step.
#[derive(Debug, Clone)]
pub struct ChangeSet {
    /// The step.
    pub step: StepId,
    /// Rows and weights.
    pub changes: ChangeBatch,
    /// What each row of `changes` does.
    pub operations: Vec<Change>,
}

impl ChangeSet {
    /// The rows with the columns `step` (UINT64) and `op` (`+I`, `-U`, `+U`, `-D`) before their own, each as often as its
    /// weight says.
    pub fn with_operations(&self) -> Result<RecordBatch> {
        let times = |row: usize| usize::try_from(self.changes.weight(row).unsigned_abs()).unwrap_or(1);
        let picked: Vec<u32> = (0..self.changes.len()).flat_map(|row| std::iter::repeat_n(row as u32, times(row))).collect();
        let operations: StringArray = picked.iter().map(|row| Some(self.operations[*row as usize].as_str())).collect();
        let steps = UInt64Array::from(vec![self.step.0; picked.len()]);
        let each_once = picked.len() == self.changes.len() && (0..self.changes.len()).all(|row| times(row) == 1);
        // Mostly every row comes or goes once: then its columns are shared, not copied.
        let rows = if each_once { self.changes.rows().clone() } else { self.changes.take(&picked.into())?.rows().clone() };
        let mut columns: Vec<ArrayRef> = vec![Arc::new(steps), Arc::new(operations)];
        columns.extend(rows.columns().iter().cloned());
        Ok(RecordBatch::try_new(schema_with_operations(&rows.schema()), columns)?)
    }
}

/// `step` and `op`, then the columns of `schema`: the columns of [`ChangeSet::with_operations`]. Columns of the rows that are
/// called so too are shown as `step_2` and `op_2`.
pub fn schema_with_operations(schema: &SchemaRef) -> SchemaRef {
    let mut fields = vec![Field::new("step", DataType::UInt64, false), Field::new("op", DataType::Utf8, false)];
    fields.extend(schema.fields().iter().map(|field| field.as_ref().clone()));
    distinct_schema(&Arc::new(Schema::new(fields)))
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(StepId, ChangeBatch)>,
    ended: bool,
    failed: Option<Error>,
    dropped: u64,
}

/// Reads the changes of one object, step by step. As an iterator it drives the database until the object's inputs have ended
/// or nothing more can come without a push.
pub struct Subscription {
    name: String,
    schema: SchemaRef,
    description: Description,
    queue: Arc<Mutex<Queue>>,
    outlet: Option<OutletId>,
    /// Nodes that exist for this subscription alone.
    nodes: Vec<NodeId>,
    /// The objects from which its rows come.
    inputs: Vec<String>,
    notices: Vec<Notice>,
    database: Database,
}

impl Subscription {
    pub(crate) fn new(name: String, schema: SchemaRef, description: Description, database: Database) -> Self {
        Self {
            name,
            schema,
            description,
            queue: Arc::default(),
            outlet: None,
            nodes: Vec::new(),
            inputs: Vec::new(),
            notices: Vec::new(),
            database,
        }
    }

    /// The other end of the queue, to be put at a node.
    pub(crate) fn outlet(&self, options: SubscribeOptions) -> Box<dyn Outlet> {
        Box::new(QueueOutlet { queue: self.queue.clone(), policy: options.slow_reader, capacity: options.capacity.max(1) })
    }

    pub(crate) fn listens_at(&mut self, outlet: OutletId, own_nodes: Option<Vec<NodeId>>) {
        self.outlet = Some(outlet);
        self.nodes = own_nodes.unwrap_or_default();
    }

    pub(crate) fn reads_from(&mut self, inputs: Vec<String>, notices: Vec<Notice>) {
        (self.inputs, self.notices) = (inputs, notices);
    }

    /// What is to be known of the rows with which it begins.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Why no more comes although an input has not come to its end: a source that has stopped, for example. An iterator tells it once, as its
    /// last item.
    pub fn failure(&self) -> Option<Error> {
        self.database.failure_before(&self.inputs)
    }

    /// The name of the object, or of the query.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names and types of the rows.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Changes that were dropped because the reader did not keep up.
    pub fn dropped(&self) -> u64 {
        lock(&self.queue).dropped
    }

    /// True once nothing will come any more and everything has been read.
    pub fn is_finished(&self) -> bool {
        let queue = lock(&self.queue);
        queue.waiting.is_empty() && (queue.ended || queue.failed.is_some())
    }

    /// The next changes, if some are waiting already. Does not run the database.
    pub fn try_next(&mut self) -> Result<Option<ChangeSet>> {
        let (step, changes) = {
            let mut queue = lock(&self.queue);
            match (queue.waiting.pop_front(), queue.failed.take()) {
                (Some(next), failed) => {
                    queue.failed = failed;
                    next
                }
                (None, Some(error)) => {
                    queue.ended = true;
                    return Err(error);
                }
                (None, None) => return Ok(None),
            }
        };
        Ok(Some(self.description.of(step, changes)?))
    }
}

impl Iterator for Subscription {
    type Item = Result<ChangeSet>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.try_next() {
                Ok(Some(changes)) => return Some(Ok(changes)),
                Err(error) => return Some(Err(error)),
                Ok(None) if self.is_finished() => return None,
                Ok(None) => match self.database.poll_or_wait() {
                    Ok(true) => {}
                    Ok(false) => return self.last_failure().map(Err),
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}

impl Subscription {
    /// The failure of an input, once.
    fn last_failure(&mut self) -> Option<Error> {
        let failure = self.failure();
        self.inputs.clear();
        failure
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(outlet) = self.outlet {
            self.database.unsubscribe(outlet, &self.nodes);
        }
    }
}

/// How an object's changes are told to its readers.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    pub(crate) kind: ChangeKind,
    /// Of an update, the new row alone.
    pub(crate) latest_only: bool,
}

impl Description {
    /// The changes of a step with what each of them does.
    pub(crate) fn of(&self, step: StepId, changes: ChangeBatch) -> Result<ChangeSet> {
        let operations = operations(&changes, &self.kind)?;
        if !self.latest_only {
            return Ok(ChangeSet { step, changes, operations });
        }
        let keep: Vec<bool> = operations.iter().map(|operation| *operation != Change::UpdateBefore).collect();
        let changes = changes.filter(&arrow_array::BooleanArray::from(keep))?;
        let operations = operations.into_iter().filter(|operation| *operation != Change::UpdateBefore).collect();
        Ok(ChangeSet { step, changes, operations })
    }
}

/// What each row does. In an upsert stream a retraction and an insertion of one key within a step are one update.
fn operations(changes: &ChangeBatch, kind: &ChangeKind) -> Result<Vec<Change>> {
    let plain = |row: usize| if changes.weight(row) > 0 { Change::Insert } else { Change::Delete };
    let mut operations: Vec<Change> = (0..changes.len()).map(plain).collect();
    let ChangeKind::Upsert(key) = kind else { return Ok(operations) };
    let columns: Vec<_> = key.iter().map(|column| changes.column(*column).clone()).collect();
    let types: Vec<_> = columns.iter().map(|column| arrow_array::Array::data_type(column).clone()).collect();
    let keys = laminar_core::changelog::RowKeys::new(&types)?.encode(&columns, changes.len())?;
    let mut removed = std::collections::BTreeMap::new();
    for row in (0..changes.len()).filter(|row| changes.weight(*row) < 0) {
        removed.insert(keys.row(row), row);
    }
    for row in (0..changes.len()).filter(|row| changes.weight(*row) > 0) {
        if let Some(before) = removed.get(&keys.row(row)) {
            operations[*before] = Change::UpdateBefore;
            operations[row] = Change::UpdateAfter;
        }
    }
    Ok(operations)
}

struct QueueOutlet {
    queue: Arc<Mutex<Queue>>,
    policy: SlowReader,
    capacity: usize,
}

impl Outlet for QueueOutlet {
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, _: i64) {
        let mut queue = lock(&self.queue);
        if let [first, ..] = changes {
            // One entry a step, so that an update's two rows are seen together.
            let whole = ChangeBatch::concat(&first.schema(), changes);
            match whole {
                Ok(whole) => queue.waiting.push_back((step, whole)),
                Err(error) => queue.failed = Some(error),
            }
        }
        if queue.waiting.len() > self.capacity {
            match self.policy {
                SlowReader::Block => {}
                SlowReader::DropOldest => {
                    while queue.waiting.len() > self.capacity {
                        let dropped = queue.waiting.pop_front().map_or(0, |(_, changes)| changes.len());
                        queue.dropped += dropped as u64;
                    }
                }
                SlowReader::Fail => {
                    let text = format!("the reader did not keep up: {} steps were waiting", queue.waiting.len());
                    queue.failed = Some(Error::new(Code::LimitReached, text));
                }
            }
        }
        queue.ended |= watermark.is_end();
    }

    fn ready(&self) -> bool {
        self.policy != SlowReader::Block || lock(&self.queue).waiting.len() < self.capacity
    }

    fn failed(&mut self, error: &Error) {
        lock(&self.queue).failed = Some(error.clone());
    }
}

/// A poisoned lock means that a reader panicked between two of our assignments; the queue itself is whole.
fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
