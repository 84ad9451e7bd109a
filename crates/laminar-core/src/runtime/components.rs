//! Which nodes are connected: the unit of stepping, of waiting and of failure.

/// Numbers the connected components of `indices` nodes, counted from 0; returns how many there are and the one of each index.
pub(super) fn connect<'a>(indices: usize, inputs: impl Fn(usize) -> &'a Vec<usize>) -> (usize, Vec<usize>) {
    let mut parent: Vec<usize> = (0..indices).collect();
    for index in 0..indices {
        for input in inputs(index) {
            let (a, b) = (root(&mut parent, index), root(&mut parent, *input));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut components = 0;
    let mut numbers = vec![0; indices];
    for index in 0..indices {
        let top = root(&mut parent, index);
        // The root is the smallest index of its component, so it has been numbered already.
        numbers[index] = if top == index { components } else { numbers[top] };
        components += usize::from(top == index);
    }
    (components, numbers)
}

fn root(parent: &mut [usize], mut index: usize) -> usize {
    while parent[index] != index {
        parent[index] = parent[parent[index]];
        index = parent[index];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_connected_over_common_inputs_and_readers() {
        let inputs = [vec![], vec![], vec![0], vec![1], vec![0], vec![3, 1], vec![]];
        let (components, numbers) = connect(inputs.len(), |index| &inputs[index]);
        assert_eq!((components, numbers), (3, vec![0, 1, 0, 1, 0, 1, 2]));
        assert_eq!(connect(0, |_| unreachable!()), (0, vec![]));
    }
}
