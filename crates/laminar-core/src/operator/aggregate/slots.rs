//! Hands out group numbers, the lowest free one first, so that numbers stay small and the same history gives the same numbers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Which group numbers are in use.
#[derive(Debug, Default)]
pub(super) struct Slots {
    live: Vec<bool>,
    free: BinaryHeap<Reverse<u32>>,
}

impl Slots {
    /// Numbers with the given ones in use: what an image holds.
    pub(super) fn from_live(live: Vec<bool>) -> Self {
        let free = live.iter().enumerate().filter(|(_, live)| !**live).map(|(group, _)| Reverse(number(group))).collect();
        Self { live, free }
    }

    /// Numbers below `end`, of which only `free` may be taken.
    pub(super) fn with_free(end: usize, free: &[u32]) -> Self {
        Self { live: vec![false; end], free: free.iter().map(|group| Reverse(*group)).collect() }
    }

    /// Takes the lowest free number.
    pub(super) fn take(&mut self) -> u32 {
        if let Some(Reverse(group)) = self.free.pop() {
            self.live[group as usize] = true;
            return group;
        }
        self.live.push(true);
        number(self.live.len() - 1)
    }

    /// Gives numbers back.
    pub(super) fn give_back(&mut self, groups: &[u32]) {
        for group in groups {
            debug_assert!(self.live[*group as usize], "group {group} is released twice");
            self.live[*group as usize] = false;
            self.free.push(Reverse(*group));
        }
    }

    /// One past the highest number that was ever used.
    pub(super) fn end(&self) -> usize {
        self.live.len()
    }

    /// How many numbers are in use.
    pub(super) fn len(&self) -> usize {
        self.live.len() - self.free.len()
    }

    /// Whether each number is in use.
    pub(super) fn live(&self) -> &[bool] {
        &self.live
    }
}

fn number(group: usize) -> u32 {
    u32::try_from(group).expect("fewer than 2^32 groups in one table")
}
