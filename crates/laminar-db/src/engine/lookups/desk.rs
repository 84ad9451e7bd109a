//! Where keys wait to be asked for: the engine puts them there between two steps, and the reader takes them without its lock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;

/// The keys of one lookup table; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<Keys>>);

#[derive(Debug, Default)]
struct Keys {
    /// Those in front are being asked for.
    waiting: VecDeque<RecordBatch>,
    answered: u64,
}

impl Desk {
    /// Adds keys.
    pub(super) fn put(&self, keys: Vec<RecordBatch>) {
        self.keys_now().waiting.extend(keys);
    }

    /// The keys to ask for now. They stay here until they are [`answered`](Self::answer).
    pub(super) fn next(&self) -> Option<RecordBatch> {
        self.keys_now().waiting.front().cloned()
    }

    /// The keys in front have been answered, so many that differ.
    pub(super) fn answer(&self, differing: usize) {
        let mut keys = self.keys_now();
        keys.waiting.pop_front();
        keys.answered += differing as u64;
    }

    /// How many keys wait, or are being asked for.
    pub(crate) fn keys(&self) -> usize {
        self.keys_now().waiting.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there is nothing to ask for.
    pub(super) fn is_idle(&self) -> bool {
        self.keys_now().waiting.is_empty()
    }

    /// How many keys have been answered.
    pub(crate) fn answered(&self) -> u64 {
        self.keys_now().answered
    }

    /// A panic elsewhere does not make keys wrong, so the lock is taken all the same.
    fn keys_now(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
