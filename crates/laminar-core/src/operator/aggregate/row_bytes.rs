//! The bytes of an encoded row, in place if they are few: most rows in a multiset are one or two numbers.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// As many bytes as fit into the space of a pointer, a length and 8 bytes more.
const INLINE_MAX: usize = 22;

/// Bytes that order as slices do.
#[derive(Debug, Clone)]
pub(super) enum RowBytes {
    Inline(u8, [u8; INLINE_MAX]),
    Heap(Box<[u8]>),
}

const _: () = assert!(size_of::<RowBytes>() == 24, "a row of few bytes costs no more than a boxed one");

impl RowBytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            RowBytes::Inline(length, bytes) => &bytes[..usize::from(*length)],
            RowBytes::Heap(bytes) => bytes,
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            RowBytes::Inline(..) => 0,
            RowBytes::Heap(bytes) => bytes.len(),
        }
    }
}

impl From<&[u8]> for RowBytes {
    fn from(row: &[u8]) -> Self {
        if row.len() > INLINE_MAX {
            return RowBytes::Heap(row.into());
        }
        let mut bytes = [0; INLINE_MAX];
        bytes[..row.len()].copy_from_slice(row);
        RowBytes::Inline(row.len() as u8, bytes)
    }
}

impl Borrow<[u8]> for RowBytes {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for RowBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for RowBytes {}

impl PartialOrd for RowBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RowBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}
