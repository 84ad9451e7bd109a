//! Times that never go back: the largest time seen is the promise. Equal times are in order.

use super::running::{RowPromise, RunningGenerator};
use super::{ArrivingRows, promise};
use crate::Result;

/// Promises that no row is before the latest one.
pub type AscendingTimestampsGenerator = RunningGenerator<Ascending>;

impl AscendingTimestampsGenerator {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::by(Ascending)
    }
}

/// Each row promises its own time.
#[derive(Debug, Clone)]
pub struct Ascending;

impl RowPromise for Ascending {
    fn promised(&self, _: &ArrivingRows<'_>) -> Result<impl Fn(usize, i64) -> Option<i64>> {
        Ok(|_, time| Some(promise(time)))
    }

    fn by_time(&self, time: i64) -> Option<i64> {
        Some(promise(time))
    }
}
