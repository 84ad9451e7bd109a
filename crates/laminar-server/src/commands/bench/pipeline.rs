//! The database under test: its sources, one stream, and a listener that keeps what comes out.

use std::sync::{Arc, Mutex, PoisonError};

use laminar_core::ChangeBatch;
use laminar_db::{CallbackHandle, Code, Database, Error, Result};

use super::input::{Batch, Table};
use super::workload::Workload;

/// Who does the work of a database under test.
#[derive(Debug, Clone, Copy)]
pub(super) struct Threads {
    /// Threads that share a step.
    pub(super) workers: u16,
    /// Whether the database has a thread of its own, that reads and steps.
    pub(super) hosted: bool,
}

/// A database that is ready for the rows of a workload.
pub(super) struct Pipeline {
    /// The database itself.
    pub(super) database: Database,
    tables: &'static [Table],
    // Listens as long as it lives.
    _listener: CallbackHandle,
}

impl Pipeline {
    /// A database with the workload's source and stream; `listen` gets every change within its step.
    pub(super) fn new(workload: &Workload, threads: Threads, listen: impl FnMut(&ChangeBatch) + Send + 'static) -> Result<Self> {
        let builder = Database::builder().workers(threads.workers.into());
        let database = if threads.hosted { builder.hosted().build() } else { builder.build() };
        let tables = workload.source.tables();
        for Table { name, columns } in tables {
            database.execute(&format!("CREATE SOURCE {name} ({columns})"))?;
        }
        database.execute(workload.setup)?;
        database.execute(&workload.stream())?;
        let listener = database.on_changes("result", listen)?;
        Ok(Self { database, tables, _listener: listener })
    }

    /// Pushes `batch` into its source.
    pub(super) fn push(&self, batch: Batch) -> Result<()> {
        self.database.push(batch.table, batch.rows).map(drop)
    }

    /// Says that there are no more rows: the last windows close.
    pub(super) fn end(&self) -> Result<()> {
        self.tables.iter().try_for_each(|table| self.database.end_source(table.name))
    }

    /// Fails unless every row was used.
    pub(super) fn assert_complete(&self) -> Result<()> {
        let status = self.database.status();
        if let Some((object, error)) = status.failures().next() {
            return Err(Error::new(error.code(), format!("'{}' stopped: {}", object.name, error.message())));
        }
        if status.late + status.errors > 0 {
            let text = format!("{} rows were late and {} in error, so the figures mean nothing", status.late, status.errors);
            return Err(Error::new(Code::Internal, text).with_hint("the rows of a workload are all on time: this is a bug"));
        }
        Ok(())
    }
}

/// Changes that a listener keeps to look at them after the clock has stopped; clones share them.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<ChangeBatch>>>);

impl Kept {
    /// Keeps `changes`; their rows are not copied.
    pub(super) fn keep(&self, changes: &ChangeBatch) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(changes.clone());
    }

    /// Everything kept so far.
    pub(super) fn take(&self) -> Vec<ChangeBatch> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
