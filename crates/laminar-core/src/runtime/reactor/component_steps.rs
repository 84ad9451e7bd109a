//! What the steps of each connected component took.

use crate::NodeId;
use crate::budget::BudgetMetrics;

/// The components of a graph in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct ComponentSteps {
    components: Vec<Component>,
    /// By component: whether it has something to do.
    ready: Vec<bool>,
}

#[derive(Debug)]
struct Component {
    /// Its first node: its name while others come and go.
    first: NodeId,
    steps: BudgetMetrics,
}

impl ComponentSteps {
    /// Nodes have come or gone: these are the first nodes of the components now. Those that were there keep their figures.
    pub(super) fn follow(&mut self, components: Vec<NodeId>) {
        let mut before = std::mem::take(&mut self.components);
        let known = |first| match before.iter().position(|component| component.first == first) {
            Some(index) => before.swap_remove(index),
            None => Component { first, steps: BudgetMetrics::default() },
        };
        self.components = components.into_iter().map(known).collect();
        self.ready = vec![false; self.components.len()];
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

    /// Each component's first node, and whether it was marked as ready.
    pub(super) fn marked(&self) -> impl Iterator<Item = (NodeId, bool)> {
        self.components.iter().map(|component| component.first).zip(self.ready.iter().copied())
    }

    /// The component whose first node this is.
    pub(super) fn index(&self, first: NodeId) -> Option<usize> {
        self.components.iter().position(|component| component.first == first)
    }

    /// The first node of a component, by its number.
    pub(super) fn first_node(&self, component: usize) -> Option<NodeId> {
        self.components.get(component).map(|component| component.first)
    }

    /// The component had a step alone.
    pub(super) fn charge_alone(&mut self, component: usize, spent: u64, limit: u64) {
        if let Some(component) = self.components.get_mut(component) {
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

    fn components(first: &[u32]) -> ComponentSteps {
        let mut components = ComponentSteps::default();
        components.follow(first.iter().copied().map(NodeId).collect());
        components
    }

    #[test]
    fn the_figures_of_a_component_go_with_its_first_node() {
        let mut components = components(&[0, 4, 7]);
        components.charge_alone(1, 900, 1_000);
        components.charge_alone(2, 2_000, 1_000);
        components.follow([0, 2, 4].map(NodeId).to_vec());
        let overruns = |component| (components.steps(component).runs, components.steps(component).overruns);
        assert_eq!([0, 1, 2].map(overruns), [(0, 0), (0, 0), (1, 0)]);
    }

    #[test]
    fn a_step_of_several_counts_for_those_that_took_part() {
        let mut components = components(&[0, 4]);
        components.ready()[1] = true;
        components.charge(5_000, 1_000);
        assert_eq!([0, 1].map(|component| components.steps(component).worst_ns), [0, 5_000]);
    }
}
