//! Sinks at the end of a graph: what a step emits is written within the step.
//!
//! In a database with a directory what a sink writes belongs to an epoch: [`SinkHandle::prepare`] makes it last before the checkpoint is
//! published, [`SinkHandle::commit`] makes it visible afterwards. Both wait for the outside, and happen without the engine's lock: from the
//! [cut](SinkHandle::cut) between two steps on, what steps bring waits until the epoch is prepared, and so while one is committed.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

use laminar_connectors::{Accepts, BadRow, Sink, SinkRequest, SinkToken, Trouble};
use laminar_core::dag::Outlet;
use laminar_core::panics::caught;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};
use laminar_sql::parse::ConnectorDef;

use super::{Engine, Instance};
use crate::catalog::ObjectId;
use crate::stored::{StoredSink, StoredSinkState, to_hex};

/// A sink, shared between its outlet and its instance.
#[derive(Clone)]
pub(crate) struct SinkHandle(Arc<Shared>);

struct Shared {
    writer: Mutex<Writer>,
    queue: Mutex<Queue>,
    /// The queue has room again, or is closed.
    taken: Condvar,
    /// What was seen of the writer last, for those who ask while it is busy.
    seen: Mutex<SinkStatus>,
}

/// How a sink is doing, as of the last moment at which it was not busy.
#[derive(Debug, Clone)]
pub(crate) struct SinkStatus {
    pub(crate) rows: u64,
    pub(crate) state: SinkState,
    /// Why rows wait in it.
    pub(crate) trouble: Option<Trouble>,
    /// When it is tried again, if something waits.
    again_at: Option<i64>,
}

impl SinkStatus {
    /// Nanoseconds until it is tried again.
    pub(crate) fn tried_again_in(&self, now: i64) -> i64 {
        self.again_at.map_or(0, |at| at.saturating_sub(now).max(0))
    }
}

/// What steps have brought while an epoch is prepared or committed.
#[derive(Default)]
struct Queue {
    /// Whether steps leave here what they bring, and write nothing.
    is_open: bool,
    waiting: VecDeque<Delivery>,
    bytes: usize,
}

/// Bytes that wait in the queue before a step waits for room. Fewer than wait for a sink that is away: it has to take them.
const QUEUE_BYTES_MAX: usize = 16 << 20;

/// What a step brings.
enum Delivery {
    Changes(StepId, ChangeBatch),
    End,
    Failure(Error),
}

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
        Self::of(Writer { sink, token, last_epoch, rows, bad_rows: Vec::new(), state, again_at: None })
    }

    /// A sink that takes nothing more, since it is in this state.
    pub(super) fn ended(state: SinkState, token: SinkToken, rows: u64) -> Self {
        let last_epoch = LastEpoch::Committed;
        Self::of(Writer { sink: Box::new(NoSink), token, last_epoch, rows, bad_rows: Vec::new(), state, again_at: None })
    }

    fn of(writer: Writer) -> Self {
        let seen = Mutex::new(writer.status());
        Self(Arc::new(Shared { writer: Mutex::new(writer), queue: Mutex::default(), taken: Condvar::new(), seen }))
    }

    pub(crate) fn outlet(&self) -> Box<dyn Outlet> {
        Box::new(SinkOutlet(self.clone()))
    }

    /// How it is doing; waits for nothing.
    pub(crate) fn status(&self) -> SinkStatus {
        let now = self.try_lock().map(|writer| writer.status());
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(now) = now {
            *seen = now;
        }
        seen.clone()
    }

    /// The rows since the last call that it could not write. While it is busy there are none: they are told later.
    pub(crate) fn take_bad_rows(&self) -> Vec<BadRow> {
        self.try_lock().map(|mut writer| std::mem::take(&mut writer.bad_rows)).unwrap_or_default()
    }

    /// Writes what waits for its outside, if it is time; gives when it is tried again, if something still waits. While it is busy nothing does.
    pub(crate) fn try_again(&self, now: i64) -> Option<i64> {
        self.try_lock()?.try_again(now)
    }

    /// An epoch ends here, between two steps: what comes now belongs to the next one, and waits until this one is prepared or aborted.
    pub(crate) fn cut(&self) {
        self.queue().is_open = true;
    }

    /// Writes what came since the [cut](Self::cut), and closes the queue.
    fn catch_up(&self, writer: &mut Writer) {
        loop {
            let mut queue = self.queue();
            let waiting = std::mem::take(&mut queue.waiting);
            (queue.bytes, queue.is_open) = (0, !waiting.is_empty());
            drop(queue);
            self.0.taken.notify_all();
            if waiting.is_empty() {
                return;
            }
            for delivery in waiting {
                // What waits behind a panic would be lost with it, without a word.
                if let Err(error) = caught(|| Ok(writer.take(delivery))) {
                    writer.state = SinkState::Failed(error);
                }
            }
        }
    }

    /// Takes what a step brings: writes it, unless an epoch is being prepared or committed.
    fn deliver(&self, delivery: Delivery) {
        loop {
            let mut queue = self.queue();
            while queue.is_open {
                if queue.bytes <= QUEUE_BYTES_MAX {
                    if let Delivery::Changes(_, changes) = &delivery {
                        queue.bytes += changes.rows().get_array_memory_size();
                    }
                    return queue.waiting.push_back(delivery);
                }
                queue = self.0.taken.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            drop(queue);
            // Who has it meanwhile has opened the queue, or will soon be done.
            match self.try_lock() {
                Some(mut writer) => return writer.take(delivery),
                None => thread::yield_now(),
            }
        }
    }

    /// Makes what was written in `epoch` last, up to its [cut](Self::cut). Gives what a checkpoint says of the sink; one that cannot has failed.
    pub(crate) fn prepare(&self, epoch: u64) -> StoredSink {
        let mut writer = self.lock();
        if writer.works_in_epochs() {
            match caught(|| writer.sink.prepare(epoch)) {
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
        let stored = StoredSink { state, token: to_hex(writer.token.as_stored()), rows: writer.rows };
        self.catch_up(&mut writer);
        stored
    }

    /// What was prepared up to `epoch` becomes visible.
    pub(crate) fn commit(&self, epoch: u64) {
        self.end_epoch(|writer| {
            writer.sink.commit(epoch)?;
            if writer.last_epoch == LastEpoch::Prepared(epoch) {
                writer.last_epoch = LastEpoch::Committed;
            }
            Ok(())
        });
    }

    /// Completes the output and makes it visible, without a checkpoint: nothing will be written any more. Rows that wait have their last chance.
    pub(crate) fn close(&self) {
        {
            let mut writer = self.lock();
            self.catch_up(&mut writer);
            writer.finish();
            writer.try_again(i64::MAX);
            if let Some(Trouble { error, .. }) = writer.trouble() {
                writer.state = SinkState::Failed(error);
            }
        }
        self.prepare(u64::MAX);
        self.commit(u64::MAX);
    }

    /// The checkpoint of `epoch` has not come about.
    pub(crate) fn abort(&self, epoch: u64) {
        self.end_epoch(|writer| writer.sink.abort(epoch));
    }

    fn end_epoch(&self, end: impl FnOnce(&mut Writer) -> Result<()>) {
        self.cut();
        let mut writer = self.lock();
        if writer.works_in_epochs()
            && let Err(error) = caught(|| end(&mut writer))
        {
            writer.state = SinkState::Failed(error);
        }
        self.catch_up(&mut writer);
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer, if no thread has it.
    fn try_lock(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.0.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Whether something of what it has written may not be visible yet.
    fn works_in_epochs(&self) -> bool {
        !matches!(self.state, SinkState::Failed(_)) && self.last_epoch != LastEpoch::Committed
    }

    fn status(&self) -> SinkStatus {
        SinkStatus { rows: self.rows, state: self.state.clone(), trouble: self.trouble(), again_at: self.again_at }
    }

    /// Why rows wait in it.
    fn trouble(&self) -> Option<Trouble> {
        if matches!(self.state, SinkState::Failed(_)) { None } else { self.sink.trouble() }
    }

    fn take(&mut self, delivery: Delivery) {
        if self.state != SinkState::Writing {
            return;
        }
        match delivery {
            Delivery::Changes(step, changes) => self.write(step, &changes),
            Delivery::End => self.finish(),
            Delivery::Failure(error) => self.state = SinkState::Failed(error),
        }
    }

    fn finish(&mut self) {
        if self.state == SinkState::Writing {
            self.state = match self.sink.finish() {
                Ok(()) => SinkState::Finished,
                Err(error) => SinkState::Failed(error),
            };
        }
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
    fn deliver(&mut self, step: StepId, changes: &[ChangeBatch], watermark: Watermark, now: i64) {
        self.0.try_again(now);
        changes.iter().for_each(|changes| self.0.deliver(Delivery::Changes(step, changes.clone())));
        if watermark.is_end() {
            self.0.deliver(Delivery::End);
        }
    }

    fn failed(&mut self, error: &Error) {
        self.0.deliver(Delivery::Failure(error.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;

    /// A sink that tells what it does, and goes on with epochs when it is let.
    struct SlowSink {
        told: Sender<String>,
        goes_on: Receiver<()>,
    }

    impl Sink for SlowSink {
        fn write(&mut self, step: StepId, _: &ChangeBatch) -> Result<()> {
            if step.0 == 13 {
                panic!("step 13");
            }
            self.told.send(format!("write {}", step.0)).map_err(|_| Error::internal("the test has ended"))
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }

        fn finish(&mut self) -> Result<()> {
            self.told.send("finish".into()).map_err(|_| Error::internal("the test has ended"))
        }

        fn prepare(&mut self, epoch: u64) -> Result<SinkToken> {
            self.told.send(format!("prepare {epoch}")).unwrap();
            self.goes_on.recv().unwrap();
            Ok(SinkToken::default())
        }

        fn commit(&mut self, epoch: u64) -> Result<()> {
            self.told.send(format!("commit {epoch}")).unwrap();
            self.goes_on.recv().unwrap();
            Ok(())
        }
    }

    fn handle() -> (SinkHandle, Receiver<String>, Sender<()>) {
        let ((told, hears), (lets, goes_on)) = (channel(), channel());
        let sink = SlowSink { told, goes_on };
        (SinkHandle::resumed(Box::new(sink), true, SinkState::Writing, SinkToken::default(), 0), hears, lets)
    }

    fn deliver(handle: &SinkHandle, step: u64) {
        let rows = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        handle.outlet().deliver(StepId(step), &[ChangeBatch::append(rows)], Watermark::START, 0);
    }

    #[test]
    fn steps_go_on_while_an_epoch_is_prepared_or_committed_and_what_they_bring_is_written_behind_it() {
        let (handle, hears, lets) = handle();
        deliver(&handle, 1);
        handle.cut();
        deliver(&handle, 2);
        let preparing = thread::spawn({
            let handle = handle.clone();
            move || handle.prepare(7)
        });
        let told = |count: usize| -> Vec<String> { hears.iter().take(count).collect() };
        assert_eq!(told(2), ["write 1", "prepare 7"]);
        deliver(&handle, 3);
        assert!(hears.try_recv().is_err(), "it waits");
        lets.send(()).unwrap();
        assert_eq!(preparing.join().unwrap().rows, 1, "of the epoch");
        assert_eq!(told(2), ["write 2", "write 3"]);
        let committing = thread::spawn({
            let handle = handle.clone();
            move || handle.commit(7)
        });
        assert_eq!(told(1), ["commit 7"]);
        deliver(&handle, 4);
        handle.outlet().deliver(StepId(5), &[], Watermark::END, 0);
        deliver(&handle, 6);
        assert!(hears.try_recv().is_err(), "it waits");
        lets.send(()).unwrap();
        committing.join().unwrap();
        assert_eq!(told(2), ["write 4", "finish"]);
        assert_eq!((handle.status().rows, handle.status().state), (4, SinkState::Finished));
        assert!(hears.try_recv().is_err(), "nothing is written behind the end");
    }

    #[test]
    fn a_sink_that_is_closed_while_an_epoch_is_cut_writes_what_came_since() {
        let (handle, hears, lets) = handle();
        deliver(&handle, 1);
        handle.cut();
        deliver(&handle, 2);
        // For the epoch and its commit.
        lets.send(()).unwrap();
        lets.send(()).unwrap();
        handle.close();
        assert_eq!(handle.prepare(7).state, StoredSinkState::Complete);
        let told: Vec<String> = hears.try_iter().collect();
        assert_eq!(told, ["write 1", "write 2", "finish", "prepare 18446744073709551615", "commit 18446744073709551615"]);
    }

    #[test]
    fn a_panic_over_what_waited_fails_the_sink_and_its_status_can_be_asked_while_it_is_busy() {
        let (handle, hears, lets) = handle();
        handle.cut();
        deliver(&handle, 13);
        deliver(&handle, 14);
        let preparing = thread::spawn({
            let handle = handle.clone();
            move || handle.prepare(7)
        });
        assert_eq!(hears.recv().unwrap(), "prepare 7");
        assert_eq!(handle.status().state, SinkState::Writing);
        lets.send(()).unwrap();
        preparing.join().unwrap();
        let SinkState::Failed(error) = handle.status().state else { panic!("{:?}", handle.status()) };
        assert_eq!(error.to_string(), "LDB-9001: panicked: step 13");
        assert!(hears.try_recv().is_err(), "nothing is written behind it");
    }

    #[test]
    fn an_epoch_that_is_given_up_lets_go_of_what_came_after_it() {
        let (handle, hears, _lets) = handle();
        handle.cut();
        deliver(&handle, 1);
        assert!(hears.try_recv().is_err(), "it waits");
        handle.abort(7);
        deliver(&handle, 2);
        assert_eq!(hears.try_iter().collect::<Vec<_>>(), ["write 1", "write 2"]);
    }
}
