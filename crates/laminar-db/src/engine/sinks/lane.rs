//! What steps have brought for a sink and is not written yet, in order.

use std::collections::VecDeque;

use laminar_core::{ChangeBatch, Error, StepId};

/// Bytes that may wait before a step waits for room. Fewer than wait for a sink that is away: it has to take them.
const BYTES_MAX: usize = 16 << 20;

/// What a step brings.
pub(super) enum Delivery {
    Changes(StepId, ChangeBatch),
    End,
    Failure(Error),
    /// An epoch ends here: what is behind it waits until the epoch is prepared or given up.
    Cut,
}

/// The bounded queue in front of a sink.
#[derive(Default)]
pub(super) struct Lane {
    waiting: VecDeque<Delivery>,
    bytes: usize,
    /// Whether it stands among the [sinks that have something to write](super::BusySinks).
    pub(super) is_listed: bool,
}

impl Lane {
    pub(super) fn put(&mut self, delivery: Delivery) {
        self.bytes += bytes_of(&delivery);
        self.waiting.push_back(delivery);
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes > BYTES_MAX
    }

    /// Whether something can be written now.
    pub(super) fn has_next(&self) -> bool {
        self.waiting.front().is_some_and(|next| !matches!(next, Delivery::Cut))
    }

    /// What is to be written next; `None` at the end of an epoch, too.
    pub(super) fn take_next(&mut self) -> Option<Delivery> {
        let next = self.waiting.pop_front_if(|next| !matches!(next, Delivery::Cut))?;
        self.bytes -= bytes_of(&next);
        Some(next)
    }

    /// The epoch that ends first is prepared: what is behind it may be written.
    pub(super) fn pass_cut(&mut self) {
        self.waiting.pop_front_if(|next| matches!(next, Delivery::Cut));
    }

    /// No epoch ends any more.
    pub(super) fn forget_cuts(&mut self) {
        self.waiting.retain(|delivery| !matches!(delivery, Delivery::Cut));
    }
}

fn bytes_of(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Changes(_, changes) => changes.rows().get_array_memory_size(),
        Delivery::End | Delivery::Failure(_) | Delivery::Cut => 0,
    }
}
