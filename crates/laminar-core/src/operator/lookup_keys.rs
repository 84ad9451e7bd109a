//! What a lookup join whose right rows stand elsewhere lets the outside know: the keys that rows wait for, and those that were of use.
//!
//! A step asks nothing of the outside. Between two steps the reader of the lookup table takes the keys from here, and what it is answered comes as rows of
//! the join's right input.

use arrow_array::RecordBatch;

use crate::Result;

/// The keys of one lookup join, between two steps.
pub trait LookupKeys {
    /// Takes up to `keys_max` keys that left rows wait for and that were not taken before, with a column for each key. A key may come twice.
    fn take_wanted(&mut self, keys_max: usize) -> Result<Option<RecordBatch>>;

    /// The hashes ([`hash_rows`](crate::changelog::hash_rows)) of the keys that left rows found in the cache since the last call.
    fn take_used(&mut self) -> Vec<u64>;

    /// The counters as they stand.
    fn metrics(&self) -> LookupMetrics;
}

/// How often a cache had what was asked for, since the node was attached, and what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LookupMetrics {
    /// Left rows whose key was in the cache when they came.
    pub hits: u64,
    /// Left rows whose key was not.
    pub misses: u64,
    /// Left rows that wait now.
    pub waiting_rows: u64,
}

impl LookupMetrics {
    /// The counters of two together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            waiting_rows: self.waiting_rows + other.waiting_rows,
        }
    }
}
