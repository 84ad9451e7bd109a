//! The sinks for which steps have left something, and the threads that write it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use laminar_core::time::Clock;

use super::{SinkHandle, locked};

/// The sinks of a database for which something waits.
pub(crate) struct BusySinks {
    any: AtomicBool,
    listed: Mutex<Vec<SinkHandle>>,
    clock: Arc<dyn Clock>,
}

impl BusySinks {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { any: AtomicBool::new(false), listed: Mutex::default(), clock })
    }

    /// Takes those out for which something was left since the last call: the caller writes it, when it has let go of the engine.
    pub(crate) fn take(&self) -> Vec<SinkHandle> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut listed = locked(&self.listed);
        self.any.store(false, Ordering::Release);
        let sinks = std::mem::take(&mut *listed);
        drop(listed);
        // From now on what is brought is the work of others.
        sinks.iter().for_each(SinkHandle::unlist);
        sinks
    }

    /// Writes what waits for the sinks that were taken out. True if some rejected rows: the engine has to take these over.
    pub(crate) fn write(&self, sinks: &[SinkHandle]) -> bool {
        sinks.iter().fold(false, |rejected, sink| sink.write_waiting() | rejected)
    }

    /// Whether a thread that leaves the engine has something to write.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    pub(super) fn list(&self, sink: SinkHandle) {
        locked(&self.listed).push(sink);
        self.any.store(true, Ordering::Release);
    }

    /// The wall clock's time, in nanoseconds.
    pub(super) fn now(&self) -> i64 {
        self.clock.now()
    }
}
