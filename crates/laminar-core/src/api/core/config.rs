//! The settings that a core starts with.

use std::fmt;
use std::sync::Arc;
use std::thread;

use crate::limits::{EVENTS_WAITING_MAX, RESULTS_WAITING_MAX, SPIN_LOOKS};
use crate::runtime::LaneBudgets;
use crate::thread::BackpressureConfig;
use crate::time::{Clock, SystemClock};
use crate::{Code, Error, Result};

/// The settings of one core. Start from the default, which is that of core 0, or from [`new`](Self::new), and change what differs:
///
/// ```
/// use laminar_core::tpc::{BackpressureConfig, CoreConfig, OverflowStrategy};
///
/// # fn main() -> laminar_core::Result<()> {
/// let config = CoreConfig {
///     cpu: Some(0),
///     numa_aware: true,
///     backpressure: BackpressureConfig::builder().overflow_strategy(OverflowStrategy::DropOldest).build()?,
///     ..Default::default()
/// };
/// assert_eq!((config.core, config.thread_name.as_str()), (0, "laminar-core-0"));
/// assert_eq!(CoreConfig::new(3).thread_name, "laminar-core-3");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CoreConfig {
    /// Its number: its outputs carry it, and messages name it.
    pub core: usize,
    /// The name of its thread, for debuggers and `top`; the system may cut it.
    pub thread_name: String,
    /// The processor (the system's number) that it stays on. `None`: any. Where the system cannot pin threads, any.
    pub cpu: Option<usize>,
    /// Whether a core without a processor of its own stays on one memory node, chosen by its number, so that its state is near it wherever
    /// it runs. A core with a processor of its own has that anyway: it takes its memory after it has been pinned.
    pub numa_aware: bool,
    /// Credits are rows. Each lane has the exclusive ones for itself; the floating ones go where the load is.
    pub backpressure: BackpressureConfig,
    /// Events that may wait in one lane, whatever their rows: a full lane is treated as one without credits.
    pub events_max: usize,
    /// Results of one output that may wait for the caller to poll; then the core waits.
    pub results_max: usize,
    /// How long each lane may keep the core.
    pub budgets: LaneBudgets,
    /// How often the core looks for work before it sleeps.
    pub spin_looks: u32,
    /// Whether everything that nodes emit is held against what their edges promise, for tests.
    pub checked: bool,
    /// What time it is, for the graph and the budgets.
    pub clock: Arc<dyn Clock>,
}

impl CoreConfig {
    /// A core that runs anywhere and lives by the machine's clock.
    pub fn new(core: usize) -> Self {
        Self {
            core,
            thread_name: format!("laminar-core-{core}"),
            cpu: None,
            numa_aware: false,
            backpressure: BackpressureConfig::START,
            events_max: EVENTS_WAITING_MAX,
            results_max: RESULTS_WAITING_MAX,
            budgets: LaneBudgets::START,
            spin_looks: looks_for(1),
            checked: false,
            clock: Arc::new(SystemClock),
        }
    }

    pub(in crate::api) fn check(&self) -> Result<()> {
        let invalid = |text: &str, hint: &str| Err(Error::new(Code::InvalidOption, text).with_hint(hint));
        if self.events_max == 0 {
            return invalid("a core in front of which nothing may wait", "set events_max to at least 1");
        }
        if self.results_max == 0 {
            return invalid("a core behind which nothing may wait", "set results_max to at least 1");
        }
        if self.budgets.all().contains(&0) {
            return invalid("a lane that may take no time", "set each of the LaneBudgets to at least 1 nanosecond");
        }
        Ok(())
    }
}

impl Default for CoreConfig {
    /// Core 0, not pinned to a processor: the settings of [`CoreConfig::new`].
    fn default() -> Self {
        Self::new(0)
    }
}

/// How often each of `cores` threads looks before it sleeps. A thread that looks long takes the processor from those it waits for, unless
/// there are enough.
pub(in crate::api) fn looks_for(cores: usize) -> u32 {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    if cores < processors { SPIN_LOOKS } else { SPIN_LOOKS / 64 }
}

impl fmt::Debug for CoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { core, thread_name, cpu, numa_aware, backpressure, events_max, results_max, budgets, .. } = self;
        let mut text = f.debug_struct("CoreConfig");
        text.field("core", core).field("thread_name", thread_name).field("cpu", cpu).field("numa_aware", numa_aware);
        text.field("backpressure", backpressure).field("events_max", events_max).field("results_max", results_max);
        text.field("budgets", budgets).finish_non_exhaustive()
    }
}
