//! Namespaces within one table of groups: the same key is another group in each, and a namespace is given up as a whole.
//!
//! Windows keep one table with a namespace for each pane, so that a batch whose rows belong to several panes is worked off in one
//! pass, and what a pane took is there for the next one.

use super::group_ids::GroupIdAllocator;

/// A part of a table in which keys are apart from those of all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace(u32);

impl Namespace {
    /// The one that is always there. Its groups can be released one by one.
    pub const FIRST: Self = Self(0);

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The rows of one batch belong to at most so many namespaces: a power of two.
pub const NAMESPACES_AT_ONCE: usize = 8;

/// The namespaces that the rows of a batch belong to.
#[derive(Debug, Clone, Copy)]
pub enum RowNamespaces<'a> {
    /// All to one.
    One(Namespace),
    /// Row `i` to `namespaces[of_row[i]]`.
    Each {
        /// Those that there are, at most [`NAMESPACES_AT_ONCE`].
        namespaces: &'a [Namespace],
        /// One number a row.
        of_row: &'a [u8],
    },
}

impl RowNamespaces<'_> {
    /// The namespace of a row.
    #[inline]
    pub(super) fn of(self, row: usize) -> Namespace {
        match self {
            RowNamespaces::One(namespace) => namespace,
            RowNamespaces::Each { namespaces, of_row } => namespaces[of_row[row] as usize],
        }
    }

    /// Those of the rows from `begin` on.
    pub(super) fn from(self, begin: usize) -> Self {
        match self {
            RowNamespaces::One(namespace) => RowNamespaces::One(namespace),
            RowNamespaces::Each { namespaces, of_row } => RowNamespaces::Each { namespaces, of_row: &of_row[begin..] },
        }
    }

    /// The same, where the first `rows` rows are all that matter: they often belong to one namespace.
    pub(super) fn of_first(self, rows: usize) -> Self {
        match self {
            RowNamespaces::Each { namespaces, of_row } => match of_row[..rows].split_first() {
                Some((first, rest)) if rest.iter().fold(0, |others, namespace| others | (namespace ^ first)) == 0 => {
                    RowNamespaces::One(namespaces[usize::from(*first)])
                }
                _ => self,
            },
            RowNamespaces::One(_) => self,
        }
    }

    /// All namespaces.
    pub(super) fn all(&self) -> &[Namespace] {
        match self {
            RowNamespaces::One(namespace) => std::slice::from_ref(namespace),
            RowNamespaces::Each { namespaces, .. } => namespaces,
        }
    }
}

/// The numbers of groups, and which belong to which namespace.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) ids: GroupIdAllocator,
    /// All namespaces but the first; `None`: closed.
    namespaces: Vec<Option<Members>>,
    /// Blocks that closed namespaces had.
    free_blocks: Vec<Block>,
}

/// Numbers that follow each other, all for the keys of one namespace.
pub(super) type Block = std::ops::Range<u32>;

/// The groups of a namespace.
#[derive(Debug, Default, Clone)]
struct Members {
    /// Those with a number of their own, in the order of their first rows.
    listed: Vec<u32>,
    /// Numbers of which those with rows are groups.
    block: Block,
}

impl Numbers {
    pub(super) fn with_ids(ids: GroupIdAllocator) -> Self {
        Self { ids, ..Self::default() }
    }

    /// A number for a new group.
    pub(super) fn take(&mut self, namespace: Namespace) -> u32 {
        let group = self.ids.take();
        if namespace != Namespace::FIRST
            && let Some(members) = &mut self.namespaces[namespace.index() - 1]
        {
            members.listed.push(group);
        }
        group
    }

    /// A block of at least `length` numbers for a namespace but the first, which has none yet. Blocks of closed namespaces come first, and
    /// there are few sizes, so that namespaces of ever other lengths do not take ever more numbers.
    pub(super) fn take_block(&mut self, namespace: Namespace, length: u32) -> Block {
        let size = block_size(length);
        let fitting = |(_, block): &(usize, &Block)| (size as usize..=size as usize * 2).contains(&block.len());
        let free = self.free_blocks.iter().enumerate().filter(fitting).min_by_key(|(_, block)| block.len());
        let block = match free.map(|(at, _)| at) {
            Some(at) => self.free_blocks.swap_remove(at),
            None => self.ids.take_block(size),
        };
        if let Some(members) = &mut self.namespaces[namespace.index() - 1] {
            members.block = block.clone();
        }
        block
    }

    pub(super) fn open(&mut self) -> Namespace {
        let free = self.namespaces.iter().position(Option::is_none).unwrap_or(self.namespaces.len());
        self.namespaces.resize(self.namespaces.len().max(free + 1), None);
        self.namespaces[free] = Some(Members::default());
        Namespace(u32::try_from(free + 1).expect("fewer namespaces than groups"))
    }

    /// The numbers of an open namespace that are groups for sure, in the order of their first rows, and those of which only some are.
    pub(super) fn members(&self, namespace: Namespace) -> (&[u32], Block) {
        match &self.namespaces[namespace.index() - 1] {
            Some(members) => (&members.listed, members.block.clone()),
            None => (&[], 0..0),
        }
    }

    /// Gives all numbers of a namespace back; says which they were.
    pub(super) fn close(&mut self, namespace: Namespace) -> (Vec<u32>, Block) {
        let Members { listed, block } = self.namespaces[namespace.index() - 1].take().unwrap_or_default();
        self.ids.give_back(&listed);
        if !block.is_empty() {
            self.free_blocks.push(block.clone());
        }
        (listed, block)
    }

    pub(super) fn bytes(&self) -> usize {
        self.ids.bytes() + self.namespaces.iter().flatten().map(|members| members.listed.capacity() * 4).sum::<usize>()
    }
}

/// The next larger one of eight sizes between two powers of two.
fn block_size(length: u32) -> u32 {
    let step = (length.next_power_of_two() / 16).max(1);
    length.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_hardly_larger_than_asked_and_have_few_sizes() {
        let sizes: std::collections::BTreeSet<u32> = (1..100_000).map(block_size).collect();
        assert!((1..100_000).all(|length| (length..=length + length / 8 + 1).contains(&block_size(length))));
        assert!(sizes.len() < 130, "{}", sizes.len());
    }

    #[test]
    fn namespaces_of_ever_other_lengths_do_not_take_ever_more_numbers() {
        let mut numbers = Numbers::default();
        let mut open = Vec::new();
        for round in 0..10_000_u32 {
            let namespace = numbers.open();
            let length = 1_000 + round.wrapping_mul(2_654_435_761) % 1_000;
            assert!(numbers.take_block(namespace, length).len() >= length as usize);
            open.push(namespace);
            if open.len() > 3 {
                numbers.close(open.remove(0));
            }
        }
        assert!(numbers.ids.end() <= 4 * 8 * 2_048, "{}", numbers.ids.end());
    }
}
