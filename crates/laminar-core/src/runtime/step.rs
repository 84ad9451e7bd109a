//! One step of a graph that several workers share: each runs its part of every node, and at some nodes they exchange rows.

use std::any::Any;

use super::exchange::Parcel;
use super::worker_graph::WorkerGraph;
use crate::panics::{as_error, caught};
use crate::{Error, NodeId, Result, StepId};

/// What all workers are told about a step.
#[derive(Debug, Clone, Default)]
pub struct StepOrder {
    pub(super) step: StepId,
    /// Wall-clock nanoseconds, the same for all.
    pub(super) now: i64,
    /// Rows that were handed out for this step.
    pub(super) rows: usize,
    /// By connected component: whether it takes part.
    pub(super) active: Vec<bool>,
}

impl StepOrder {
    /// Rows that sources have handed out for this step, to all workers together.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// The links of the only worker.
pub(super) struct NoLinks;

impl Links for NoLinks {
    fn exchange(&mut self, parcels: Vec<Parcel>) -> Vec<Parcel> {
        parcels
    }
}

/// How one worker sends its parcels to the others and gets theirs.
pub trait Links {
    /// Sends `parcels`, one for each worker and among them one for this one, and waits for those of all others; they come back
    /// by sender. Every worker calls this for the same nodes in the same order.
    fn exchange(&mut self, parcels: Vec<Parcel>) -> Vec<Parcel>;
}

impl WorkerGraph {
    /// Runs this worker's part of a step, together with the other workers.
    pub fn run_step(&mut self, order: &StepOrder, links: &mut dyn Links) {
        let exchanging = self.begin_part(order);
        let mut exchanging = exchanging.into_iter().peekable();
        let mut from = 0;
        while let Some(index) = least(self.pending.next(from), exchanging.peek().copied()) {
            from = index + 1;
            if exchanging.next_if_eq(&index).is_some() {
                let parcels = self.depart(index);
                let parcels = links.exchange(parcels);
                self.arrive(index, parcels);
            }
            self.run_if_pending(index, order);
        }
    }

    /// Begins a step; the answer is the indices at which rows are exchanged, the same on all workers.
    fn begin_part(&mut self, order: &StepOrder) -> Vec<usize> {
        self.begin_step(order);
        let takes_part = |index: &usize| {
            let state = &self.states[*index];
            order.active[state.component] && state.failure.is_none()
        };
        self.exchanging.iter().copied().filter(takes_part).collect()
    }

    fn run_if_pending(&mut self, index: usize, order: &StepOrder) {
        if self.pending.contains(index) && order.active[self.states[index].component] {
            self.pending.remove(index);
            self.run(index);
        }
    }

    fn depart(&mut self, index: usize) -> Vec<Parcel> {
        let (position, at) = (self.position, (self.step, self.now));
        let (before, rest) = self.states.split_at_mut(index);
        let state = &mut rest[0];
        let mut rejected = Vec::new();
        let departures = caught(|| Ok(state.departures(before, position, at, &mut rejected)));
        state.count_rejected(&rejected);
        let id = state.node.id;
        self.rejected.extend(rejected.into_iter().map(|rows| (id, rows)));
        departures.unwrap_or_else(|panic| vec![Parcel::failed(panic); position.workers])
    }

    fn arrive(&mut self, index: usize, parcels: Vec<Parcel>) {
        for (from, parcel) in parcels.into_iter().enumerate() {
            let state = &mut self.states[index];
            if let Err(error) = state.arrive(from, parcel)
                && state.failure.is_none()
            {
                self.poison(index, error);
            }
        }
        self.pending.insert(index);
    }

    /// Marks the components in which something is pending.
    pub(super) fn mark_pending(&self, components: &mut [bool]) {
        self.pending.iter().for_each(|index| components[self.states[index].component] = true);
    }

    /// Takes a source out that failed where its rows are taken in, and all that reads from it.
    pub(super) fn fail_source(&mut self, source: NodeId, error: &Error) -> Result<()> {
        let index = self.index(source)?;
        let name = self.states[index].node.name.clone();
        self.fail(index, error.clone());
        self.fail_readers(index, &error.clone().within(format!("reads from '{name}', which failed")));
        Ok(())
    }

    /// Takes all nodes out because the engine itself panicked.
    pub fn fail_all(&mut self, panic: &(dyn Any + Send)) {
        let error = as_error(panic);
        for index in 0..self.states.len() {
            if self.states[index].failure.is_none() {
                self.fail(index, error.clone());
            }
        }
    }

    /// Takes nodes out that have failed on another worker.
    pub(super) fn fail_too(&mut self, failed: &[(NodeId, Error)]) -> Result<()> {
        for (id, error) in failed {
            let index = self.index(*id)?;
            if self.states[index].failure.is_none() {
                self.fail(index, error.clone());
            }
        }
        Ok(())
    }
}

/// Runs a step of all workers on the thread of the caller, node by node: what threads would do, in one order.
pub(super) fn run_inline(graphs: &mut [Box<WorkerGraph>], order: &StepOrder) {
    let mut exchanging = Vec::new();
    for graph in graphs.iter_mut() {
        exchanging = graph.begin_part(order);
    }
    let mut exchanging = exchanging.into_iter().peekable();
    let mut from = 0;
    loop {
        let pending = graphs.iter().filter_map(|graph| graph.pending.next(from)).min();
        let Some(index) = least(pending, exchanging.peek().copied()) else { break };
        from = index + 1;
        if exchanging.next_if_eq(&index).is_some() {
            exchange_in_turn(graphs, index);
        }
        for graph in graphs.iter_mut() {
            graph.run_if_pending(index, order);
        }
    }
}

fn exchange_in_turn(graphs: &mut [Box<WorkerGraph>], index: usize) {
    let mut sent: Vec<_> = graphs.iter_mut().map(|graph| graph.depart(index).into_iter()).collect();
    for graph in graphs.iter_mut() {
        let parcels = sent.iter_mut().map(|parcels| parcels.next().unwrap_or_default()).collect();
        graph.arrive(index, parcels);
    }
}

fn least(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
