//! What an answer waits for in a database with a directory: until what it says is on the disk.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use laminar_core::limits::GROUP_SYNC_MS;
use laminar_core::{Code, Error, Result};
use laminar_storage::{LogPosition, Store};

use crate::settings::{Durability, Settings};
use crate::stored::TableBlocks;

/// How a database keeps what it is given. Clones are handles to the same one.
#[derive(Clone)]
pub(crate) struct Durable(Arc<Shared>);

struct Shared {
    store: Store,
    level: AtomicU8,
    /// Nanoseconds between two checkpoints; 0: none is made by itself.
    interval: AtomicI64,
    /// What checkpoints have been made; who holds it makes the next one.
    checkpoints: Mutex<Checkpoints>,
    signals: Mutex<Signals>,
    /// Wakes the thread that syncs the log.
    unsynced: Condvar,
    /// Wakes the thread that makes checkpoints.
    stopped: Condvar,
}

/// What the threads of a database with a directory are told.
#[derive(Debug, Clone, Copy, Default)]
struct Signals {
    /// The log holds what no thread waits for to be on the disk.
    unsynced: bool,
    stop: bool,
}

/// The last checkpoint.
#[derive(Default)]
pub(crate) struct Checkpoints {
    pub(crate) epoch: u64,
    /// The last that was begun; one that has not come about is followed by another number.
    pub(crate) attempted: u64,
    /// Up to where the log is in it, and the last step; `None`: none was made or recovered.
    pub(crate) taken: Option<(LogPosition, u64)>,
    /// Which of its tables stand in which blocks.
    pub(crate) tables: TableBlocks,
}

impl Durable {
    /// `epoch` is that of the checkpoint that was recovered.
    pub(crate) fn new(store: Store, settings: &Settings, epoch: u64) -> Self {
        let checkpoints = Mutex::new(Checkpoints { epoch, attempted: epoch, ..Checkpoints::default() });
        let (level, interval) = (AtomicU8::default(), AtomicI64::default());
        let (unsynced, stopped) = (Condvar::new(), Condvar::new());
        let shared = Shared { store, level, interval, checkpoints, signals: Mutex::default(), unsynced, stopped };
        let durable = Self(Arc::new(shared));
        durable.set(settings);
        durable
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// Keeps to these settings from now on.
    pub(crate) fn set(&self, settings: &Settings) {
        self.0.level.store(settings.durability as u8, Ordering::Relaxed);
        self.0.interval.store(settings.checkpoint_interval.unwrap_or(0), Ordering::Relaxed);
    }

    /// Nanoseconds between two checkpoints; `None`: none is made by itself.
    pub(crate) fn checkpoint_interval(&self) -> Option<i64> {
        Some(self.0.interval.load(Ordering::Relaxed)).filter(|interval| *interval > 0)
    }

    /// Returns when what stands in the log before `end` lasts as the setting `durability` says.
    pub(crate) fn wait(&self, end: LogPosition) -> Result<()> {
        match self.0.level.load(Ordering::Relaxed) {
            level if level == Durability::Full as u8 => self.0.store.sync_to(end),
            level if level == Durability::Group as u8 => {
                if !std::mem::replace(&mut locked(&self.0.signals).unsynced, true) {
                    self.0.unsynced.notify_all();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Syncs what was written with the durability `group`, soon after it was written, until it is told to stop. Neither a checkpoint nor a copy of the database
    /// holds this up.
    fn keep_synced(&self) {
        while self.wait_for_unsynced() {
            thread::sleep(Duration::from_millis(GROUP_SYNC_MS));
            // What could not be synced is told to the next push: the store takes nothing more.
            let _ = self.0.store.sync_to(self.0.store.end());
        }
        // And when the store is opened again.
        let _ = self.0.store.sync_to(self.0.store.end());
    }

    /// Waits until the log is to be synced; false: the database is closed.
    fn wait_for_unsynced(&self) -> bool {
        let waits = |signals: &mut Signals| !signals.unsynced && !signals.stop;
        let mut signals = self.0.unsynced.wait_while(locked(&self.0.signals), waits).unwrap_or_else(PoisonError::into_inner);
        signals.unsynced = false;
        !signals.stop
    }

    /// Waits so long, or until the database is closed. Whether it is.
    pub(crate) fn wait_for_stop(&self, at_most: Duration) -> bool {
        let goes_on = |signals: &mut Signals| !signals.stop;
        let waited = self.0.stopped.wait_timeout_while(locked(&self.0.signals), at_most, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    /// Tells the threads of the database to end.
    fn stop(&self) {
        locked(&self.0.signals).stop = true;
        self.0.unsynced.notify_all();
        self.0.stopped.notify_all();
    }

    /// The right to make a checkpoint, and the last one.
    pub(crate) fn checkpoints(&self) -> MutexGuard<'_, Checkpoints> {
        locked(&self.0.checkpoints)
    }
}

/// The threads of a database with a directory; they end with the last handle to it.
pub(crate) struct DurabilityThreads {
    durable: Durable,
    threads: Vec<JoinHandle<()>>,
}

impl DurabilityThreads {
    /// Starts one that syncs the log, and one for `checkpoints`, which must keep no handle of those that end it.
    pub(crate) fn start(durable: Durable, checkpoints: impl FnOnce(&Durable) + Send + 'static) -> Result<Self> {
        let (synced, kept) = (durable.clone(), durable.clone());
        let mut started = Self { durable, threads: Vec::new() };
        started.add("laminar-sync", move || synced.keep_synced())?;
        started.add("laminar-checkpoint", move || checkpoints(&kept))?;
        Ok(started)
    }

    fn add(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| {
            Error::new(Code::LimitReached, format!("the thread '{name}' of a database could not be started: {error}"))
                .with_hint("raise the limit of threads")
        })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for DurabilityThreads {
    fn drop(&mut self) {
        self.durable.stop();
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != thread::current().id()) {
            // A panic has been printed.
            let _ = thread.join();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use laminar_storage::disk::SimulatedDisk;
    use laminar_storage::{StoreOptions, WalEntry};

    use super::*;

    #[test]
    fn what_is_written_by_group_is_synced_while_a_checkpoint_is_made() {
        let disk = Arc::new(SimulatedDisk::new(1));
        let store = Store::open(Path::new("/db"), disk, StoreOptions::STANDARD).unwrap().store;
        let settings = Settings { durability: Durability::Group, ..Settings::default() };
        let durable = Durable::new(store, &settings, 0);
        let threads = DurabilityThreads::start(durable.clone(), |durable| drop(durable.checkpoints())).unwrap();
        let a_long_checkpoint = durable.checkpoints();
        for object in 0..3 {
            let end = durable.store().append(&[WalEntry::End { now: 0, object }]).unwrap();
            durable.wait(end).unwrap();
            let since = Instant::now();
            while durable.store().synced() < end {
                assert!(since.elapsed() < Duration::from_secs(60), "it is not synced");
                thread::yield_now();
            }
        }
        drop(a_long_checkpoint);
        drop(threads);
    }
}
