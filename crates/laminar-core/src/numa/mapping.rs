//! Zeroed pages of the system with a policy for where they lie, or plain memory where there is no such call.

#![expect(unsafe_code, reason = "where memory lies is said by system calls on raw pages")]

use std::ptr::NonNull;

/// Where the system should put pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Policy {
    /// On this node, elsewhere when it is full.
    Prefer(usize),
    /// On these nodes in turn.
    Interleave(Vec<usize>),
}

/// `len` bytes from `start` within `taken` bytes from `base` that are ours alone until we are dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<u8>,
    taken: usize,
    start: NonNull<u8>,
    len: usize,
    #[cfg(not(target_os = "linux"))]
    align: usize,
}

// SAFETY: the memory belongs to the mapping alone, as that of a `Box<[u8]>` does to the box.
unsafe impl Send for Mapping {}
// SAFETY: through `&Mapping` the memory is only read.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` initialised (zeroed) bytes from `start` are ours.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` says that no other reference exists.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Mapping, NonNull, Policy};

    /// Pages are at least as large; more alignment than that is made by taking more and using the middle.
    const PAGE_BYTES: usize = 4096;
    /// Nodes that Linux can have: the bits of a mask.
    const NODES_MAX: usize = 1024;
    const WORD_BITS: usize = libc::c_ulong::BITS as usize;

    impl Mapping {
        /// `len` zero bytes (not 0) at a multiple of `align` (a power of two), of whole pages. `None`: there is no memory.
        pub(in crate::numa) fn new(len: usize, align: usize) -> Option<Self> {
            let spare = if align > PAGE_BYTES { align } else { 0 };
            let taken = len.checked_add(spare).filter(|taken| isize::try_from(*taken).is_ok())?;
            let access = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: asks for new pages at an address of the system's choice; nothing of ours is touched.
            let base = unsafe { libc::mmap(std::ptr::null_mut(), taken, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
            if base == libc::MAP_FAILED {
                return None;
            }
            let base = NonNull::new(base.cast::<u8>())?;
            let skipped = base.as_ptr().align_offset(align);
            debug_assert!(skipped <= spare, "a page is aligned to a page");
            // SAFETY: `skipped + len <= taken`, so the start is within the pages.
            let start = unsafe { base.add(skipped) };
            Some(Self { base, taken, start, len })
        }

        /// Says where the pages shall lie, before they are touched. False: the system refuses.
        pub(in crate::numa) fn place(&mut self, policy: &Policy) -> bool {
            let (mode, nodes) = match policy {
                Policy::Prefer(node) => (libc::MPOL_PREFERRED, std::slice::from_ref(node)),
                Policy::Interleave(nodes) => (libc::MPOL_INTERLEAVE, nodes.as_slice()),
            };
            let Some(mask) = mask_of(nodes) else { return false };
            let (base, bits) = (self.base.as_ptr(), NODES_MAX + 1);
            // SAFETY: the pages are ours, and the mask has the bits that the call reads (one fewer than it is told).
            let outcome = unsafe { libc::syscall(libc::SYS_mbind, base, self.taken, mode, mask.as_ptr(), bits, 0) };
            outcome == 0
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: these pages are ours alone, and no reference to them is left.
            let outcome = unsafe { libc::munmap(self.base.as_ptr().cast(), self.taken) };
            debug_assert_eq!(outcome, 0, "pages that were taken can be given back");
        }
    }

    fn mask_of(nodes: &[usize]) -> Option<[libc::c_ulong; NODES_MAX / WORD_BITS]> {
        let mut mask = [0; NODES_MAX / WORD_BITS];
        for node in nodes {
            *mask.get_mut(node / WORD_BITS)? |= 1 << (node % WORD_BITS);
        }
        Some(mask)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_mask_has_a_bit_for_each_node() {
            let mask = mask_of(&[0, 3, 64, 1023]).unwrap();
            assert_eq!((mask[0], mask[1], mask[15]), (9, 1, 1 << 63));
            assert_eq!(mask_of(&[1024]), None);
        }

        /// Address space of this process, in pages.
        fn pages() -> usize {
            let text = std::fs::read_to_string("/proc/self/statm").unwrap();
            text.split_whitespace().next().and_then(|pages| pages.parse().ok()).unwrap()
        }

        #[test]
        fn pages_are_given_back() {
            let (before, each) = (pages(), 1 << 30);
            for _ in 0..100 {
                assert_eq!(Mapping::new(each, 1 << 21).unwrap().len, each);
            }
            assert!(pages() < before + 50 * each / PAGE_BYTES, "{before} pages became {}", pages());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod plain {
    use std::alloc::{Layout, alloc_zeroed, dealloc};

    use super::{Mapping, NonNull, Policy};

    impl Mapping {
        /// `len` zero bytes (not 0) at a multiple of `align` (a power of two). `None`: there is no memory.
        pub(in crate::numa) fn new(len: usize, align: usize) -> Option<Self> {
            let layout = Layout::from_size_align(len, align).ok()?;
            // SAFETY: the layout has bytes.
            let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
            Some(Self { base, taken: len, start: base, len, align })
        }

        /// This system cannot say where memory lies.
        pub(in crate::numa) fn place(&mut self, _: &Policy) -> bool {
            false
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: the same layout as when it was taken, and no reference to it is left.
            unsafe { dealloc(self.base.as_ptr(), Layout::from_size_align_unchecked(self.taken, self.align)) }
        }
    }
}
