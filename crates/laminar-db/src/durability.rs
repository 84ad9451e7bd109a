//! What an answer waits for in a database with a directory: until what it says is on the disk.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use laminar_core::Result;
use laminar_storage::{LogPosition, Store};

use crate::settings::{Durability, Settings};

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
    wakeups: Condvar,
}

/// What the thread that makes checkpoints is told.
#[derive(Debug, Clone, Copy, Default)]
struct Signals {
    /// The log holds what no thread waits for to be on the disk.
    unsynced: bool,
    stop: bool,
}

/// Why the thread that makes checkpoints goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The log is to be synced.
    Unsynced,
    /// Nothing has happened for so long.
    Time,
    Stop,
}

/// The last checkpoint.
#[derive(Default)]
pub(crate) struct Checkpoints {
    pub(crate) epoch: u64,
    /// The last that was begun; one that has not come about is followed by another number.
    pub(crate) attempted: u64,
    /// Up to where the log is in it, and the last step; `None`: none was made or recovered.
    pub(crate) taken: Option<(LogPosition, u64)>,
}

impl Durable {
    /// `epoch` is that of the checkpoint that was recovered.
    pub(crate) fn new(store: Store, settings: &Settings, epoch: u64) -> Self {
        let checkpoints = Mutex::new(Checkpoints { epoch, attempted: epoch, taken: None });
        let (level, interval) = (AtomicU8::default(), AtomicI64::default());
        let shared = Shared { store, level, interval, checkpoints, signals: Mutex::default(), wakeups: Condvar::new() };
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
                    self.0.wakeups.notify_all();
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Waits until there is something to do for the thread that makes checkpoints, or so much time has passed.
    pub(crate) fn wait_for_signal(&self, at_most: Duration) -> Signal {
        let none = |signals: &mut Signals| !signals.unsynced && !signals.stop;
        let waited = self.0.wakeups.wait_timeout_while(locked(&self.0.signals), at_most, none);
        let (mut signals, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (signals.stop, std::mem::replace(&mut signals.unsynced, false)) {
            (true, _) => Signal::Stop,
            (false, true) => Signal::Unsynced,
            (false, false) => Signal::Time,
        }
    }

    /// Tells the thread that makes checkpoints to end.
    pub(crate) fn stop(&self) {
        locked(&self.0.signals).stop = true;
        self.0.wakeups.notify_all();
    }

    /// The right to make a checkpoint, and the last one.
    pub(crate) fn checkpoints(&self) -> MutexGuard<'_, Checkpoints> {
        locked(&self.0.checkpoints)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
