//! The keys that lookup joins wait for, of all workers together.

use arrow_array::RecordBatch;

use super::host::GraphHost;
use crate::operator::{LookupKeys, LookupMetrics};
use crate::{NodeId, Result};

/// Lookups, between two steps.
impl GraphHost {
    /// Takes up to `keys_max` keys, or a few more, that rows of the lookup join `node` wait for and that were not taken before.
    pub fn take_wanted_keys(&mut self, node: NodeId, keys_max: usize) -> Result<Vec<RecordBatch>> {
        let (mut wanted, mut rows) = (Vec::new(), 0);
        for keys in self.lookup_keys(node)? {
            while let Some(taken) = if rows < keys_max { keys.take_wanted(keys_max - rows)? } else { None } {
                rows += taken.num_rows();
                wanted.push(taken);
            }
        }
        Ok(wanted)
    }

    /// The hashes of the keys that rows of the lookup join `node` found in the cache since the last call.
    pub fn take_used_keys(&mut self, node: NodeId) -> Result<Vec<u64>> {
        Ok(self.lookup_keys(node)?.flat_map(LookupKeys::take_used).collect())
    }

    /// What the lookup join `node` found and did not find; `None`: it joins with no rows that stand elsewhere.
    pub fn lookup_metrics(&mut self, node: NodeId) -> Result<Option<LookupMetrics>> {
        Ok(self.lookup_keys(node)?.map(|keys| keys.metrics()).reduce(LookupMetrics::plus))
    }

    /// The keys on each worker, unless the node has failed.
    fn lookup_keys(&mut self, node: NodeId) -> Result<impl Iterator<Item = &mut dyn LookupKeys>> {
        let index = self.workers[0].index(node)?;
        Ok(self.workers.iter_mut().filter_map(move |worker| {
            let state = &mut worker.states[index];
            if state.failure.is_some() || state.absent { None } else { state.operator.lookup_keys() }
        }))
    }
}
