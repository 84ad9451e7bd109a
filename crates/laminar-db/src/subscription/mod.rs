//! Readers of changes: each pulls from the history of an object, at its own pace.

mod history;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use laminar_connectors::formats::distinct::distinct_schema;
use laminar_core::dag::ChangeKind;
use laminar_core::{ChangeBatch, Error, NodeId, Result, StepId};

use history::Next;
pub(crate) use history::{History, ReaderId};

use crate::{Database, Notice};

/// What happens when a reader does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlowReader {
    /// The subscription ends with an error that says which steps it missed. No one else notices.
    #[default]
    Fail,
    /// The oldest changes are dropped, and counted in [`Subscription::dropped`].
    DropOldest,
    /// What feeds the object waits: pushes into it fail with [`Code::Backpressure`](crate::Code::Backpressure) after some time, and its
    /// connectors are not read. Nothing is lost.
    Block,
}

/// How to subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Whether the current rows come first; `None`: if they are stored.
    pub snapshot: Option<bool>,
    /// Begin with the changes after this step, as far as the object's history reaches, and without its current rows.
    pub as_of_step: Option<StepId>,
    /// What happens when the reader does not keep up.
    pub slow_reader: SlowReader,
    /// Steps with changes that may wait for it, beside the bound of bytes (`SET subscription_memory`).
    pub capacity: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { snapshot: None, as_of_step: None, slow_reader: SlowReader::default(), capacity: usize::MAX }
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

/// Reads the changes of one object, step by step. As an iterator it drives the database until the object's inputs have ended
/// or nothing more can come without a push.
pub struct Subscription {
    name: String,
    schema: SchemaRef,
    description: Description,
    source: Option<Reading>,
    /// The objects from which its rows come.
    inputs: Vec<String>,
    notices: Vec<Notice>,
    database: Database,
}

/// Where a subscription reads.
pub(crate) struct Reading {
    /// The node whose changes they are.
    pub(crate) node: NodeId,
    pub(crate) history: History,
    pub(crate) reader: ReaderId,
    /// Nodes that exist for this subscription alone.
    pub(crate) own_nodes: Vec<NodeId>,
}

impl Subscription {
    pub(crate) fn new(name: String, schema: SchemaRef, description: Description, database: Database) -> Self {
        Self { name, schema, description, source: None, inputs: Vec::new(), notices: Vec::new(), database }
    }

    pub(crate) fn reads(&mut self, source: Reading, inputs: Vec<String>, notices: Vec<Notice>) {
        self.source = Some(source);
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

    /// Rows of changes that were dropped because the reader did not keep up ([`SlowReader::DropOldest`]).
    pub fn dropped(&self) -> u64 {
        self.source.as_ref().map_or(0, |source| source.history.dropped(source.reader))
    }

    /// True once nothing will come any more and everything has been read.
    pub fn is_finished(&self) -> bool {
        self.source.as_ref().is_none_or(|source| source.history.is_finished(source.reader))
    }

    /// The next changes, if some are waiting already. Does not run the database.
    pub fn try_next(&mut self) -> Result<Option<ChangeSet>> {
        let Some(source) = &self.source else { return Ok(None) };
        match source.history.next(source.reader)? {
            Next::Changes(step, changes) => Ok(Some(self.description.of(step, changes)?)),
            Next::Nothing | Next::End => Ok(None),
        }
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
        if let Some(source) = self.source.take() {
            self.database.end_subscription(&source);
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
