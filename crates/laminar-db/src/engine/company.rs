//! Whether somebody could be waiting: whether other threads use the database beside the one that works for it.

use std::thread::{self, ThreadId};

use laminar_core::limits::COMPANY_NS;
use laminar_core::time::Clock;

use super::Engine;
use crate::StepBudget;

thread_local! {
    /// Asking the system takes longer.
    static ME: ThreadId = thread::current().id();
}

/// Who uses the engine.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// The thread that had a turn last.
    worker: Option<ThreadId>,
    /// When another one came last, in wall-clock nanoseconds.
    guest_at: Option<i64>,
}

impl Company {
    #[inline]
    fn enters(&mut self, clock: &dyn Clock) {
        if let Some(worker) = self.worker
            && worker != ME.with(|me| *me)
        {
            self.guest_at = Some(clock.now());
        }
    }
}

impl Engine {
    /// A thread comes with a push or a statement.
    #[inline]
    pub(crate) fn guest_enters(&mut self) {
        self.company.enters(self.clock.as_ref());
    }

    /// A thread comes to have a turn.
    pub(crate) fn worker_enters(&mut self) {
        self.company.enters(self.clock.as_ref());
        self.company.worker = Some(ME.with(|me| *me));
    }

    /// Whether steps are cut so that others have their turn soon. One thread alone has nobody to be fair to: it has its steps whole, which takes
    /// less time, and its answers come out the same every time.
    pub(super) fn keeps_to_budget(&self, now: i64) -> bool {
        let lately = |at: i64| now.saturating_sub(at) < COMPANY_NS;
        match self.settings.step_budget {
            StepBudget::InCompany => self.company.guest_at.is_some_and(lately),
            StepBudget::Always(_) => true,
            StepBudget::Never => false,
        }
    }
}
