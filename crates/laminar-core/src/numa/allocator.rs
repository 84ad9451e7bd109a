//! Memory on a node that was chosen, for what lives long and is large: state, queues, buffers.

use std::ops::{Deref, DerefMut};

use super::NumaTopology;
use super::mapping::{Mapping, Policy};
use crate::{Code, Error, Result};

/// Where a piece of memory lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumaPlacement {
    /// On the node of the thread that asks for it: what one worker alone uses.
    Local,
    /// On this node, as long as it has room.
    Node(usize),
    /// Page by page over all nodes in turn: what all workers use.
    Interleaved,
    /// Wherever the system puts it: near the thread that writes it first.
    Anywhere,
}

/// Hands out memory by placement.
///
/// ```
/// use laminar_core::numa::{NumaAllocator, NumaPlacement};
///
/// # fn main() -> laminar_core::Result<()> {
/// let allocator = NumaAllocator::new();
/// let mut state = allocator.alloc_local(1 << 20, 64)?;
/// assert_eq!((state.len(), state[0], state.as_ptr().addr() % 64), (1 << 20, 0, 0));
/// state[0] = 1;
///
/// let shared = allocator.alloc_interleaved(1 << 20, 64)?;
/// // A system that cannot place memory says so.
/// assert!(matches!(shared.placement(), NumaPlacement::Interleaved | NumaPlacement::Anywhere));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NumaAllocator {
    topology: NumaTopology,
}

impl NumaAllocator {
    /// An allocator for the nodes of this machine, which it detects.
    pub fn new() -> Self {
        Self::with_topology(NumaTopology::detect())
    }

    /// An allocator for the nodes of `topology`, where they are known already.
    pub fn with_topology(topology: NumaTopology) -> Self {
        Self { topology }
    }

    /// `size` bytes on the node of the current thread, see [`alloc`](Self::alloc).
    pub fn alloc_local(&self, size: usize, align: usize) -> Result<NumaMemory> {
        self.alloc(size, align, NumaPlacement::Local)
    }

    /// `size` bytes spread over all nodes, see [`alloc`](Self::alloc).
    pub fn alloc_interleaved(&self, size: usize, align: usize) -> Result<NumaMemory> {
        self.alloc(size, align, NumaPlacement::Interleaved)
    }

    /// `size` zero bytes (at least 1) at an address that `align` (a power of two) divides. Whole pages are taken, so this
    /// is for large pieces. Where the system cannot place memory, or refuses to, the piece lies
    /// [`Anywhere`](NumaPlacement::Anywhere), and says so.
    ///
    /// Fails if `size` or `align` cannot be, if there is no such node, or if there is no memory.
    pub fn alloc(&self, size: usize, align: usize, placement: NumaPlacement) -> Result<NumaMemory> {
        if !align.is_power_of_two() {
            let text = format!("memory cannot be aligned to {align} bytes");
            return Err(Error::new(Code::InvalidOption, text).with_hint("use a power of two"));
        }
        if size == 0 {
            return Err(Error::new(Code::InvalidOption, "a piece of memory without bytes").with_hint("ask for at least 1"));
        }
        let policy = self.policy(placement)?;
        let mut mapping = Mapping::new(size, align).ok_or_else(|| {
            let hint = "ask for less, or give the machine more memory";
            Error::new(Code::LimitReached, format!("there is no memory for {size} bytes")).with_hint(hint)
        })?;
        let placed = policy.is_some_and(|policy| mapping.place(&policy));
        let placement = if placed { placement } else { NumaPlacement::Anywhere };
        Ok(NumaMemory { mapping, placement })
    }

    fn policy(&self, placement: NumaPlacement) -> Result<Option<Policy>> {
        let nodes = self.topology.nodes();
        Ok(match placement {
            NumaPlacement::Local => Some(Policy::Prefer(self.topology.current_node())),
            NumaPlacement::Node(id) if nodes.iter().any(|node| node.id == id) => Some(Policy::Prefer(id)),
            NumaPlacement::Node(id) => {
                let ids: Vec<usize> = nodes.iter().map(|node| node.id).collect();
                let error = Error::new(Code::InvalidOption, format!("there is no memory node {id}"));
                return Err(error.with_hint(format!("the nodes are {ids:?}")));
            }
            NumaPlacement::Interleaved => Some(Policy::Interleave(nodes.iter().map(|node| node.id).collect())),
            NumaPlacement::Anywhere => None,
        })
    }
}

impl Default for NumaAllocator {
    fn default() -> Self {
        Self::new()
    }
}

/// A piece of memory, given back when it is dropped.
#[derive(Debug)]
pub struct NumaMemory {
    mapping: Mapping,
    placement: NumaPlacement,
}

impl NumaMemory {
    /// Where it lies: as asked, or [`Anywhere`](NumaPlacement::Anywhere) if the system could not.
    pub fn placement(&self) -> NumaPlacement {
        self.placement
    }
}

impl Deref for NumaMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.mapping.bytes()
    }
}

impl DerefMut for NumaMemory {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.mapping.bytes_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocator() -> NumaAllocator {
        NumaAllocator::new()
    }

    #[test]
    fn memory_is_zero_aligned_and_can_be_written_to_its_end() {
        let allocator = allocator();
        let first = allocator.topology.nodes()[0].id;
        for placement in [NumaPlacement::Local, NumaPlacement::Interleaved, NumaPlacement::Node(first), NumaPlacement::Anywhere] {
            for (size, align) in [(1, 1), (100, 64), (4096, 4096), (10_000, 1 << 16), (1 << 20, 1 << 21)] {
                let mut memory = allocator.alloc(size, align, placement).unwrap();
                assert_eq!((memory.len(), memory.as_ptr().addr() % align), (size, 0));
                assert!(memory.iter().all(|byte| *byte == 0));
                memory.fill(7);
                assert_eq!(memory[size - 1], 7);
                assert!(memory.placement() == placement || memory.placement() == NumaPlacement::Anywhere);
            }
        }
    }

    #[test]
    fn memory_goes_from_thread_to_thread() {
        let mut memory = allocator().alloc_local(100, 8).unwrap();
        std::thread::scope(|threads| _ = threads.spawn(|| memory.fill(1)));
        assert_eq!(memory[99], 1);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do() {
        for (size, align, placement, expected) in [
            (100, 3, NumaPlacement::Local, "LDB-1006: memory cannot be aligned to 3 bytes; hint: use a power of two"),
            (100, 0, NumaPlacement::Local, "LDB-1006: memory cannot be aligned to 0 bytes"),
            (0, 8, NumaPlacement::Local, "LDB-1006: a piece of memory without bytes; hint: ask for at least 1"),
            (100, 8, NumaPlacement::Node(4000), "LDB-1006: there is no memory node 4000; hint: the nodes are ["),
            (usize::MAX, 8, NumaPlacement::Local, "LDB-4001: there is no memory for 18446744073709551615 bytes; hint: ask for"),
            (1 << 60, 8, NumaPlacement::Local, "LDB-4001: there is no memory for"),
            (8, 1 << 63, NumaPlacement::Local, "LDB-4001: there is no memory for"),
        ] {
            let error = allocator().alloc(size, align, placement).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
