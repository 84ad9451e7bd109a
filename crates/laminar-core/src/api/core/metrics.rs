//! What a core has done so far, written by its thread and read by any other.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::budget::BudgetMetrics;
use crate::runtime::Lane;

/// The counters of a core. While it works, each is right by itself, but they may be of different moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CoreMetrics {
    /// Steps of its graph.
    pub steps: u64,
    /// Rows that were taken in.
    pub rows_in: u64,
    /// Of these, rows that have been worked off.
    pub rows_done: u64,
    /// Of these, rows that were neither worked off nor dropped when the core ended or failed; 0 while it works.
    pub rows_lost: u64,
    /// Results that wait for the caller to poll.
    pub results_held: u64,
    /// Times that it had nothing to do for so long that it slept.
    pub sleeps: u64,
    /// What the turns of each lane took, in the order of [`Lane::ALL`]; the overruns are those of the lane's budget.
    pub lanes: [BudgetMetrics; 3],
    /// What the steps of its reactor took, see [`Reactor::budget_metrics`](crate::runtime::Reactor::budget_metrics).
    pub reactor: BudgetMetrics,
}

impl CoreMetrics {
    /// What the turns of `lane` took.
    pub fn lane(&self, lane: Lane) -> BudgetMetrics {
        self.lanes[lane.index()]
    }
}

/// Counters that one thread writes and others read.
#[derive(Debug, Default)]
pub(super) struct Board {
    steps: AtomicU64,
    rows_done: AtomicU64,
    sleeps: AtomicU64,
    lanes: [BudgetBoard; 3],
    reactor: BudgetBoard,
}

#[derive(Debug, Default)]
struct BudgetBoard([AtomicU64; 5]);

impl Board {
    /// Shows these counters.
    pub(super) fn show(&self, metrics: &CoreMetrics) {
        self.steps.store(metrics.steps, Ordering::Relaxed);
        self.rows_done.store(metrics.rows_done, Ordering::Relaxed);
        self.sleeps.store(metrics.sleeps, Ordering::Relaxed);
        self.lanes.iter().zip(&metrics.lanes).for_each(|(board, metrics)| board.show(metrics));
        self.reactor.show(&metrics.reactor);
    }

    /// What was shown last; the caller's own counters are not among them.
    pub(super) fn read(&self) -> CoreMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CoreMetrics {
            steps: read(&self.steps),
            rows_done: read(&self.rows_done),
            sleeps: read(&self.sleeps),
            lanes: self.lanes.each_ref().map(BudgetBoard::read),
            reactor: self.reactor.read(),
            ..CoreMetrics::default()
        }
    }
}

impl BudgetBoard {
    fn show(&self, metrics: &BudgetMetrics) {
        let BudgetMetrics { runs, overruns, spent_ns, over_ns, worst_ns } = *metrics;
        let counters = self.0.iter().zip([runs, overruns, spent_ns, over_ns, worst_ns]);
        counters.for_each(|(counter, value)| counter.store(value, Ordering::Relaxed));
    }

    fn read(&self) -> BudgetMetrics {
        let [runs, overruns, spent_ns, over_ns, worst_ns] = self.0.each_ref().map(|counter| counter.load(Ordering::Relaxed));
        BudgetMetrics { runs, overruns, spent_ns, over_ns, worst_ns }
    }
}
