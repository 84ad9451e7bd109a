//! What a scheduler asks of what it schedules.

use super::Lane;
use crate::{NodeId, Result};

/// What is scheduled: what waits in the lanes, and how a piece of it is worked off.
pub trait Work {
    /// Whether something waits in `lane`.
    fn waits(&mut self, lane: Lane) -> Result<bool>;

    /// Adds the tasks that share `lane`, by ascending id. Those that have nothing to do now are among them: a task that is left out is forgotten,
    /// with what its pieces took. Without tasks of its own a lane is one.
    fn tasks(&mut self, lane: Lane, tasks: &mut Vec<Task>) -> Result<()> {
        let _ = lane;
        tasks.push(Task { id: NodeId(0), ready: true });
        Ok(())
    }

    /// Works off a piece of what `task` has in `lane`, some `rows_max` rows of it.
    fn work(&mut self, lane: Lane, task: NodeId, rows_max: usize) -> Result<Piece>;
}

/// One of those that share a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// Its name within the lane, for as long as it is there.
    pub id: NodeId,
    /// Whether it has something to do.
    pub ready: bool,
}

/// A piece of work that is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Piece {
    /// Its rows.
    pub rows: usize,
    /// Nanoseconds of it in which the worker waited for other threads: they say nothing about the next piece and are charged to no budget.
    pub waited_ns: u64,
    /// Nanoseconds that belong to the piece though they were spent before, beside other work: the next piece learns from them too.
    pub ahead_ns: u64,
}
