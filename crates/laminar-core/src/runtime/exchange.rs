//! Moves rows between workers within a step: what leaves one for the others, cut by key or dealt out.

use super::worker_graph::WorkerPosition;
use crate::changelog::split_by_key;
use crate::expr::{ExprRef, evaluate_all_isolating};
use crate::graph::Exchange;
use crate::operator::SentGroups;
use crate::time::watermark::Promise;
use crate::{ChangeBatch, Error, Port, Result};

/// What one worker sends to another for one node in one step.
#[derive(Debug, Clone, Default)]
pub struct Parcel {
    /// Why the sender's node does not go on.
    pub(super) failure: Option<Error>,
    /// What the sender's inputs promise, by port; meaningful for the ports that are exchanged.
    pub(super) promises: Vec<Promise>,
    /// The rows, in their order.
    pub(super) changes: Vec<(Port, ChangeBatch)>,
}

impl Parcel {
    /// Says that the sender does not go on.
    pub fn failed(error: Error) -> Self {
        Self { failure: Some(error), ..Self::default() }
    }
}

/// The parts of `changes` by worker.
pub(super) fn split(exchange: &Exchange, changes: Vec<ChangeBatch>, position: WorkerPosition) -> Result<Vec<Vec<ChangeBatch>>> {
    let workers = position.workers;
    match exchange {
        Exchange::Deal => Ok(deal(changes, position)),
        Exchange::Gather => {
            let mut parts = vec![Vec::new(); workers];
            parts[0] = changes;
            Ok(parts)
        }
        Exchange::Hash(keys) => {
            let mut parts = vec![Vec::new(); workers];
            for batch in changes {
                by_keys(keys, batch, workers)?.into_iter().for_each(|(worker, part)| parts[worker].push(part));
            }
            Ok(parts)
        }
    }
}

/// The parts of groups on their way to the second phase of an aggregate, by worker: each group to where `exchange` brings its rows.
pub(super) fn split_groups(
    exchange: &Exchange,
    groups: SentGroups,
    position: WorkerPosition,
) -> Result<Vec<(usize, ChangeBatch)>> {
    let keys = groups.rows.columns().get(groups.keys).ok_or_else(|| Error::internal("groups without their keys"))?;
    match exchange {
        Exchange::Hash(_) => split_by_key(ChangeBatch::append(groups.rows.clone()), keys, position.workers),
        Exchange::Deal | Exchange::Gather => Ok(vec![(0, ChangeBatch::append(groups.rows))]),
    }
}

/// Contiguous runs of nearly equal length, without copying; few rows are not worth dealing and stay together.
pub(super) fn deal(
    changes: Vec<ChangeBatch>,
    WorkerPosition { workers, deal_rows_min, .. }: WorkerPosition,
) -> Vec<Vec<ChangeBatch>> {
    let mut parts = vec![Vec::new(); workers];
    let rows: usize = changes.iter().map(ChangeBatch::len).sum();
    let share = rows.div_ceil(workers).max(deal_rows_min);
    let (mut worker, mut room) = (0, share);
    for batch in changes {
        let mut from = 0;
        while from < batch.len() {
            let now = room.min(batch.len() - from);
            parts[worker].push(if now == batch.len() { batch.clone() } else { batch.slice(from, now) });
            (from, room) = (from + now, room - now);
            if room == 0 {
                (worker, room) = ((worker + 1).min(workers - 1), share);
            }
        }
    }
    parts
}

/// A row whose key cannot be computed goes where NULL goes; the node finds it there and rejects it.
fn by_keys(keys: &[ExprRef], changes: ChangeBatch, workers: usize) -> Result<Vec<(usize, ChangeBatch)>> {
    let columns = evaluate_all_isolating(keys, changes.rows())?.columns;
    split_by_key(changes, &columns, workers)
}
