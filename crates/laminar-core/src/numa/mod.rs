//! Where memory lies: the nodes of a machine with several memory controllers, and memory on a node that was chosen.
//!
//! * [`NumaTopology`]: the nodes with their cores, from the system; a machine that tells nothing has one node.
//! * [`NumaAllocator`]: large pieces of memory by [`NumaPlacement`], as owning handles ([`NumaMemory`]).

mod allocator;
mod mapping;
mod topology;

pub use allocator::{NumaAllocator, NumaMemory, NumaPlacement};
pub use topology::{NumaNode, NumaTopology};
