//! The largest time seen, minus a delay: rows may be out of order by so much.

use super::running::{RowPromise, RunningGenerator};
use super::{ArrivingRows, promise};
use crate::Result;

/// Promises that no row is more than `delay` behind the latest one.
pub type BoundedOutOfOrdernessGenerator = RunningGenerator<Bounded>;

impl BoundedOutOfOrdernessGenerator {
    /// Rows may be `delay` nanoseconds behind the latest.
    pub fn new(delay: i64) -> Self {
        Self::by(Bounded { delay })
    }
}

/// Each row promises its own time, minus a delay.
#[derive(Debug, Clone)]
pub struct Bounded {
    pub(super) delay: i64,
}

impl RowPromise for Bounded {
    fn promised(&self, _: &ArrivingRows<'_>) -> Result<impl Fn(usize, i64) -> Option<i64>> {
        Ok(|_, time: i64| Some(promise(time.saturating_sub(self.delay))))
    }

    fn by_time(&self, time: i64) -> Option<i64> {
        Some(promise(time.saturating_sub(self.delay)))
    }
}
