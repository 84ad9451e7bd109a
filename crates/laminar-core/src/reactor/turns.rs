//! Whose turn it is among the connected components of a graph, how many rows its piece may have, and what their steps took.

use crate::NodeId;
use crate::budget::{BudgetMetrics, PieceRows};

/// The components of a graph in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Turns {
    shares: Vec<Share>,
    /// By component: whether it has something to do.
    ready: Vec<bool>,
    /// The component that had the last turn.
    last: usize,
}

/// What is known of one component.
#[derive(Debug)]
struct Share {
    /// Its first node: its name while others come and go.
    first: NodeId,
    piece: PieceRows,
    steps: BudgetMetrics,
}

impl Turns {
    /// Nodes have come or gone: these are the first nodes of the components now. Those that were there keep what is known of them.
    pub(super) fn follow(&mut self, components: Vec<NodeId>) {
        let mut before = std::mem::take(&mut self.shares);
        let last = before.get(self.last).map(|share| share.first);
        let known = |first| match before.iter().position(|share| share.first == first) {
            Some(place) => before.swap_remove(place),
            None => Share { first, piece: PieceRows::default(), steps: BudgetMetrics::default() },
        };
        self.shares = components.into_iter().map(known).collect();
        self.ready = vec![false; self.shares.len()];
        self.last = self.shares.iter().position(|share| Some(share.first) >= last).unwrap_or(0);
    }

    /// Whether there is more than one component.
    pub(super) fn are_several(&self) -> bool {
        self.shares.len() > 1
    }

    /// By component, whether it has something to do: to be filled in, no one has.
    pub(super) fn ready(&mut self) -> &mut [bool] {
        self.ready.fill(false);
        &mut self.ready
    }

    /// The one that has something to do and comes next after the one that had the last turn.
    pub(super) fn next(&mut self) -> Option<usize> {
        let places = self.shares.len();
        let next = (1..=places).map(|ahead| (self.last + ahead) % places).find(|place| self.ready[*place])?;
        self.last = next;
        Some(next)
    }

    /// Rows of the next piece of this component.
    pub(super) fn piece_rows(&self, component: usize) -> usize {
        self.shares.get(component).map_or(0, |share| share.piece.rows())
    }

    /// The component had a step alone, with so many rows of one source at most.
    pub(super) fn learn(&mut self, component: usize, rows: usize, spent: u64, limit: u64) {
        if let Some(share) = self.shares.get_mut(component) {
            share.piece.learn(rows, spent, limit);
            share.steps.add(spent, limit);
        }
    }

    /// All that had something to do had a step together.
    pub(super) fn charge(&mut self, spent: u64, limit: u64) {
        let alone = !self.are_several();
        for (share, ready) in self.shares.iter_mut().zip(&self.ready) {
            if alone || *ready {
                share.steps.add(spent, limit);
            }
        }
    }

    /// What the steps of this component took.
    pub(super) fn steps(&self, component: usize) -> BudgetMetrics {
        self.shares.get(component).map(|share| share.steps).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(first: &[u32]) -> Turns {
        let mut turns = Turns::default();
        turns.follow(first.iter().copied().map(NodeId).collect());
        turns
    }

    /// Who has the next turns when these are always ready.
    fn order(turns: &mut Turns, ready: &[usize], count: usize) -> Vec<usize> {
        let mut next = || {
            let places = turns.ready();
            ready.iter().for_each(|place| places[*place] = true);
            turns.next().expect("one is ready")
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn each_that_has_something_to_do_has_its_turn_before_one_has_it_again() {
        let mut turns = turns(&[0, 4, 7]);
        assert_eq!(order(&mut turns, &[0, 1, 2], 6), [1, 2, 0, 1, 2, 0]);
        assert_eq!(order(&mut turns, &[0, 2], 4), [2, 0, 2, 0]);
        assert_eq!(order(&mut turns, &[1], 2), [1, 1]);
        turns.ready();
        assert_eq!(turns.next(), None);
    }

    #[test]
    fn what_is_known_of_a_component_goes_with_its_first_node() {
        let mut turns = turns(&[0, 4, 7]);
        turns.learn(1, 64, 900, 1_000);
        turns.learn(2, 64, 2_000, 1_000);
        turns.follow([0, 2, 4].map(NodeId).to_vec());
        let overruns = |component| (turns.steps(component).runs, turns.steps(component).overruns);
        assert_eq!([0, 1, 2].map(overruns), [(0, 0), (0, 0), (1, 0)]);
        assert!(turns.piece_rows(2) < turns.piece_rows(1));
    }

    #[test]
    fn a_step_of_several_counts_for_those_that_took_part() {
        let mut turns = turns(&[0, 4]);
        turns.ready()[1] = true;
        turns.charge(5_000, 1_000);
        assert_eq!([0, 1].map(|component| turns.steps(component).worst_ns), [0, 5_000]);
    }
}
