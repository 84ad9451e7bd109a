//! Whose turn it is among the connected components of a graph, how many rows its piece may have, and what their steps took.

use crate::NodeId;
use crate::budget::{BudgetMetrics, PieceRows};

/// The components of a graph in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Turns {
    components: Vec<ComponentState>,
    /// By component: whether it has something to do.
    ready: Vec<bool>,
    /// The component that had the last turn.
    last: usize,
}

/// What is known of one component.
#[derive(Debug)]
struct ComponentState {
    /// Its first node: its name while others come and go.
    first: NodeId,
    piece: PieceRows,
    steps: BudgetMetrics,
}

impl Turns {
    /// Nodes have come or gone: these are the first nodes of the components now. Those that were there keep what is known of them.
    pub(super) fn follow(&mut self, components: Vec<NodeId>) {
        let mut before = std::mem::take(&mut self.components);
        let last = before.get(self.last).map(|component| component.first);
        let known = |first| match before.iter().position(|component| component.first == first) {
            Some(index) => before.swap_remove(index),
            None => ComponentState { first, piece: PieceRows::default(), steps: BudgetMetrics::default() },
        };
        self.components = components.into_iter().map(known).collect();
        self.ready = vec![false; self.components.len()];
        self.last = self.components.iter().position(|component| Some(component.first) >= last).unwrap_or(0);
    }

    /// Whether there is more than one component.
    pub(super) fn are_several(&self) -> bool {
        self.components.len() > 1
    }

    /// By component, whether it has something to do: to be filled in, no one has.
    pub(super) fn ready(&mut self) -> &mut [bool] {
        self.ready.fill(false);
        &mut self.ready
    }

    /// The one that has something to do and comes next after the one that had the last turn.
    pub(super) fn next(&mut self) -> Option<usize> {
        let count = self.components.len();
        let next = (1..=count).map(|ahead| (self.last + ahead) % count).find(|index| self.ready[*index])?;
        self.last = next;
        Some(next)
    }

    /// Rows of the next piece of this component.
    pub(super) fn piece_rows(&self, component: usize) -> usize {
        self.components.get(component).map_or(0, |component| component.piece.rows())
    }

    /// The component had a step alone, with so many rows of one source at most.
    pub(super) fn learn(&mut self, component: usize, rows: usize, spent: u64, limit: u64) {
        if let Some(component) = self.components.get_mut(component) {
            component.piece.learn(rows, spent, limit);
            component.steps.add(spent, limit);
        }
    }

    /// All that had something to do had a step together.
    pub(super) fn charge(&mut self, spent: u64, limit: u64) {
        let alone = !self.are_several();
        for (component, ready) in self.components.iter_mut().zip(&self.ready) {
            if alone || *ready {
                component.steps.add(spent, limit);
            }
        }
    }

    /// What the steps of this component took.
    pub(super) fn steps(&self, component: usize) -> BudgetMetrics {
        self.components.get(component).map(|component| component.steps).unwrap_or_default()
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
            let count = turns.ready();
            ready.iter().for_each(|index| count[*index] = true);
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
