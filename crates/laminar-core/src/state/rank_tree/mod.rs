//! Row ids in an order, each with the prefix of its key and the number of its copies: where a row stands, and which row stands where, in
//! O(log rows).
//!
//! A tree of nodes with many entries each. Positions count copies. A tree is cloned in constant time: nodes are shared until one of
//! both changes them, so that a step can look at the order before and after its changes.

mod node;

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use self::node::{Child, INNER_MAX, Leaf, Node, add_copies, child_of, insert, rename};
use super::prefetch::prefetch_value;
use super::row_store::RowId;

/// Row ids in the order of the rows that they stand for, which the caller knows: it tells by predicates that are true for all rows
/// up to some place and false behind it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RankTree {
    root: Root,
}

/// One row with one copy asks for no memory of its own: many partitions have no more. Its fields stand apart so that they leave room for the tag.
#[derive(Debug, Clone, Default)]
enum Root {
    #[default]
    Empty,
    One {
        row_id: RowId,
        prefix: PackedPrefix,
    },
    Node(Arc<Node>),
}

/// The upper and the lower half of a prefix.
pub(super) type PackedPrefix = [u64; 2];

pub(super) fn packed(prefix: u128) -> PackedPrefix {
    [(prefix >> 64) as u64, prefix as u64]
}

/// A row in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What orders as the rows do; rows with the same number are told apart by their values.
    pub(crate) prefix: u128,
    pub(crate) row_id: RowId,
}

/// A row at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ranked {
    pub(crate) prefix: u128,
    pub(crate) row_id: RowId,
    /// The position of its first copy.
    pub(crate) start: i64,
    pub(crate) copies: i64,
}

impl RankTree {
    /// All copies of all rows.
    pub(crate) fn total(&self) -> i64 {
        match &self.root {
            Root::Empty => 0,
            Root::One { .. } => 1,
            Root::Node(node) => node.copies(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.root, Root::Empty)
    }

    /// The first row.
    pub(crate) fn first(&self) -> Option<Entry> {
        match &self.root {
            Root::Empty => None,
            Root::One { row_id, prefix } => Some(unpacked(*row_id, *prefix)),
            Root::Node(node) => Some(node.first()),
        }
    }

    /// How many copies stand in front of the first row for which `is_before` is false.
    pub(crate) fn rank(&self, is_before: impl Fn(Entry) -> bool) -> i64 {
        match &self.root {
            Root::Empty => 0,
            Root::One { row_id, prefix } => i64::from(is_before(unpacked(*row_id, *prefix))),
            Root::Node(node) => node.rank(&is_before),
        }
    }

    /// The positions of the rows that `compare` calls equal; those that it calls less stand before them.
    pub(crate) fn range(&self, compare: impl Fn(Entry) -> Ordering) -> Range<i64> {
        let (is_before, is_not_behind) = (|entry| compare(entry).is_lt(), |entry| compare(entry).is_le());
        let (Root::Node(root), mut start) = (&self.root, 0) else { return self.rank(is_before)..self.rank(is_not_behind) };
        let mut node = root;
        // As long as both ends are below the same child.
        while let Node::Inner(children) = node.as_ref() {
            let (first, last) = (child_of(children, &is_before), child_of(children, &is_not_behind));
            if first != last {
                let end = start + node.rank(&is_not_behind);
                return start + node.rank(&is_before)..end;
            }
            start += children[..first].iter().map(|child| child.copies).sum::<i64>();
            node = &children[first].node;
        }
        start + node.rank(&is_before)..start + node.rank(&is_not_behind)
    }

    /// The row that `compare` calls equal, of which there is one at most, and how many copies it has.
    pub(crate) fn find(&self, compare: impl Fn(Entry) -> Ordering) -> Option<(RowId, i64)> {
        let mut node = match &self.root {
            Root::Empty => return None,
            Root::One { row_id, prefix } => return compare(unpacked(*row_id, *prefix)).is_eq().then_some((*row_id, 1)),
            Root::Node(node) => node,
        };
        loop {
            match node.as_ref() {
                Node::Leaf(leaf) => {
                    let at = leaf.partition_point(&|entry| compare(entry).is_lt());
                    let is_here = at < leaf.rows.len() && compare(leaf.entry(at)).is_eq();
                    return is_here.then(|| (leaf.rows[at], leaf.copies_at(at)));
                }
                Node::Inner(children) => node = &children[child_of(children, &|entry| compare(entry).is_le())].node,
            }
        }
    }

    /// The row of which a copy stands at `position`.
    pub(crate) fn at(&self, position: i64) -> Option<Ranked> {
        if !(0..self.total()).contains(&position) {
            return None;
        }
        let (mut node, mut start) = match &self.root {
            Root::Empty => return None,
            Root::One { row_id, prefix } => return Some(unpacked(*row_id, *prefix).ranked()),
            Root::Node(node) => (node, 0),
        };
        loop {
            match node.as_ref() {
                Node::Leaf(leaf) => return leaf.at(start, position),
                Node::Inner(children) => {
                    let below = children.iter().find(|child| {
                        let is_behind = start + child.copies <= position;
                        start += if is_behind { child.copies } else { 0 };
                        !is_behind
                    });
                    node = &below?.node;
                }
            }
        }
    }

    /// The rows with copies in `positions`, in order; `start` and `copies` are those within.
    pub(crate) fn scan(&self, positions: Range<i64>) -> Vec<Ranked> {
        let mut found = Vec::new();
        self.each(positions, |row| found.push(row));
        found
    }

    /// Calls `row` for each of these.
    pub(crate) fn each(&self, positions: Range<i64>, mut row: impl FnMut(Ranked)) {
        match &self.root {
            Root::One { row_id, prefix } if positions.contains(&0) => row(unpacked(*row_id, *prefix).ranked()),
            Root::Empty | Root::One { .. } => {}
            Root::Node(node) => node.each(0, &positions, &mut row),
        }
    }

    /// Asks for the memory of the root, which is needed soon.
    pub(crate) fn prefetch(&self) {
        if let Root::Node(node) = &self.root {
            prefetch_value(node.as_ref());
        }
    }

    /// Asks for what the root has on the heap.
    pub(crate) fn prefetch_entries(&self) {
        if let Root::Node(node) = &self.root {
            node.prefetch_entries();
        }
    }

    /// Adds a row behind those for which `is_before` is true.
    pub(crate) fn insert(&mut self, is_before: impl Fn(Entry) -> bool, entry: Entry, copies: i64) {
        if copies == 1 && self.is_empty() {
            self.root = entry.only();
            return;
        }
        let root = self.node_mut();
        if let Some(right) = insert(root, &is_before, entry, copies) {
            let mut children = Vec::with_capacity(INNER_MAX + 1);
            children.extend([Child::of(Arc::clone(root)), Child::of(right)]);
            *root = Arc::new(Node::Inner(children));
        }
    }

    /// Adds to the copies of the first row for which `is_before` is false. A row without copies is gone.
    pub(crate) fn add_copies(&mut self, is_before: impl Fn(Entry) -> bool, copies: i64) {
        if let Root::One { row_id, prefix } = &self.root
            && copies == -1
        {
            if !is_before(unpacked(*row_id, *prefix)) {
                self.root = Root::Empty;
            }
            return;
        }
        let root = self.node_mut();
        add_copies(root, &is_before, copies);
        while let Node::Inner(children) = root.as_ref()
            && let [only] = children.as_slice()
        {
            *root = only.node.clone();
        }
        let small = match root.as_ref() {
            node if node.is_empty() => Some(Root::Empty),
            Node::Leaf(leaf) if leaf.rows.len() == 1 && leaf.copies.is_empty() => Some(leaf.entry(0).only()),
            _ => None,
        };
        if let Some(small) = small {
            self.root = small;
        }
    }

    /// Puts another id in place of that of the first row for which `is_before` is false.
    pub(crate) fn rename(&mut self, is_before: impl Fn(Entry) -> bool, to: RowId) {
        match &mut self.root {
            Root::Empty => {}
            Root::One { row_id, prefix } if is_before(unpacked(*row_id, *prefix)) => {}
            Root::One { row_id, .. } => *row_id = to,
            Root::Node(node) => _ = rename(node, &is_before, to),
        }
    }

    /// The root as a node.
    fn node_mut(&mut self) -> &mut Arc<Node> {
        let entry = match self.root {
            Root::One { row_id, prefix } => Some(unpacked(row_id, prefix)),
            _ => None,
        };
        if !matches!(self.root, Root::Node(_)) {
            let mut leaf = Leaf::new();
            entry.into_iter().for_each(|entry| _ = leaf.insert(&|_| false, entry, 1));
            self.root = Root::Node(Arc::new(Node::Leaf(leaf)));
        }
        let Root::Node(node) = &mut self.root else { unreachable!("it was made one") };
        node
    }

    /// Bytes of all nodes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.root {
            Root::Node(node) => node.bytes(),
            Root::Empty | Root::One { .. } => 0,
        }
    }
}

fn unpacked(row_id: RowId, [upper, lower]: PackedPrefix) -> Entry {
    Entry { prefix: u128::from(upper) << 64 | u128::from(lower), row_id }
}

impl Entry {
    fn only(self) -> Root {
        Root::One { row_id: self.row_id, prefix: packed(self.prefix) }
    }

    /// The only row, with one copy.
    fn ranked(self) -> Ranked {
        Ranked { prefix: self.prefix, row_id: self.row_id, start: 0, copies: 1 }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// The tree against a sorted list: row ids order as the numbers that they are.
    fn check(seed: u64, steps: usize, ids: u32) {
        let rng = &mut StdRng::seed_from_u64(seed);
        let (mut tree, mut list): (RankTree, Vec<(RowId, i64)>) = Default::default();
        for _ in 0..steps {
            let id = if rng.random_bool(0.2) { list.len() as u32 * 3 } else { rng.random_range(0..ids) };
            let before = tree.clone();
            match list.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(at) => {
                    let copies = if rng.random_bool(0.7) { -list[at].1 } else { rng.random_range(1..4) };
                    tree.add_copies(|entry| entry.row_id < id, copies);
                    list[at].1 += copies;
                    list.retain(|(_, copies)| *copies > 0);
                }
                Err(at) => {
                    let copies = if rng.random_bool(0.8) { 1 } else { rng.random_range(1..5) };
                    let entry = Entry { prefix: u128::from(id / 2), row_id: id };
                    tree.insert(|other| other.row_id < id, entry, copies);
                    list.insert(at, (id, copies));
                }
            }
            assert_ne!(before.total(), tree.total(), "what was cloned does not change");
        }
        compare(&tree, &list, rng);
    }

    fn compare(tree: &RankTree, list: &[(RowId, i64)], rng: &mut StdRng) {
        let mut start = 0;
        let mut expected = Vec::new();
        for (row_id, copies) in list.iter().copied() {
            let row = Ranked { prefix: u128::from(row_id / 2), row_id, start, copies };
            assert_eq!(tree.range(|entry| entry.row_id.cmp(&row_id)), start..start + copies);
            assert_eq!(tree.range(|entry| (entry.row_id / 64).cmp(&(row_id / 64))), near(list, row_id / 64));
            assert_eq!(tree.find(|entry| entry.row_id.cmp(&row_id)), Some((row_id, copies)));
            let is_there = list.binary_search_by_key(&(row_id + 1), |(id, _)| *id).is_ok();
            assert_eq!(tree.find(|entry| entry.row_id.cmp(&(row_id + 1))).is_some(), is_there);
            assert_eq!(tree.at(start + rng.random_range(0..copies)), Some(row));
            expected.push(row);
            start += copies;
        }
        assert_eq!(tree.total(), start);
        assert_eq!(tree.at(start), None);
        assert_eq!(tree.scan(0..start), expected);
        let (from, to) = (start / 3, start / 2);
        let part: i64 = tree.scan(from..to).iter().map(|row| row.copies).sum();
        assert_eq!(part, to - from);
    }

    /// The positions of the rows whose numbers, divided by 64, are `group`.
    fn near(list: &[(RowId, i64)], group: u32) -> Range<i64> {
        let copies = |of: &dyn Fn(u32) -> bool| list.iter().filter(|(id, _)| of(id / 64)).map(|(_, copies)| copies).sum::<i64>();
        let start = copies(&|other| other < group);
        start..start + copies(&|other| other == group)
    }

    #[test]
    fn rows_are_where_a_sorted_list_has_them() {
        for seed in 0..200 {
            check(seed, 300, 200);
        }
        (0..2000).for_each(|seed| check(seed, 1 + seed as usize % 12, 3));
        check(1, 20_000, 30_000);
        check(2, 20_000, 3_000);
    }
}
