//! Sinks under steps, epochs and an outside that takes its time.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};

use laminar_core::time::ManualClock;

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

fn busy() -> Arc<BusySinks> {
    BusySinks::new(Arc::new(ManualClock::at(0)))
}

fn handle() -> (SinkHandle, Receiver<String>, Sender<()>) {
    let ((told, hears), (lets, goes_on)) = (channel(), channel());
    let sink = SlowSink { told, goes_on };
    (SinkHandle::resumed(&busy(), Box::new(sink), true, SinkState::Writing, SinkToken::default(), 0), hears, lets)
}

fn deliver(handle: &SinkHandle, step: u64) {
    let rows = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    handle.outlet().deliver(StepId(step), &[ChangeBatch::append(rows)], Watermark::START, 0);
    handle.write_waiting();
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
    handle.write_waiting();
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

/// What a thread does that leaves the engine.
fn leave(busy: &BusySinks) -> bool {
    let sinks = busy.take();
    !sinks.is_empty() && busy.write(&sinks)
}

#[test]
fn a_thread_waits_for_the_sinks_to_which_it_has_brought_something_and_others_do_not() {
    let busy = busy();
    let (handle, hears, lets) = held(&busy, false);
    thread::scope(|scope| {
        bring(&handle, 1, 1);
        let first = scope.spawn(|| leave(&busy));
        assert_eq!(hears.recv(), Ok(1));
        assert!(!handle.is_idle());
        bring(&handle, 2, 1);
        let second = scope.spawn(|| leave(&busy));
        while busy.any() {
            thread::yield_now();
        }
        assert!(!leave(&busy), "who has brought nothing comes back at once");
        assert_eq!((handle.status().rows, handle.is_idle()), (0, false));
        assert!(!second.is_finished());
        (0..2).for_each(|_| lets.send(()).unwrap());
        assert!(!first.join().unwrap() && !second.join().unwrap());
    });
    assert_eq!((hears.try_iter().collect::<Vec<_>>(), handle.status().rows), (vec![2], 2));
    assert!(handle.is_idle());
}

#[test]
fn a_step_that_brings_more_than_the_lane_holds_writes_it_and_waits_for_an_epoch_that_ends() {
    let busy = busy();
    let (handle, hears, lets) = held(&busy, false);
    // Each is 16 MiB and a little.
    let brings = |steps: std::ops::Range<u64>| steps.for_each(|step| bring(&handle, step, (1 << 21) + 1));
    thread::scope(|scope| {
        (0..4).for_each(|_| lets.send(()).unwrap());
        brings(1..5);
        assert_eq!(hears.try_iter().count(), 4, "within the step");
        brings(5..8);
        handle.cut();
        let stepping = scope.spawn(|| brings(8..9));
        thread::sleep(Duration::from_millis(20));
        assert!(!stepping.is_finished(), "it waits for the end of the epoch");
        (0..4).for_each(|_| lets.send(()).unwrap());
        handle.abort(7);
        stepping.join().unwrap();
    });
    leave(&busy);
    assert_eq!((hears.try_iter().count(), handle.is_idle()), (4, true));
}

#[test]
fn there_is_no_checkpoint_while_rows_of_the_epoch_wait_for_the_outside() {
    let busy = busy();
    let (handle, hears, lets) = held(&busy, true);
    (0..2).for_each(|_| lets.send(()).unwrap());
    bring(&handle, 1, 1);
    handle.cut();
    bring(&handle, 2, 1);
    leave(&busy);
    assert_eq!(handle.prepare(7).unwrap_err().error, Error::internal("away"));
    assert_eq!(hears.try_iter().collect::<Vec<_>>(), [1]);
    handle.abort(7);
    assert_eq!((hears.try_iter().collect::<Vec<_>>(), handle.status().state), (vec![2], SinkState::Writing));
}
