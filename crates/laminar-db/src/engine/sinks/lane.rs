//! What steps have brought for a sink and is not written yet, in order.

use std::collections::VecDeque;

use laminar_core::{ChangeBatch, Error, StepId};

/// Bytes that may wait before a thread that has run a step waits for room, outside of the engine's lock.
const BYTES_MAX: usize = 16 << 20;
/// Bytes that may wait before a step waits for room: one that alone brings so much, or an epoch that takes so long.
const STEP_BYTES_MAX: usize = 64 << 20;

/// What a step brings.
pub(super) enum Delivery {
    Changes(StepId, ChangeBatch),
    End,
    Failure(Error),
}

/// The bounded queue in front of a sink.
#[derive(Default)]
pub(super) struct Lane {
    waiting: VecDeque<Delivery>,
    bytes: usize,
    /// An epoch ends behind so many of these: what follows waits until it is prepared or given up.
    before_cut: Option<usize>,
    /// A thread is about to prepare, commit or give up an epoch, and writes what waits afterwards.
    pub(super) is_in_epoch: bool,
    /// Whether it stands among the [sinks that have something to write](super::BusySinks).
    pub(super) is_listed: bool,
}

impl Lane {
    pub(super) fn put(&mut self, delivery: Delivery) {
        self.bytes += bytes_of(&delivery);
        self.waiting.push_back(delivery);
    }

    /// Whether a thread that leaves more here has to wait.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > BYTES_MAX
    }

    /// Whether a step that brings more has to wait.
    pub(super) fn is_too_full(&self) -> bool {
        self.bytes > STEP_BYTES_MAX
    }

    /// How many deliveries wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether something can be written now.
    pub(super) fn has_next(&self) -> bool {
        !self.waiting.is_empty() && self.before_cut != Some(0)
    }

    /// What is to be written next; `None` at the end of an epoch, too.
    pub(super) fn take_next(&mut self) -> Option<Delivery> {
        if self.before_cut == Some(0) {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.before_cut = self.before_cut.map(|before| before - 1);
        self.bytes -= bytes_of(&next);
        Some(next)
    }

    /// An epoch ends behind what is here.
    pub(super) fn cut(&mut self) {
        self.before_cut = Some(self.waiting.len());
        self.is_in_epoch = true;
    }

    /// What is behind the end of the epoch may be written.
    pub(super) fn pass_cut(&mut self) {
        self.before_cut = None;
    }
}

fn bytes_of(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Changes(_, changes) => changes.slice_bytes(),
        Delivery::End | Delivery::Failure(_) => 0,
    }
}
