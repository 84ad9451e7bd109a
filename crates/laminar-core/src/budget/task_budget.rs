//! A task's share of its core's time, in nanoseconds, and how it keeps to it.

use std::fmt;
use std::sync::Arc;

use crate::limits::{EVENT_BUDGET_NS, STEP_BUDGET_NS};
use crate::time::Clock;

/// How long one run of a task may take.
///
/// No task is interrupted: its loop asks [`exceeded`](Self::exceeded) between two pieces of work, and stops there.
///
/// ```
/// use std::sync::Arc;
/// use laminar_core::budget::TaskBudget;
/// use laminar_core::time::ManualClock;
///
/// let clock = ManualClock::at(0);
/// let mut budget = TaskBudget::new("drain inbox", 1_000, Arc::new(clock.clone()));
/// let mut batches = 0;
/// budget.begin();
/// while !budget.exceeded() {
///     batches += 1;
///     clock.advance(300); // the work
/// }
/// budget.finish();
/// assert_eq!(batches, 4);
/// assert_eq!((budget.metrics().overruns, budget.metrics().worst_ns), (1, 1_200));
/// ```
pub struct TaskBudget {
    name: &'static str,
    limit_ns: u64,
    clock: Arc<dyn Clock>,
    /// When the run at hand began.
    began: Option<i64>,
    metrics: BudgetMetrics,
}

/// What the runs of a task have taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetMetrics {
    /// Runs that have ended.
    pub runs: u64,
    /// Runs that took longer than the budget.
    pub overruns: u64,
    /// Nanoseconds of all runs together.
    pub spent_ns: u64,
    /// Nanoseconds beyond the budget, of all overruns together.
    pub over_ns: u64,
    /// Nanoseconds of the longest run.
    pub worst_ns: u64,
}

impl TaskBudget {
    /// A budget of `limit_ns` nanoseconds for each run of the task `name`.
    pub fn new(name: &'static str, limit_ns: u64, clock: Arc<dyn Clock>) -> Self {
        Self { name, limit_ns, clock, began: None, metrics: BudgetMetrics::default() }
    }

    /// What one primitive on one event may take: [`EVENT_BUDGET_NS`].
    pub fn of_event(name: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self::new(name, EVENT_BUDGET_NS, clock)
    }

    /// What one graph may take before the next one has its turn: [`STEP_BUDGET_NS`].
    pub fn of_step(name: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self::new(name, STEP_BUDGET_NS, clock)
    }

    /// The task's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Nanoseconds that one run may take.
    pub fn limit_ns(&self) -> u64 {
        self.limit_ns
    }

    /// Changes what one run may take, in nanoseconds, from the next run on.
    pub fn set_limit_ns(&mut self, limit_ns: u64) {
        self.limit_ns = limit_ns;
    }

    /// Begins a run. One that was not finished is forgotten.
    pub fn begin(&mut self) {
        self.begin_at(self.clock.now());
    }

    /// Begins a run at a time that the caller has read from the same clock.
    pub fn begin_at(&mut self, now: i64) {
        self.began = Some(now);
    }

    /// Leaves so many nanoseconds of the run at hand out: time in which its worker waited for others.
    pub fn leave_out(&mut self, waited_ns: u64) {
        self.began = self.began.map(|began| began.saturating_add(i64::try_from(waited_ns).unwrap_or(i64::MAX)));
    }

    /// Ends the run without counting it: for runs so short that to look at the clock would take longer.
    pub fn forget(&mut self) {
        self.began = None;
    }

    /// True if the run has used up its budget: the task should yield. False outside of a run.
    pub fn exceeded(&self) -> bool {
        self.spent_ns() >= self.limit_ns && self.began.is_some()
    }

    /// Nanoseconds that are left of the run's budget; all of it outside of a run.
    pub fn remaining_ns(&self) -> u64 {
        self.limit_ns.saturating_sub(self.spent_ns())
    }

    /// Ends the run, counts it, and returns the nanoseconds that it took; 0 outside of a run.
    pub fn finish(&mut self) -> u64 {
        let spent = self.spent_ns();
        if self.began.take().is_some() {
            self.metrics.add(spent, self.limit_ns);
        }
        spent
    }

    /// What all runs took.
    pub fn metrics(&self) -> BudgetMetrics {
        self.metrics
    }

    /// A clock that was set back makes a run short, never an overrun.
    fn spent_ns(&self) -> u64 {
        self.began.map_or(0, |began| u64::try_from(self.clock.now().saturating_sub(began)).unwrap_or(0))
    }
}

impl BudgetMetrics {
    /// Counts a run that took `spent` nanoseconds of `limit`.
    pub(crate) fn add(&mut self, spent: u64, limit: u64) {
        self.runs += 1;
        self.overruns += u64::from(spent > limit);
        self.spent_ns = self.spent_ns.saturating_add(spent);
        self.over_ns = self.over_ns.saturating_add(spent.saturating_sub(limit));
        self.worst_ns = self.worst_ns.max(spent);
    }
}

impl fmt::Debug for TaskBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limit_ns, began, metrics, clock: _ } = self;
        let mut text = f.debug_struct("TaskBudget");
        text.field("name", name).field("limit_ns", limit_ns).field("began", began).field("metrics", metrics).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

    /// Runs that take `runs` nanoseconds each, with a budget of 100.
    fn check(runs: &[i64], expected: BudgetMetrics) {
        let clock = ManualClock::at(1_000_000);
        let mut budget = TaskBudget::new("test", 100, Arc::new(clock.clone()));
        for run in runs {
            budget.begin();
            clock.advance(*run);
            budget.finish();
            clock.advance(5_000);
        }
        assert_eq!(budget.metrics(), expected, "{runs:?}");
    }

    #[test]
    fn runs_that_take_longer_are_counted_with_what_they_took_too_much() {
        check(&[], BudgetMetrics::default());
        check(&[40, 100], BudgetMetrics { runs: 2, overruns: 0, spent_ns: 140, over_ns: 0, worst_ns: 100 });
        check(&[101, 150], BudgetMetrics { runs: 2, overruns: 2, spent_ns: 251, over_ns: 51, worst_ns: 150 });
        check(&[-50, 10], BudgetMetrics { runs: 2, overruns: 0, spent_ns: 10, over_ns: 0, worst_ns: 10 });
    }

    #[test]
    fn time_spent_waiting_for_others_is_left_out() {
        let clock = ManualClock::at(0);
        let mut budget = TaskBudget::new("test", 100, Arc::new(clock.clone()));
        budget.begin();
        clock.advance(150);
        budget.leave_out(90);
        assert_eq!((budget.remaining_ns(), budget.finish()), (40, 60));
    }

    #[test]
    fn a_task_is_told_to_yield_when_nothing_is_left() {
        let clock = ManualClock::at(0);
        let mut budget = TaskBudget::of_event("test", Arc::new(clock.clone()));
        clock.advance(10_000);
        assert_eq!((budget.exceeded(), budget.remaining_ns()), (false, 500), "outside of a run");
        budget.begin();
        clock.advance(499);
        assert_eq!((budget.exceeded(), budget.remaining_ns()), (false, 1));
        clock.advance(1);
        assert_eq!((budget.exceeded(), budget.remaining_ns()), (true, 0));
        assert_eq!((budget.finish(), budget.finish(), budget.exceeded()), (500, 0, false));
        assert_eq!(budget.metrics().runs, 1, "a run is counted once");
    }
}
