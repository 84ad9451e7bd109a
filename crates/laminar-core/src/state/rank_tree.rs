//! Long because a tree, its leaves and the list that it is held against are one thing.
//!
//! Row ids in an order, each with the prefix of its key and the number of its copies: where a row stands, and which row stands where, in
//! O(log rows).
//!
//! A tree of nodes with many entries each. Positions count copies. A tree is cloned in constant time: nodes are shared until one of
//! both changes them, so that a step can look at the order before and after its changes.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::prefetch::prefetch_value;
use super::row_store::{NO_ROW, RowId};

/// Entries of a leaf at most.
const LEAF_MAX: usize = 64;
/// Children of an inner node at most.
const INNER_MAX: usize = 32;

/// Row ids in the order of the rows that they stand for, which the caller knows: it tells by predicates that are true for all rows
/// up to some place and false behind it.
#[derive(Debug, Clone)]
pub(crate) struct RankTree {
    root: Arc<Node>,
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

#[derive(Debug, Clone)]
enum Node {
    Leaf(Leaf),
    Inner(Vec<Child>),
}

#[derive(Debug)]
struct Leaf {
    prefixes: Vec<u128>,
    rows: Vec<RowId>,
    /// Copies of each row; empty: one each.
    copies: Vec<i64>,
}

#[derive(Debug, Clone)]
struct Child {
    node: Arc<Node>,
    /// The first row below it.
    first: Entry,
    copies: i64,
}

impl Default for RankTree {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Leaf::new())) }
    }
}

impl RankTree {
    /// All copies of all rows.
    pub(crate) fn total(&self) -> i64 {
        self.root.copies()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// The first row, or one of no row.
    pub(crate) fn first(&self) -> Entry {
        self.root.first()
    }

    /// How many copies stand in front of the first row for which `is_before` is false.
    pub(crate) fn rank(&self, is_before: impl Fn(Entry) -> bool) -> i64 {
        self.root.rank(&is_before)
    }

    /// The positions of the rows that `compare` calls equal; those that it calls less stand before them.
    pub(crate) fn range(&self, compare: impl Fn(Entry) -> Ordering) -> Range<i64> {
        let (is_before, is_not_behind) = (|entry| compare(entry).is_lt(), |entry| compare(entry).is_le());
        let (mut node, mut start) = (&self.root, 0);
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
        let mut node = &self.root;
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
        let (mut node, mut start) = (&self.root, 0);
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
        self.root.each(0, &positions, &mut row);
    }

    /// Asks for the memory of the root, which is needed soon.
    pub(crate) fn prefetch(&self) {
        prefetch_value(self.root.as_ref());
    }

    /// Asks for what the root has on the heap.
    pub(crate) fn prefetch_entries(&self) {
        match self.root.as_ref() {
            Node::Leaf(leaf) => {
                // The middle is looked at first.
                leaf.prefixes.get(leaf.prefixes.len() / 2).into_iter().for_each(prefetch_value);
                leaf.rows.first().into_iter().for_each(prefetch_value);
            }
            Node::Inner(children) => children.get(children.len() / 2).into_iter().for_each(prefetch_value),
        }
    }

    /// Adds a row behind those for which `is_before` is true.
    pub(crate) fn insert(&mut self, is_before: impl Fn(Entry) -> bool, entry: Entry, copies: i64) {
        if let Some(right) = insert(&mut self.root, &is_before, entry, copies) {
            let left = std::mem::take(self).root;
            let mut children = Vec::with_capacity(INNER_MAX + 1);
            children.extend([Child::of(left), Child::of(right)]);
            self.root = Arc::new(Node::Inner(children));
        }
    }

    /// Adds to the copies of the first row for which `is_before` is false. A row without copies is gone.
    pub(crate) fn add_copies(&mut self, is_before: impl Fn(Entry) -> bool, copies: i64) {
        add_copies(&mut self.root, &is_before, copies);
        while let Node::Inner(children) = self.root.as_ref()
            && let [only] = children.as_slice()
        {
            self.root = only.node.clone();
        }
        if self.root.is_empty() {
            *self = Self::default();
        }
    }

    /// Puts another id in place of that of the first row for which `is_before` is false.
    pub(crate) fn rename(&mut self, is_before: impl Fn(Entry) -> bool, to: RowId) {
        rename(&mut self.root, &is_before, to);
    }

    /// Bytes of all nodes.
    pub(crate) fn bytes(&self) -> usize {
        self.root.bytes()
    }
}

/// The child that holds the last row for which `is_before` is true, or the first one.
fn child_of(children: &[Child], is_before: &impl Fn(Entry) -> bool) -> usize {
    children.partition_point(|child| is_before(child.first)).saturating_sub(1)
}

/// Returns the right half if the node had to be split.
fn insert(node: &mut Arc<Node>, is_before: &impl Fn(Entry) -> bool, entry: Entry, copies: i64) -> Option<Arc<Node>> {
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => leaf.insert(is_before, entry, copies).map(|right| Arc::new(Node::Leaf(right))),
        Node::Inner(children) => {
            let at = child_of(children, is_before);
            let right = insert(&mut children[at].node, is_before, entry, copies);
            children[at].first = children[at].node.first();
            match right {
                None => children[at].copies += copies,
                Some(right) => {
                    children[at].copies = children[at].node.copies();
                    children.insert(at + 1, Child::of(right));
                }
            }
            split(children).map(|right| Arc::new(Node::Inner(right)))
        }
    }
}

fn split(children: &mut Vec<Child>) -> Option<Vec<Child>> {
    (children.len() > INNER_MAX).then(|| {
        let mut right = Vec::with_capacity(INNER_MAX + 1);
        right.extend(children.drain(INNER_MAX / 2..));
        right
    })
}

/// Whether the row was below this node: if `is_before` is true for all, it is in the next one.
fn add_copies(node: &mut Arc<Node>, is_before: &impl Fn(Entry) -> bool, copies: i64) -> bool {
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => leaf.add_copies(is_before, copies),
        Node::Inner(children) => {
            let mut at = child_of(children, is_before);
            if !add_copies(&mut children[at].node, is_before, copies) {
                at += 1;
                if at == children.len() || !add_copies(&mut children[at].node, is_before, copies) {
                    return false;
                }
            }
            children[at].copies += copies;
            mend(children, at);
            true
        }
    }
}

/// Drops an empty child, and joins a small one with its neighbour.
fn mend(children: &mut Vec<Child>, at: usize) {
    if children[at].node.is_empty() {
        children.remove(at);
        return;
    }
    children[at].first = children[at].node.first();
    if !children[at].node.is_small() || children.len() < 2 {
        return;
    }
    let left = at.min(children.len() - 2);
    let right = children[left + 1].clone();
    if Arc::make_mut(&mut children[left].node).absorb(&right.node) {
        children[left].copies += right.copies;
        children.remove(left + 1);
    }
}

fn rename(node: &mut Arc<Node>, is_before: &impl Fn(Entry) -> bool, to: RowId) -> bool {
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => {
            let at = leaf.partition_point(is_before);
            let is_here = at < leaf.rows.len();
            if is_here {
                leaf.rows[at] = to;
            }
            is_here
        }
        Node::Inner(children) => {
            let at = child_of(children, is_before);
            let found =
                [at, at + 1].into_iter().find(|at| *at < children.len() && rename(&mut children[*at].node, is_before, to));
            if let Some(at) = found {
                children[at].first = children[at].node.first();
            }
            found.is_some()
        }
    }
}

impl Child {
    fn of(node: Arc<Node>) -> Self {
        Self { first: node.first(), copies: node.copies(), node }
    }
}

impl Node {
    fn first(&self) -> Entry {
        match self {
            Node::Leaf(leaf) if leaf.rows.is_empty() => Entry { prefix: 0, row_id: NO_ROW },
            Node::Leaf(leaf) => leaf.entry(0),
            Node::Inner(children) => children[0].first,
        }
    }

    fn copies(&self) -> i64 {
        match self {
            Node::Leaf(leaf) => leaf.copies_of(0..leaf.rows.len()),
            Node::Inner(children) => children.iter().map(|child| child.copies).sum(),
        }
    }

    /// How many copies stand in front of the first row for which `is_before` is false.
    fn rank(&self, is_before: &impl Fn(Entry) -> bool) -> i64 {
        let (mut node, mut rank) = (self, 0);
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.copies_of(0..leaf.partition_point(is_before)),
                Node::Inner(children) => {
                    let child = child_of(children, is_before);
                    rank += children[..child].iter().map(|child| child.copies).sum::<i64>();
                    node = &children[child].node;
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.rows.is_empty(),
            Node::Inner(children) => children.is_empty(),
        }
    }

    fn is_small(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.rows.len() <= LEAF_MAX / 4,
            Node::Inner(children) => children.len() <= INNER_MAX / 4,
        }
    }

    /// Takes in the node behind it, if there is room for three quarters at most.
    fn absorb(&mut self, right: &Node) -> bool {
        match (self, right) {
            (Node::Leaf(leaf), Node::Leaf(right)) if leaf.rows.len() + right.rows.len() <= LEAF_MAX * 3 / 4 => leaf.append(right),
            (Node::Inner(children), Node::Inner(right)) if children.len() + right.len() <= INNER_MAX * 3 / 4 => {
                children.extend(right.iter().cloned());
            }
            _ => return false,
        }
        true
    }

    fn each(&self, mut start: i64, positions: &Range<i64>, row: &mut impl FnMut(Ranked)) {
        match self {
            Node::Leaf(leaf) => leaf.each(start, positions, row),
            Node::Inner(children) => {
                for child in children {
                    let end = start + child.copies;
                    if start < positions.end && end > positions.start {
                        child.node.each(start, positions, row);
                    }
                    start = end;
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        // Two counters stand in front of what is shared.
        let own = size_of::<Node>() + 2 * size_of::<usize>();
        own + match self {
            Node::Leaf(leaf) => {
                let of_row = leaf.rows.capacity() * size_of::<RowId>() + leaf.prefixes.capacity() * size_of::<u128>();
                of_row + leaf.copies.capacity() * size_of::<i64>()
            }
            Node::Inner(children) => {
                children.capacity() * size_of::<Child>() + children.iter().map(|child| child.node.bytes()).sum::<usize>()
            }
        }
    }
}

impl Clone for Leaf {
    /// With room for what comes.
    fn clone(&self) -> Self {
        let mut leaf = Leaf::with_room(self.rows.len() + 1);
        leaf.prefixes.extend_from_slice(&self.prefixes);
        leaf.rows.extend_from_slice(&self.rows);
        leaf.copies.clone_from(&self.copies);
        leaf
    }
}

impl Leaf {
    const fn new() -> Self {
        Self { prefixes: Vec::new(), rows: Vec::new(), copies: Vec::new() }
    }

    /// With room for so many entries and some that come: those of few rows are small, since a tree may have no more.
    fn with_room(entries: usize) -> Self {
        let entries = if entries > LEAF_MAX / 2 { LEAF_MAX + 1 } else { entries.next_multiple_of(4) };
        Self { prefixes: Vec::with_capacity(entries), rows: Vec::with_capacity(entries), copies: Vec::new() }
    }

    /// Makes room for one more entry.
    fn grow(&mut self) {
        if self.rows.len() == self.rows.capacity() {
            let more = self.rows.len().max(4).min(LEAF_MAX + 1 - self.rows.len());
            self.prefixes.reserve_exact(more);
            self.rows.reserve_exact(more);
        }
    }

    fn entry(&self, at: usize) -> Entry {
        Entry { prefix: self.prefixes[at], row_id: self.rows[at] }
    }

    /// How many entries there are for which `is_before` is true.
    fn partition_point(&self, is_before: &impl Fn(Entry) -> bool) -> usize {
        let (mut start, mut end) = (0, self.rows.len());
        while start < end {
            let middle = start + (end - start) / 2;
            if is_before(self.entry(middle)) { start = middle + 1 } else { end = middle }
        }
        start
    }

    /// The row at an index, whose first copy stands at `start`.
    fn ranked(&self, at: usize, start: i64) -> Ranked {
        Ranked { prefix: self.prefixes[at], row_id: self.rows[at], start, copies: self.copies_at(at) }
    }

    fn copies_at(&self, at: usize) -> i64 {
        self.copies.get(at).copied().unwrap_or(1)
    }

    fn copies_of(&self, range: Range<usize>) -> i64 {
        if self.copies.is_empty() { range.len() as i64 } else { self.copies[range].iter().sum() }
    }

    fn at(&self, mut start: i64, position: i64) -> Option<Ranked> {
        if self.copies.is_empty() {
            let at = usize::try_from(position - start).ok().filter(|at| *at < self.rows.len())?;
            return Some(self.ranked(at, position));
        }
        for at in 0..self.rows.len() {
            let copies = self.copies_at(at);
            if position < start + copies {
                return Some(self.ranked(at, start));
            }
            start += copies;
        }
        None
    }

    fn each(&self, mut start: i64, positions: &Range<i64>, row: &mut impl FnMut(Ranked)) {
        if self.copies.is_empty() {
            let index = |position: i64| (position - start).clamp(0, self.rows.len() as i64) as usize;
            let (from, to) = (index(positions.start), index(positions.end));
            (from..to).for_each(|at| row(self.ranked(at, start + at as i64)));
            return;
        }
        for at in 0..self.rows.len() {
            let end = start + self.copies_at(at);
            let within = start.max(positions.start)..end.min(positions.end);
            if within.start < within.end {
                row(Ranked { start: within.start, copies: within.end - within.start, ..self.ranked(at, start) });
            }
            start = end;
        }
    }

    fn insert(&mut self, is_before: &impl Fn(Entry) -> bool, entry: Entry, copies: i64) -> Option<Leaf> {
        let at = self.partition_point(is_before);
        self.grow();
        if copies != 1 && self.copies.is_empty() {
            self.copies = vec![1; self.rows.len()];
        }
        self.prefixes.insert(at, entry.prefix);
        self.rows.insert(at, entry.row_id);
        if copies != 1 || !self.copies.is_empty() {
            self.copies.insert(at, copies);
        }
        // Rows that come in their order fill their leaves.
        let middle = if at + 1 == self.rows.len() { LEAF_MAX } else { LEAF_MAX / 2 };
        (self.rows.len() > LEAF_MAX).then(|| self.split(middle))
    }

    fn split(&mut self, middle: usize) -> Leaf {
        let mut right = Leaf::with_room(LEAF_MAX + 1);
        right.prefixes.extend(self.prefixes.drain(middle..));
        right.rows.extend(self.rows.drain(middle..));
        if !self.copies.is_empty() {
            right.copies = self.copies.split_off(middle);
        }
        right
    }

    /// Takes a row out, but not its copies.
    fn remove(&mut self, at: usize) {
        self.prefixes.remove(at);
        self.rows.remove(at);
    }

    fn append(&mut self, right: &Leaf) {
        if !self.copies.is_empty() || !right.copies.is_empty() {
            let rows = self.rows.len();
            self.copies.resize(rows, 1);
            self.copies.extend((0..right.rows.len()).map(|at| right.copies_at(at)));
        }
        self.prefixes.extend_from_slice(&right.prefixes);
        self.rows.extend_from_slice(&right.rows);
    }

    fn add_copies(&mut self, is_before: &impl Fn(Entry) -> bool, copies: i64) -> bool {
        let at = self.partition_point(is_before);
        if at == self.rows.len() {
            return false;
        }
        if self.copies.is_empty() && copies == -1 {
            self.remove(at);
            return true;
        }
        self.copies.resize(self.rows.len(), 1);
        self.copies[at] += copies;
        if self.copies[at] == 0 {
            self.remove(at);
            self.copies.remove(at);
        }
        if self.copies.iter().all(|copies| *copies == 1) {
            self.copies = Vec::new();
        }
        true
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
        check(1, 20_000, 30_000);
        check(2, 20_000, 3_000);
    }
}
