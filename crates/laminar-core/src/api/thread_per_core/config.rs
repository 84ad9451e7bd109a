//! The settings of a runtime, and which processor each of its cores gets.

use std::fmt;
use std::sync::Arc;
use std::thread;

use crate::api::core::looks_for;
use crate::api::{CoreConfig, LaneBudgets};
use crate::limits::VIRTUAL_PARTITIONS;
use crate::numa::NumaTopology;
use crate::thread::{BackpressureConfig, KeySpec, affinity};
use crate::time::Clock;
use crate::{Code, Error, Result};

/// How many cores there are, and the settings of each.
///
/// ```
/// use laminar_core::tpc::TpcConfig;
///
/// # fn main() -> laminar_core::Result<()> {
/// let config = TpcConfig::builder().num_cores(4).key_columns(vec!["user"]).cpu_pinning(true).build()?;
/// assert_eq!(config.num_cores(), 4);
/// let error = TpcConfig::builder().num_cores(2).build().unwrap_err();
/// assert_eq!(error.hint(), Some("name the columns with key_columns(vec![\"…\"]), or use key(KeySpec::RoundRobin) for work without state"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TpcConfig {
    num_cores: usize,
    key: KeySpec,
    cpu_pinning: bool,
    /// What all cores have in common.
    core: CoreConfig,
}

impl TpcConfig {
    /// Starts from a core for each of the machine's processors, without a key, unpinned, and the settings of [`CoreConfig::new`].
    pub fn builder() -> TpcConfigBuilder {
        TpcConfigBuilder {
            num_cores: thread::available_parallelism().map_or(1, usize::from),
            key: None,
            cpu_pinning: false,
            core: CoreConfig::new(0),
        }
    }

    /// How many cores there are.
    pub fn num_cores(&self) -> usize {
        self.num_cores
    }

    /// What rows are dealt out by.
    pub fn key(&self) -> &KeySpec {
        &self.key
    }

    /// The settings of each core.
    pub(super) fn cores(&self) -> Vec<CoreConfig> {
        let processors = match self.cpu_pinning {
            true => processors(&affinity::allowed_cpus().unwrap_or_default(), &self.topology()),
            false => Vec::new(),
        };
        let core = |core: usize| CoreConfig {
            core,
            thread_name: format!("laminar-core-{core}"),
            cpu: processors.get(core).copied(),
            spin_looks: looks_for(self.num_cores),
            ..self.core.clone()
        };
        (0..self.num_cores).map(core).collect()
    }

    /// The memory nodes to look at: none if they are not asked for.
    fn topology(&self) -> Vec<Vec<usize>> {
        match self.core.numa_aware {
            true => NumaTopology::detect().nodes().iter().map(|node| node.cpus.clone()).collect(),
            false => Vec::new(),
        }
    }
}

impl fmt::Debug for TpcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { num_cores, key, cpu_pinning, core } = self;
        let mut text = f.debug_struct("TpcConfig");
        text.field("num_cores", num_cores).field("key", key).field("cpu_pinning", cpu_pinning).field("core", core).finish()
    }
}

/// The processors in the order in which cores get them: node by node, so that neighbours share a node until it is full.
fn processors(allowed: &[usize], nodes: &[Vec<usize>]) -> Vec<usize> {
    let mut processors = allowed.to_vec();
    processors.sort_by_key(|cpu| (nodes.iter().position(|node| node.contains(cpu)).unwrap_or(nodes.len()), *cpu));
    processors
}

/// Sets what differs from the start, see [`TpcConfig::builder`].
#[derive(Clone)]
pub struct TpcConfigBuilder {
    num_cores: usize,
    key: Option<KeySpec>,
    cpu_pinning: bool,
    core: CoreConfig,
}

impl TpcConfigBuilder {
    /// How many cores, 1 to 256. There may be more than processors.
    #[must_use]
    pub fn num_cores(mut self, cores: usize) -> Self {
        self.num_cores = cores;
        self
    }

    /// Rows with equal values in these columns meet on one core. Every source must have them.
    #[must_use]
    pub fn key_columns<Name: Into<String>>(self, columns: impl IntoIterator<Item = Name>) -> Self {
        self.key(KeySpec::Columns(columns.into_iter().map(Into::into).collect()))
    }

    /// What rows are dealt out by, if not by columns with names.
    #[must_use]
    pub fn key(mut self, key: KeySpec) -> Self {
        self.key = Some(key);
        self
    }

    /// Whether each core stays on a processor of its own. Cores for which there is none run anywhere.
    #[must_use]
    pub fn cpu_pinning(mut self, pinned: bool) -> Self {
        self.cpu_pinning = pinned;
        self
    }

    /// Whether processors are given out node by node, and cores without one stay on a memory node, see [`CoreConfig::numa_aware`].
    #[must_use]
    pub fn numa_aware(mut self, aware: bool) -> Self {
        self.core.numa_aware = aware;
        self
    }

    /// The credits of each core, in rows, and what happens when there are none.
    #[must_use]
    pub fn backpressure(mut self, backpressure: BackpressureConfig) -> Self {
        self.core.backpressure = backpressure;
        self
    }

    /// See [`CoreConfig::events_max`].
    #[must_use]
    pub fn events_max(mut self, events: usize) -> Self {
        self.core.events_max = events;
        self
    }

    /// See [`CoreConfig::results_max`].
    #[must_use]
    pub fn results_max(mut self, results: usize) -> Self {
        self.core.results_max = results;
        self
    }

    /// How long each lane may keep its core.
    #[must_use]
    pub fn budgets(mut self, budgets: LaneBudgets) -> Self {
        self.core.budgets = budgets;
        self
    }

    /// The clock of all cores; the machine's if nothing is said.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.core.clock = clock;
        self
    }

    /// Whether all that nodes emit is held against what their edges promise, for tests.
    #[must_use]
    pub fn checked(mut self, checked: bool) -> Self {
        self.core.checked = checked;
        self
    }

    /// Fails if something cannot be as it was set, with what to write instead.
    pub fn build(self) -> Result<TpcConfig> {
        let Self { num_cores, key, cpu_pinning, core } = self;
        let invalid = |text: String, hint: &str| Error::new(Code::InvalidOption, text).with_hint(hint);
        if !(1..=VIRTUAL_PARTITIONS).contains(&num_cores) {
            let hint = format!("use num_cores(1) to num_cores({VIRTUAL_PARTITIONS})");
            return Err(invalid(format!("a runtime with {num_cores} cores"), &hint));
        }
        core.check()?;
        let key = match key {
            None if num_cores == 1 => KeySpec::RoundRobin,
            None => {
                let hint =
                    "name the columns with key_columns(vec![\"…\"]), or use key(KeySpec::RoundRobin) for work without state";
                return Err(invalid(format!("{num_cores} cores without a key to deal rows out by"), hint));
            }
            Some(KeySpec::Columns(names)) if names.is_empty() => {
                let hint = "name at least one column in key_columns, or use key(KeySpec::AllColumns) or key(KeySpec::RoundRobin)";
                return Err(invalid("a key without columns".to_owned(), hint));
            }
            Some(key) => key,
        };
        Ok(TpcConfig { num_cores, key, cpu_pinning, core })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LaneBudgets;

    #[test]
    fn settings_that_cannot_work_are_refused_with_what_to_write() {
        let start = || TpcConfig::builder().num_cores(2).key_columns(["k"]);
        let no_time = LaneBudgets { poll_ns: 0, ..LaneBudgets::START };
        for (config, expected) in [
            (start().num_cores(0), "LDB-1006: a runtime with 0 cores; hint: use num_cores(1) to num_cores(256)"),
            (start().num_cores(257), "LDB-1006: a runtime with 257 cores; hint: use num_cores(1) to num_cores(256)"),
            (start().key_columns(Vec::<String>::new()), "LDB-1006: a key without columns; hint: name at least one"),
            (TpcConfig::builder().num_cores(3), "LDB-1006: 3 cores without a key to deal rows out by; hint: name the columns"),
            (start().events_max(0), "LDB-1006: a core in front of which nothing may wait; hint: set events_max to at least 1"),
            (start().results_max(0), "LDB-1006: a core behind which nothing may wait; hint: set results_max to at least 1"),
            (start().budgets(no_time), "LDB-1006: a lane that may take no time; hint: set each of the LaneBudgets"),
        ] {
            let error = config.build().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!(*TpcConfig::builder().num_cores(1).build().unwrap().key(), KeySpec::RoundRobin, "one core needs no key");
    }

    #[test]
    fn cores_get_processors_node_by_node_and_those_beyond_get_none() {
        let nodes = [vec![0, 2, 4], vec![1, 3]];
        assert_eq!(processors(&[0, 1, 2, 3], &nodes), [0, 2, 1, 3]);
        assert_eq!(processors(&[3, 9, 1, 0], &[]), [0, 1, 3, 9]);
        assert_eq!(processors(&[9, 1, 0], &nodes), [0, 1, 9], "a processor of no node comes last");
        let config = TpcConfig::builder().num_cores(200).key_columns(["k"]).cpu_pinning(true).numa_aware(true).build().unwrap();
        let cores = config.cores();
        let allowed = affinity::allowed_cpus().map_or(0, |cpus| cpus.len());
        assert_eq!(cores.iter().filter(|core| core.cpu.is_some()).count(), allowed.min(200));
        assert!(cores[199].cpu.is_none() || allowed >= 200);
    }
}
