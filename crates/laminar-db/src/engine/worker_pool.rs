//! Who does the work: the caller alone, or threads.

use std::sync::Arc;

use laminar_core::Result;
use laminar_core::dag::{GraphHost, InlinePool, WorkerPool};
use laminar_core::limits::{DEAL_ROWS_MIN, STEP_ALONE_ROWS_MAX};
use laminar_core::reactor::Reactor;
use laminar_core::time::Clock;
use laminar_core::tpc::{ThreadPool, ThreadPoolConfig};

/// How reactors are put together, whatever the number of workers.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkerPoolSpec {
    pub(super) checked: bool,
    pub(super) inline_workers: bool,
}

impl WorkerPoolSpec {
    /// A reactor without nodes for `workers` workers. Fails if the threads cannot be started.
    pub(super) fn reactor(self, clock: &Arc<dyn Clock>, workers: usize) -> Result<Reactor> {
        let clock = Arc::clone(clock);
        if workers == 1 {
            return Ok(if self.checked { Reactor::checked(clock) } else { Reactor::new(clock) });
        }
        let (pool, deal_rows_min): (Box<dyn WorkerPool>, usize) = match self.inline_workers {
            true => (Box::new(InlinePool::default()), 1),
            false => {
                let config = ThreadPoolConfig { workers, pinned: true, rows_alone_max: STEP_ALONE_ROWS_MAX };
                (Box::new(ThreadPool::start(&config)?), DEAL_ROWS_MIN)
            }
        };
        Ok(Reactor::over(clock, GraphHost::new(workers, deal_rows_min, self.checked, pool)))
    }

    /// The same; where threads cannot be started, the caller does the work of all workers, with the same answers.
    pub(super) fn reactor_or_inline(self, clock: &Arc<dyn Clock>, workers: usize) -> Reactor {
        self.reactor(clock, workers).unwrap_or_else(|_| {
            let workers = GraphHost::new(workers, DEAL_ROWS_MIN, self.checked, Box::new(InlinePool::default()));
            Reactor::over(Arc::clone(clock), workers)
        })
    }
}
