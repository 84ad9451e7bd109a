//! What maps of the standard library have on the heap, which they do not tell.

use std::collections::{BTreeMap, BTreeSet};

/// Entries of a full node.
const NODE_ENTRIES: usize = 11;
/// Entries for which there is a node, twice: nodes are between half full and full, fuller where keys come in no order.
const ENTRIES_OF_TWO_NODES: usize = 15;

/// Bytes of the nodes of a map with so many entries: exact up to a full node, and up to a few hundredths beyond that.
pub(crate) fn tree_bytes<K, V>(entries: usize) -> usize {
    let leaf = (12 + NODE_ENTRIES * (size_of::<K>() + size_of::<V>())).next_multiple_of(8);
    let inner = leaf + (NODE_ENTRIES + 1) * size_of::<usize>();
    let mut nodes = nodes_of(entries);
    let mut bytes = nodes * leaf;
    while nodes > 1 {
        nodes = nodes_of(nodes);
        bytes += nodes * inner;
    }
    bytes
}

fn nodes_of(entries: usize) -> usize {
    if entries <= NODE_ENTRIES { entries.min(1) } else { (2 * entries).div_ceil(ENTRIES_OF_TWO_NODES) }
}

/// Bytes of a map's nodes, without what its entries have on the heap.
pub(crate) fn map_bytes<K, V>(map: &BTreeMap<K, V>) -> usize {
    tree_bytes::<K, V>(map.len())
}

/// Bytes of a set's nodes, without what its entries have on the heap.
pub(crate) fn set_bytes<K>(set: &BTreeSet<K>) -> usize {
    tree_bytes::<K, ()>(set.len())
}
