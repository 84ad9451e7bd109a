//! Sinks at the end of a graph. A step leaves what it brings in the sink's [lane](lane::Lane), and the thread that ran it writes that when it has let go of
//! the engine's lock ([`BusySinks::write`]): others go in meanwhile, however long it takes.
//!
//! In a database with a directory what a sink writes belongs to an epoch: [`SinkHandle::prepare`] makes it last before the checkpoint is
//! published, [`SinkHandle::commit`] makes it visible afterwards. Both wait for the outside. From the [cut](SinkHandle::cut) between two steps on, what
//! steps bring waits in the lane until the epoch is prepared.

mod busy;
mod lane;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Duration;

use laminar_connectors::{Accepts, BadRow, Sink, SinkRequest, SinkToken, Trouble};
use laminar_core::dag::Outlet;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};
use laminar_sql::parse::ConnectorDef;

pub(crate) use self::busy::BusySinks;
use self::lane::{Delivery, Lane};
use self::writer::{LastEpoch, Writer};
use super::{Engine, Instance};
use crate::catalog::ObjectId;
use crate::stored::StoredSink;

/// How often a thread that waits for room in a lane looks whether there is some.
const ROOM_LOOKS_EVERY: Duration = Duration::from_millis(1);

/// A sink, shared between its outlet and its instance.
#[derive(Clone)]
pub(crate) struct SinkHandle(Arc<Shared>);

struct Shared {
    /// Held by the thread that writes, as long as that takes.
    writer: Mutex<Writer>,
    lane: Mutex<Lane>,
    /// The lane has room again.
    taken: Condvar,
    /// What the thread that wrote last has seen.
    seen: Mutex<SinkStatus>,
    /// Rows that could not be written, until they are taken over.
    bad_rows: Mutex<Vec<BadRow>>,
    busy: Weak<BusySinks>,
}

/// How a sink is doing, as of the last moment at which it was not busy.
#[derive(Debug, Clone)]
pub(crate) struct SinkStatus {
    pub(crate) rows: u64,
    pub(crate) state: SinkState,
    /// Why rows wait in it.
    pub(crate) trouble: Option<Trouble>,
    /// When it is tried again, if something waits and no thread is at it.
    again_at: Option<i64>,
}

impl SinkStatus {
    /// Nanoseconds until it is tried again.
    pub(crate) fn tried_again_in(&self, now: i64) -> i64 {
        self.again_at.map_or(0, |at| at.saturating_sub(now).max(0))
    }
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
    pub(super) fn resumed(
        busy: &Arc<BusySinks>,
        sink: Box<dyn Sink>,
        in_epochs: bool,
        state: SinkState,
        token: SinkToken,
        rows: u64,
    ) -> Self {
        let last_epoch = if in_epochs { LastEpoch::Open } else { LastEpoch::Committed };
        Self::of(busy, Writer::new(sink, last_epoch, state, token, rows))
    }

    /// A sink that takes nothing more, since it is in this state.
    pub(super) fn ended(busy: &Arc<BusySinks>, state: SinkState, token: SinkToken, rows: u64) -> Self {
        Self::of(busy, Writer::new(Box::new(NoSink), LastEpoch::Committed, state, token, rows))
    }

    fn of(busy: &Arc<BusySinks>, mut writer: Writer) -> Self {
        // One that is away already says when it is to be tried.
        writer.try_again(busy.now());
        let seen = Mutex::new(writer.status());
        let (writer, lane, taken, bad_rows) = (Mutex::new(writer), Mutex::default(), Condvar::new(), Mutex::default());
        Self(Arc::new(Shared { writer, lane, taken, seen, bad_rows, busy: Arc::downgrade(busy) }))
    }

    pub(crate) fn outlet(&self) -> Box<dyn Outlet> {
        Box::new(SinkOutlet(self.clone()))
    }

    /// How it is doing; waits for nothing.
    pub(crate) fn status(&self) -> SinkStatus {
        locked(&self.0.seen).clone()
    }

    /// The rows since the last call that it could not write.
    pub(crate) fn take_bad_rows(&self) -> Vec<BadRow> {
        std::mem::take(&mut locked(&self.0.bad_rows))
    }

    /// Whether nothing waits to be written or to be taken over, and no thread writes.
    fn is_idle(&self) -> bool {
        let is_written = matches!(self.0.writer.try_lock(), Err(TryLockError::WouldBlock));
        !is_written && locked(&self.0.lane).len() == 0 && locked(&self.0.bad_rows).is_empty()
    }

    /// Takes what a step brings.
    fn deliver(&self, delivery: Delivery) {
        let mut lane = locked(&self.0.lane);
        lane.put(delivery);
        while lane.is_too_full() {
            lane = if lane.is_in_epoch { self.wait_for_room(lane) } else { self.written_within(lane) };
        }
        drop(lane);
        self.list();
    }

    /// Writes what waits within a step.
    fn written_within<'a>(&'a self, lane: MutexGuard<'a, Lane>) -> MutexGuard<'a, Lane> {
        drop(lane);
        self.write(|_| {});
        locked(&self.0.lane)
    }

    /// The thread that leaves the engine next looks whether there is something to write.
    fn list(&self) {
        if !std::mem::replace(&mut locked(&self.0.lane).is_listed, true) {
            let _unless_the_database_is_gone = self.0.busy.upgrade().map(|busy| busy.list(self.clone()));
        }
    }

    fn unlist(&self) {
        locked(&self.0.lane).is_listed = false;
    }

    /// Writes what waits, first what waited for its outside, or waits for the thread that does. What waits for the end of an epoch is written by the thread
    /// that is at it: then this one waits for room alone. True if there are rows that were rejected.
    fn write_waiting(&self) -> bool {
        loop {
            let lane = locked(&self.0.lane);
            if !lane.is_in_epoch {
                drop(lane);
                self.write(|_| {});
                break;
            }
            if !lane.is_full() {
                break;
            }
            drop(self.wait_for_room(lane));
        }
        !locked(&self.0.bad_rows).is_empty()
    }

    fn wait_for_room<'a>(&self, lane: MutexGuard<'a, Lane>) -> MutexGuard<'a, Lane> {
        self.0.taken.wait_timeout(lane, ROOM_LOOKS_EVERY).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Does something with the writer, when no other thread has it, and then writes what waits, as far as an epoch that ends.
    fn write<T>(&self, first: impl FnOnce(&mut Writer) -> T) -> T {
        self.write_at_most(usize::MAX, first)
    }

    /// The same with so many deliveries at most.
    fn write_at_most<T>(&self, count: usize, first: impl FnOnce(&mut Writer) -> T) -> T {
        let mut writer = locked(&self.0.writer);
        // While a thread is at it, it is not to be tried again.
        locked(&self.0.seen).again_at = None;
        let now = self.0.busy.upgrade().map_or(i64::MIN, |busy| busy.now());
        writer.try_again(now);
        let outcome = first(&mut writer);
        self.write_lane(&mut writer, count);
        writer.try_again(now);
        self.leave(&mut writer);
        outcome
    }

    /// Writes what waits in the lane, up to the end of an epoch and so many deliveries at most.
    fn write_lane(&self, writer: &mut Writer, count: usize) {
        for _ in 0..count {
            // The lane is free while the sink writes.
            let next = locked(&self.0.lane).take_next();
            let Some(delivery) = next else { break };
            writer.take(delivery);
            self.0.taken.notify_all();
        }
    }

    /// Shows what became of it.
    fn leave(&self, writer: &mut Writer) {
        locked(&self.0.bad_rows).append(&mut writer.bad_rows);
        *locked(&self.0.seen) = writer.status();
    }

    /// An epoch ends here, between two steps: what comes now belongs to the next one, and waits until this one is prepared or aborted.
    pub(crate) fn cut(&self) {
        locked(&self.0.lane).cut();
    }

    /// Makes what was written in `epoch` last, up to its [cut](Self::cut). Gives what a checkpoint says of the sink; one that cannot has failed. An error
    /// tells why rows of the epoch still wait for the sink: then there can be no checkpoint.
    pub(crate) fn prepare(&self, epoch: u64) -> std::result::Result<StoredSink, Trouble> {
        let prepared = self.write(|writer| {
            self.write_lane(writer, usize::MAX);
            match writer.trouble() {
                Some(trouble) => Err(trouble),
                None => Ok(writer.prepare(epoch)),
            }
        });
        if prepared.is_ok() {
            self.end_epoch_work();
        }
        prepared
    }

    /// What was prepared up to `epoch` becomes visible.
    pub(crate) fn commit(&self, epoch: u64) {
        locked(&self.0.lane).is_in_epoch = true;
        self.write(|writer| writer.commit(epoch));
        self.end_epoch_work();
    }

    /// The checkpoint of `epoch` has not come about.
    pub(crate) fn abort(&self, epoch: u64) {
        self.write(|writer| writer.abort(epoch));
        self.end_epoch_work();
    }

    /// Writes what has waited for the end of an epoch: a thread that has brought something and found one at it has left that to this thread. What comes
    /// meanwhile is left to the next one that leaves the engine, so that steps which bring more and more do not keep a checkpoint from its end.
    fn end_epoch_work(&self) {
        let mut lane = locked(&self.0.lane);
        lane.pass_cut();
        let count = lane.len();
        drop(lane);
        self.write_at_most(count, |_| {});
        let mut lane = locked(&self.0.lane);
        lane.is_in_epoch = false;
        let has_next = lane.has_next();
        drop(lane);
        if has_next {
            self.list();
        }
    }

    /// Completes the output and makes it visible, without a checkpoint: nothing will be written any more. Rows that wait have their last chance.
    pub(crate) fn close(&self) {
        self.end_epoch_work();
        self.write(|writer| {
            writer.finish();
            writer.try_again(i64::MAX);
            if let Some(Trouble { error, .. }) = writer.trouble() {
                writer.state = SinkState::Failed(error);
            }
            writer.prepare(u64::MAX);
            writer.commit(u64::MAX);
        });
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Has sinks whose outside was away tried again, if it is time, by the thread that leaves the engine's lock; gives when the next one is due.
    pub(crate) fn try_sinks_again(&self, now: i64) -> Option<i64> {
        let sinks = self.instances.iter().filter_map(|(_, instance)| instance.sink());
        let due_at = |(handle, _): (&SinkHandle, _)| {
            let at = locked(&handle.0.seen).again_at?;
            if at <= now {
                handle.list();
            }
            Some(at)
        };
        sinks.filter_map(due_at).min()
    }

    /// Whether nothing waits to be written to any sink, nor what one has rejected to be taken over, and no thread writes.
    pub(crate) fn sinks_are_idle(&self) -> bool {
        self.instances.iter().filter_map(|(_, instance)| instance.sink()).all(|(handle, _)| handle.is_idle())
    }

    /// Writes what steps have left for sinks, within the engine's lock.
    pub(crate) fn write_sinks(&self) {
        self.instances.iter().filter_map(|(_, instance)| instance.sink()).for_each(|(handle, _)| handle.write(|_| {}));
    }

    /// The first sink for which rows wait, and why: what has been read must not count as done.
    pub(crate) fn waiting_sink(&self) -> Option<(&str, Trouble)> {
        let waits =
            |(id, instance): (ObjectId, &Instance)| Some((self.catalog.name_of(id), instance.sink()?.0.status().trouble?));
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
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, _: i64) {
        changes.iter().for_each(|changes| self.0.deliver(Delivery::Changes(step, changes.clone())));
        if watermark.is_end() {
            self.0.deliver(Delivery::End);
        }
    }

    fn failed(&mut self, error: &Error) {
        self.0.deliver(Delivery::Failure(error.clone()));
    }
}
