//! The nodes of a tree: what is counted, found, put in and taken out below each.

use std::ops::Range;
use std::sync::Arc;

use super::{Entry, Ranked};
use crate::state::prefetch::prefetch_value;
use crate::state::row_store::{NO_ROW, RowId};

/// Entries of a leaf at most.
pub(super) const LEAF_MAX: usize = 64;
/// Children of an inner node at most.
pub(super) const INNER_MAX: usize = 32;

#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    Inner(Vec<Child>),
}

#[derive(Debug)]
pub(super) struct Leaf {
    prefixes: Vec<u128>,
    pub(super) rows: Vec<RowId>,
    /// Copies of each row; empty: one each.
    pub(super) copies: Vec<i64>,
}

#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) node: Arc<Node>,
    /// The first row below it.
    first: Entry,
    pub(super) copies: i64,
}

/// The child that holds the last row for which `is_before` is true, or the first one.
pub(super) fn child_of(children: &[Child], is_before: &impl Fn(Entry) -> bool) -> usize {
    children.partition_point(|child| is_before(child.first)).saturating_sub(1)
}

/// Returns the right half if the node had to be split.
pub(super) fn insert(node: &mut Arc<Node>, is_before: &impl Fn(Entry) -> bool, entry: Entry, copies: i64) -> Option<Arc<Node>> {
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
pub(super) fn add_copies(node: &mut Arc<Node>, is_before: &impl Fn(Entry) -> bool, copies: i64) -> bool {
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

pub(super) fn rename(node: &mut Arc<Node>, is_before: &impl Fn(Entry) -> bool, to: RowId) -> bool {
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
    pub(super) fn of(node: Arc<Node>) -> Self {
        Self { first: node.first(), copies: node.copies(), node }
    }
}

impl Node {
    /// Asks for what it has on the heap, of which the middle is looked at first.
    pub(super) fn prefetch_entries(&self) {
        match self {
            Node::Leaf(leaf) => {
                leaf.prefixes.get(leaf.prefixes.len() / 2).into_iter().for_each(prefetch_value);
                leaf.rows.first().into_iter().for_each(prefetch_value);
            }
            Node::Inner(children) => children.get(children.len() / 2).into_iter().for_each(prefetch_value),
        }
    }

    pub(super) fn first(&self) -> Entry {
        match self {
            Node::Leaf(leaf) if leaf.rows.is_empty() => Entry { prefix: 0, row_id: NO_ROW },
            Node::Leaf(leaf) => leaf.entry(0),
            Node::Inner(children) => children[0].first,
        }
    }

    pub(super) fn copies(&self) -> i64 {
        match self {
            Node::Leaf(leaf) => leaf.copies_of(0..leaf.rows.len()),
            Node::Inner(children) => children.iter().map(|child| child.copies).sum(),
        }
    }

    /// How many copies stand in front of the first row for which `is_before` is false.
    pub(super) fn rank(&self, is_before: &impl Fn(Entry) -> bool) -> i64 {
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

    pub(super) fn is_empty(&self) -> bool {
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

    pub(super) fn each(&self, mut start: i64, positions: &Range<i64>, row: &mut impl FnMut(Ranked)) {
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

    pub(super) fn bytes(&self) -> usize {
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
    pub(super) const fn new() -> Self {
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
            let more = self.rows.len().max(2).min(LEAF_MAX + 1 - self.rows.len());
            self.prefixes.reserve_exact(more);
            self.rows.reserve_exact(more);
        }
    }

    pub(super) fn entry(&self, at: usize) -> Entry {
        Entry { prefix: self.prefixes[at], row_id: self.rows[at] }
    }

    /// How many entries there are for which `is_before` is true.
    pub(super) fn partition_point(&self, is_before: &impl Fn(Entry) -> bool) -> usize {
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

    pub(super) fn copies_at(&self, at: usize) -> i64 {
        self.copies.get(at).copied().unwrap_or(1)
    }

    fn copies_of(&self, range: Range<usize>) -> i64 {
        if self.copies.is_empty() { range.len() as i64 } else { self.copies[range].iter().sum() }
    }

    pub(super) fn at(&self, mut start: i64, position: i64) -> Option<Ranked> {
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

    pub(super) fn insert(&mut self, is_before: &impl Fn(Entry) -> bool, entry: Entry, copies: i64) -> Option<Leaf> {
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
