//! What a database's directory says of the objects whose statements are said again when it is opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use laminar_connectors::{BadRow, Position, SinkRequest, Source, SourcePoll};
use laminar_core::{Error, Result};
use laminar_sql::parse::ConnectorDef;

use super::attach::source_request;
use super::sinks::{SinkHandle, SinkState};
use super::{Declared, Engine};
use crate::catalog::ObjectId;
use crate::settings::IoMethod;
use crate::stored::ObjectContext;

/// What is known of objects before their statements are said again.
#[derive(Default)]
pub(crate) struct Recorded {
    /// Of the object whose statement runs.
    pub(crate) context: Option<ObjectContext>,
    /// How far sinks were.
    pub(crate) sinks: BTreeMap<ObjectId, RecordedSink>,
    /// Statements are said for a checkpoint whose state comes when all are said: no step runs until then.
    pub(crate) is_restoring: bool,
}

/// How far a sink was at the checkpoint.
pub(crate) struct RecordedSink {
    pub(crate) state: SinkState,
    pub(crate) token: laminar_connectors::SinkToken,
    pub(crate) rows: u64,
    /// Whether nothing is to be done any more for it.
    pub(crate) is_complete: bool,
}

impl Engine {
    /// The idle timeout of a source whose statement runs.
    pub(crate) fn idle_timeout(&self) -> Option<i64> {
        self.recorded.context.as_ref().map_or(self.settings.idle_timeout, |context| context.idle_timeout)
    }

    /// The columns that an object had whose statement is said again.
    pub(crate) fn recorded_columns(&self) -> Result<Option<SchemaRef>> {
        Ok(self.recorded.context.as_ref().map(ObjectContext::columns).transpose()?.flatten())
    }

    /// Opens a connector for the statement that runs. If the statement was said before, the columns are those that were found then, and what cannot
    /// be opened any more is a source that fails when it is read: the other objects of the database go on.
    pub(crate) fn open_source_as_recorded(
        &self,
        name: &str,
        connector: &ConnectorDef,
        declared: Declared<'_>,
    ) -> Result<Box<dyn Source>> {
        let Some(found) = self.recorded_columns()? else { return self.open_source(name, connector, declared) };
        let were_found = declared.schema.is_none();
        let schema = declared.schema.unwrap_or(found);
        Ok(self.open_or_fail_later(name, connector, Declared { schema: Some(schema), were_found, ..declared }))
    }

    /// The same for another reader of a source.
    pub(super) fn open_reader(&self, name: &str, connector: &ConnectorDef, columns: Declared<'_>) -> Result<Box<dyn Source>> {
        if self.journal.is_recovering() {
            return Ok(self.open_or_fail_later(name, connector, columns));
        }
        self.open_source(name, connector, columns)
    }

    fn open_or_fail_later(&self, name: &str, connector: &ConnectorDef, columns: Declared<'_>) -> Box<dyn Source> {
        let schema = columns.schema.clone().unwrap_or_else(|| Arc::new(Schema::empty()));
        let is_append = self.recorded.context.as_ref().is_none_or(|context| !context.tells_changes);
        let request = source_request(name, connector, columns.clone());
        let error = match self.open_source(name, connector, columns) {
            Ok(source) => return source,
            Err(error) => error,
        };
        match self.registry.open_source_later(&connector.name, request, is_append, &error) {
            Ok(Some(source)) => source,
            _ => Box::new(FailedSource { schema, is_append, error, position: Position::default() }),
        }
    }

    /// Opens a connector for writing: of a sink that was there before, from where the checkpoint left it.
    pub(crate) fn open_sink_as_recorded(
        &self,
        id: ObjectId,
        connector: &ConnectorDef,
        request: SinkRequest,
    ) -> Result<SinkHandle> {
        let (recorded, busy) = (self.recorded.sinks.get(&id), &self.busy_sinks);
        if let Some(RecordedSink { state, token, rows, is_complete: true }) = recorded {
            return Ok(SinkHandle::ended(busy, state.clone(), token.clone(), *rows));
        }
        let transactional = self.journal.store().is_some();
        let resume = recorded.map(|recorded| recorded.token.clone());
        let rows = recorded.map_or(0, |recorded| recorded.rows);
        let token = resume.clone().unwrap_or_default();
        let state = recorded.map_or(SinkState::Writing, |recorded| recorded.state.clone());
        let io_uring = self.settings.io_method == IoMethod::IoUring;
        let request = SinkRequest { resume, transactional, io_uring, ..request };
        let error = match self.open_sink(connector, request.clone()) {
            Ok(sink) => return Ok(SinkHandle::resumed(busy, sink, transactional, state, token, rows)),
            Err(error) if self.journal.is_recovering() => error,
            Err(error) => return Err(error),
        };
        Ok(match self.registry.open_sink_later(&connector.name, request, &error) {
            Ok(Some(sink)) => SinkHandle::resumed(busy, sink, transactional, state, token, rows),
            _ => SinkHandle::ended(busy, SinkState::Failed(error), token, rows),
        })
    }
}

/// A source that could be opened when its statement was said, and cannot be now.
struct FailedSource {
    schema: SchemaRef,
    is_append: bool,
    error: Error,
    /// Where it is to go on once it can be opened again.
    position: Position,
}

impl Source for FailedSource {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn poll(&mut self, _: usize) -> Result<SourcePoll> {
        Err(self.error.clone())
    }

    fn position(&self) -> Position {
        self.position.clone()
    }

    fn describe_position(&self) -> String {
        "not opened".to_owned()
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, position: &Position) -> Result<()> {
        self.position = position.clone();
        Ok(())
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn is_append(&self) -> bool {
        self.is_append
    }

    fn give_up(&mut self) -> Vec<BadRow> {
        Vec::new()
    }
}
