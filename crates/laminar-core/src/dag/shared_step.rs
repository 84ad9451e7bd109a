//! One step of a graph that several workers share: each runs its part of every node, and at some nodes they exchange rows.

use std::any::Any;

use super::exchange::Parcel;
use super::executor::Executor;
use crate::panics::{as_error, caught};
use crate::{Error, NodeId, Result};

/// What all workers are told about a step.
#[derive(Debug, Clone)]
pub struct StepOrder {
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

/// How one worker sends its parcels to the others and gets theirs.
pub trait Links {
    /// Sends `parcels`, one for each worker and among them one for this one, and waits for those of all others; they come back
    /// by sender. Every worker calls this for the same nodes in the same order.
    fn exchange(&mut self, parcels: Vec<Parcel>) -> Vec<Parcel>;
}

impl Executor {
    /// Runs this worker's part of a step, together with the other workers.
    pub fn run_share(&mut self, order: &StepOrder, links: &mut dyn Links) {
        let exchanging = self.begin_share(order);
        let mut exchanging = exchanging.into_iter().peekable();
        let mut from = 0;
        while let Some(place) = least(self.pending.next(from), exchanging.peek().copied()) {
            from = place + 1;
            if exchanging.next_if_eq(&place).is_some() {
                let parcels = self.depart(place);
                let parcels = links.exchange(parcels);
                self.arrive(place, parcels);
            }
            self.run_if_pending(place, order);
        }
    }

    /// Begins a step; the answer is the places at which rows are exchanged, the same on all workers.
    fn begin_share(&mut self, order: &StepOrder) -> Vec<usize> {
        self.begin_step(order.now);
        let takes_part = |place: &usize| {
            let slot = &self.slots[*place];
            order.active[slot.component] && slot.failure.is_none()
        };
        self.exchanging.iter().copied().filter(takes_part).collect()
    }

    fn run_if_pending(&mut self, place: usize, order: &StepOrder) {
        if self.pending.contains(place) && order.active[self.slots[place].component] {
            self.pending.remove(place);
            self.run(place);
        }
    }

    fn depart(&mut self, place: usize) -> Vec<Parcel> {
        let (share, at) = (self.share, (self.step, self.now));
        let (before, rest) = self.slots.split_at_mut(place);
        let slot = &mut rest[0];
        let mut rejected = Vec::new();
        let departures = caught(|| Ok(slot.departures(before, share, at, &mut rejected)));
        slot.count_rejected(&rejected);
        let id = slot.node.id;
        self.rejected.extend(rejected.into_iter().map(|rows| (id, rows)));
        departures.unwrap_or_else(|panic| vec![Parcel::failed(panic); share.workers])
    }

    fn arrive(&mut self, place: usize, parcels: Vec<Parcel>) {
        for (from, parcel) in parcels.into_iter().enumerate() {
            let slot = &mut self.slots[place];
            if let Err(error) = slot.arrive(from, parcel)
                && slot.failure.is_none()
            {
                self.poison(place, error);
            }
        }
        self.pending.insert(place);
    }

    /// Marks the components in which something is pending.
    pub(super) fn mark_pending(&self, components: &mut [bool]) {
        self.pending.iter().for_each(|place| components[self.slots[place].component] = true);
    }

    /// Shows what comes out of these nodes, and of no others, in `taps`.
    pub(super) fn tap(&mut self, which: impl Fn(NodeId) -> bool) {
        self.slots.iter_mut().for_each(|slot| slot.tapped = which(slot.node.id));
    }

    /// Takes a source out that failed where its rows are taken in, and all that reads from it.
    pub(super) fn fail_source(&mut self, source: NodeId, error: &Error) -> Result<()> {
        let place = self.place(source)?;
        let name = self.slots[place].node.name.clone();
        self.fail(place, error.clone());
        self.fail_readers(place, &error.clone().within(format!("reads from '{name}', which failed")));
        Ok(())
    }

    /// Takes all nodes out because the engine itself panicked.
    pub fn fail_all(&mut self, panic: &(dyn Any + Send)) {
        let error = as_error(panic);
        for place in 0..self.slots.len() {
            if self.slots[place].failure.is_none() {
                self.fail(place, error.clone());
            }
        }
    }

    /// Takes nodes out that have failed on another worker.
    pub(super) fn fail_too(&mut self, failed: &[(NodeId, Error)]) -> Result<()> {
        for (id, error) in failed {
            let place = self.place(*id)?;
            if self.slots[place].failure.is_none() {
                self.fail(place, error.clone());
            }
        }
        Ok(())
    }
}

/// Runs a step of all workers on the thread of the caller, node by node: what threads would do, in one order.
pub fn run_inline(executors: &mut [Box<Executor>], order: &StepOrder) {
    let mut exchanging = Vec::new();
    for executor in executors.iter_mut() {
        exchanging = executor.begin_share(order);
    }
    let mut exchanging = exchanging.into_iter().peekable();
    let mut from = 0;
    loop {
        let pending = executors.iter().filter_map(|executor| executor.pending.next(from)).min();
        let Some(place) = least(pending, exchanging.peek().copied()) else { break };
        from = place + 1;
        if exchanging.next_if_eq(&place).is_some() {
            exchange_in_turn(executors, place);
        }
        for executor in executors.iter_mut() {
            executor.run_if_pending(place, order);
        }
    }
}

fn exchange_in_turn(executors: &mut [Box<Executor>], place: usize) {
    let mut sent: Vec<_> = executors.iter_mut().map(|executor| executor.depart(place).into_iter()).collect();
    for executor in executors.iter_mut() {
        let parcels = sent.iter_mut().map(|parcels| parcels.next().unwrap_or_default()).collect();
        executor.arrive(place, parcels);
    }
}

fn least(a: Option<usize>, b: Option<usize>) -> Option<usize> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
