//! The three lanes, and what each may take.

use crate::limits::{LATENCY_BUDGET_NS, MAIN_BUDGET_NS, POLL_BUDGET_NS};

/// The three lanes in front of a core or a database, in the order in which they are drained.
///
/// A lane works when nothing waits before it, piece by piece, as long as one more piece fits into its budget and nothing has come into a
/// lane before it. Where something always waits before it, it has one piece in every fourth turn, so none starves. A piece is cut
/// so that it takes about half of its lane's budget at most. So what comes into the latency lane waits for the piece at hand,
/// and at most one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// What a caller waits for: few rows, answered at once.
    Latency,
    /// Everything that does not say otherwise.
    Main,
    /// What is in no hurry: backfills, files that are read, storage that is polled.
    Poll,
}

impl Lane {
    /// All three, in order.
    pub const ALL: [Lane; 3] = [Lane::Latency, Lane::Main, Lane::Poll];

    /// Its position in that order.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The lanes that are drained before it.
    pub(super) fn before(self) -> &'static [Lane] {
        &Self::ALL[..self.index()]
    }
}

/// How long each lane may work before the next one has its turn, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneBudgets {
    /// The latency lane.
    pub latency_ns: u64,
    /// The main lane.
    pub main_ns: u64,
    /// The poll lane.
    pub poll_ns: u64,
}

impl LaneBudgets {
    /// [`LATENCY_BUDGET_NS`], [`MAIN_BUDGET_NS`] and [`POLL_BUDGET_NS`].
    pub const START: Self = Self { latency_ns: LATENCY_BUDGET_NS, main_ns: MAIN_BUDGET_NS, poll_ns: POLL_BUDGET_NS };

    pub(crate) fn all(&self) -> [u64; 3] {
        [self.latency_ns, self.main_ns, self.poll_ns]
    }
}
