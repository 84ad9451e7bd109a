//! Sinks at the end of a graph. A step leaves what it brings in the sink's [lane](lane::Lane), and the thread that ran it writes that when it has let go of
//! the engine's lock ([`BusySinks::write`]): others go in meanwhile, however long it takes.
//!
//! In a database with a directory what a sink writes belongs to an epoch: [`SinkHandle::prepare`] makes it last before the checkpoint is
//! published, [`SinkHandle::commit`] makes it visible afterwards. Both wait for the outside. From the [cut](SinkHandle::cut) between two steps on, what
//! steps bring waits in the lane until the epoch is prepared.

mod lane;
mod writer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Duration;

use laminar_connectors::{Accepts, BadRow, Sink, SinkRequest, SinkToken, Trouble};
use laminar_core::dag::Outlet;
use laminar_core::time::Watermark;
use laminar_core::{ChangeBatch, Code, Error, Result, StepId};
use laminar_sql::parse::ConnectorDef;

use self::lane::{Delivery, Lane};
use self::writer::{LastEpoch, Writer};
use super::{Engine, Instance};
use crate::catalog::ObjectId;
use crate::stored::StoredSink;

/// How often a thread that waits for room in a lane looks whether the sink is free: then it writes itself.
const ROOM_LOOKS_EVERY: Duration = Duration::from_millis(1);

/// The sinks of a database for which something waits that can be written.
#[derive(Default)]
pub(crate) struct BusySinks {
    any: AtomicBool,
    sinks: Mutex<Vec<SinkHandle>>,
}

impl BusySinks {
    /// Writes what steps have left, without the engine's lock. True if sinks have rejected rows: the engine has to
    /// [take them over](Engine::collect_unwritten).
    pub(crate) fn write(&self, now: i64) -> bool {
        let sinks = self.take();
        sinks.iter().fold(false, |rejected, sink| sink.write_waiting(now) | rejected)
    }

    /// Whether a thread that leaves the engine's lock has something to write.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    fn add(&self, sink: SinkHandle) {
        locked(&self.sinks).push(sink);
        self.any.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<SinkHandle> {
        if !self.any() {
            return Vec::new();
        }
        let mut sinks = locked(&self.sinks);
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut sinks)
    }
}

/// A sink, shared between its outlet and its instance.
#[derive(Clone)]
pub(crate) struct SinkHandle(Arc<Shared>);

struct Shared {
    writer: Mutex<Writer>,
    lane: Mutex<Lane>,
    /// The lane has room again.
    taken: Condvar,
    /// What was seen of the writer last, for those who ask while it is busy.
    seen: Mutex<SinkStatus>,
    busy: Weak<BusySinks>,
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

    fn of(busy: &Arc<BusySinks>, writer: Writer) -> Self {
        let seen = Mutex::new(writer.status());
        let (writer, lane, taken, busy) = (Mutex::new(writer), Mutex::default(), Condvar::new(), Arc::downgrade(busy));
        let handle = Self(Arc::new(Shared { writer, lane, taken, seen, busy }));
        // One that is away already learns when it is to be tried.
        handle.list();
        handle
    }

    pub(crate) fn outlet(&self) -> Box<dyn Outlet> {
        Box::new(SinkOutlet(self.clone()))
    }

    /// How it is doing; waits for nothing.
    pub(crate) fn status(&self) -> SinkStatus {
        let now = self.try_lock().map(|writer| writer.status());
        let mut seen = locked(&self.0.seen);
        if let Some(now) = now {
            *seen = now;
        }
        seen.clone()
    }

    /// The rows since the last call that it could not write. While it is busy there are none: they are told later.
    pub(crate) fn take_bad_rows(&self) -> Vec<BadRow> {
        self.try_lock().map(|mut writer| std::mem::take(&mut writer.bad_rows)).unwrap_or_default()
    }

    /// Takes what a step brings. Where too much waits already, the step waits with it: one that brings more than a lane holds.
    fn deliver(&self, delivery: Delivery) {
        let mut lane = locked(&self.0.lane);
        lane.put(delivery);
        let is_full = lane.is_full();
        drop(lane);
        self.list();
        if is_full {
            self.make_room();
        }
    }

    /// The next thread that leaves the engine's lock looks whether there is something to write.
    fn list(&self) {
        if !std::mem::replace(&mut locked(&self.0.lane).is_listed, true) {
            let _unless_the_database_is_gone = self.0.busy.upgrade().map(|busy| busy.add(self.clone()));
        }
    }

    /// Writes what waits, first what waited for its outside. A thread that is at it already goes on until nothing is left. True if rows were rejected.
    fn write_waiting(&self, now: i64) -> bool {
        locked(&self.0.lane).is_listed = false;
        let mut rejected = false;
        loop {
            let writer = self.try_lock();
            let is_free = writer.is_some();
            if let Some(mut writer) = writer {
                writer.try_again(now);
                self.write_lane(&mut writer);
                writer.try_again(now);
                rejected = !writer.bad_rows.is_empty();
                *locked(&self.0.seen) = writer.status();
            }
            // Who has brought something meanwhile has found the writer taken. A thread that finds it taken waits only for room: the one that has it writes on.
            let lane = locked(&self.0.lane);
            if !lane.has_next() || !is_free && !lane.is_full() {
                return rejected;
            }
            if !is_free {
                self.wait_for_room(lane);
            }
        }
    }

    /// Writes what waits in the lane, up to the end of an epoch.
    fn write_lane(&self, writer: &mut Writer) {
        loop {
            // The lane is free while the sink writes.
            let next = locked(&self.0.lane).take_next();
            let Some(delivery) = next else { break };
            writer.take(delivery);
            self.0.taken.notify_all();
        }
    }

    /// Returns when the lane has room; writes, unless a thread is at it.
    fn make_room(&self) {
        loop {
            if let Some(mut writer) = self.try_lock() {
                self.write_lane(&mut writer);
            }
            let lane = locked(&self.0.lane);
            if !lane.is_full() {
                return;
            }
            self.wait_for_room(lane);
        }
    }

    fn wait_for_room(&self, lane: MutexGuard<'_, Lane>) {
        drop(self.0.taken.wait_timeout(lane, ROOM_LOOKS_EVERY).unwrap_or_else(PoisonError::into_inner));
    }

    /// An epoch ends here, between two steps: what comes now belongs to the next one, and waits until this one is prepared or aborted.
    pub(crate) fn cut(&self) {
        locked(&self.0.lane).put(Delivery::Cut);
    }

    /// Makes what was written in `epoch` last, up to its [cut](Self::cut). Gives what a checkpoint says of the sink; one that cannot has failed. An error
    /// tells why rows of the epoch still wait for the sink: then there can be no checkpoint.
    pub(crate) fn prepare(&self, epoch: u64) -> std::result::Result<StoredSink, Trouble> {
        let mut writer = self.lock();
        self.write_lane(&mut writer);
        if let Some(trouble) = writer.trouble() {
            return Err(trouble);
        }
        let stored = writer.prepare(epoch);
        locked(&self.0.lane).pass_cut();
        self.write_lane(&mut writer);
        Ok(stored)
    }

    /// What was prepared up to `epoch` becomes visible.
    pub(crate) fn commit(&self, epoch: u64) {
        let mut writer = self.lock();
        writer.commit(epoch);
        self.write_lane(&mut writer);
    }

    /// The checkpoint of `epoch` has not come about.
    pub(crate) fn abort(&self, epoch: u64) {
        let mut writer = self.lock();
        writer.abort(epoch);
        self.write_all(&mut writer);
    }

    /// Completes the output and makes it visible, without a checkpoint: nothing will be written any more. Rows that wait have their last chance.
    pub(crate) fn close(&self) {
        let mut writer = self.lock();
        self.write_all(&mut writer);
        writer.finish();
        writer.try_again(i64::MAX);
        if let Some(Trouble { error, .. }) = writer.trouble() {
            writer.state = SinkState::Failed(error);
        }
        writer.prepare(u64::MAX);
        writer.commit(u64::MAX);
    }

    /// Writes what waits; no epoch ends any more.
    fn write_all(&self, writer: &mut Writer) {
        locked(&self.0.lane).forget_cuts();
        self.write_lane(writer);
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        locked(&self.0.writer)
    }

    /// The writer, if no thread has it.
    fn try_lock(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.0.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
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
            let at = handle.status().again_at?;
            if at <= now {
                handle.list();
            }
            Some(at)
        };
        sinks.filter_map(due_at).min()
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::stored::StoredSinkState;

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
        (SinkHandle::resumed(&Arc::default(), Box::new(sink), true, SinkState::Writing, SinkToken::default(), 0), hears, lets)
    }

    fn deliver(handle: &SinkHandle, step: u64) {
        let rows = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        handle.outlet().deliver(StepId(step), &[ChangeBatch::append(rows)], Watermark::START, 0);
        handle.write_waiting(0);
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
        assert_eq!(preparing.join().unwrap().unwrap().rows, 1, "of the epoch");
        assert_eq!(told(2), ["write 2", "write 3"]);
        let committing = thread::spawn({
            let handle = handle.clone();
            move || handle.commit(7)
        });
        assert_eq!(told(1), ["commit 7"]);
        deliver(&handle, 4);
        handle.outlet().deliver(StepId(5), &[], Watermark::END, 0);
        handle.write_waiting(0);
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
        assert_eq!(handle.prepare(7).unwrap().state, StoredSinkState::Complete);
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
        preparing.join().unwrap().unwrap();
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

    /// A sink whose writes take as long as the test wants, and that may be away.
    struct Held {
        told: Sender<u64>,
        goes_on: Receiver<()>,
        is_away: bool,
    }

    impl Sink for Held {
        fn write(&mut self, step: StepId, _: &ChangeBatch) -> Result<()> {
            self.told.send(step.0).unwrap();
            self.goes_on.recv().map_err(|_| Error::internal("the test has ended"))
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }

        fn finish(&mut self) -> Result<()> {
            Ok(())
        }

        fn trouble(&self) -> Option<Trouble> {
            self.is_away.then(|| Trouble { error: Error::internal("away"), attempts: 1 })
        }
    }

    fn held(busy: &Arc<BusySinks>, is_away: bool) -> (SinkHandle, Receiver<u64>, Sender<()>) {
        let ((told, hears), (lets, goes_on)) = (channel(), channel());
        let sink = Box::new(Held { told, goes_on, is_away });
        (SinkHandle::resumed(busy, sink, true, SinkState::Writing, SinkToken::default(), 0), hears, lets)
    }

    fn bring(handle: &SinkHandle, step: u64, rows: usize) {
        let column = Arc::new(Int64Array::from(vec![1; rows])) as ArrayRef;
        let changes = ChangeBatch::append(RecordBatch::try_from_iter([("a", column)]).unwrap());
        handle.outlet().deliver(StepId(step), &[changes], Watermark::START, 0);
    }

    #[test]
    fn no_thread_waits_for_a_sink_that_another_one_writes_and_that_one_writes_all() {
        let busy = Arc::default();
        let (handle, hears, lets) = held(&busy, false);
        bring(&handle, 1, 1);
        let writing = thread::spawn({
            let busy = Arc::clone(&busy);
            move || busy.write(0)
        });
        assert_eq!(hears.recv(), Ok(1));
        for step in [2, 3] {
            bring(&handle, step, 1);
            assert!(!busy.write(0), "a thread that leaves comes back at once");
        }
        assert!(hears.try_recv().is_err(), "the first is not written");
        (0..3).for_each(|_| lets.send(()).unwrap());
        assert!(!writing.join().unwrap());
        assert_eq!((hears.try_iter().collect::<Vec<_>>(), handle.status().rows, busy.any()), (vec![2, 3], 3, false));
    }

    #[test]
    fn a_thread_that_leaves_more_than_the_lane_holds_waits_until_there_is_room() {
        let busy = Arc::default();
        let (handle, hears, lets) = held(&busy, false);
        bring(&handle, 1, 1);
        thread::scope(|scope| {
            scope.spawn(|| busy.write(0));
            assert_eq!(hears.recv(), Ok(1));
            let leaving = scope.spawn(|| {
                // Each is more than the lane holds: within the step too.
                bring(&handle, 2, 1 << 21);
                bring(&handle, 3, 1 << 21);
                busy.write(0)
            });
            thread::sleep(Duration::from_millis(20));
            assert!(!leaving.is_finished());
            (0..3).for_each(|_| lets.send(()).unwrap());
            leaving.join().unwrap();
        });
        assert_eq!(handle.status().rows, 1 + (1 << 22));
    }

    #[test]
    fn there_is_no_checkpoint_while_rows_of_the_epoch_wait_for_the_outside() {
        let busy = Arc::default();
        let (handle, hears, lets) = held(&busy, true);
        (0..2).for_each(|_| lets.send(()).unwrap());
        bring(&handle, 1, 1);
        handle.cut();
        bring(&handle, 2, 1);
        assert_eq!(handle.prepare(7).unwrap_err().error, Error::internal("away"));
        assert_eq!(hears.try_iter().collect::<Vec<_>>(), [1]);
        handle.abort(7);
        assert_eq!((hears.try_iter().collect::<Vec<_>>(), handle.status().state), (vec![2], SinkState::Writing));
    }
}
