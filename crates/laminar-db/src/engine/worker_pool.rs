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
    /// What runs `workers` workers, and how many rows each gets at least when rows are dealt out. Fails if the threads cannot be started.
    pub(super) fn pool(self, workers: usize) -> Result<(Box<dyn WorkerPool>, usize)> {
        if self.inline_workers && workers > 1 {
            return Ok((Box::new(InlinePool::default()), 1));
        }
        if workers == 1 {
            return Ok((Box::new(InlinePool::default()), DEAL_ROWS_MIN));
        }
        let config = ThreadPoolConfig { workers, pinned: true, rows_alone_max: STEP_ALONE_ROWS_MAX };
        Ok((Box::new(ThreadPool::start(&config)?), DEAL_ROWS_MIN))
    }

    /// A reactor without nodes. Where threads cannot be started, the caller does the work of all workers, with the same answers.
    pub(super) fn reactor(self, clock: &Arc<dyn Clock>, workers: usize) -> Reactor {
        let inline = || -> (Box<dyn WorkerPool>, usize) { (Box::new(InlinePool::default()), DEAL_ROWS_MIN) };
        let (pool, deal_rows_min) = self.pool(workers).unwrap_or_else(|_| inline());
        Reactor::over(Arc::clone(clock), GraphHost::new(workers, deal_rows_min, self.checked, pool))
    }
}
