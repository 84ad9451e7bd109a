//! Sinks at the end of a graph: what a step emits is written within the step.
//!
//! In a database with a directory what a sink writes belongs to an epoch: [`SinkHandle::prepare`] makes it last before the checkpoint is
//! published, [`SinkHandle::commit`] makes it visible afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laminar_connectors::{Accepts, BadRow, Sink, SinkRequest, SinkToken, Trouble};
use laminar_core::dag::Outlet;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};
use laminar_sql::parse::ConnectorDef;

use super::{Engine, Instance};
use crate::catalog::ObjectId;
use crate::stored::{StoredSink, StoredSinkState, to_hex};

/// A sink, shared between its outlet and its instance.
#[derive(Clone)]
pub(crate) struct SinkHandle(Arc<Mutex<Writer>>);

struct Writer {
    sink: Box<dyn Sink>,
    /// What it told when it prepared the last epoch.
    token: SinkToken,
    /// The epoch that has prepared the last of its output, and whether it is visible.
    last_epoch: LastEpoch,
    rows: u64,
    /// Rows that it could not write, until they are taken over.
    bad_rows: Vec<BadRow>,
    state: SinkState,
    /// When what waits is written, if something does.
    again_at: Option<i64>,
}

/// How far the end of a sink's output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastEpoch {
    /// The output has not ended, or no epoch has been prepared since.
    Open,
    Prepared(u64),
    /// Nothing of it waits for a commit, nor will.
    Committed,
}

/// How a sink is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SinkState {
    Writing,
    Finished,
    Failed(Error),
}

impl SinkHandle {
    /// A sink that goes on from where `token` says, behind so many rows. `in_epochs`: what it writes becomes visible when epochs are committed.
    pub(super) fn resumed(sink: Box<dyn Sink>, in_epochs: bool, state: SinkState, token: SinkToken, rows: u64) -> Self {
        let last_epoch = if in_epochs { LastEpoch::Open } else { LastEpoch::Committed };
        Self(Arc::new(Mutex::new(Writer { sink, token, last_epoch, rows, bad_rows: Vec::new(), state, again_at: None })))
    }

    /// A sink that takes nothing more, since it is in this state.
    pub(super) fn ended(state: SinkState, token: SinkToken, rows: u64) -> Self {
        Self(Arc::new(Mutex::new(Writer {
            sink: Box::new(NoSink),
            token,
            last_epoch: LastEpoch::Committed,
            rows,
            bad_rows: Vec::new(),
            state,
            again_at: None,
        })))
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

    /// Why rows wait in it.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let writer = self.lock();
        if matches!(writer.state, SinkState::Failed(_)) { None } else { writer.sink.trouble() }
    }

    /// Nanoseconds until it is tried again.
    pub(crate) fn tried_again_in(&self, now: i64) -> i64 {
        self.lock().again_at.map_or(0, |at| at.saturating_sub(now).max(0))
    }

    /// Writes what waits, if it is time; gives when it is tried again, if something still waits.
    pub(crate) fn try_again(&self, now: i64) -> Option<i64> {
        self.lock().try_again(now)
    }

    /// Makes what was written in `epoch` last. Gives what a checkpoint says of the sink; one that cannot has failed.
    pub(crate) fn prepare(&self, epoch: u64) -> StoredSink {
        let mut writer = self.lock();
        if writer.works_in_epochs() {
            match writer.sink.prepare(epoch) {
                Ok(token) => writer.token = token,
                Err(error) => writer.state = SinkState::Failed(error),
            }
            if writer.state == SinkState::Finished {
                writer.last_epoch = LastEpoch::Prepared(epoch);
            }
        }
        let state = match &writer.state {
            SinkState::Writing => StoredSinkState::Writing,
            SinkState::Finished if writer.last_epoch == LastEpoch::Committed => StoredSinkState::Complete,
            SinkState::Finished => StoredSinkState::Finished,
            SinkState::Failed(error) => StoredSinkState::Failed(error.message().to_owned()),
        };
        StoredSink { state, token: to_hex(writer.token.as_stored()), rows: writer.rows }
    }

    /// What was prepared up to `epoch` becomes visible.
    pub(crate) fn commit(&self, epoch: u64) {
        self.end_epoch(|sink| sink.commit(epoch));
        let mut writer = self.lock();
        if writer.last_epoch == LastEpoch::Prepared(epoch) {
            writer.last_epoch = LastEpoch::Committed;
        }
    }

    /// Completes the output and makes it visible, without a checkpoint: nothing will be written any more. Rows that wait have their last chance.
    pub(crate) fn close(&self) {
        self.finish();
        self.try_again(i64::MAX);
        if let Some(Trouble { error, .. }) = self.trouble() {
            self.lock().state = SinkState::Failed(error);
        }
        self.prepare(u64::MAX);
        self.commit(u64::MAX);
    }

    /// The checkpoint of `epoch` has not come about.
    pub(crate) fn abort(&self, epoch: u64) {
        self.end_epoch(|sink| sink.abort(epoch));
    }

    fn end_epoch(&self, end: impl FnOnce(&mut dyn Sink) -> Result<()>) {
        let mut writer = self.lock();
        if writer.works_in_epochs()
            && let Err(error) = end(&mut *writer.sink)
        {
            writer.state = SinkState::Failed(error);
        }
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
    /// Whether something of what it has written may not be visible yet.
    fn works_in_epochs(&self) -> bool {
        !matches!(self.state, SinkState::Failed(_)) && self.last_epoch != LastEpoch::Committed
    }

    fn write(&mut self, step: StepId, batch: &ChangeBatch) {
        if let Err(error) = self.sink.write(step, batch) {
            self.state = SinkState::Failed(error);
        }
        self.rows += batch.len() as u64;
        self.take_bad_rows();
    }

    fn try_again(&mut self, now: i64) -> Option<i64> {
        if matches!(self.state, SinkState::Failed(_)) {
            return None;
        }
        self.again_at = self.sink.try_again(now).unwrap_or_else(|error| {
            self.state = SinkState::Failed(error);
            None
        });
        self.take_bad_rows();
        self.again_at
    }

    fn take_bad_rows(&mut self) {
        let bad_rows = self.sink.take_bad_rows();
        self.rows = self.rows.saturating_sub(bad_rows.len() as u64);
        self.bad_rows.extend(bad_rows);
    }
}

impl Engine {
    /// Which changes the sink takes.
    pub(crate) fn sink_accepts(&self, connector: &ConnectorDef, request: &SinkRequest) -> Result<Accepts> {
        self.registry.get(&connector.name).map_err(|error| error.at(connector.name_span))?;
        let accepts = self.registry.sink_accepts(&connector.name, request);
        accepts.map_err(|error| placed(error, connector))?.ok_or_else(|| {
            Error::new(Code::NotSupported, format!("the connector '{}' has no sinks", connector.name)).at(connector.name_span)
        })
    }

    /// Opens a connector for writing.
    pub(crate) fn open_sink(&self, connector: &ConnectorDef, request: SinkRequest) -> Result<Box<dyn Sink>> {
        self.registry.get(&connector.name).map_err(|error| error.at(connector.name_span))?;
        self.registry.open_sink(&connector.name, request).map_err(|error| placed(error, connector))
    }

    /// Lets sinks whose outside was away write what waits for them, if it is time; gives when the next one is to be tried.
    pub(super) fn try_sinks_again(&self, now: i64) -> Option<i64> {
        let sinks = self.instances.iter().filter_map(|(_, instance)| instance.sink());
        sinks.filter_map(|(handle, _)| handle.try_again(now)).min()
    }

    /// The first sink for which rows wait, and why: what has been read must not count as done.
    pub(crate) fn waiting_sink(&self) -> Option<(&str, Trouble)> {
        let waits = |(id, instance): (ObjectId, &Instance)| Some((self.catalog.name_of(id), instance.sink()?.0.trouble()?));
        self.instances.iter().find_map(waits)
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

/// Stands for a sink that takes nothing more.
struct NoSink;

impl Sink for NoSink {
    fn write(&mut self, _: StepId, _: &ChangeBatch) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

struct SinkOutlet(SinkHandle);

impl Outlet for SinkOutlet {
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, now: i64) {
        {
            let mut writer = self.0.lock();
            writer.try_again(now);
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
