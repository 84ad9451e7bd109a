//! Finds rows by the hash of a key that many rows may share: a table of hashes, each with a chain through its rows.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::row_store::{NO_ROW, RowId, chunk_of, row_of};
use super::row_table::shrink;
use crate::alloc::IndexScope;

/// Chains of row ids by key hash. A chain begins with the row that came last.
#[derive(Debug, Default)]
pub(crate) struct KeyChains {
    heads: HashTable<Head>,
    /// By chunk and row, as rows are stored, so that a chunk's links go with it.
    links: Vec<Vec<Link>>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    hash: u64,
    row_id: RowId,
}

/// Neighbours in the chain. Both ways, so that a row leaves its chain in constant time however long that is.
#[derive(Debug, Clone, Copy)]
struct Link {
    next: RowId,
    previous: RowId,
}

const UNLINKED: Link = Link { next: NO_ROW, previous: NO_ROW };

impl KeyChains {
    /// The first row of the chain of `hash`.
    #[inline]
    pub(crate) fn first(&self, hash: u64) -> RowId {
        self.heads.find(hash, |head| head.hash == hash).map_or(NO_ROW, |head| head.row_id)
    }

    /// The row after `row_id` in its chain.
    #[inline]
    pub(crate) fn next(&self, row_id: RowId) -> RowId {
        self.links[chunk_of(row_id)][row_of(row_id)].next
    }

    pub(crate) fn insert(&mut self, hash: u64, row_id: RowId) {
        let next = match self.heads.entry(hash, |head| head.hash == hash, |head| head.hash) {
            Entry::Occupied(mut head) => std::mem::replace(&mut head.get_mut().row_id, row_id),
            Entry::Vacant(vacant) => {
                vacant.insert(Head { hash, row_id });
                NO_ROW
            }
        };
        if next != NO_ROW {
            self.link_mut(next).previous = row_id;
        }
        *self.link_mut(row_id) = Link { next, previous: NO_ROW };
    }

    pub(crate) fn remove(&mut self, hash: u64, row_id: RowId) {
        let Link { next, previous } = *self.link_mut(row_id);
        if next != NO_ROW {
            self.link_mut(next).previous = previous;
        }
        if previous != NO_ROW {
            self.link_mut(previous).next = next;
            return;
        }
        let head = self.heads.find_entry(hash, |head| head.row_id == row_id);
        debug_assert!(head.is_ok(), "a row without previous one is the head of its chain");
        if let Ok(mut head) = head {
            if next == NO_ROW {
                head.remove();
            } else {
                head.get_mut().row_id = next;
            }
        }
    }

    /// The row at `from` has moved to `to`: its place in the chain stays.
    pub(crate) fn replace(&mut self, hash: u64, from: RowId, to: RowId) {
        let link = *self.link_mut(from);
        if link.next != NO_ROW {
            self.link_mut(link.next).previous = to;
        }
        if link.previous != NO_ROW {
            self.link_mut(link.previous).next = to;
        } else if let Some(head) = self.heads.find_mut(hash, |head| head.row_id == from) {
            head.row_id = to;
        }
        *self.link_mut(to) = link;
    }

    /// The chunk is gone; no chain leads through it any more.
    pub(crate) fn free_chunk(&mut self, chunk: usize) {
        if let Some(links) = self.links.get_mut(chunk) {
            *links = Vec::new();
        }
        shrink(&mut self.heads, |head| head.hash);
    }

    fn link_mut(&mut self, row_id: RowId) -> &mut Link {
        let (chunk, row) = (chunk_of(row_id), row_of(row_id));
        if self.links.len() <= chunk {
            self.links.resize_with(chunk + 1, Vec::new);
        }
        let links = &mut self.links[chunk];
        if links.len() <= row {
            let _scope = (links.capacity() <= row).then(IndexScope::enter);
            links.resize(row + 1, UNLINKED);
        }
        &mut links[row]
    }

    pub(crate) fn bytes(&self) -> usize {
        let links: usize = self.links.iter().map(|links| links.capacity() * size_of::<Link>()).sum();
        self.heads.allocation_size() + links
    }
}
