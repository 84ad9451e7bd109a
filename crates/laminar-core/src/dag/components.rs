//! Which nodes are connected: the unit of stepping, of waiting and of failure.

/// Numbers the connected components of `places` nodes, counted from 0; returns how many there are and the one of each place.
pub(super) fn connect<'a>(places: usize, inputs: impl Fn(usize) -> &'a Vec<usize>) -> (usize, Vec<usize>) {
    let mut parent: Vec<usize> = (0..places).collect();
    for place in 0..places {
        for input in inputs(place) {
            let (a, b) = (root(&mut parent, place), root(&mut parent, *input));
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut components = 0;
    let mut numbers = vec![0; places];
    for place in 0..places {
        let top = root(&mut parent, place);
        // The root is the smallest place of its component, so it has been numbered already.
        numbers[place] = if top == place { components } else { numbers[top] };
        components += usize::from(top == place);
    }
    (components, numbers)
}

fn root(parent: &mut [usize], mut place: usize) -> usize {
    while parent[place] != place {
        parent[place] = parent[parent[place]];
        place = parent[place];
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_connected_over_common_inputs_and_readers() {
        let inputs = [vec![], vec![], vec![0], vec![1], vec![0], vec![3, 1], vec![]];
        let (components, numbers) = connect(inputs.len(), |place| &inputs[place]);
        assert_eq!((components, numbers), (3, vec![0, 1, 0, 1, 0, 1, 2]));
        assert_eq!(connect(0, |_| unreachable!()), (0, vec![]));
    }
}
