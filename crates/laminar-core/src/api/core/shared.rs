//! What a core's thread and its caller both see: credits, signals, counters, and why the core ended.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::metrics::Board;
use crate::Error;
use crate::runtime::Lane;
use crate::thread::signal::Signal;
use crate::thread::{BackpressureConfig, CachePadded, CreditGate};

/// One of these for each core.
pub(super) struct Shared {
    /// By lane.
    pub(super) gates: [Arc<CreditGate>; 3],
    /// The core waits here.
    pub(super) core: CachePadded<Signal>,
    /// The caller waits here.
    pub(super) caller: CachePadded<Signal>,
    pub(super) board: CachePadded<Board>,
    /// Results for which there was no room in their queues.
    pub(super) held: CachePadded<AtomicUsize>,
    /// The caller has taken results out since the core looked last.
    pub(super) polled: CachePadded<AtomicBool>,
    failure: OnceLock<Error>,
}

impl Shared {
    pub(super) fn new(backpressure: &BackpressureConfig) -> Self {
        let latency = CreditGate::new(backpressure.clone());
        let (main, poll) = (latency.sibling(), latency.sibling());
        Self {
            gates: [latency, main, poll].map(Arc::new),
            core: CachePadded::default(),
            caller: CachePadded::default(),
            board: CachePadded::default(),
            held: CachePadded::default(),
            polled: CachePadded::default(),
            failure: OnceLock::new(),
        }
    }

    pub(super) fn gate(&self, lane: Lane) -> &CreditGate {
        &self.gates[lane.index()]
    }

    /// Keeps why the core ends, if it is the first reason, and lets nothing more in: callers that wait for credits get an error.
    pub(super) fn fail(&self, error: Error) {
        let _ = self.failure.set(error);
        self.gates.iter().for_each(|gate| gate.close());
    }

    /// Why the core failed, if it did.
    pub(super) fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    /// True if results wait for room; asked by the core's thread, which alone changes it.
    pub(super) fn is_stalled(&self) -> bool {
        self.held.load(Ordering::Relaxed) > 0
    }
}
