//! The order in which the nodes of a graph run: every node after its inputs.

use crate::{Error, Result};

/// The indices of `count` nodes, each after the nodes it reads from; nodes that do not depend on each other keep their order.
/// An error if nodes read from each other in a circle.
pub(super) fn topological(count: usize, inputs: impl Fn(usize) -> Vec<usize>) -> Result<Vec<usize>> {
    let mut waits_for = vec![0_usize; count];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (node, missing) in waits_for.iter_mut().enumerate() {
        for input in inputs(node) {
            *missing += 1;
            readers[input].push(node);
        }
    }
    // The smallest first, so that the order does not depend on how it is found.
    let mut free: std::collections::BTreeSet<usize> = (0..count).filter(|node| waits_for[*node] == 0).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(node) = free.pop_first() {
        order.push(node);
        for reader in std::mem::take(&mut readers[node]) {
            waits_for[reader] -= 1;
            if waits_for[reader] == 0 {
                free.insert(reader);
            }
        }
    }
    if order.len() < count { Err(Error::internal("nodes read from each other in a circle")) } else { Ok(order) }
}

#[cfg(test)]
mod tests {
    use super::topological;

    #[test]
    fn every_node_comes_after_its_inputs_and_otherwise_in_its_own_order() {
        let inputs = [vec![3], vec![], vec![0, 1], vec![], vec![1, 1]];
        assert_eq!(topological(5, |node| inputs[node].clone()).unwrap(), [1, 3, 0, 2, 4]);
        assert_eq!(topological(0, |_| unreachable!()).unwrap(), Vec::<usize>::new());
    }

    #[test]
    fn a_circle_is_found() {
        let inputs = [vec![2], vec![0], vec![1], vec![]];
        assert!(topological(4, |node| inputs[node].clone()).unwrap_err().to_string().contains("circle"));
    }
}
