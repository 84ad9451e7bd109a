//! Sinks at the end of a graph: what a step emits is written within the step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laminar_connectors::{Accepts, BadRow, Sink, SinkRequest};
use laminar_core::dag::Outlet;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};
use laminar_sql::parse::ConnectorDef;

use super::Engine;

/// A sink, shared between its outlet and its instance.
#[derive(Clone)]
pub(crate) struct SinkHandle(Arc<Mutex<Writer>>);

struct Writer {
    sink: Box<dyn Sink>,
    rows: u64,
    /// Rows that it could not write, until they are taken over.
    bad_rows: Vec<BadRow>,
    state: SinkState,
}

/// How a sink is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SinkState {
    Writing,
    Finished,
    Failed(Error),
}

impl SinkHandle {
    pub(crate) fn new(sink: Box<dyn Sink>) -> Self {
        Self(Arc::new(Mutex::new(Writer { sink, rows: 0, bad_rows: Vec::new(), state: SinkState::Writing })))
    }

    pub(crate) fn outlet(&self) -> Box<dyn Outlet> {
        Box::new(SinkOutlet(self.clone()))
    }

    pub(crate) fn rows(&self) -> u64 {
        self.lock().rows
    }

    pub(crate) fn state(&self) -> SinkState {
        self.lock().state.clone()
    }

    /// The rows since the last call that it could not write.
    pub(crate) fn take_bad_rows(&self) -> Vec<BadRow> {
        std::mem::take(&mut self.lock().bad_rows)
    }

    /// Completes the output, once.
    pub(crate) fn finish(&self) {
        let mut writer = self.lock();
        if writer.state == SinkState::Writing {
            writer.state = match writer.sink.finish() {
                Ok(()) => SinkState::Finished,
                Err(error) => SinkState::Failed(error),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn write(&mut self, step: StepId, batch: &ChangeBatch) {
        if let Err(error) = self.sink.write(step, batch) {
            self.state = SinkState::Failed(error);
        }
        let bad_rows = self.sink.take_bad_rows();
        self.rows += (batch.len() as u64).saturating_sub(bad_rows.len() as u64);
        self.bad_rows.extend(bad_rows);
    }
}

impl Engine {
    /// Which changes the sink takes.
    pub(crate) fn sink_accepts(&self, connector: &ConnectorDef, request: &SinkRequest) -> Result<Accepts> {
        let found = self.registry.get(&connector.name).map_err(|error| error.at(connector.name_span))?;
        found.sink_accepts(request).map_err(|error| placed(error, connector))?.ok_or_else(|| {
            Error::new(Code::NotSupported, format!("the connector '{}' has no sinks", connector.name)).at(connector.name_span)
        })
    }

    /// Opens a connector for writing.
    pub(crate) fn open_sink(&self, connector: &ConnectorDef, request: SinkRequest) -> Result<Box<dyn Sink>> {
        let found = self.registry.get(&connector.name).map_err(|error| error.at(connector.name_span))?;
        found.open_sink(request).map_err(|error| placed(error, connector))
    }

    /// Takes over the rows that sinks could not write since the last call.
    pub(crate) fn collect_unwritten(&mut self) -> Result<()> {
        for (id, instance) in self.instances.iter() {
            if let Some((handle, _)) = instance.sink() {
                self.side_outputs.add_bad_rows(id, &handle.take_bad_rows())?;
            }
        }
        Ok(())
    }
}

pub(super) fn placed(error: Error, connector: &ConnectorDef) -> Error {
    if error.span().is_some() { error } else { error.at(connector.span) }
}

struct SinkOutlet(SinkHandle);

impl Outlet for SinkOutlet {
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, _: i64) {
        {
            let mut writer = self.0.lock();
            for batch in changes {
                if writer.state != SinkState::Writing {
                    return;
                }
                writer.write(step, batch);
            }
        }
        if watermark.is_end() {
            self.0.finish();
        }
    }

    fn failed(&mut self, error: &Error) {
        let mut writer = self.0.lock();
        if writer.state == SinkState::Writing {
            writer.state = SinkState::Failed(error.clone());
        }
    }
}
